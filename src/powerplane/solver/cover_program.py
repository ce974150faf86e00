"""Covers by mixed-integer programming: exact for several budgets at once, best where curves are straight."""

from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np

from powerplane.solver.curve_pieces import reachable_segments
from powerplane.solver.draw_terms import MICRO, MILLI, Draw, choose_piece
from powerplane.solver.highs import LinearModel, minimise
from powerplane.solver.spots import Cover, Spot
from powerplane.solver.state import State
from powerplane.solver.tables import Ints

TOLERANCE = 1e-3
"""Of a thousandth of a move: HiGHS's bounds are floats, and prices are whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Leavers:
    """The movable pods of one node: classes, the model's columns that count who leaves, and the least use left."""

    node: int
    classes: Ints
    columns: Ints
    least_ucores: int


def cover_by_program(state: State, spot: Spot, *, margin_watts: float, seconds: float, seed: int) -> Cover:
    """Solve one spot with HiGHS, its budgets lowered by a margin.

    The model's draws are real numbers, the true ones are rounded up to whole milliwatts node by node: without a
    margin the bound stands, but the set may miss a budget by as many milliwatts as the spot has nodes.
    """
    pod_class, node, count = state.movable_cells(spot.nodes)
    model = LinearModel()
    for most, cost in zip(count.tolist(), state.tables.problem.move_cost[pod_class].tolist(), strict=True):
        model.column(cost, 0, most, whole=True)
    least = state.use()
    np.subtract.at(least, node, state.tables.problem.use_ucores[pod_class] * count)
    draws = {}
    for n in spot.nodes.tolist():
        mine = np.flatnonzero(node == n)
        leavers = Leavers(n, pod_class[mine], mine, int(least[n]))
        _capacity_freed(model, state, leavers)
        draws[n] = _draw_left(model, state, leavers)
    _budgets_hold(model, state, spot, draws, margin_watts)
    answer = minimise(model.program(), seconds=seconds, seed=seed)
    if answer.feasible is False:
        return Cover(spot, {}, 0, possible=False)
    bound = max(0, ceil(answer.bound - TOLERANCE)) if isfinite(answer.bound) else 0
    if answer.values is None:
        return Cover(spot, {}, bound, possible=True)
    leave = np.rint(answer.values[: len(node)]).astype(np.int64)
    keys = zip(pod_class.tolist(), node.tolist(), leave.tolist(), strict=True)
    return Cover(spot, {(c, n): k for c, n, k in keys if k}, bound, possible=True)


def _capacity_freed(model: LinearModel, state: State, leavers: Leavers) -> None:
    """Ensures that pods leave an overcommitted node until its requests fit."""
    for resource in np.flatnonzero(state.free[leavers.node] < 0).tolist():
        freed = state.tables.problem.requests[leavers.classes, resource].astype(float)
        model.row(leavers.columns.tolist(), freed.tolist(), lower=-float(state.free[leavers.node, resource]))


def _draw_left(model: LinearModel, state: State, leavers: Leavers) -> Draw:
    """Return a node's draw after pods left it, in watts, as a linear expression; hold its own budget."""
    problem, node = state.tables.problem, leavers.node
    use = int(problem.allocatable[node, -1] - state.free[node, -1])
    pieces = reachable_segments(state.tables.curves, int(problem.node_type[node]), leavers.least_ucores, use)
    gone = problem.use_ucores[leavers.classes] / MICRO
    accelerator = problem.accelerator_mw[leavers.classes] / MILLI
    columns = leavers.columns.tolist()
    draw = Draw(float(state.accelerator_mw[node]) / MILLI, list(columns), (-accelerator).tolist())
    if len(pieces) == 1:
        draw.add(pieces[0].watts_at(use), columns, (-pieces[0].slope * gone).tolist())
    else:
        chosen, part = choose_piece(model, pieces, draw)
        model.row(chosen, [1.0] * len(chosen), 1, 1)
        model.row([*part, *columns], [*([1.0] * len(part)), *gone.tolist()], use / MICRO, use / MICRO)
    limit = int(state.tables.node_limit[node])
    if state.node_mw[node] > limit:
        model.row(draw.columns, draw.values, upper=limit / MILLI - draw.constant)
    return draw


def _budgets_hold(model: LinearModel, state: State, spot: Spot, draws: dict[int, Draw], margin_watts: float) -> None:
    """Ensures that every overdrawn row of the spot comes back under its budget."""
    weights = state.tables.problem.row_weights
    for row in spot.rows:
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        total = Draw(0.0, [], [])
        for n, w in zip(weights.indices[span].tolist(), weights.data[span].tolist(), strict=True):
            total.add(w * draws[n].constant, draws[n].columns, [w * v for v in draws[n].values])
        limit = float(state.tables.rows.limit[row]) / MILLI - margin_watts * state.tables.problem.row_scale
        model.row(total.columns, total.values, upper=limit - total.constant)
