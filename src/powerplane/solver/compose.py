"""From a result back to the cluster: flows of classes become moves of pods, with their watts and their reasons."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.classes import PodClasses
from powerplane.models.draws import ASSUMPTION, curve_mw, draws_mw, node_kinds, node_loads, row_draws_mw
from powerplane.models.incidence import PowerIncidence
from powerplane.models.plan import Conflict, DomainDraw, Move, Plan, Unplaced
from powerplane.models.snapshot import NO_BUDGET, PodTable, Snapshot
from powerplane.solver.formulate import Formulation
from powerplane.solver.result import Flow, Result

Integers = NDArray[np.int64]
Reasons = tuple[str, ...]

STAYS_BY_NATURE = ("DaemonSet", "mirror pod")
"""Reasons not to move that say nothing about a node that was to be emptied: such pods go with their node."""


def compose_plan(
    snapshot: Snapshot,
    formulation: Formulation,
    result: Result,
    reasons: Sequence[Reasons],
    conflict: Conflict | None = None,
    *,
    drained: Iterable[str] = (),
) -> Plan:
    """Turn a result into a plan.

    Parameters
    ----------
    snapshot : Snapshot
    formulation : Formulation
        Of this snapshot.
    result : Result
    reasons : sequence of tuple of str
        Why each of ``result.flows`` is needed, in their order.
    conflict : Conflict or None
    drained : iterable of str
        Nodes that were to be emptied; pods that stay there are told with what holds them.
    """
    classes = formulation.classes
    steps = pod_steps(snapshot.pods, classes, result.flows, reasons)
    moves = _moves(snapshot, classes, steps)
    waiting = _waiting(snapshot)
    return Plan(
        status=result.status,
        objective=result.objective,
        cost=result.cost / 1000,
        bound=result.bound / 1000,
        gap=result.gap,
        seed=result.seed,
        seconds=result.seconds,
        snapshot=snapshot.digest,
        overload_watts=result.overload_mw / 1000,
        assumptions=_assumptions(snapshot, formulation, len(waiting)),
        moves=moves,
        domains=domain_draws(snapshot, formulation.incidence, classes, result.flows),
        unplaced=waiting + _left_behind(snapshot, classes, steps, set(drained)),
        conflict=conflict,
        sleepable=tuple(snapshot.node_names[node] for node in result.sleepable),
    )


Step = tuple[int, Flow, Reasons]
"""A pod's row, the flow that it is part of, and why."""


def pod_steps(
    pods: PodTable, classes: PodClasses, flows: tuple[Flow, ...], reasons: Sequence[Reasons]
) -> tuple[Step, ...]:
    """Choose the pods of each flow, wave by wave.

    A pod that an earlier wave parked moves on first; then the youngest, then by namespace and name. What arrives in a
    wave does not leave in it.

    Raises
    ------
    ValueError
        When a flow takes more pods than there are, or the reasons are not one a flow: an error of the caller's.
    """
    standing = _standing(pods, classes, flows)
    waves: dict[int, list[tuple[Flow, Reasons]]] = {}
    for flow, why in zip(flows, reasons, strict=True):
        waves.setdefault(flow.wave, []).append((flow, why))
    steps: list[Step] = []
    for _, wave in sorted(waves.items()):
        taken = [(_take(standing[flow.pod_class, flow.source], flow), flow, why) for flow, why in wave]
        for rows, flow, why in taken:
            standing.setdefault((flow.pod_class, flow.target), []).extend(rows)
            steps.extend((row, flow, why) for row in rows)
    return tuple(steps)


def _standing(pods: PodTable, classes: PodClasses, flows: tuple[Flow, ...]) -> dict[tuple[int, int], list[int]]:
    """Pods of each class on each node that a flow leaves; those to go first last."""
    standing: dict[tuple[int, int], list[int]] = {(flow.pod_class, flow.source): [] for flow in flows}
    wanted = np.zeros(len(classes) + 1, dtype=np.bool_)
    wanted[[flow.pod_class for flow in flows]] = True
    for row in np.flatnonzero(wanted[classes.of_pod]).tolist():
        key = int(classes.of_pod[row]), int(pods.node[row])
        if key in standing:
            standing[key].append(row)
    for rows in standing.values():
        rows.sort(key=lambda row: (-int(pods.started_s[row]), pods.namespaces[row], pods.names[row]), reverse=True)
    return standing


def _take(rows: list[int], flow: Flow) -> list[int]:
    if flow.count > len(rows):
        raise ValueError(f"{flow} takes {flow.count} pods where {len(rows)} stand")
    return [rows.pop() for _ in range(flow.count)]


def _moves(snapshot: Snapshot, classes: PodClasses, steps: tuple[Step, ...]) -> tuple[Move, ...]:
    pods, names = snapshot.pods, snapshot.node_names
    watts = freed_mw(snapshot, classes, steps) / 1000
    moves = [
        Move(
            namespace=pods.namespaces[row],
            pod=pods.names[row],
            uid=pods.uids[row],
            source=names[flow.source],
            target=names[flow.target],
            watts=float(freed),
            wave=flow.wave,
            because=why,
        )
        for (row, flow, why), freed in zip(steps, watts, strict=True)
    ]
    return tuple(sorted(moves, key=lambda move: (move.wave, move.namespace, move.pod)))


def freed_mw(snapshot: Snapshot, classes: PodClasses, steps: tuple[Step, ...]) -> Integers:
    """What each step's source draws less without the pod, in milliwatts, by the curve at the state before the plan.

    For a pod that was parked there on the way: what it adds to that state.
    """
    kinds = node_kinds(snapshot)
    use, _ = node_loads(snapshot)
    row = np.array([row for row, _, _ in steps], dtype=np.int64)
    source = np.array([flow.source for _, flow, _ in steps], dtype=np.int32)
    pod_class = classes.of_pod[row]
    own = classes.use_ucores[pod_class]
    present = use[source] + np.where(snapshot.pods.node[row] == source, 0, own)
    curve_part = curve_mw(kinds, source, present) - curve_mw(kinds, source, present - own)
    return curve_part + classes.accelerator_mw[pod_class]


def domain_draws(
    snapshot: Snapshot, incidence: PowerIncidence, classes: PodClasses, flows: tuple[Flow, ...]
) -> tuple[DomainDraw, ...]:
    """What the plan does to each domain, in its worst case: of its rows, the one fullest after the plan."""
    kinds = node_kinds(snapshot)
    use, accelerator = node_loads(snapshot)
    before = row_draws_mw(incidence, draws_mw(kinds, use, accelerator))
    for flow in flows:
        for node, sign in ((flow.source, -1), (flow.target, 1)):
            use[node] += sign * flow.count * classes.use_ucores[flow.pod_class]
            accelerator[node] += sign * flow.count * classes.accelerator_mw[flow.pod_class]
    after = row_draws_mw(incidence, draws_mw(kinds, use, accelerator))
    worst: dict[str, int] = {}
    for row, name in enumerate(incidence.domain):
        # All rows of a domain have its budget, so the fullest is the one that draws most.
        if name not in worst or after[row] > after[worst[name]]:
            worst[name] = row
    return tuple(
        DomainDraw(
            name=domain.name,
            kind=domain.kind,
            budget_watts=None if domain.budget_mw == NO_BUDGET else domain.budget_mw / 1000,
            before_watts=float(before[worst[domain.name]]) / 1000,
            after_watts=float(after[worst[domain.name]]) / 1000,
            lost=incidence.lost[worst[domain.name]],
        )
        for domain in snapshot.topology.domains
    )


def _waiting(snapshot: Snapshot) -> tuple[Unplaced, ...]:
    pods = snapshot.pods
    return tuple(
        Unplaced(namespace=pods.namespaces[row], pod=pods.names[row], reason="waits for the scheduler")
        for row in np.flatnonzero(pods.node < 0).tolist()
    )


def _left_behind(
    snapshot: Snapshot, classes: PodClasses, steps: tuple[Step, ...], drained: set[str]
) -> tuple[Unplaced, ...]:
    """Pods that stay on nodes that were to be emptied, and why; not those that belong to their node."""
    pods, place = snapshot.pods, snapshot.pods.node.copy()
    for row, flow, _ in steps:
        place[row] = flow.target
    emptied = [node for node, name in enumerate(snapshot.node_names) if name in drained]
    why = [classes.reasons[pod_class] if pod_class >= 0 else "" for pod_class in classes.of_pod.tolist()]
    return tuple(
        Unplaced(
            namespace=pods.namespaces[row],
            pod=pods.names[row],
            reason=f"stays on {snapshot.node_names[place[row]]}: {why[row] or 'no place found elsewhere'}",
        )
        for row in np.flatnonzero(np.isin(place, emptied)).tolist()
        if why[row] not in STAYS_BY_NATURE
    )


def _assumptions(snapshot: Snapshot, formulation: Formulation, waiting: int) -> tuple[str, ...]:
    added = [ASSUMPTION, formulation.pricing.assumption]
    if not any(template.owner for template in snapshot.templates):
        added.append("No pod has a recorded owner, so none is priced as one without a controller.")
    if waiting:
        added.append(f"Pods that wait for the scheduler ({waiting}) count with no watts and no requests.")
    return (*snapshot.assumptions, *added)
