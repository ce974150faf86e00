"""The first plan: while something is over budget, move the pod that sheds most for its price.

A repair in the spirit of Dynamo's leaf controllers (Wu et al., ISCA'16), on placement instead of capping: it never
breaks what it did not find broken, and on slack clusters it is already close to the bound.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from powerplane.solver.feasible import targets
from powerplane.solver.state import State
from powerplane.solver.tables import Ints

Stop = Callable[[], bool]
"""Says whether the time is up."""


POOL = 256
"""Nodes with the most room are looked at first, so many of them; the others only when none of these can take a pod."""

REFRESH = 64
"""Moves after which the pool is chosen anew."""


def repair(state: State, stop: Stop, *, frugal: bool = False) -> None:
    """Move pods until no budget or capacity is broken, nothing more can be moved, or the time is up.

    Parameters
    ----------
    frugal : bool
        Put each pod where it adds the fewest watts, instead of where it uses up the least of the room.
    """
    stuck: set[tuple[int, int]] = set()
    pool = Pool(state, frugal=frugal)
    given_up: set[tuple[str, int]] = set()
    while not stop():
        hot = hottest(state, given_up)
        if hot is None:
            return
        if not _relieve(state, hot, stuck, pool, stop):
            given_up.add(hot.name)


class Pool:
    """The nodes with the most room, kept for some moves; a frugal one looks at all nodes."""

    def __init__(self, state: State, *, frugal: bool = False) -> None:
        self._state = state
        self._frugal = frugal
        self._nodes = np.arange(0)
        self._age = REFRESH

    def target(self, pod_class: int, source: int, ceiling: Ints | None = None) -> int | None:
        """Return the best target in the pool, or of all nodes where the pool has none."""
        if self._frugal:
            return best_target(self._state, pod_class, source, ceiling=ceiling, frugal=True)
        if self._age >= REFRESH:
            room = self._state.node_room()
            self._nodes = np.sort(np.argsort(-room, kind="stable")[:POOL])
            self._age = 0
        self._age += 1
        target = best_target(self._state, pod_class, source, nodes=self._nodes)
        return best_target(self._state, pod_class, source, ceiling=ceiling) if target is None else target


@dataclass(frozen=True, slots=True, eq=False)
class Hot:
    """One thing over its limit: nodes that share in it, and how much each pod there would relieve it.

    Parameters
    ----------
    nodes : int64 array
        Nodes that contribute.
    weights : int64 array
        Share of each node's draw, times the row scale; for a capacity, None.
    excess : int
        What must go: milliwatts times scale, or units of the resource.
    resource : int
        Column of the resource that is overcommitted; -1 for power.
    row : int
        The overdrawn row; -1 where it is a node.
    name : tuple of str and int
        What it is: "capacity" or "node" with the node's number, "row" with the row's.
    """

    nodes: Ints
    weights: Ints
    excess: int
    name: tuple[str, int]
    resource: int = -1
    row: int = -1


def hottest(state: State, given_up: Collection[tuple[str, int]] = ()) -> Hot | None:
    """Return the overcommitted node, overdrawn node or overdrawn row with the largest excess, in that order.

    Parameters
    ----------
    given_up : collection of names
        What is passed over.
    """
    one = np.ones(1, dtype=np.int64)
    for node in np.flatnonzero((state.free < 0).any(axis=1)).tolist():
        if ("capacity", node) not in given_up:
            resource = int(np.argmin(state.free[node] / np.maximum(1, state.tables.problem.allocatable[node])))
            excess = -int(state.free[node, resource])
            return Hot(np.array([node]), one, excess, ("capacity", node), resource=resource)
    over = state.node_excess()
    for node in np.argsort(-over, kind="stable").tolist() if over.any() else []:
        if over[node] <= 0:
            break
        if ("node", node) not in given_up:
            return Hot(np.array([node]), one, int(over[node]), ("node", node))
    above = state.load - state.tables.rows.limit
    for row in np.argsort(-above, kind="stable").tolist():
        if above[row] <= 0:
            return None
        if ("row", row) not in given_up:
            return _hot_row(state, row, int(above[row]))
    return None


def _hot_row(state: State, row: int, excess: int) -> Hot:
    weights = state.tables.problem.row_weights
    span = slice(weights.indptr[row], weights.indptr[row + 1])
    return Hot(
        weights.indices[span].astype(np.int64), weights.data[span].astype(np.int64), excess, ("row", row), row=row
    )


def _relieve(state: State, hot: Hot, stuck: set[tuple[int, int]], pool: Pool, stop: Stop) -> bool:
    """Make the best moves against one excess, several at once while it is far from gone; False when none is left."""
    moved, most = 0, 1
    for rank, (pod_class, node) in enumerate(candidates(state, hot)):
        if stop() or moved >= most:
            break
        if (pod_class, node) in stuck:
            continue
        # One less than what an overdrawn row draws now: a move inside it must make it better.
        ceiling = state.load - 1
        state.put(pod_class, node, -1)
        target = pool.target(pod_class, node, ceiling)
        if target is None:
            state.put(pod_class, node, 1)
            stuck.add((pod_class, node))
            continue
        state.put(pod_class, target, 1)
        if rank == moved == 0:
            most = _batch(state, hot)
        moved += 1
    return moved > 0


def _batch(state: State, hot: Hot) -> int:
    """How many moves like the first can surely be made before the excess is nearly gone; at least one."""
    if hot.row < 0:
        return 1
    left = int(state.load[hot.row] - state.tables.rows.limit[hot.row])
    shed = hot.excess - left
    return max(1, min(left // (4 * shed), len(hot.nodes) // 4)) if shed > 0 else 1


def candidates(state: State, hot: Hot) -> list[tuple[int, int]]:
    """Pods (class, node) that relieve an excess: first the cheapest that alone suffices, else most relief per price."""
    pod_class, node, _ = state.movable_cells(hot.nodes)
    if not len(pod_class):
        return []
    relief = relief_of(state, hot, pod_class, node)
    price = extra_price(state, pod_class, node)
    useful = relief > 0
    pod_class, node, relief, price = pod_class[useful], node[useful], relief[useful], price[useful]
    enough = relief >= hot.excess
    ratio = np.minimum(relief, hot.excess) / np.maximum(price, 1)
    # Among those that suffice alone, the cheapest and then the smallest; after them, the others by their ratio.
    order = np.lexsort((node, pod_class, np.where(enough, relief, -relief), -ratio))
    return list(zip(pod_class[order].tolist(), node[order].tolist(), strict=True))


def relief_of(state: State, hot: Hot, pod_class: Ints, node: Ints) -> Ints:
    """By how much an excess would shrink without each pod, in the excess' own units."""
    if hot.resource >= 0:
        asked: Ints = state.tables.problem.requests[pod_class, hot.resource]
        return asked
    share = dict(zip(hot.nodes.tolist(), hot.weights.tolist(), strict=True))
    weight = np.array([share[n] for n in node.tolist()], dtype=np.int64)
    return state.fall(pod_class, node) * weight


def extra_price(state: State, pod_class: Ints, node: Ints) -> Ints:
    """Price of taking each pod off its node: nothing for one that only came there by this plan."""
    guests = [state.delta.get((c, n), 0) > 0 for c, n in zip(pod_class.tolist(), node.tolist(), strict=True)]
    return np.where(guests, 0, state.tables.problem.move_cost[pod_class])


def best_target(
    state: State,
    pod_class: int,
    source: int,
    *,
    nodes: Ints | None = None,
    ceiling: Ints | None = None,
    frugal: bool = False,
) -> int | None:
    """Return the node, other than the source, whose tightest budget the pod uses up least; None when none can take it.

    Parameters
    ----------
    nodes : int64 array, optional
        Nodes to choose from; all when None.
    ceiling : int64 array, shape (K,), optional
        Loads that overdrawn rows may come back to (see ``State.node_room``).
    frugal : bool
        Choose the node where the pod adds the fewest watts instead.
    """
    mask, rise, room = targets(state, pod_class, nodes, ceiling)
    which = np.arange(len(mask)) if nodes is None else nodes
    mask = mask & (which != source)
    if not mask.any():
        return None
    used_up = rise / np.maximum(room, 1)
    score = rise + np.minimum(used_up, 1) if frugal else used_up
    return int(which[mask][np.argmin(score[mask])])
