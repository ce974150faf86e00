"""A small problem solved whole: one mixed-integer program over all classes and nodes.

Exact where no rules between pods bind; where some do, they are left out, and what comes of it is a bound only.
"""

from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np

from powerplane.solver.curve_pieces import reachable_segments
from powerplane.solver.draw_terms import MICRO, MILLI, Draw, choose_piece
from powerplane.solver.highs import LinearAnswer, LinearModel, minimise
from powerplane.solver.state import State
from powerplane.solver.tables import ROOMY

SMALL = 4000
"""Problems with at most so many (class, node) pairs are solved whole."""

SLACK = 1e-3
"""Watts, or thousandths of a move, that floats may be off by."""

Counts = dict[tuple[int, int], int]


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """What solving a small problem whole gave.

    Parameters
    ----------
    counts : dict or None
        Pods by (class, node) of movable classes; None without a solution.
    overload_bound_mw, cost_bound : int
        Proven for any plan; the cost bound for any plan with no more overload than the least proven.
    """

    counts: Counts | None
    overload_bound_mw: int
    cost_bound: int


@dataclass(slots=True, eq=False)
class _Model:
    program: LinearModel
    pods: dict[tuple[int, int], int]
    away: list[int]
    overload: list[int]


def is_small(state: State) -> bool:
    """Say whether a problem is small enough to be solved whole."""
    problem = state.tables.problem
    present = {c for cell in state.cells for c in cell if problem.movable[c]}
    return len(present) * problem.node_count <= SMALL


def solve_whole(found: State, *, broken: bool, seconds: float, seed: int) -> Whole:
    """Minimise the overload, then the cost, by two programs.

    Parameters
    ----------
    found : State
        The placement as found.
    broken : bool
        Whether budgets may have to stay broken: the first program is skipped where a plan is known that holds all.
    seconds : float
        For both programs together.
    """
    least, limit, counts = 0, 0.0, None
    if broken:
        first = _build(found, margin_watts=0.0)
        answer = _run(first, first.overload, seconds=seconds / 2, seed=seed)
        least = _whole_mw(answer.bound)
        if answer.values is not None:
            counts = _counts(first, answer)
            limit = max(0.0, answer.objective)
    second = _build(found, margin_watts=0.0)
    second.program.row(second.overload, [1.0] * len(second.overload), upper=limit + SLACK)
    answer = _run(second, second.away, seconds=seconds / 2, seed=seed)
    bound = 0
    if answer.feasible is not False and isfinite(answer.bound) and (not broken or limit <= least / MILLI + SLACK):
        bound = max(0, ceil(answer.bound - SLACK))
    if answer.values is not None:
        counts = _counts(second, answer)
    return Whole(counts, least, bound)


def hold_exactly(found: State, *, seconds: float, seed: int) -> Counts | None:
    """Return the cheapest counts that hold every budget with whole milliwatts to spare, if they can be found."""
    model = _build(found, margin_watts=2 / MILLI * max(len(nodes) for nodes in found.tables.rows.nodes))
    model.program.row(model.overload, [1.0] * len(model.overload), upper=0.0)
    answer = _run(model, model.away, seconds=seconds, seed=seed)
    return None if answer.values is None else _counts(model, answer)


def apply_counts(found: State, counts: Counts) -> State:
    """Return the placement with these counts of the movable classes."""
    state = found.copy()
    changes = [(c, n, k - state.cells[n].get(c, 0)) for (c, n), k in counts.items()]
    for c, n, change in sorted(changes, key=lambda item: item[2]):
        if change:
            state.put(c, n, change)
    return state


def _whole_mw(watts: float) -> int:
    return max(0, ceil((watts - SLACK) * MILLI)) if isfinite(watts) else 0


def _run(model: _Model, goal: list[int], *, seconds: float, seed: int) -> LinearAnswer:
    """Minimise: the overload, each watt as one; or the price of what is away, as the columns carry it."""
    program = model.program.program()
    if goal is model.overload:
        program.cost[:] = 0.0
        program.cost[goal] = 1.0
    return minimise(program, seconds=seconds, seed=seed)


def _counts(model: _Model, answer: LinearAnswer) -> Counts:
    if answer.values is None:
        return {}
    return {key: int(np.rint(answer.values[column])) for key, column in model.pods.items()}


def _build(found: State, *, margin_watts: float) -> _Model:
    model = _Model(LinearModel(), {}, [], [])
    _count_columns(model, found)
    _requests_fit(model, found)
    draws = [_draw(model, found, n) for n in range(found.tables.problem.node_count)]
    _node_budgets_hold(model, found, draws)
    _row_budgets_hold(model, found, draws, margin_watts)
    return model


def _count_columns(model: _Model, found: State) -> None:
    """Ensures that every pod is somewhere that lets it in: Σ x = now, x ≤ found where new ones are not let in."""
    problem = found.tables.problem
    for c in sorted({c for cell in found.cells for c in cell if problem.movable[c]}):
        here = [found.cells[n].get(c, 0) for n in range(problem.node_count)]
        allowed = problem.allowed[problem.allowed_set[c]]
        columns = []
        for n, count in enumerate(here):
            most = sum(here) if allowed[n] else count
            if most == 0:
                continue
            column = model.program.column(0.0, 0, most, whole=True)
            model.pods[c, n] = column
            columns.append(column)
            if count:
                away = model.program.column(float(problem.move_cost[c]), 0, count)
                model.program.row([away, column], [1.0, 1.0], lower=count)
                model.away.append(away)
        model.program.row(columns, [1.0] * len(columns), sum(here), sum(here))


def _mine(model: _Model, node: int) -> list[tuple[int, int]]:
    """Classes and columns on one node."""
    return [(c, column) for (c, n), column in model.pods.items() if n == node]


def _requests_fit(model: _Model, found: State) -> None:
    """Ensures that requests stay within what a node offers, or within what they were."""
    problem = found.tables.problem
    for n in range(problem.node_count):
        mine = _mine(model, n)
        for r in range(problem.allocatable.shape[1]):
            asked = [float(problem.requests[c, r]) for c, _ in mine]
            taken = sum(a * found.cells[n].get(c, 0) for a, (c, _) in zip(asked, mine, strict=True))
            unit = max(asked, default=0.0)
            if unit > 0:
                room = (taken + max(0.0, float(found.free[n, r]))) / unit
                model.program.row([column for _, column in mine], [a / unit for a in asked], upper=room)


def _draw(model: _Model, found: State, node: int) -> Draw:
    """Ensures that the draw returned is the curve's at the node's use, plus its accelerators, in watts."""
    problem = found.tables.problem
    mine = _mine(model, node)
    columns = [column for _, column in mine]
    cores = [float(problem.use_ucores[c]) / MICRO for c, _ in mine]
    watts = [float(problem.accelerator_mw[c]) / MILLI for c, _ in mine]
    now = [found.cells[node].get(c, 0) for c, _ in mine]
    fixed_ucores = int(problem.allocatable[node, -1] - found.free[node, -1]) - sum(
        int(problem.use_ucores[c]) * k for (c, _), k in zip(mine, now, strict=True)
    )
    held = float(found.accelerator_mw[node]) / MILLI - sum(w * k for w, k in zip(watts, now, strict=True))
    draw = Draw(held, list(columns), list(watts))
    most = max(int(problem.allocatable[node, -1]), fixed_ucores)
    pieces = reachable_segments(found.tables.curves, int(problem.node_type[node]), fixed_ucores, most)
    if len(pieces) == 1:
        draw.add(pieces[0].watts_at(fixed_ucores), columns, [pieces[0].slope * core for core in cores])
        return draw
    chosen, part = choose_piece(model.program, pieces, draw)
    model.program.row(chosen, [1.0] * len(chosen), 1, 1)
    fixed = fixed_ucores / MICRO
    model.program.row([*part, *columns], [*([1.0] * len(part)), *(-core for core in cores)], fixed, fixed)
    return draw


def _node_budgets_hold(model: _Model, found: State, draws: list[Draw]) -> None:
    """Ensures that a node's draw stays within its budget, but for what it was found over."""
    excess = found.node_excess()
    for n, draw in enumerate(draws):
        limit = int(found.tables.node_limit[n])
        if limit < ROOMY:
            _bound(model, draw, limit / MILLI, _overload(model, int(excess[n])), 1)


def _row_budgets_hold(model: _Model, found: State, draws: list[Draw], margin_watts: float) -> None:
    """Ensures that every power row stays within its budget, but for what its domain was found over."""
    problem, rows = found.tables.problem, found.tables.rows
    excess = found.row_excess()
    for members in rows.domain_rows:
        over = _overload(model, int(excess[members].max()))
        for row in members.tolist():
            if rows.limit[row] >= ROOMY:
                continue
            span = slice(problem.row_weights.indptr[row], problem.row_weights.indptr[row + 1])
            total = Draw(0.0, [], [])
            parts = zip(problem.row_weights.indices[span], problem.row_weights.data[span], strict=True)
            for n, w in parts:
                total.add(w * draws[n].constant, draws[n].columns, [w * v for v in draws[n].values])
            limit = float(rows.limit[row]) / MILLI - margin_watts * problem.row_scale
            _bound(model, total, limit, over, problem.row_scale)


def _overload(model: _Model, found_mw: int) -> int | None:
    if found_mw == 0:
        return None
    column = model.program.column(0.0, 0, found_mw / MILLI)
    model.overload.append(column)
    return column


def _bound(model: _Model, draw: Draw, limit_watts: float, over: int | None, scale: int) -> None:
    columns, values = list(draw.columns), list(draw.values)
    if over is not None:
        columns.append(over)
        values.append(-float(scale))
    model.program.row(columns, values, upper=limit_watts - draw.constant)
