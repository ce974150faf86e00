"""Limits of the twin: every pod somewhere, capacities, node budgets and power rows."""

from math import gcd

import pulp

from powerplane.solver.problem import UNBOUNDED
from powerplane.solver.twin_model import WATT, TwinModel, node_draws_mw, row_draw_mw, row_shares

LARGE = 100_000
"""Resources are counted in units that keep what a node offers below this."""


def place_every_pod(model: TwinModel) -> None:
    """Ensures that every pod has a node: Σ_n x[c, n] = pods of c."""
    for c, total in enumerate(model.totals):
        here = [(variable, 1.0) for (owner, _), variable in model.pods.items() if owner == c]
        if here:
            model.lp.addConstraint(model.sum(here) == total)


def keep_capacities(model: TwinModel) -> None:
    """Ensures that no node gives more than it offers: Σ_c request[c] x[c, n] ≤ allocatable[n].

    A node found to give more may stay as it is found, but takes no newcomer that asks for more of it.
    """
    problem = model.problem
    for r, name in enumerate(problem.resource_names):
        amount, offered = problem.requests[:, r].tolist(), problem.allocatable[:, r].tolist()
        unit = max(gcd(*amount, *offered), -(-max(offered, default=1) // LARGE), 1)
        for n, offer in enumerate(offered):
            taken, found = model.taken(n, amount, unit), model.found_on(n, amount)
            if found <= offer:
                model.lp.addConstraint(taken <= offer / unit)
                continue
            opened = model.lp.add_variable(f"open_{name}_{n}", 0, 1, pulp.LpInteger)
            model.lp.addConstraint(taken <= found / unit + (offer - found) / unit * opened)
            for c in model.at[n]:
                if amount[c] and model.problem.movable[c]:
                    model.lp.addConstraint(model.newcomers(c, n) <= model.totals[c] * opened)


def keep_node_budgets(model: TwinModel) -> None:
    """Ensures that no node exceeds its budget: watts[n] ≤ budget[n] + overload[n].

    Only a node found above its budget may stay so, by no more than it is.
    """
    draws = node_draws_mw(model.problem, model.found)
    for n, budget in enumerate(model.problem.node_budget_mw.tolist()):
        if budget != UNBOUNDED:
            room = _overload(model, ("node", n), float(draws[n] - budget))
            model.lp.addConstraint(model.watts[n] <= budget / WATT + room)


def keep_rows(model: TwinModel) -> None:
    """Ensures that no power row exceeds its budget: Σ_n share[k, n] watts[n] ≤ budget[k] + overload[domain of k].

    Only a row found above its budget may stay so, by no more than it is. A domain counts once, by its worst row.
    """
    problem = model.problem
    draws = node_draws_mw(problem, model.found)
    for row, budget in enumerate(problem.row_budget_mw.tolist()):
        if budget == UNBOUNDED:
            continue
        drawn = pulp.LpAffineExpression()
        for n, share in row_shares(problem, row):
            drawn += share / problem.row_scale * model.watts[n]
        excess = float(row_draw_mw(problem, row, draws) - budget)
        if excess <= 0:
            model.lp.addConstraint(drawn <= budget / WATT)
            continue
        room = _overload(model, ("domain", problem.row_domain[row]), excess)
        model.lp.addConstraint(drawn <= budget / WATT + room)
        model.lp.addConstraint(drawn <= (budget + excess) / WATT)


def _overload(model: TwinModel, key: tuple[str, int | str], excess_mw: float) -> pulp.LpVariable | int:
    """Watts above a budget that is found exceeded; 0 for one that holds."""
    if excess_mw <= 0:
        return 0
    if key not in model.overload:
        model.overload[key] = model.lp.add_variable(f"over_{len(model.overload)}", 0)
    variable = model.overload[key]
    variable.upBound = max(variable.upBound or 0, excess_mw / WATT)
    return variable
