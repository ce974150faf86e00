"""The problem once more, as one monolithic integer model in PuLP: variables, capacities and watts.

It shares the ``Problem`` with the solver and nothing else, so that the two can be held against each other on small
cases. x[c, n] counts the pods of class c on node n at the end. Budgets and capacities that are found broken may stay
so, but not grow worse.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pulp

from powerplane.solver.problem import UNBOUNDED, Problem

WATT = 1000
"""Milliwatts; the model counts in watts and cores, which keeps its figures near 1."""
CORE = 1_000_000
Cell = tuple[int, int]
"""Class and node."""
Term = tuple[pulp.LpVariable, float]


class TwinModel:
    """Variables that all constraints speak of.

    Attributes
    ----------
    found : dict
        Pods found, by class and node.
    pods : dict
        x[c, n], an integer variable for each node that may hold pods of the class.
    watts : list of LpAffineExpression
        Draw of every node.
    overload : dict
        Watts above budget, by ("node", n) or ("domain", name).
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.lp = pulp.LpProblem("twin", pulp.LpMinimize)
        cells = zip(problem.cell_class.tolist(), problem.cell_node.tolist(), problem.cell_count.tolist(), strict=True)
        self.found: dict[Cell, int] = {(c, n): count for c, n, count in cells}
        self.totals = [0] * problem.class_count
        for (c, _), count in self.found.items():
            self.totals[c] += count
        self.pods = self._place()
        self.at: list[list[int]] = [[] for _ in range(problem.node_count)]
        for c, n in self.pods:
            self.at[n].append(c)
        self.watts = [self._watts(n) for n in range(problem.node_count)]
        self.overload: dict[tuple[str, int | str], pulp.LpVariable] = {}

    def _place(self) -> dict[Cell, pulp.LpVariable]:
        """Ensures that pods stand only where they may: newcomers on allowed nodes, immovable ones where they are."""
        problem, variables = self.problem, {}
        for c, total in enumerate(self.totals):
            allowed = problem.allowed[problem.allowed_set[c]]
            for n in range(problem.node_count):
                found = self.found.get((c, n), 0)
                most = total if allowed[n] and problem.movable[c] else found
                if most:
                    least = 0 if problem.movable[c] else found
                    variables[c, n] = self.lp.add_variable(f"x_{c}_{n}", least, most, pulp.LpInteger)
        return variables

    def sum(self, terms: Sequence[Term]) -> pulp.LpAffineExpression:
        """Weighted sum of variables."""
        return pulp.LpAffineExpression(terms)

    def newcomers(self, c: int, n: int) -> pulp.LpAffineExpression:
        """Pods of a class that are new on a node, less those that leave it."""
        return self.pods[c, n] - self.found.get((c, n), 0)

    def taken(self, n: int, amount: list[int], unit: int) -> pulp.LpAffineExpression:
        """What the pods on a node take of something, in units."""
        return self.sum([(self.pods[c, n], amount[c] / unit) for c in self.at[n] if amount[c]])

    def found_on(self, n: int, amount: list[int]) -> int:
        """What the pods that are found on a node take of something."""
        return sum(amount[c] * self.found.get((c, n), 0) for c in self.at[n])

    def _watts(self, n: int) -> pulp.LpAffineExpression:
        """Ensures that a node draws what its curve says, whatever the curve's shape.

        Σ z_k = 1, use = Σ (left_k z_k + part_k), 0 ≤ part_k ≤ run_k z_k, watts = Σ (low_k z_k + slope_k part_k), with
        a binary z_k for each segment k (the multiple-choice model of Croxton, Gendron & Magnanti, 2003).
        """
        use, accelerators = self.problem.use_ucores.tolist(), self.problem.accelerator_mw.tolist()
        accelerator_watts = self.taken(n, accelerators, WATT)
        used, drawn = pulp.LpAffineExpression(), pulp.LpAffineExpression()
        chosen = []
        for k, (left, low, right, high) in enumerate(self._segments(n)):
            z = self.lp.add_variable(f"z_{n}_{k}", 0, 1, pulp.LpInteger)
            part = self.lp.add_variable(f"part_{n}_{k}", 0)
            run = right - left
            self.lp.addConstraint(part <= run / CORE * z)
            used += left / CORE * z + part
            drawn += low / WATT * z + (high - low) / WATT / (run / CORE) * part
            chosen.append((z, 1))
        self.lp.addConstraint(self.sum(chosen) == 1)
        self.lp.addConstraint(self.taken(n, use, CORE) == used)
        return drawn + accelerator_watts

    def _segments(self, n: int) -> list[tuple[int, int, int, int]]:
        """Segments of a node's curve, and a flat one beyond for a node that is found used beyond its last knot."""
        kind = self.problem.types[self.problem.node_type[n]]
        knots = list(zip(kind.knots_ucores.tolist(), kind.knots_mw.tolist(), strict=True))
        use = self.problem.use_ucores.tolist()
        last = knots[-1][0]
        most = max(last, int(self.problem.allocatable[n, -1]), self.found_on(n, use))
        beyond = [(most, knots[-1][1])] if most > last else []
        return [(*left, *right) for left, right in pairwise(knots + beyond) if right[0] > left[0]]


def node_draw_mw(problem: Problem, n: int, use_ucores: int, accelerator_mw: int) -> Fraction:
    """Exact draw of a node, in milliwatts."""
    kind = problem.types[problem.node_type[n]]
    knots: list[tuple[int, int]] = list(zip(kind.knots_ucores.tolist(), kind.knots_mw.tolist(), strict=True))
    for (left, low), (right, high) in pairwise(knots):
        if use_ucores <= right:
            return Fraction((high - low) * (use_ucores - left), right - left) + low + accelerator_mw
    return Fraction(accelerator_mw + int(kind.knots_mw[-1]))


def node_draws_mw(problem: Problem, counts: dict[Cell, int]) -> list[Fraction]:
    """Exact draw of every node with so many pods of each class on it, in milliwatts."""
    use, accelerators = [0] * problem.node_count, [0] * problem.node_count
    for (c, n), count in counts.items():
        use[n] += count * int(problem.use_ucores[c])
        accelerators[n] += count * int(problem.accelerator_mw[c])
    return [node_draw_mw(problem, n, use[n], accelerators[n]) for n in range(problem.node_count)]


def row_draw_mw(problem: Problem, row: int, draws_mw: list[Fraction]) -> Fraction:
    """Exact draw of a power row, in milliwatts."""
    return sum((weight * draws_mw[n] for n, weight in row_shares(problem, row)), Fraction(0)) / problem.row_scale


def row_shares(problem: Problem, row: int) -> list[tuple[int, int]]:
    """Nodes of a power row, with the share of each times the scale."""
    matrix = problem.row_weights
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return list(zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True))


def excesses_mw(problem: Problem, draws_mw: list[Fraction]) -> dict[tuple[str, int | str], Fraction]:
    """Milliwatts above each node's budget, and above each domain's in its worst row; none where it holds."""
    over: dict[tuple[str, int | str], Fraction] = {}
    for n, budget in enumerate(problem.node_budget_mw.tolist()):
        if budget != UNBOUNDED and draws_mw[n] > budget:
            over["node", n] = draws_mw[n] - budget
    for row, budget in enumerate(problem.row_budget_mw.tolist()):
        if budget != UNBOUNDED:
            key = ("domain", problem.row_domain[row])
            excess = row_draw_mw(problem, row, draws_mw) - budget
            if excess > over.get(key, 0):
                over[key] = excess
    return over
