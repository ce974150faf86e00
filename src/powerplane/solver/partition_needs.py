"""Nodes for pods that wait: as many as fit, each whole on one node, by as few new numbers as may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.partition_rows import Ints, PartitionRows

MOST_PODS = 300
"""Pods that one division places; the others wait for the next."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Pods that wait and are alike.

    Parameters
    ----------
    key : str
        Names the kind from one division to the next.
    watts : int
        Whole watts of each.
    requests : tuple of int, length R
        What each takes of its node's room.
    count : int
    allowed_row : int
        Row of ``Ground.allowed``.
    priority : int
        Those of a higher one go first.
    """

    key: str
    watts: int
    requests: tuple[int, ...]
    count: int
    allowed_row: int
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What there is to stand on.

    Parameters
    ----------
    rows : PartitionRows
    floor : int64 array, shape (N,)
        Watts that nodes keep in any case: the requests of their pods.
    cap : int64 array, shape (N,)
        Most watts that a node may list by its own budget.
    free : int64 array, shape (N, R)
        CPU, memory, pods and the like that are left.
    allowed : bool array, shape (M, N)
        Nodes that kinds of pods may use, so far as is known.
    """

    rows: PartitionRows
    floor: Ints
    cap: Ints
    free: Ints
    allowed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Pods by node.

    Parameters
    ----------
    watts : int64 array, shape (N,)
        Watts that the placed pods ask for.
    placed : tuple of (demand, node, count)
    unplaced : int
    """

    watts: Ints
    placed: tuple[tuple[int, int, int], ...]
    unplaced: int


ExactStep = Callable[[Ground, Sequence[Demand]], Placement | None]


def place(ground: Ground, demands: Sequence[Demand], current: Ints, exact: ExactStep | None = None) -> Placement:
    """Place as many waiting pods as can be, those of higher priority first.

    Best fit, in two orders: the largest first, which packs better, and, where that leaves some out, the smallest
    first, of which more may fit. The better of the two is kept.

    Parameters
    ----------
    ground : Ground
    demands : sequence of Demand
    current : int64 array, shape (N,)
        What nodes list; pods go where no number has to change first, then where none has to shrink.
    exact : callable, optional
        Asked where greedy leaves pods out.
    """
    first = _greedy(ground, demands, current, largest_first=True)
    if not first.unplaced:
        return first
    second = _greedy(ground, demands, current, largest_first=False)
    best = min((first, second), key=lambda one: _merit(one, demands))
    third = exact(ground, demands) if exact else None
    return min((best, third), key=lambda one: _merit(one, demands)) if third else best


def _merit(placement: Placement, demands: Sequence[Demand]) -> tuple[int, ...]:
    """Pods placed, those of the highest priority first, then watts: less is better, and more pods are less."""
    levels = sorted({demand.priority for demand in demands}, reverse=True)
    placed = dict.fromkeys(levels, 0)
    for row, _, count in placement.placed:
        placed[demands[row].priority] += count
    return (*(-placed[level] for level in levels), int(placement.watts.sum()))


def _greedy(ground: Ground, demands: Sequence[Demand], current: Ints, *, largest_first: bool) -> Placement:
    sign = -1 if largest_first else 1
    order = sorted(range(len(demands)), key=lambda d: (-demands[d].priority, sign * demands[d].watts, demands[d].key))
    board = _Board(ground, current)
    placed: list[tuple[int, int, int]] = []
    left = MOST_PODS
    unplaced = 0
    for row in order:
        for turn in range(demands[row].count):
            node = board.choose(demands[row]) if left else None
            if node is None:
                unplaced += demands[row].count - turn
                break
            board.put(demands[row], node)
            placed.append((row, node, 1))
            left -= 1
    return Placement(board.watts, tuple(placed), unplaced)


class _Board:
    """Room that shrinks as pods are placed."""

    def __init__(self, ground: Ground, current: Ints) -> None:
        self._ground = ground
        self._free = ground.free.copy()
        self._offered = np.maximum(1, ground.free.max(axis=0, initial=1))
        self.watts = np.zeros(len(ground.floor), dtype=np.int64)
        # By the floors alone: whatever else is listed can be moved.
        self._slack = ground.rows.slack(ground.floor)
        # What is listed and held by nobody, and what no node lists yet.
        self._listed = np.maximum(current - ground.floor, 0)
        self._unlisted = ground.rows.slack(np.maximum(current, ground.floor))

    def choose(self, demand: Demand) -> int | None:
        """Return the node that a pod fits best, None for none."""
        ground = self._ground
        requests = np.array(demand.requests, dtype=np.int64)
        room = np.minimum(ground.rows.room(self._slack), ground.cap - ground.floor - self.watts)
        fits = ground.allowed[demand.allowed_row] & (room >= demand.watts) & (self._free >= requests).all(axis=1)
        nodes = np.flatnonzero(fits)
        if not len(nodes):
            return None
        short = demand.watts - self._listed[nodes]
        unlisted = ground.rows.room(self._unlisted)[nodes]
        tier = np.where(short <= 0, 0, np.where(short <= unlisted, 1, 2))
        nodes, short, room = (part[tier == tier.min()] for part in (nodes, short, room[nodes]))
        watts_left = (room - demand.watts) / max(1, int(room.max()))
        room_left = ((self._free[nodes] - requests) / self._offered).min(axis=1)
        return int(nodes[np.lexsort((np.maximum(short, 0), watts_left + room_left))[0]])

    def put(self, demand: Demand, node: int) -> None:
        """Take a pod's room."""
        rows = self._ground.rows
        self.watts[node] += demand.watts
        self._free[node] -= np.array(demand.requests, dtype=np.int64)
        rows.take(self._slack, node, demand.watts)
        grown = max(0, demand.watts - int(self._listed[node]))
        self._listed[node] = max(0, int(self._listed[node]) - demand.watts)
        rows.take(self._unlisted, node, grown)
