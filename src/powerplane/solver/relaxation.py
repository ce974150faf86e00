"""The linear relaxation over groups of like nodes: a bound for the whole cluster, and prices for its watts.

Variables count how many pods of a class leave a group and how many come to one. Every plan, added up over groups,
is a point of this model, whatever its curves: leaving pods are credited with the steepest average slope that their
nodes' curves allow, arriving ones are charged with the flattest. So its optimum is a lower bound. The bound that is
reported is not HiGHS's word: it is computed here from the duals (Neumaier and Shcherbina, 2004), which holds for
any duals, however inexact.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.solver.groups import Groups, group_coarsely, group_nodes
from powerplane.solver.highs import Floats, Program, minimise
from powerplane.solver.state import State
from powerplane.solver.tables import ROOMY, Ints

WATT = 1e3
CORE = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Flows out of groups and into groups: class and group of each, and how many pods at most."""

    pod_class: Ints
    group: Ints
    most: Ints
    out: int
    """The first ``out`` columns leave; the others arrive."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """The solved relaxation.

    Parameters
    ----------
    bound : float
        Proven lower bound of the cost (thousandths of a move) when budgets are hard; of the overload in milliwatts
        otherwise.
    infeasible : bool
        Proven that no plan holds all budgets and capacities.
    row_price : float array, shape (K,)
        What a watt of headroom in each power row is worth, in thousandths of a move.
    """

    bound: float
    infeasible: bool
    row_price: Floats
    groups: Groups
    columns: Columns
    values: Floats | None
    overload_mw: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    program: Program
    power_rows: slice


def relax(
    state: State,
    cuts: tuple[tuple[Ints, int], ...],
    *,
    seconds: float,
    soft: bool = False,
    most_columns: int = 30_000,
    coarse: bool = False,
    overload_cap_mw: float | None = None,
    give: frozenset[str] | None = None,
) -> Relaxation:
    """Solve the relaxation of a problem as found.

    Parameters
    ----------
    state : State
        The placement as found.
    cuts : tuple of (nodes, price)
        Proven: any plan pays at least this much for pods that leave these nodes (see ``cover``).
    soft : bool
        Minimise the overload instead of the cost.
    most_columns : int
        Quiet rows are merged until the model has about this many flows.
    coarse : bool
        Merge whatever can be merged: a far smaller model and a weaker bound; ``cuts`` are left out.
    overload_cap_mw : float, optional
        Budgets may be exceeded by this much in all; None makes them hard.
    give : set of str, optional
        With ``soft``, only these domains may exceed their budgets; None lets all of them.
    """
    if coarse:
        cuts = ()
    groups = group_coarsely(state) if coarse else group_nodes(state, tuple(nodes for nodes, _ in cuts), most_columns)
    columns = _columns(state, groups)
    model = _assemble(state, groups, columns, cuts)
    if soft or overload_cap_mw is not None:
        model = _soften(model, groups, soft=soft, cap_mw=overload_cap_mw, give=give)
    answer = minimise(model.program, seconds=seconds)
    if answer.feasible is False:
        return Relaxation(inf, True, np.zeros(len(groups.room_watts)), groups, columns, None)
    if answer.row_duals is None:
        return Relaxation(0.0, False, np.zeros(len(groups.room_watts)), groups, columns, None)
    bound = max(0.0, dual_bound(model.program, answer.row_duals))
    price = np.maximum(0.0, -answer.row_duals[model.power_rows])
    overload = 0.0 if answer.values is None else float(answer.values[len(columns.most) :].sum()) * WATT
    return Relaxation(bound * (WATT if soft else 1), False, price, groups, columns, answer.values, overload)


def dual_bound(program: Program, duals: Floats) -> float:
    """Return the Lagrangian bound at some duals, for columns from 0 to their upper bounds: valid whatever the duals."""
    upper, row_lower, row_upper = program.upper, program.row_lower, program.row_upper
    up = (duals > 0) & np.isfinite(row_lower)
    down = (duals < 0) & np.isfinite(row_upper)
    kept = np.where(up | down, duals, 0.0)
    rows = np.where(up, kept * np.where(up, row_lower, 0), 0) + np.where(down, kept * np.where(down, row_upper, 0), 0)
    reduced = program.cost - program.matrix.T @ kept
    falling = reduced < 0
    # A column without an upper bound must not fall; rounding may leave it a hair below zero.
    free = falling & ~np.isfinite(upper)
    if (reduced[free] < -1e-6).any():
        return 0.0
    columns = np.where(falling & ~free, reduced * np.where(np.isfinite(upper), upper, 0), 0)
    return float(rows.sum() + columns.sum())


def _columns(state: State, groups: Groups) -> Columns:
    problem = state.tables.problem
    pod_class, node, count = state.movable_cells(np.arange(problem.node_count))
    key = pod_class * groups.count + groups.of_node[node]
    keys, inverse = np.unique(key, return_inverse=True)
    leaving = np.bincount(inverse, weights=count).astype(np.int64) if len(keys) else np.zeros(0, dtype=np.int64)
    total = np.bincount(pod_class, weights=count, minlength=problem.class_count).astype(np.int64)
    came_class, came_group = np.nonzero(_welcome(state, groups) & (total > 0)[:, None])
    return Columns(
        pod_class=np.concatenate([keys // groups.count, came_class]),
        group=np.concatenate([keys % groups.count, came_group]),
        most=np.concatenate([leaving, total[came_class]]),
        out=len(keys),
    )


def _welcome(state: State, groups: Groups) -> NDArray[np.bool_]:
    """Which classes some node of each group could ever take, shape (C, G)."""
    problem = state.tables.problem
    first = groups.first
    allowed = problem.allowed[:, first][problem.allowed_set]
    largest = np.zeros((groups.count, problem.allocatable.shape[1]), dtype=np.int64)
    np.maximum.at(largest, groups.of_node, problem.allocatable)
    for resource in range(problem.allocatable.shape[1]):
        allowed &= problem.requests[:, resource, None] <= largest[None, :, resource]
    return allowed


def _assemble(state: State, groups: Groups, columns: Columns, cuts: tuple[tuple[Ints, int], ...]) -> _Model:
    problem = state.tables.problem
    leaving = np.arange(len(columns.most)) < columns.out
    sign = np.where(leaving, -1.0, 1.0)
    price = np.where(leaving, problem.move_cost[columns.pod_class].astype(float), 0.0)
    capacity, free = _capacities(state, groups, columns, sign)
    power = _power(groups, columns, _watts(state, groups, columns, sign))
    worth = _worth(groups, columns, cuts, np.where(leaving, price, 0.0))
    none, hold = np.zeros(problem.class_count), np.full(len(free) + len(groups.room_watts), -inf)
    start = problem.class_count + len(free)
    blocks = [_conservation(problem.class_count, columns, sign), capacity, power, worth]
    program = _program(
        price,
        columns.most.astype(float),
        sparse.csc_array(sparse.vstack(blocks, format="csc")),
        np.concatenate([none, hold, [float(least) for _, least in cuts]]),
        np.concatenate([none, free, groups.room_watts, np.full(len(cuts), inf)]),
    )
    return _Model(program, slice(start, start + len(groups.room_watts)))


def _program(cost: Floats, upper: Floats, matrix: sparse.csc_array, low: Floats, high: Floats) -> Program:
    zeros = np.zeros(len(cost))
    return Program(cost, zeros, upper, zeros.astype(bool), matrix, low, high)


def _watts(state: State, groups: Groups, columns: Columns, sign: Floats) -> Floats:
    """Watts that a pod of each flow adds to its group's draw, at the least."""
    problem = state.tables.problem
    slope = np.where(sign < 0, groups.steepest[columns.group], groups.flattest[columns.group])
    cores = problem.use_ucores[columns.pod_class] / CORE
    watts: Floats = sign * (slope * cores + problem.accelerator_mw[columns.pod_class] / WATT)
    return watts


def _conservation(classes: int, columns: Columns, sign: Floats) -> sparse.csr_array:
    """Ensures that every pod that leaves a group comes to one: Σ in = Σ out, class by class."""
    flows = np.arange(len(sign))
    return sparse.csr_array((sign, (columns.pod_class, flows)), shape=(classes, len(sign)))


def _capacities(state: State, groups: Groups, columns: Columns, sign: Floats) -> tuple[sparse.csr_array, Floats]:
    """Ensures that a group's nodes together hold what comes to them, in every resource that any class asks for."""
    problem = state.tables.problem
    free = np.zeros((groups.count, problem.allocatable.shape[1]))
    np.add.at(free, groups.of_node, state.free.astype(float))
    unit = np.maximum(1.0, problem.requests.max(axis=0, initial=1).astype(float))
    flows = np.arange(len(sign))
    blocks, rooms = [], []
    for resource in range(problem.allocatable.shape[1]):
        asked = problem.requests[columns.pod_class, resource] / unit[resource]
        blocks.append(sparse.csr_array((sign * asked, (columns.group, flows)), shape=(groups.count, len(sign))))
        rooms.append(free[:, resource] / unit[resource])
    return sparse.csr_array(sparse.vstack(blocks)), np.concatenate(rooms)


def _power(groups: Groups, columns: Columns, watts: Floats) -> sparse.csr_array:
    """Ensures that every row's draw, with what leaves and comes, stays within its budget."""
    return sparse.csr_array(groups.weights[:, columns.group] @ sparse.diags_array(watts))


def _worth(groups: Groups, columns: Columns, cuts: tuple[tuple[Ints, int], ...], price: Floats) -> sparse.csr_array:
    """Ensures that what leaves a trouble spot costs at least what its cover proves."""
    rows = [np.isin(columns.group, np.unique(groups.of_node[nodes])) * price for nodes, _ in cuts]
    return sparse.csr_array(np.array(rows).reshape(len(rows), len(price)))


def _soften(model: _Model, groups: Groups, *, soft: bool, cap_mw: float | None, give: frozenset[str] | None) -> _Model:
    """Let domains exceed their budgets: at a price of one a watt when ``soft``, else by ``cap_mw`` in all."""
    old = model.program
    # A domain's overload counts once, by its worst row, and relieves every row of it: a sum of rows by as many times.
    members = [(k, name) for k, names in enumerate(groups.row_members) for name in names]
    members = [(k, name) for k, name in members if give is None or name in give]
    domains = list(dict.fromkeys(name for _, name in members))
    column = {name: i for i, name in enumerate(domains)}
    places = ([model.power_rows.start + k for k, _ in members], [column[name] for _, name in members])
    over = sparse.csc_array((np.full(len(members), -1.0), places), shape=(old.matrix.shape[0], len(domains)))
    matrix = sparse.hstack([old.matrix, over], format="csc")
    lower, upper = old.row_lower, old.row_upper
    if cap_mw is not None:
        limit = np.concatenate([np.zeros(len(old.cost)), np.ones(len(domains))])
        matrix = sparse.vstack([matrix, sparse.csc_array(limit[None, :])], format="csc")
        lower, upper = np.append(lower, -inf), np.append(upper, cap_mw / WATT)
    price = np.zeros(len(old.cost)) if soft else old.cost
    program = _program(
        np.concatenate([price, np.full(len(domains), 1.0 if soft else 0.0)]),
        np.concatenate([old.upper, np.full(len(domains), float(ROOMY) / WATT)]),
        sparse.csc_array(matrix),
        lower,
        upper,
    )
    return _Model(program, model.power_rows)
