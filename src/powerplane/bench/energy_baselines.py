"""Baselines for the energy objective: empty the emptiest nodes, or pack everything anew."""

from collections.abc import Callable

import numpy as np

from powerplane.bench.baselines import BaselineResult, Clock, Pods, finish, repair
from powerplane.bench.ledger import ROOMY, Ledger
from powerplane.solver.problem import Problem


def drain(problem: Problem, *, clock: Clock, seconds: float = 60.0) -> BaselineResult:
    """Repair, then empty nodes one by one, least used first, each pod to the used node where it adds the least.

    A node is emptied whole or left as it was. It ends when a round empties none.
    """
    began = clock()
    ledger = Ledger(problem)

    def late() -> bool:
        return clock() - began > seconds

    repair(ledger, late)
    emptied = True
    while emptied and not late():
        emptied = False
        for node in np.argsort(ledger.use_ucores, kind="stable").tolist():
            if not late() and ledger.counts[:, node].any() and _empty(ledger, node):
                emptied = True
    return finish("drain", ledger, 0, clock() - began)


def _empty(ledger: Ledger, node: int) -> bool:
    """Move every pod of a node to other used nodes; undo all of it where one finds no place."""
    if ledger.counts[~ledger.rules.movable, node].any():
        return False
    pods = _pods_on(ledger, node)
    done: Pods = []
    for pod_class in pods:
        if (target := _used_target(ledger, pod_class, node)) < 0:
            break
        ledger.put(pod_class, node, -1)
        ledger.put(pod_class, target, 1)
        done.append((pod_class, target))
    if len(done) == len(pods):
        return True
    for pod_class, target in reversed(done):
        ledger.put(pod_class, target, -1)
        ledger.put(pod_class, node, 1)
    return False


def _pods_on(ledger: Ledger, node: int) -> list[int]:
    """Classes of a node's pods, those of most use first, one entry a pod."""
    classes = np.flatnonzero(ledger.counts[:, node])
    classes = classes[np.argsort(-ledger.problem.use_ucores[classes], kind="stable")]
    pods: list[int] = np.repeat(classes, ledger.counts[classes, node]).tolist()
    return pods


def _used_target(ledger: Ledger, pod_class: int, source: int) -> int:
    holds = ledger.holders(pod_class, source) & (ledger.use_ucores > 0)
    rise = ledger.rise_mw(pod_class)
    holds &= rise <= ledger.room_mw()
    return int(np.where(holds, rise, ROOMY).argmin()) if holds.any() else -1


def repack(problem: Problem, *, clock: Clock, seconds: float = 60.0) -> BaselineResult:
    """Take every movable pod off and place it anew: first-fit in falling CPU, most efficient nodes first."""
    began = clock()
    ledger = Ledger(problem)
    classes, nodes = ledger.movable_cells(np.arange(problem.node_count))
    pods: Pods = []
    for pod_class, node in zip(classes.tolist(), nodes.tolist(), strict=True):
        count = int(ledger.counts[pod_class, node])
        ledger.put(pod_class, node, -count)
        pods += [(pod_class, node)] * count
    unplaced = _first_fit(ledger, pods, lambda: clock() - began > seconds)
    return finish("repack", ledger, unplaced, clock() - began)


def _first_fit(ledger: Ledger, pods: Pods, late: Callable[[], bool]) -> int:
    problem = ledger.problem
    cpu = problem.resource_names.index("cpu") if "cpu" in problem.resource_names else -1
    peak = np.array([curve.knots_mw[-1] for curve in problem.types])[problem.node_type]
    rank = np.empty(problem.node_count, dtype=np.int64)
    rank[np.argsort(peak / np.maximum(1, problem.allocatable[:, cpu]), kind="stable")] = np.arange(len(rank))
    unplaced = 0
    for pod_class, _ in sorted(pods, key=lambda pod: (-int(problem.requests[pod[0], cpu]), pod)):
        holds = ledger.holders(pod_class, -1)
        holds &= ledger.rise_mw(pod_class) <= ledger.room_mw()
        if late() or not holds.any():
            unplaced += 1
            continue
        ledger.put(pod_class, int(np.where(holds, rank, len(rank)).argmin()), 1)
    return unplaced
