"""A lower bound on the draw of any placement: work spread at will over as many awake nodes of each kind as it needs.

For k awake nodes of one group with work L in all, every placement draws at least k·env(L/k), env the convex envelope
of the group's curve; for each of the envelope's lines a + b·u that is a·k + b·L, linear in both (the perspective of
the envelope; Ceria and Soares, 1999).
"""

from itertools import pairwise
from math import inf

import numpy as np

from powerplane.solver.groups import Groups, group_coarsely, group_nodes
from powerplane.solver.highs import Floats, LinearModel, minimise
from powerplane.solver.relaxation import dual_bound
from powerplane.solver.state import Mask, State
from powerplane.solver.tables import CurveTable, Ints

MICRO, MILLI = 1e6, 1e3


def draw_bound_mw(state: State, *, seconds: float, most_columns: int = 20_000) -> int:
    """Return milliwatts that the awake nodes of any placement draw at least.

    Parameters
    ----------
    state : State
        The placement as found.
    seconds : float
        For the linear program.
    """
    groups = group_nodes(state, (), most_columns)
    if groups.count * state.tables.problem.class_count > most_columns:
        groups = group_coarsely(state)
    program = _build(state, groups).program()
    answer = minimise(program, seconds=seconds)
    if answer.row_duals is None:
        return 0
    return max(0, int(np.floor(dual_bound(program, answer.row_duals) * MILLI)) - 1)


def _build(state: State, groups: Groups) -> LinearModel:
    problem = state.tables.problem
    model = LinearModel()
    size = np.bincount(groups.of_node, minlength=groups.count)
    pinned = np.array([_pinned(state, n) for n in range(problem.node_count)])
    held = np.bincount(groups.of_node, weights=pinned, minlength=groups.count)
    awake = [model.column(0.0, 0.0, float(k)) for k in size]
    draw = [model.column(1.0, 0.0, inf) for _ in size]
    for g, least in enumerate(held.tolist()):
        model.row([awake[g]], [1.0], lower=float(least))
    total = _movable(state)
    placed: dict[int, list[tuple[int, int]]] = {g: [] for g in range(groups.count)}
    for c in np.flatnonzero(total).tolist():
        columns = []
        for g in np.flatnonzero(_welcome(state, groups, c)).tolist():
            column = model.column(0.0, 0.0, float(total[c]))
            placed[g].append((c, column))
            columns.append(column)
        model.row(columns, [1.0] * len(columns), float(total[c]), float(total[c]))
    fixed = _fixed(state, groups)
    for g in range(groups.count):
        _group_holds(model, state, (groups, g, fixed), placed[g], (awake[g], draw[g]))
    return model


def _pinned(state: State, node: int) -> bool:
    problem = state.tables.problem
    ambient = problem.ambient
    return any(not problem.movable[c] and not (ambient is not None and ambient[c]) for c in state.cells[node])


def _movable(state: State) -> Ints:
    problem = state.tables.problem
    total = np.bincount(problem.cell_class, weights=problem.cell_count, minlength=problem.class_count).astype(np.int64)
    return np.where(problem.movable, total, 0)


def _welcome(state: State, groups: Groups, pod_class: int) -> Mask:
    """Groups that let a class in, or that have pods of it."""
    problem = state.tables.problem
    welcome: Mask = problem.allowed[problem.allowed_set[pod_class], groups.first].copy()
    here = problem.cell_node[problem.cell_class == pod_class]
    welcome[np.unique(groups.of_node[here])] = True
    return welcome


def _fixed(state: State, groups: Groups) -> Floats:
    """What pods that stay, and are no ambient ones, take of each resource, by group."""
    problem = state.tables.problem
    ambient = np.zeros(problem.class_count, dtype=np.bool_) if problem.ambient is None else problem.ambient
    stays = ~problem.movable[problem.cell_class] & ~ambient[problem.cell_class]
    taken = np.zeros((groups.count, problem.allocatable.shape[1]))
    amounts = problem.requests[problem.cell_class[stays]] * problem.cell_count[stays, None].astype(float)
    np.add.at(taken, groups.of_node[problem.cell_node[stays]], amounts)
    return taken


def _group_holds(
    model: LinearModel,
    state: State,
    place: tuple[Groups, int, Floats],
    placed: list[tuple[int, int]],
    columns_of: tuple[int, int],
) -> None:
    """Ensures that a group's awake nodes hold its work, and draw at least their curve's envelope for it."""
    problem = state.tables.problem
    (groups, g, fixed), (awake, draw) = place, columns_of
    mine = np.flatnonzero(groups.of_node == g)
    largest = problem.allocatable[mine].max(axis=0).astype(float)
    columns = [column for _, column in placed]
    classes = [c for c, _ in placed]
    over = np.maximum(0, -state.free[mine]).sum(axis=0)
    for r in range(problem.allocatable.shape[1]):
        asked = problem.requests[classes, r].astype(float)
        unit = max(1.0, largest[r])
        # What nodes were found overcommitted by may stay.
        room = (float(over[r]) - fixed[g, r]) / unit
        model.row([awake, *columns], [-largest[r] / unit, *(asked / unit).tolist()], upper=room)
    cores = (problem.use_ucores[classes] / MICRO).tolist()
    watts = problem.accelerator_mw[classes] / MILLI
    base_cores, base_watts = fixed[g, -1] / MICRO, _fixed_accelerators(state, mine)
    for offset, slope in envelope(state.tables.curves, int(problem.node_type[mine[0]]), int(largest[-1])):
        parts = [slope * core + watt for core, watt in zip(cores, watts.tolist(), strict=True)]
        model.row([draw, awake, *columns], [1.0, -offset, *(-p for p in parts)], lower=slope * base_cores + base_watts)


def _fixed_accelerators(state: State, nodes: Ints) -> float:
    """Watts of accelerators of pods that stay, and are no ambient ones: those go to sleep with their node."""
    problem = state.tables.problem
    ambient = problem.ambient
    stays: list[int] = [
        int(problem.accelerator_mw[c]) * k
        for n in nodes.tolist()
        for c, k in state.cells[n].items()
        if not problem.movable[c] and not (ambient is not None and ambient[c])
    ]
    return float(sum(stays)) / MILLI


def envelope(curves: CurveTable, kind: int, most_ucores: int) -> list[tuple[float, float]]:
    """Return the lines (watts, watts per core) of the convex envelope of a type's curve.

    Parameters
    ----------
    most_ucores : int
        The most use that a node may hold: beyond its last knot, where nodes were found with more, a curve is flat.
    """
    last = max(most_ucores, int(curves.use[kind, -1])), curves.mw[kind, -1]
    knots = [*zip(curves.use[kind], curves.mw[kind], strict=True), last]
    points = sorted({(float(x) / MICRO, float(y) / MILLI) for x, y in knots})
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) >= 2 and (hull[-1][1] - hull[-2][1]) * (x - hull[-2][0]) >= (y - hull[-2][1]) * (
            hull[-1][0] - hull[-2][0]
        ):
            hull.pop()
        hull.append((x, y))
    lines = []
    for (x0, y0), (x1, y1) in pairwise(hull):
        slope = (y1 - y0) / (x1 - x0)
        lines.append((y0 - slope * x0, slope))
    return lines
