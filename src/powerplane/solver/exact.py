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
from powerplane.solver.tables import ROOMY, Ints

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
    nodes: list[int]
    pods: dict[tuple[int, int], int]
    away: list[int]
    overload: list[int]


def is_small(state: State) -> bool:
    """Say whether a problem is small enough to be solved whole."""
    problem = state.tables.problem
    present = {c for cell in state.cells for c in cell if problem.movable[c]}
    return len(present) * problem.node_count <= SMALL


def replan_exactly(state: State, nodes: Ints, *, seconds: float, seed: int) -> Counts | None:
    """Return the counts on some nodes that break budgets least, then cost least, all other nodes as they are.

    Classes that rules between pods concern stay where they are.
    """
    margin = 2 / MILLI * len(nodes)
    model = _build(state, sorted({int(n) for n in nodes}), margin_watts=margin, ruled=False)
    worst = sum(cost * most for cost, most in zip(model.program.cost, model.program.upper, strict=True) if cost)
    program = model.program.program()
    program.cost[model.overload] = worst + 1.0
    answer = minimise(program, seconds=seconds, seed=seed)
    return None if answer.values is None else _counts(model, answer)


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
        first = _build(found, list(range(found.tables.problem.node_count)), margin_watts=0.0)
        answer = _run(first, first.overload, seconds=seconds / 2, seed=seed)
        least = _whole_mw(answer.bound)
        if answer.values is not None:
            counts = _counts(first, answer)
            limit = max(0.0, answer.objective)
    second = _build(found, list(range(found.tables.problem.node_count)), margin_watts=0.0)
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
    model = _build(
        found,
        list(range(found.tables.problem.node_count)),
        margin_watts=2 / MILLI * max(len(nodes) for nodes in found.tables.rows.nodes),
    )
    model.program.row(model.overload, [1.0] * len(model.overload), upper=0.0)
    answer = _run(model, model.away, seconds=seconds, seed=seed)
    return None if answer.values is None else _counts(model, answer)


def apply_counts(base: State, counts: Counts) -> State:
    """Return the placement with these counts by (class, node), all else as it is."""
    state = base.copy()
    changes = [(c, n, k - state.cells[n].get(c, 0)) for (c, n), k in counts.items()]
    for c, n, change in sorted(changes, key=lambda item: item[2]):
        if change:
            state.put(c, n, change)
    return state


def counts_on(state: State, nodes: Ints, base: State) -> Counts:
    """Return a state's counts on some nodes, also of classes that only another state has there."""
    return {(c, n): state.cells[n].get(c, 0) for n in nodes.tolist() for c in sorted({*state.cells[n], *base.cells[n]})}


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


def _build(state: State, nodes: list[int], *, margin_watts: float, ruled: bool = True) -> _Model:
    model = _Model(LinearModel(), nodes, {}, [], [])
    _count_columns(model, state, ruled=ruled)
    _requests_fit(model, state)
    draws = {n: _draw(model, state, n) for n in nodes}
    _node_budgets_hold(model, state, draws)
    _row_budgets_hold(model, state, draws, margin_watts)
    return model


def _count_columns(model: _Model, state: State, *, ruled: bool) -> None:
    """Ensures that every pod is somewhere that lets it in: Σ x = now, with newcomers only where allowed."""
    problem = state.tables.problem
    rules = state.tables.rules
    for c in sorted({c for n in model.nodes for c in state.cells[n] if problem.movable[c]}):
        if not ruled and (c in rules.carried or c in rules.targeted):
            continue
        here = {n: state.cells[n].get(c, 0) for n in model.nodes}
        total = sum(here.values())
        columns = []
        for n, count in here.items():
            found = count - state.delta.get((c, n), 0)
            most = total if problem.allowed[problem.allowed_set[c], n] else min(total, max(count, found))
            if most == 0:
                continue
            column = model.program.column(0.0, 0, most, whole=True)
            model.pods[c, n] = column
            columns.append(column)
            if found > 0:
                away = model.program.column(float(problem.move_cost[c]), 0, found)
                model.program.row([away, column], [1.0, 1.0], lower=found)
                model.away.append(away)
        model.program.row(columns, [1.0] * len(columns), total, total)


def _mine(model: _Model, node: int) -> list[tuple[int, int]]:
    """Classes and columns on one node."""
    return [(c, column) for (c, n), column in model.pods.items() if n == node]


def _requests_fit(model: _Model, state: State) -> None:
    """Ensures that requests stay within what a node offers, or within what they were."""
    problem = state.tables.problem
    for n in model.nodes:
        mine = _mine(model, n)
        for r in range(problem.allocatable.shape[1]):
            asked = [float(problem.requests[c, r]) for c, _ in mine]
            taken = sum(a * state.cells[n].get(c, 0) for a, (c, _) in zip(asked, mine, strict=True))
            unit = max(asked, default=0.0)
            if unit > 0:
                room = (taken + max(0.0, float(state.free[n, r]))) / unit
                model.program.row([column for _, column in mine], [a / unit for a in asked], upper=room)


def _draw(model: _Model, state: State, node: int) -> Draw:
    """Ensures that the draw returned is the curve's at the node's use, plus its accelerators, in watts."""
    problem = state.tables.problem
    mine = _mine(model, node)
    columns = [column for _, column in mine]
    cores = [float(problem.use_ucores[c]) / MICRO for c, _ in mine]
    watts = [float(problem.accelerator_mw[c]) / MILLI for c, _ in mine]
    now = [state.cells[node].get(c, 0) for c, _ in mine]
    moving = sum(int(problem.use_ucores[c]) * k for (c, _), k in zip(mine, now, strict=True))
    fixed_ucores = int(problem.allocatable[node, -1] - state.free[node, -1]) - moving
    held = float(state.accelerator_mw[node]) / MILLI - sum(w * k for w, k in zip(watts, now, strict=True))
    draw = Draw(held, list(columns), list(watts))
    most = max(int(problem.allocatable[node, -1]), fixed_ucores)
    pieces = reachable_segments(state.tables.curves, int(problem.node_type[node]), fixed_ucores, most)
    if len(pieces) == 1:
        draw.add(pieces[0].watts_at(fixed_ucores), columns, [pieces[0].slope * core for core in cores])
        return draw
    chosen, part = choose_piece(model.program, pieces, draw)
    model.program.row(chosen, [1.0] * len(chosen), 1, 1)
    fixed = fixed_ucores / MICRO
    model.program.row([*part, *columns], [*([1.0] * len(part)), *(-core for core in cores)], fixed, fixed)
    return draw


def _node_budgets_hold(model: _Model, state: State, draws: dict[int, Draw]) -> None:
    """Ensures that a node's draw stays within its budget, but for what it is over already."""
    excess = state.node_excess()
    for n, draw in draws.items():
        limit = int(state.tables.node_limit[n])
        if limit < ROOMY:
            _bound(model, draw, limit / MILLI, _overload(model, int(excess[n]), 0.0), 1)


def _row_budgets_hold(model: _Model, state: State, draws: dict[int, Draw], margin_watts: float) -> None:
    """Ensures that every power row stays within its budget, but for what its domain is over already."""
    rows, scale = state.tables.rows, state.tables.problem.row_scale
    totals: dict[int, Draw] = {}
    others = state.load.astype(float) / MILLI
    for n, draw in draws.items():
        for row, weight in zip(*(part.tolist() for part in rows.of(n)), strict=True):
            total = totals.setdefault(row, Draw(0.0, [], []))
            total.add(weight * draw.constant, draw.columns, [weight * value for value in draw.values])
            others[row] -= weight * float(state.node_mw[n]) / MILLI
    excess = state.row_excess()
    over: dict[str, int | None] = {}
    worst = dict.fromkeys(state.tables.problem.row_domain, 0)
    for row, name in enumerate(state.tables.problem.row_domain):
        worst[name] = max(worst[name], int(excess[row]))
    for row, total in sorted(totals.items()):
        if rows.limit[row] >= ROOMY:
            continue
        name = state.tables.problem.row_domain[row]
        if name not in over:
            over[name] = _overload(model, worst[name], margin_watts)
        limit = float(rows.limit[row]) / MILLI - others[row] - margin_watts * scale
        # A row that holds must go on to hold, even where another row of its domain does not, and none gets worse.
        _bound(model, total, limit, over[name] if excess[row] else None, scale)
        if 0 < excess[row] < worst[name]:
            _bound(model, total, limit + scale * (float(excess[row]) / MILLI + 1.0), None, scale)


def _overload(model: _Model, found_mw: int, margin_watts: float) -> int | None:
    """Return a column for watts over a limit that is broken already, and no further over; None where none may be."""
    if found_mw == 0:
        return None
    column = model.program.column(0.0, 0, found_mw / MILLI + margin_watts)
    model.overload.append(column)
    return column


def _bound(model: _Model, draw: Draw, limit_watts: float, over: int | None, scale: int) -> None:
    columns, values = list(draw.columns), list(draw.values)
    if over is not None:
        columns.append(over)
        values.append(-float(scale))
    model.program.row(columns, values, upper=limit_watts - draw.constant)
