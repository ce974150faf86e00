"""From a bound to a plan: take off what the covers say, and put it where there is room."""

import numpy as np

from powerplane.solver.greedy import Pool
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


def _size(state: State, pod_class: int) -> float:
    """Return the largest share that a pod takes of what the cluster's nodes offer on average: hard to place first."""
    problem = state.tables.problem
    offered = np.maximum(1.0, problem.allocatable.mean(axis=0))
    return float((problem.requests[pod_class] / offered).max())
