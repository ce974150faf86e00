"""The twin: the same ``Problem`` solved by one monolithic PuLP model, to hold the solver's answers against.

It takes small problems only (up to some 200 pods on 20 nodes), decides the end of the plan and no waves, and is a
baseline in the benchmark. First the least overload, then the least disruption.
"""

import warnings
from dataclasses import dataclass
from math import ceil
from typing import Literal

import pulp

from powerplane.models.plan import Status
from powerplane.solver.problem import Problem
from powerplane.solver.twin_limits import keep_capacities, keep_node_budgets, keep_rows, place_every_pod
from powerplane.solver.twin_model import Cell, TwinModel, excesses_mw, node_draws_mw
from powerplane.solver.twin_rules import keep_rules

Solver = Literal["HiGHS", "CBC"]
NOTHING_WATTS = 1e-4
"""Overload that is a solver's tolerance, not the plan's."""


@dataclass(frozen=True, slots=True)
class TwinResult:
    """The twin's answer.

    Parameters
    ----------
    status : Status
        infeasible: the overload is proven the least.
    cost, bound : int
        Thousandths of an ordinary move; the bound is 0 where the solver names none.
    final_counts : dict
        By class, then node: pods at the end.
    overload_mw : int
        Whole milliwatts above budgets, of each domain in its worst row.
    """

    status: Status
    cost: int
    bound: int
    final_counts: dict[int, dict[int, int]]
    overload_mw: int


def solve_twin(
    problem: Problem, *, objective: Literal["disruption"] = "disruption", seconds: float, solver: Solver = "HiGHS"
) -> TwinResult:
    """Solve a small problem to the end, or as far as the time allows.

    Parameters
    ----------
    problem : Problem
    objective : "disruption"
        The only one that the twin knows.
    seconds : float
        For both steps together; each takes at most half.
    solver : "HiGHS" or "CBC"
    """
    if objective != "disruption":
        raise ValueError(f"the twin minimises disruption, not {objective!r}")
    model = build(problem)
    first = _minimise(model, _overload(model), solver, seconds / 2)
    if first.counts is None:
        return _answer(model, model.found, "unknown", 0)
    least = 0.0 if first.value <= NOTHING_WATTS else first.value
    if not first.proven and least:
        return _answer(model, first.counts, "unknown", 0)
    _hold_overload(model, least)
    second = _minimise(model, _cost(model), solver, seconds / 2)
    bound = max(0, ceil(second.bound - 1e-3))
    if second.counts is None:
        return _answer(model, first.counts, "infeasible" if least else "feasible", bound)
    held: Status = "optimal" if second.proven else "feasible"
    return _answer(model, second.counts, "infeasible" if least else held, bound)


def build(problem: Problem) -> TwinModel:
    """Build the model with all its constraints and no objective."""
    model = TwinModel(problem)
    place_every_pod(model)
    keep_capacities(model)
    keep_node_budgets(model)
    keep_rows(model)
    keep_rules(model)
    return model


@dataclass(frozen=True, slots=True)
class _Step:
    """One run: the counts (None where none were found), the objective's value and bound, whether it is proven."""

    counts: dict[Cell, int] | None
    value: float
    bound: float
    proven: bool


def _minimise(model: TwinModel, goal: pulp.LpAffineExpression, solver: Solver, seconds: float) -> _Step:
    model.lp.setObjective(goal)
    model.lp.solve(_engine(solver, seconds))
    if model.lp.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return _Step(None, 0.0, 0.0, proven=False)
    counts = {cell: round(variable.value()) for cell, variable in model.pods.items()}
    value = float(pulp.value(goal) or 0.0)
    proven = _proven(model, solver)
    return _Step(counts, value, value if proven else _dual_bound(model, solver), proven)


def _engine(solver: Solver, seconds: float) -> pulp.LpSolver:
    if solver == "HiGHS":
        # Presolve of HiGHS 1.14 and 1.15 calls some plans of these models optimal that are not (ERGO-Code/HiGHS#3094
        # and its kin); without presolve it agrees with CBC.
        return pulp.HiGHS(msg=False, timeLimit=seconds, gapRel=0.0, gapAbs=1e-6, threads=1, presolve="off")
    with warnings.catch_warnings():
        # PuLP warns that its fourth version will ship no CBC; the dependency is held below it for that reason.
        warnings.simplefilter("ignore", DeprecationWarning)
        return pulp.PULP_CBC_CMD(msg=False, timeLimit=seconds, gapRel=0.0, threads=1)


def _proven(model: TwinModel, solver: Solver) -> bool:
    if solver == "HiGHS":  # PuLP calls a HiGHS run that the clock ended "optimal"
        return str(model.lp.solverModel.modelStatusToString(model.lp.solverModel.getModelStatus())) == "Optimal"
    return bool(model.lp.sol_status == pulp.LpSolutionOptimal)


def _dual_bound(model: TwinModel, solver: Solver) -> float:
    """Best bound of a run that the clock ended; PuLP does not read CBC's."""
    return float(model.lp.solverModel.getInfo().mip_dual_bound) if solver == "HiGHS" else 0.0


def _overload(model: TwinModel) -> pulp.LpAffineExpression:
    """Watts above all budgets."""
    return model.sum([(variable, 1.0) for variable in model.overload.values()])


def _hold_overload(model: TwinModel, least_watts: float) -> None:
    """Ensures that the second step does not pay for fewer moves with overload."""
    if not least_watts:
        for variable in model.overload.values():
            variable.upBound = 0
    elif model.overload:
        model.lp.addConstraint(_overload(model) <= least_watts + NOTHING_WATTS)


def _cost(model: TwinModel) -> pulp.LpAffineExpression:
    """Ensures that every pod that leaves is paid for: Σ cost[c] out[c, n], out ≥ found - x, out ≥ 0."""
    terms = []
    for (c, n), found in model.found.items():
        if model.problem.movable[c]:
            out = model.lp.add_variable(f"out_{c}_{n}", 0, found)
            model.lp.addConstraint(out >= found - model.pods[c, n])
            terms.append((out, float(model.problem.move_cost[c])))
    return model.sum(terms)


def _answer(model: TwinModel, counts: dict[Cell, int], status: Status, bound: int) -> TwinResult:
    problem = model.problem
    final: dict[int, dict[int, int]] = {}
    for (c, n), count in sorted(counts.items()):
        if count:
            final.setdefault(c, {})[n] = count
    leaving = ((c, max(0, found - counts.get((c, n), 0))) for (c, n), found in model.found.items())
    cost = sum(int(problem.move_cost[c]) * gone for c, gone in leaving)
    overload = sum(excesses_mw(problem, node_draws_mw(problem, counts)).values())
    return TwinResult(status, cost, min(bound, cost), final, int(overload))
