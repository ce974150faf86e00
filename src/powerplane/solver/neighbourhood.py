"""A few nodes re-planned together, exactly, by CP-SAT: the step that greedy moves cannot make.

Large neighbourhood search (Shaw, 1998) at the size that the best methods for Google's machine reassignment use: a
handful of nodes and all movable pods on them, counts of classes rather than single pods. The model is rounded so
that what it accepts holds exactly; the state that it leads to is judged apart from it.
"""

from dataclasses import dataclass

from ortools.sat.python import cp_model

from powerplane.solver.constraints import Model, constrain
from powerplane.solver.state import State
from powerplane.solver.tables import Ints


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard one neighbourhood is tried: wall seconds, threads, and the seed."""

    seconds: float
    workers: int
    seed: int


def replan(state: State, nodes: Ints, effort: Effort) -> bool:
    """Re-place the movable pods of some nodes among them; keep the result when it is better.

    Better is less distress (overload, overcommitment), then less cost. Returns whether the state changed.
    """
    model = Model.of(state, nodes)
    if not model.classes:
        return False
    constrain(model)
    _aim(model)
    _hint(model)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(effort.seconds, 0.001)
    solver.parameters.num_workers = effort.workers
    solver.parameters.random_seed = effort.seed
    status = solver.solve(model.cp)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return False
    return _adopt(state, model, solver)


def _aim(model: Model) -> None:
    """Least overload first, then least price of pods that end up away from where they were found."""
    state, problem = model.state, model.state.tables.problem
    found: dict[tuple[int, int], int] = {}
    for c in model.classes:
        for n in model.nodes:
            found[c, n] = state.cells[n].get(c, 0) - state.delta.get((c, n), 0)
    away, price = [], []
    for (c, n), count in found.items():
        if count > 0:
            left = model.cp.new_int_var(0, count, "")
            model.cp.add(left >= count - model.pods[c, n])
            away.append(left)
            price.append(int(problem.move_cost[c]))
    worst = sum(p * found[key] for p, key in zip(price, [k for k, v in found.items() if v > 0], strict=True))
    overload = sum(model.overload) if model.overload else 0
    model.cp.minimize((worst + 1) * overload + cp_model.LinearExpr.weighted_sum(away, price))


def _hint(model: Model) -> None:
    for (c, n), var in model.pods.items():
        model.cp.add_hint(var, model.state.cells[n].get(c, 0))


def _adopt(state: State, model: Model, solver: cp_model.CpSolver) -> bool:
    """Carry the solution over; take it back unless the state itself says that it is better."""
    before = (state.distress_mw(), state.cost)
    changes = [
        (c, n, int(solver.value(var)) - state.cells[n].get(c, 0))
        for (c, n), var in model.pods.items()
        if int(solver.value(var)) != state.cells[n].get(c, 0)
    ]
    for c, n, change in sorted(changes, key=lambda item: item[2]):
        state.put(c, n, change)
    if (state.distress_mw(), state.cost) < before:
        return True
    for c, n, change in sorted(changes, key=lambda item: -item[2]):
        state.put(c, n, -change)
    return False
