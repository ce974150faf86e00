"""Covers by dynamic programming over prices: for one budget, whatever the shape of the curves.

A node's own best is a knapsack: for every price, the most use that pods costing no more can take with them, hence,
the curve never falling, the most watts. The spot's best joins the nodes' tables one after another (a multiple-choice
knapsack; Kellerer, Pferschy, Pisinger, 2004, chapter 11). Whole numbers throughout. Where prices share no large
divisor they are rounded down to a grid, which keeps the bound a bound.
"""

from math import gcd

import numpy as np

from powerplane.solver.spots import Cover, Spot
from powerplane.solver.state import State
from powerplane.solver.tables import Ints

GRIDS = (1, 2, 5, 10, 20)
"""Prices are told apart down to so many thousandths of a move: the finest with which the tables stay small."""

MOST_NODES = 64
"""Larger spots are left to the general program: the tables grow with the square of the spot."""

WIDEST = 100_000
"""Entries of a table over all prices of a spot, at most."""


def suits(state: State, spot: Spot) -> bool:
    """Say whether a spot is of the kind that the tables solve: one overdrawn row, and no node over its own limits.

    Accelerators are left to the general program too: watts are then no longer a matter of use alone.
    """
    nodes = spot.nodes
    pod_class, _, _ = state.movable_cells(nodes)
    return (
        len(spot.rows) == 1
        and len(nodes) <= MOST_NODES
        and not (state.node_excess()[nodes] > 0).any()
        and not (state.free[nodes] < 0).any()
        and not state.tables.problem.accelerator_mw[pod_class].any()
    )


def cover_by_table(state: State, spot: Spot) -> Cover:
    """Solve one spot to the end: the set found is the cheapest up to the grid, the bound is exact up to it too."""
    row = spot.rows[0]
    excess = int(state.load[row] - state.tables.rows.limit[row])
    pod_class, _, count = state.movable_cells(spot.nodes)
    price = state.tables.problem.move_cost[pod_class]
    unit = _unit(price, count)
    options = [_Node(state, row, n, unit) for n in spot.nodes.tolist()]
    if sum(int(option.saved[-1]) for option in options) < excess:
        return Cover(spot, {}, 0, possible=False)
    best = _join(options, excess)
    cheapest = int(np.argmax(best[-1] >= excess))
    taken: dict[tuple[int, int], int] = {}
    left = cheapest
    for i in range(len(options) - 1, -1, -1):
        spent = _spent(best[i], best[i + 1], options[i], left)
        taken.update(options[i].pods(spent))
        left -= spent
    return Cover(spot, taken, cheapest * unit, possible=True)


def _unit(price: Ints, count: Ints) -> int:
    """Return the grid: what all prices share, or the finest that keeps the tables small."""
    total = int((price * count).sum())
    fine = next((grid for grid in GRIDS if total // grid <= WIDEST), GRIDS[-1])
    return max(fine, gcd(*price.tolist())) if len(price) else fine


class _Node:
    """One node's table: by price (in grid units), the most weighted milliwatts that leaving pods save."""

    def __init__(self, state: State, row: int, node: int, unit: int) -> None:
        problem = state.tables.problem
        self.node = node
        cell = sorted(state.cells[node].items())
        self.items = [c for c, count in cell if problem.movable[c] for _ in range(count)]
        self._price = [int(problem.move_cost[c]) // unit for c in self.items]
        self._use = [int(problem.use_ucores[c]) for c in self.items]
        self._layers = self._knapsack()
        weights = problem.row_weights
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        weight = int(weights.data[span][np.searchsorted(weights.indices[span], node)])
        use = int(problem.allocatable[node, -1] - state.free[node, -1])
        kinds = np.full(len(self._layers[-1]), problem.node_type[node])
        left = state.tables.curves.watts(kinds, use - self._layers[-1])
        self.saved: Ints = weight * (int(state.curve_mw[node]) - left)
        self.steps = np.flatnonzero(np.diff(self.saved, prepend=-1) > 0)

    def _knapsack(self) -> list[Ints]:
        """Most use taken for at most each price, after each item."""
        best = np.zeros(sum(self._price) + 1, dtype=np.int64)
        layers = [best]
        for price, use in zip(self._price, self._use, strict=True):
            with_it = best.copy()
            with_it[price:] = np.maximum(best[price:], best[: len(best) - price] + use)
            best = with_it
            layers.append(best)
        return layers

    def pods(self, spent: int) -> dict[tuple[int, int], int]:
        """Return the pods that the table takes for a price."""
        taken: dict[tuple[int, int], int] = {}
        for i in range(len(self.items) - 1, -1, -1):
            if self._layers[i + 1][spent] > self._layers[i][spent]:
                key = (self.items[i], self.node)
                taken[key] = taken.get(key, 0) + 1
                spent -= self._price[i]
        return taken


def _join(options: list[_Node], excess: int) -> list[Ints]:
    """Most milliwatts saved for at most each price, after each node; prices as far as the excess needs."""
    width = _enough(options, excess)
    best = np.zeros(width, dtype=np.int64)
    layers = [best]
    for option in options:
        joined = best.copy()
        for spent in option.steps.tolist():
            if 0 < spent < width:
                np.maximum(joined[spent:], best[: width - spent] + option.saved[spent], out=joined[spent:])
        best = joined
        layers.append(best)
    return layers


def _enough(options: list[_Node], excess: int) -> int:
    """Return a price, plus one, for which the excess is certainly relieved: nodes emptied, the best bargains first."""
    bargains = sorted(options, key=lambda o: -int(o.saved[-1]) / max(1, len(o.saved) - 1))
    spent = 0
    for option in bargains:
        if excess <= 0:
            break
        excess -= int(option.saved[-1])
        spent += len(option.saved) - 1
    return spent + 1


def _spent(before: Ints, after: Ints, option: _Node, left: int) -> int:
    """Return what the node joined last takes of a price: the least with which the tables before and after agree."""
    for spent in [0, *option.steps.tolist()]:
        if spent <= left and before[left - spent] + option.saved[spent] == after[left]:
            return spent
    raise ValueError("the tables of a cover do not agree")
