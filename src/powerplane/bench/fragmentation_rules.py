"""Ways to let the scheduler know of watts, each on books of its own, and how many arriving pods each places.

The scheduler is the same for all: of the nodes that pass its filters it takes the one where most stays free
(kube-scheduler, NodeResourcesFit, LeastAllocated with equal weights).
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.fragmentation_cells import ArrivalCell
from powerplane.solver.partition import Demand, Division, Ground, divide
from powerplane.solver.partition_exact import ExactPlacer, most_pods
from powerplane.solver.partition_fill import Change, fill
from powerplane.solver.partition_needs import MOST_PODS, Placement, place

Ints = NDArray[np.int64]

ROUNDS = 50
"""Times that a shifting partition may be asked again once pods have all arrived."""


class Books:
    """What is bound where."""

    def __init__(self, cell: ArrivalCell) -> None:
        self.cell = cell
        self.free = cell.ground.free.copy()
        self.bound = np.zeros(len(cell.cores), dtype=np.int64)
        self.placed = 0

    def bind(self, pod: int, passes: NDArray[np.bool_]) -> bool:
        """Bind a pod as the scheduler would, to a node that passes and has room."""
        request = self.cell.requests[pod]
        fits = passes & (self.free >= request).all(axis=1)
        if not fits.any():
            return False
        left = ((self.free - request)[:, :2] / np.maximum(1, self.cell.ground.free[:, :2])).mean(axis=1)
        node = int(np.where(fits, left, -1.0).argmax())
        self.free[node] -= request
        self.bound[node] += self.cell.watts[pod]
        self.placed += 1
        return True


def static_equal(cell: ArrivalCell) -> int:
    """Every node of a domain lists the same, once and for all; what a node's own budget cuts off goes to others."""
    return _static(cell, np.ones_like(cell.cores))


def static_proportional(cell: ArrivalCell) -> int:
    """As equal, in proportion to cores."""
    return _static(cell, cell.cores)


def _static(cell: ArrivalCell, weight: Ints) -> int:
    ground = cell.ground
    listed = fill(ground.rows, ground.rows.slack(ground.floor), ground.cap, weight)
    books = Books(cell)
    for pod, watts in enumerate(cell.watts.tolist()):
        books.bind(pod, books.bound + watts <= listed)
    return books.placed


def extender(cell: ArrivalCell) -> int:
    """Every node with true headroom in its own budget and at every level above it passes."""
    ground, books = cell.ground, Books(cell)
    for pod, watts in enumerate(cell.watts.tolist()):
        room = np.minimum(ground.rows.room(ground.rows.slack(books.bound)), ground.cap - books.bound)
        books.bind(pod, room >= watts)
    return books.placed


def shifting(cell: ArrivalCell) -> int:
    """Our partition: equal by cores at first, moved whenever a pod finds no node."""
    return _shift(cell, Change())


def shifting_without_reserve(cell: ArrivalCell) -> int:
    """Our partition with nothing held back."""
    return _shift(cell, Change(reserve_percent=0))


def _shift(cell: ArrivalCell, change: Change) -> int:
    ground, books = cell.ground, Books(cell)
    listed = np.zeros_like(cell.cores)
    listed = _divide(cell, books, listed, [], change)
    waiting: list[int] = []
    for pod, watts in enumerate(cell.watts.tolist()):
        if not books.bind(pod, books.bound + watts <= listed):
            waiting.append(pod)
            listed = _divide(cell, books, listed, waiting, change)
            waiting = [one for one in waiting if not books.bind(one, books.bound + cell.watts[one] <= listed)]
    for _ in range(ROUNDS):
        before = books.placed
        listed = _divide(cell, books, listed, waiting, change)
        waiting = [one for one in waiting if not books.bind(one, books.bound + cell.watts[one] <= listed)]
        if books.placed == before:
            break
    assert (ground.rows.slack(np.maximum(listed, books.bound)) >= 0).all()
    return books.placed


def _divide(cell: ArrivalCell, books: Books, listed: Ints, waiting: list[int], change: Change) -> Ints:
    ground = cell.ground
    now = Ground(ground.rows, books.bound, ground.cap, books.free, ground.allowed)
    useful = ground.cap * books.free[:, 0] // ground.free[:, 0]
    return divide(Division(now, _demands(cell, waiting), listed, useful, change)).target


def _demands(cell: ArrivalCell, pods: list[int]) -> tuple[Demand, ...]:
    kinds = Counter((int(cell.watts[pod]), tuple(cell.requests[pod].tolist())) for pod in pods)
    return tuple(Demand(str(kind), kind[0], kind[1], count, 0) for kind, count in sorted(kinds.items()))


def all_at_once_greedy(cell: ArrivalCell) -> int:
    """The step that finds nodes for waiting pods, given all pods at once, in portions."""
    return _at_once(cell, lambda ground, demands: place(ground, demands, np.zeros_like(ground.floor)))


def all_at_once_exact(cell: ArrivalCell, seconds: float = 3.0) -> int:
    """The same with a mixed-integer program, within a time limit: the best packing that is known."""
    demands = _demands(cell, list(range(len(cell.watts))))
    found = ExactPlacer(seconds, 0)(cell.ground, demands)
    greedy = all_at_once_greedy(cell)
    return max(greedy, sum(count for _, _, count in found.placed) if found else 0)


def _at_once(cell: ArrivalCell, step: Callable[[Ground, tuple[Demand, ...]], Placement]) -> int:
    ground = cell.ground
    books = Books(cell)
    left = Counter({(demand.watts, demand.requests): demand.count for demand in _demands(cell, _all(cell))})
    while left:
        demands = tuple(Demand(str(kind), kind[0], kind[1], count, 0) for kind, count in sorted(left.items()))
        now = Ground(ground.rows, books.bound.copy(), ground.cap, books.free, ground.allowed)
        placement = step(now, demands)
        for row, node, count in placement.placed:
            demand = demands[row]
            books.bound[node] += count * demand.watts
            books.free[node] -= count * np.array(demand.requests)
            books.placed += count
            left[demand.watts, demand.requests] -= count
        left = +left
        if sum(count for _, _, count in placement.placed) < MOST_PODS:
            break
    return books.placed


def _all(cell: ArrivalCell) -> list[int]:
    return list(range(len(cell.watts)))


def upper_bound(cell: ArrivalCell, seconds: float = 60.0) -> int:
    """Most pods that any placement could hold, by the linear relaxation."""
    demands = _demands(cell, _all(cell))
    answer, _ = most_pods(cell.ground, demands, whole=False, seconds=seconds)
    return min(len(cell.watts), int(-answer.bound + 1e-6))
