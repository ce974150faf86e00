"""From readings to a snapshot on measured watts: each node's present draw is what it counts as.

A node's curve is shifted by what was measured beyond it and beyond its pods' accelerators (its unattributed watts): so
what a move frees or costs is the curve's slope, and what is there now is the measurement. A node without a usable
reading counts at its worst case whatever runs on it: nothing is put on it, and nothing is gained by taking pods off.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.models.build import ClusterObjects, PowerAssignment, build_snapshot
from powerplane.models.curves import PowerCurve
from powerplane.models.draws import curve_mw, node_kinds, node_loads
from powerplane.models.objects import Node
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.models.telemetry.domains import ROUNDING_MW
from powerplane.models.telemetry.measured_pods import usage_rows, with_fallback
from powerplane.models.telemetry.measured_words import told_of
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.topology import PowerTopology
from powerplane.models.usage import UsageRow

UNKNOWN = "its node's draw is not known"
DARK = "its node is dark"
"""Why pods stay where they are."""

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


def measured_snapshot(
    objects: ClusterObjects,
    topology: PowerTopology,
    power: PowerAssignment,
    readings: tuple[NodeReadings, PodReadings],
    *,
    usage: Iterable[UsageRow] = (),
    as_of_s: int | None = None,
) -> Snapshot:
    """Turn a cluster's objects and what was measured of them into a snapshot.

    Parameters
    ----------
    objects : ClusterObjects
        Its pods must be such that they can be walked twice.
    topology : PowerTopology
    power : PowerAssignment
        Curves without accelerators, and budgets.
    readings : (NodeReadings, PodReadings)
        Of the nodes by name, in any order; one that is missing counts at its worst case.
    usage : iterable of UsageRow
        For pods of which nothing was measured, or not all.
    as_of_s : int, optional
        As in ``build_snapshot``.

    Raises
    ------
    InputError
        As ``build_snapshot``.
    """
    return both_snapshots(objects, topology, power, readings, usage=usage, as_of_s=as_of_s)[1]


def both_snapshots(
    objects: ClusterObjects,
    topology: PowerTopology,
    power: PowerAssignment,
    readings: tuple[NodeReadings, PodReadings],
    *,
    usage: Iterable[UsageRow] = (),
    as_of_s: int | None = None,
) -> tuple[Snapshot, Snapshot]:
    """Return the snapshot with its curves as stated, whose pods use what was measured, and ``measured_snapshot``."""
    nodes, pods = readings
    rows = with_fallback(usage_rows(pods, objects.pods), usage)
    metered = {(row.namespace, row.pod) for row in rows if row.accelerator_mw is not None}
    stated = build_snapshot(objects, topology, power, rows, as_of_s=as_of_s)
    return stated, on_measured_watts(stated, nodes, metered)


def on_measured_watts(snapshot: Snapshot, readings: NodeReadings, metered: Set[tuple[str, str]]) -> Snapshot:
    """Let each node of a snapshot draw what it counts as.

    Parameters
    ----------
    snapshot : Snapshot
        Its pods' use as measured, or assumed.
    readings : NodeReadings
        By name; a node that is missing counts at its worst case.
    metered : set of (namespace, pod)
        Pods whose accelerators' draw was measured.

    Returns
    -------
    Snapshot
        ``node_draws_mw`` of it is what the readings say, in milliwatts, rounded up. Nodes at their worst case, and
        dark ones, are cordoned, full, and keep their pods; budgets of their own hold no plan back.
    """
    counted = _counted(snapshot, readings)
    accelerator_mw = _fitted_accelerators(snapshot, counted, metered)
    loaded = replace(snapshot, pods=replace(snapshot.pods, accelerator_mw=accelerator_mw))
    templates, template = _pinned(snapshot, counted)
    closed = counted.closed.tolist()
    return replace(
        loaded,
        digest=_digest(loaded, counted),
        nodes=tuple(_cordoned(node) if shut else node for node, shut in zip(snapshot.nodes, closed, strict=True)),
        allocatable=_full(snapshot, counted.closed),
        node_curve=_curves(loaded, counted),
        # Whether such a node keeps its own budget is not known, and nothing that is planned here could help it.
        node_budget_mw=np.where(
            counted.closed, np.maximum(snapshot.node_budget_mw, counted.mw + 1), snapshot.node_budget_mw
        ),
        templates=templates,
        pods=replace(loaded.pods, template=template),
        assumptions=(*told_of(readings, snapshot, loaded), *snapshot.assumptions),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """What the snapshot's N nodes count as: milliwatts, which are flat at them, which are dark."""

    mw: Integers
    worst: Mask
    dark: Mask

    @property
    def closed(self) -> Mask:
        """Nodes on which nothing is put, and from which nothing is taken."""
        return self.worst | self.dark


def _counted(snapshot: Snapshot, readings: NodeReadings) -> _Counted:
    row_of = {name: row for row, name in enumerate(readings.nodes)}
    rows = [row_of.get(name, -1) for name in snapshot.node_names]
    _, accelerator_mw = node_loads(snapshot)
    peaks = np.array([curve.peak_mw for curve in snapshot.node_curve], dtype=np.int64) + accelerator_mw
    watts = np.append(readings.watts, np.nan)[rows]
    known = np.isfinite(watts) & (watts >= 0)
    mw = np.where(known, np.ceil(np.where(known, watts, 0) * MILLI - ROUNDING_MW), peaks).astype(np.int64)
    state = (*readings.state, "worst")
    worst = np.array([state[row] == "worst" for row in rows], dtype=np.bool_) | ~known
    dark = np.array([name in readings.dark for name in snapshot.node_names], dtype=np.bool_)
    return _Counted(mw, worst, dark)


def _fitted_accelerators(snapshot: Snapshot, counted: _Counted, metered: Set[tuple[str, str]]) -> Integers:
    """Draw of each pod's accelerators, cut where all of a node's would be more than the node counts as, less its idle.

    What is assumed of pods is cut first, and evenly; what is measured only where the measurements contradict.
    """
    pods = snapshot.pods
    result = pods.accelerator_mw.copy()
    idle_mw = np.array([curve.idle_mw for curve in snapshot.node_curve], dtype=np.int64)
    room_mw = np.where(counted.dark, 0, np.maximum(counted.mw - idle_mw, 0))
    # No curve draws nothing at all, so that a milliwatt is left to it.
    most_mw = np.where(counted.dark, 0, np.maximum(counted.mw - 1, 0))
    _, drawn_mw = node_loads(snapshot)
    order = np.argsort(pods.node, kind="stable")
    first = np.searchsorted(pods.node[order], np.arange(len(room_mw) + 1))
    for node in np.flatnonzero(drawn_mw > room_mw).tolist():
        here = order[first[node] : first[node + 1]]
        own = np.array([(pods.namespaces[row], pods.names[row]) in metered for row in here.tolist()], dtype=np.bool_)
        known = here[own]
        result[known] = _cut(result[known], int(most_mw[node]))
        result[here[~own]] = _cut(result[here[~own]], max(0, int(room_mw[node]) - int(result[known].sum())))
    return result


def _cut(amounts: Integers, most: int) -> Integers:
    """Cut amounts evenly so that they add up to no more than that."""
    total = int(amounts.sum())
    return amounts if total <= most else np.array([amount * most // total for amount in amounts.tolist()], np.int64)


def _curves(snapshot: Snapshot, counted: _Counted) -> tuple[PowerCurve, ...]:
    """Each node's curve, so that at its present use it and the accelerators draw what the node counts as."""
    kinds = node_kinds(snapshot)
    use, accelerator_mw = node_loads(snapshot)
    now_mw = curve_mw(kinds, np.arange(len(use), dtype=np.int32), use)
    wanted_mw = counted.mw - accelerator_mw
    capacity = np.zeros(len(use), dtype=np.int64)
    for kind in kinds:
        capacity[kind.nodes] = kind.capacity_ucores
    known: dict[tuple[object, ...], PowerCurve] = {}
    curves = []
    for node, curve in enumerate(snapshot.node_curve):
        wanted, now = int(wanted_mw[node]), int(now_mw[node])
        flat = bool(counted.closed[node])
        bend = not flat and curve.idle_mw + wanted - now < 0
        at = (int(use[node]), int(capacity[node])) if bend else None
        key = (id(curve), wanted if flat else wanted - now, flat, at)
        if key not in known:
            known[key] = _flat(curve, wanted) if flat else _shifted(curve, wanted, now, at)
        curves.append(known[key])
    return tuple(curves)


def _flat(curve: PowerCurve, milliwatts: int) -> PowerCurve:
    """The same whatever runs; no curve draws nothing at all, so that a dark node counts as a milliwatt."""
    flat = max(milliwatts, 1)
    return PowerCurve(f"{curve.name}, as counted", (Fraction(0), Fraction(1)), (flat, flat))


def _shifted(curve: PowerCurve, wanted: int, now: int, at: tuple[int, int] | None) -> PowerCurve:
    """Shift a curve from what it says now to what is wanted; where it would fall below zero, it is bent there.

    ``at`` is the present use and the node's capacity in micro-cores, for a knot that keeps the present exact.
    """
    knots = [(share, mw + wanted - now) for share, mw in zip(curve.utilisation, curve.milliwatts, strict=True)]
    if at is not None and 0 < at[0] < at[1]:
        here = Fraction(*at)
        knots = sorted((dict(knots) | {here: wanted}).items())
    watts = [max(mw, 0) for _, mw in knots]
    watts[-1] = max(watts[-1], 1)
    return PowerCurve(f"{curve.name}, as measured", tuple(share for share, _ in knots), tuple(watts))


def _pinned(snapshot: Snapshot, counted: _Counted) -> tuple[tuple[PodTemplate, ...], NDArray[np.int32]]:
    """Templates, with copies for the pods that stay because of their node; and each pod's template."""
    template = snapshot.pods.template.copy()
    templates = list(snapshot.templates)
    for reason, nodes in ((DARK, counted.dark), (UNKNOWN, counted.worst & ~counted.dark)):
        staying = np.append(nodes, False)[snapshot.pods.node]
        for row in np.unique(template[staying]).tolist():
            if not templates[row].unmovable:
                template[staying & (template == row)] = len(templates)
                templates.append(replace(templates[row], unmovable=reason))
    return tuple(templates), template


def _full(snapshot: Snapshot, closed: Mask) -> Integers:
    """What nodes offer: the closed ones no room for one more pod, not even one that puts up with a cordon."""
    offered = snapshot.allocatable.copy()
    column = snapshot.resources.index("pods")
    bound = snapshot.pods.node[snapshot.pods.node >= 0]
    there = np.bincount(bound, minlength=len(closed))
    offered[closed, column] = np.minimum(offered[closed, column], there[closed])
    return offered


def _cordoned(node: Node) -> Node:
    return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=True))


def _digest(snapshot: Snapshot, counted: _Counted) -> str:
    """Name the state by what was measured as well: a plan is for these watts."""
    figures = (counted.mw, counted.closed, snapshot.pods.use_ucores, snapshot.pods.accelerator_mw)
    return sha256(b"\n".join([snapshot.digest.encode(), *(each.tobytes() for each in figures)])).hexdigest()[:16]
