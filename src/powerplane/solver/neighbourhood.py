"""A few nodes re-planned together, exactly, by CP-SAT: the step that greedy moves cannot make.

Large neighbourhood search (Shaw, 1998) at the size that the best methods for Google's machine reassignment use: a
handful of nodes and all movable pods on them, counts of classes rather than single pods. The model is rounded so
that what it accepts holds exactly; the state that it leads to is judged apart from it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from powerplane.solver.constraints import Model, constrain
from powerplane.solver.energy import Packing, may_sleep
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
    solver = _solved(model, _aim, effort)
    return solver is not None and _adopt(state, model, solver)


def repack(packing: Packing, nodes: Ints, effort: Effort) -> bool:
    """Re-place the movable pods of some nodes so that those left awake draw least; keep the result when it is better.

    Returns whether the packing changed.
    """
    model = Model.of(packing.state, nodes)
    solver = _solved(model, _aim_at_energy, effort)
    if solver is None:
        return False
    before = (packing.state.distress_mw(), packing.draw_mw())
    trial = packing.copy()
    for c, n, change in _changes(model, solver):
        trial.state.put(c, n, change)
    for n in model.nodes:
        trial.awake[n] = not may_sleep(trial.state, n)
    if (trial.state.distress_mw(), trial.draw_mw()) >= before:
        return False
    packing.state, packing.awake = trial.state, trial.awake
    return True


def _solved(model: Model, aim: Callable[[Model], None], effort: Effort) -> cp_model.CpSolver | None:
    """Constrain, aim and solve a model, from where the state is; None without an answer in time."""
    if not model.classes:
        return None
    constrain(model)
    aim(model)
    _hint(model)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(effort.seconds, 0.001)
    solver.parameters.num_workers = effort.workers
    solver.parameters.random_seed = effort.seed
    return solver if solver.solve(model.cp) in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None


def _aim_at_energy(model: Model) -> None:
    """Least draw of the nodes that stay awake; a node without work is credited with what it draws then."""
    state, problem = model.state, model.state.tables.problem
    ambient = problem.ambient
    saved = []
    for n in model.nodes:
        rest = {c: k for c, k in state.cells[n].items() if not problem.movable[c]}
        if any(ambient is None or not ambient[c] for c in rest):
            continue
        use = np.array([sum(int(problem.use_ucores[c]) * k for c, k in rest.items())])
        idle = int(state.tables.curves.watts(problem.node_type[n : n + 1], use)[0])
        idle += sum(int(problem.accelerator_mw[c]) * k for c, k in rest.items())
        asleep = model.cp.new_bool_var("")
        for c in model.classes:
            model.cp.add(model.pods[c, n] == 0).only_enforce_if(asleep)
        saved.append(idle * asleep)
    penalty = 1000 * sum(model.overload) if model.overload else 0
    model.cp.minimize(sum(model.draws.values()) - sum(saved) + penalty)


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


def _changes(model: Model, solver: cp_model.CpSolver) -> list[tuple[int, int, int]]:
    """Class, node and change of count, what leaves before what comes."""
    counts = [(c, n, int(solver.value(var)) - model.state.cells[n].get(c, 0)) for (c, n), var in model.pods.items()]
    return sorted((change for change in counts if change[2]), key=lambda change: change[2])


def _adopt(state: State, model: Model, solver: cp_model.CpSolver) -> bool:
    """Carry the solution over; take it back unless the state itself says that it is better."""
    before = (state.distress_mw(), state.cost)
    changes = _changes(model, solver)
    for c, n, change in changes:
        state.put(c, n, change)
    if (state.distress_mw(), state.cost) < before:
        return True
    for c, n, change in reversed(changes):
        state.put(c, n, -change)
    return False
