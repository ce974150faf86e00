"""What each pod draws: its share of what its node was measured to draw above idle, and its accelerators' own draw.

A node draws its idle watts, what its pods cause, and what nobody accounts for; the three always add up to what was
measured. Pods cause as much as the node's curve says for their use, and never more than was measured above idle; they
share it by their use. Idle watts are nobody's: they stay when a pod goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.draws import curve_mw, node_kinds, node_loads
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.requests import FIRST_RESOURCES
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.usage import DEVICE_MW, UsageRow, devices_milli
from powerplane.recommender.seeing import Ground, Learned

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
CPU = FIRST_RESOURCES.index("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class PodWatts:
    """The P pods of a snapshot, in its order.

    Parameters
    ----------
    mw : int64 array, shape (P,)
        What each draws now; 0 of one that is not bound.
    peak_mw : int64 array, shape (P,)
        What it draws at full load: all that it requests in use, or what it uses where that is more.
    usual_mw : float64 array, shape (P,)
        What it draws on average by what is remembered of its workload; NaN where nothing is.
    known : bool array, shape (P,)
        Whether its node was measured.
    age_s : float64 array, shape (P,)
        Age of that measurement; infinite where there is none.
    """

    mw: Integers
    peak_mw: Integers
    usual_mw: Floats
    known: Mask
    age_s: Floats


def pod_watts(snapshot: Snapshot, ground: Ground, readings: NodeReadings, learned: Learned) -> PodWatts:
    """Share out what nodes draw.

    Parameters
    ----------
    snapshot : Snapshot
        Of the ground's nodes, as ``snapshot_of`` makes it.
    ground : Ground
    readings : NodeReadings
    learned : Learned
        Curves that were learned, and what pods usually use.
    """
    stated = _on_stated_curves(snapshot, ground, learned)
    pods, rows = stated.pods, stated.pods.node
    use, accelerator_mw = node_loads(stated)
    row_of = {name: row for row, name in enumerate(readings.nodes)}
    told = np.array([row_of.get(name, -1) for name in stated.node_names])
    state = np.array([each != "worst" for each in readings.state] + [False])
    known, age_s = state[told], np.append(readings.age_s, np.inf)[told]
    dynamic = _dynamic_mw(stated, use)
    measured_mw = np.append(readings.watts, np.nan)[told] * MILLI
    idle_mw = np.array([curve.idle_mw for curve in stated.node_curve], dtype=np.float64)
    above = np.where(known, np.maximum(measured_mw - idle_mw - accelerator_mw, 0.0), dynamic)
    per_ucore = np.minimum(dynamic, above) / np.maximum(use, 1)
    bound = rows >= 0
    own_accelerator = pods.accelerator_mw
    mw = np.where(bound, np.ceil(per_ucore[rows] * pods.use_ucores - 1e-6) + own_accelerator, 0)
    return PodWatts(
        mw.astype(np.int64),
        _peaks(stated, ground),
        _usual(stated, learned.usual, per_ucore),
        np.where(bound, known[rows], False),
        np.where(bound, age_s[rows], np.inf),
    )


def _on_stated_curves(snapshot: Snapshot, ground: Ground, learned: Learned) -> Snapshot:
    """The snapshot with the curves that nodes have by themselves, as they were before they were shifted."""
    curves = [ground.power.nodes[name].curve for name in snapshot.node_names]
    return replace(snapshot, node_curve=tuple(learned.curves.get(each, each) for each in curves))


def _dynamic_mw(snapshot: Snapshot, use: Integers) -> Floats:
    kinds, nodes = node_kinds(snapshot), np.arange(len(use), dtype=np.int32)
    found: Floats = (curve_mw(kinds, nodes, use) - curve_mw(kinds, nodes, np.zeros_like(use))).astype(np.float64)
    return found


def _peaks(snapshot: Snapshot, ground: Ground) -> Integers:
    """Each pod's part of its node's range by the cores that it requests, and its accelerators at full load."""
    pods, rows = snapshot.pods, snapshot.pods.node
    spans = np.array([curve.peak_mw - curve.idle_mw for curve in snapshot.node_curve], dtype=np.float64)
    cores = snapshot.allocatable[:, snapshot.resources.index("cpu")] * (MICRO // MILLI)
    asked = np.array([each.requests[CPU] for each in snapshot.templates], dtype=np.int64)[pods.template]
    full = np.maximum(asked * (MICRO // MILLI), pods.use_ucores)
    units = [dict(zip(snapshot.resources, each.requests, strict=True)) for each in snapshot.templates]
    devices = np.array([devices_milli(each) for each in units], dtype=np.int64)[pods.template]
    stated = [ground.power.nodes[name].accelerator_peak_mw for name in snapshot.node_names]
    device_mw = np.array([DEVICE_MW if each is None else each for each in stated], dtype=np.int64)
    accelerator_mw = np.maximum(-(-devices * device_mw[rows] // MILLI), pods.accelerator_mw)
    cpu_mw = np.ceil(spans[rows] * np.minimum(full / np.maximum(cores[rows], 1), 1.0) - 1e-6)
    return np.where(rows >= 0, cpu_mw + accelerator_mw, 0).astype(np.int64)


def _usual(snapshot: Snapshot, usual: Iterable[UsageRow], per_ucore: Floats) -> Floats:
    rows = {(each.namespace, each.pod): each for each in usual}
    pods = snapshot.pods
    found = np.full(len(pods), np.nan)
    for row, key in enumerate(zip(pods.namespaces, pods.names, strict=True)):
        each = rows.get(key)
        if each is not None and pods.node[row] >= 0:
            cpu_mw = per_ucore[pods.node[row]] * (each.use_ucores or 0)
            found[row] = cpu_mw + (each.accelerator_mw or 0)
    return found
