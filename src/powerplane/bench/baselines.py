"""What PowerPlane is compared with: the repairs that people write first, as strong as they come.

All of them keep to the constraints that the solver keeps to: requests, predicted use, allowed nodes, rules between
pods, and every budget that is not broken already.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from powerplane.bench.ledger import ROOMY, Ints, Ledger, Mask
from powerplane.solver.problem import Problem
from powerplane.solver.result import Flow

Clock = Callable[[], float]
Pods = list[tuple[int, int]]
"""Pods taken off their nodes: class and source of each."""


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """What a baseline found.

    Parameters
    ----------
    cost : int
        Thousandths of an ordinary move, of all pods that are not where they were found.
    overload_mw : int
        Milliwatts above budgets that it leaves.
    unplaced : int
        Pods that it took off a node and could put nowhere, not even back; the result is then no placement.
    draw_mw, asleep_mw : int
        Draw of all nodes, and without those that are left empty.
    """

    name: str
    flows: tuple[Flow, ...]
    cost: int
    overload_mw: int
    unplaced: int
    draw_mw: int
    asleep_mw: int
    seconds: float

    @property
    def moves(self) -> int:
        """Number of pods that move."""
        return sum(flow.count for flow in self.flows)


def finish(name: str, ledger: Ledger, unplaced: int, seconds: float) -> BaselineResult:
    """Read a result off the ledger."""
    empty = ledger.counts.sum(axis=0) == 0
    return BaselineResult(
        name=name,
        flows=ledger.flows(),
        cost=ledger.cost(),
        overload_mw=ledger.overload_mw(),
        unplaced=unplaced,
        draw_mw=int(ledger.node_mw.sum()),
        asleep_mw=int(ledger.node_mw[~empty].sum()),
        seconds=seconds,
    )


def greedy_repair(problem: Problem, *, clock: Clock, seconds: float = 60.0) -> BaselineResult:
    """Repair move by move: off the line furthest over, the pod of most watts per cost, to where it adds the least.

    A line for which no move is left waits until the others are done; it ends when a round moves nothing.
    """
    began = clock()
    ledger = Ledger(problem)
    repair(ledger, lambda: clock() - began > seconds)
    return finish("greedy repair", ledger, 0, clock() - began)


def repair(ledger: Ledger, late: Callable[[], bool]) -> None:
    """Repair a ledger's broken budgets in place, as far as single moves go."""
    moved = True
    while moved and not late():
        moved = False
        for line in ledger.over_lines().tolist():
            # Moves within a line free nothing outside it, so what found no place outside need not try again.
            for within in (False, True):
                while ledger.load[line] > ledger.limit[line] and not late() and _relieve(ledger, line, within=within):
                    moved = True


def _relieve(ledger: Ledger, line: int, *, within: bool) -> bool:
    """Make the best single move that lowers a line's draw, off the line or within it; False where there is none."""
    classes, sources, falls = _ranked_cells(ledger, line)
    inside = (ledger.lines == line).any(axis=1)
    hopeless: set[int] = set()
    for pod_class, source, fall in zip(classes.tolist(), sources.tolist(), falls.tolist(), strict=True):
        if pod_class in hopeless:
            continue
        # Within the line a move must lower its draw, or two of them would undo each other for ever.
        most = np.where(inside, fall - 1 if within else -1, -1 if within else ROOMY)
        if (target := _least_rise(ledger, (pod_class, source), fall, most)) >= 0:
            ledger.put(pod_class, source, -1)
            ledger.put(pod_class, target, 1)
            return True
        # Within the line another source of the class, at a steeper part of its curve, may still gain.
        if not within:
            hopeless.add(pod_class)
    return False


def _ranked_cells(ledger: Ledger, line: int) -> tuple[Ints, Ints, Ints]:
    """Movable cells of a line's nodes: most relief per cost first; of those that suffice alone, the smallest first."""
    classes, nodes = ledger.movable_cells(ledger.line_nodes[line])
    falls = ledger.fall_mw(classes, nodes)
    weight = np.where(ledger.lines[nodes] == line, ledger.weights[nodes], 0).sum(axis=1)
    useful = np.minimum(falls * weight, ledger.load[line] - ledger.limit[line])
    worth = useful / np.maximum(1, ledger.problem.move_cost[classes])
    order = np.lexsort((nodes, classes, falls, -worth))
    order = order[falls[order] > 0]
    return classes[order], nodes[order], falls[order]


def _least_rise(ledger: Ledger, pod: tuple[int, int], fall: int, most_mw: Ints) -> int:
    """Row of the node where a pod adds the fewest watts, and no more than ``most_mw``; -1 where none holds it."""
    pod_class, source = pod
    holds = ledger.holders(pod_class, source) & (most_mw >= 0)
    if not holds.any():
        return -1
    rise = ledger.rise_mw(pod_class)
    holds &= rise <= np.minimum(most_mw, ledger.room_mw(ledger.relief(source, fall)))
    return int(np.where(holds, rise, ROOMY).argmin()) if holds.any() else -1


def refit(
    problem: Problem,
    *,
    fit: Literal["first", "best"],
    lift: Literal["enough", "all"],
    clock: Clock,
    seconds: float = 60.0,
) -> BaselineResult:
    """Take pods off lines over their budget and place them anew, in falling order of watts.

    Parameters
    ----------
    fit : "first" or "best"
        The first node that holds a pod, or the one with the least CPU left.
    lift : "enough" or "all"
        Take off the heaviest pods until the budget holds, and place them elsewhere; or take off all and start afresh.
    """
    began = clock()
    ledger = Ledger(problem)
    ceiling = np.maximum(ledger.limit, ledger.load)
    over = ledger.over_lines()
    lifted = list(_lift_all(ledger, over) if lift == "all" else _lift_enough(ledger, over))
    barred: Mask = np.zeros(problem.node_count, dtype=np.bool_)
    if lift == "enough":
        barred |= np.isin(ledger.lines, over).any(axis=1)
    homeless = _place(ledger, lifted, barred, fit, lambda: clock() - began > seconds)
    unplaced = sum(not _put_back(ledger, pod, ceiling) for pod in homeless)
    return finish(f"{fit}-fit, {lift} lifted", ledger, unplaced, clock() - began)


def _lift_enough(ledger: Ledger, over: Ints) -> Iterator[tuple[int, int]]:
    for line in over.tolist():
        while ledger.load[line] > ledger.limit[line]:
            classes, nodes, _ = _ranked_cells(ledger, line)
            if len(classes) == 0:
                break
            ledger.put(int(classes[0]), int(nodes[0]), -1)
            yield int(classes[0]), int(nodes[0])


def _lift_all(ledger: Ledger, over: Ints) -> Iterator[tuple[int, int]]:
    nodes = np.flatnonzero(np.isin(ledger.lines, over).any(axis=1))
    classes, sources = ledger.movable_cells(nodes)
    for pod_class, source in zip(classes.tolist(), sources.tolist(), strict=True):
        count = int(ledger.counts[pod_class, source])
        ledger.put(pod_class, source, -count)
        yield from [(pod_class, source)] * count


def _place(ledger: Ledger, pods: Pods, barred: Mask, fit: str, late: Callable[[], bool]) -> Pods:
    """Place lifted pods, heaviest first; return those that no node holds."""
    problem = ledger.problem
    weight = problem.use_ucores + problem.accelerator_mw
    homeless: Pods = []
    for pod_class, source in sorted(pods, key=lambda pod: (-int(weight[pod[0]]), pod)):
        holds = ledger.holders(pod_class, -1) & ~barred
        if not late() and holds.any():
            holds &= ledger.rise_mw(pod_class) <= ledger.room_mw()
            if holds.any():
                ledger.put(pod_class, _choose(ledger, holds, fit), 1)
                continue
        homeless.append((pod_class, source))
    return homeless


def _choose(ledger: Ledger, holds: Mask, fit: str) -> int:
    if fit == "first":
        return int(holds.argmax())
    cpu = ledger.problem.resource_names.index("cpu") if "cpu" in ledger.problem.resource_names else -1
    return int(np.where(holds, ledger.free[:, cpu], ROOMY).argmin())


def _put_back(ledger: Ledger, pod: tuple[int, int], ceiling: Ints) -> bool:
    """Put a pod back where it was found, if that makes nothing worse than it was found."""
    pod_class, source = pod
    fits = bool((ledger.free[source] >= ledger.problem.requests[pod_class]).all())
    fits = fits and bool(ledger.rules.open_nodes(pod_class, -1)[source])
    if fits and ledger.rise_mw(pod_class)[source] <= ledger.room_mw(limit=ceiling)[source]:
        ledger.put(pod_class, source, 1)
        return True
    return False
