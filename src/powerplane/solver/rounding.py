"""From a bound to a plan: take off what the covers or the relaxation say, and put it where there is room."""

import numpy as np

from powerplane.solver.feasible import targets
from powerplane.solver.greedy import Pool
from powerplane.solver.relaxation import Relaxation
from powerplane.solver.spots import Cover
from powerplane.solver.state import State


def follow_covers(found: State, covers: tuple[Cover, ...]) -> State:
    """Carry out the cheapest covers on a copy of the placement; pods that fit nowhere go back where they were.

    When every pod finds a place and budgets hold, the plan pays exactly what the covers cost.
    """
    state = found.copy()
    taken = [(c, n) for cover in covers for (c, n), count in cover.taken.items() for _ in range(count)]
    for pod_class, node in taken:
        state.put(pod_class, node, -1)
    pool = Pool(state)
    taken.sort(key=lambda pod: _size(state, pod[0]), reverse=True)
    for pod_class, node in taken:
        target = pool.target(pod_class, node)
        state.put(pod_class, node if target is None else target, 1)
    return state


def follow_relaxation(found: State, relaxed: Relaxation) -> State:
    """Round the relaxation's flows on a copy of the placement: who leaves as it says, to where its prices are lowest.

    Pods that fit nowhere go back where they were; where one cannot even do that any more, nothing is moved at all.
    """
    state = found.copy()
    leavers = _leavers(found, relaxed)
    for pod_class, node in leavers:
        state.put(pod_class, node, -1)
    by_group = np.asarray(relaxed.groups.weights.T @ relaxed.row_price)
    price = by_group[relaxed.groups.of_node] / 1000
    leavers.sort(key=lambda pod: _size(state, pod[0]), reverse=True)
    for pod_class, node in leavers:
        mask, rise, room = targets(state, pod_class)
        mask = mask & (np.arange(len(mask)) != node)
        score = price * rise + rise / np.maximum(room, 1)
        if mask.any():
            state.put(pod_class, int(np.flatnonzero(mask)[np.argmin(score[mask])]), 1)
        elif targets(state, pod_class, np.array([node]), found.load)[0][0]:
            state.put(pod_class, node, 1)
        else:
            return found.copy()
    return state


def _leavers(found: State, relaxed: Relaxation) -> list[tuple[int, int]]:
    """Pods (class, node) that leave by the relaxation, rounded to the nearest; of like nodes, the fullest first."""
    if relaxed.values is None:
        return []
    columns = relaxed.columns
    count = np.rint(relaxed.values[: columns.out]).astype(np.int64)
    room = found.node_room()
    pods: list[tuple[int, int]] = []
    for i in np.flatnonzero(count).tolist():
        pod_class, left = int(columns.pod_class[i]), int(count[i])
        nodes = np.flatnonzero(relaxed.groups.of_node == columns.group[i])
        for node in nodes[np.argsort(room[nodes], kind="stable")].tolist():
            taken = min(left, found.cells[node].get(pod_class, 0))
            pods.extend([(pod_class, node)] * taken)
            left -= taken
    return pods


def _size(state: State, pod_class: int) -> float:
    """Return the largest share that a pod takes of what the cluster's nodes offer on average: hard to place first."""
    problem = state.tables.problem
    offered = np.maximum(1.0, problem.allocatable.mean(axis=0))
    return float((problem.requests[pod_class] / offered).max())
