"""Lookups compiled once from a Problem: curves as padded matrices, power rows by node, rules by class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.problem import UNBOUNDED, Problem

Ints = NDArray[np.int64]
ROOMY = np.int64(1) << 60
"""Headroom of what has no budget: more than any draw, and far from overflow."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveTable:
    """All node types' curves side by side, so that nodes of different types are evaluated in one pass.

    Parameters
    ----------
    use, mw : int64 arrays, shape (T, K)
        Knots; rows with fewer knots repeat their last.
    """

    use: Ints
    mw: Ints

    def watts(self, kind: NDArray[np.int32], use: Ints) -> Ints:
        """Draw in milliwatts, rounded up, of nodes of types ``kind`` at ``use`` micro-cores (same shapes)."""
        knots, draws = self.use[kind], self.mw[kind]
        at = np.minimum(use, knots[:, -1])
        right = np.clip((knots < at[:, None]).sum(axis=1), 1, None)
        row = np.arange(len(at))
        left = right - 1
        run = knots[row, right] - knots[row, left]
        rise = draws[row, right] - draws[row, left]
        result: Ints = draws[row, left] - (-(rise * (at - knots[row, left])) // run)
        return result

    def slope_range(self, kind: int, low: int, high: int) -> tuple[float, float]:
        """Return the flattest and the steepest slope, in mW per micro-core, that the curve has between two uses."""
        knots, draws = self.use[kind], self.mw[kind]
        slopes = [
            float(draws[i + 1] - draws[i]) / float(knots[i + 1] - knots[i])
            for i in range(len(knots) - 1)
            if knots[i + 1] > knots[i] and knots[i] < max(high, low + 1) and knots[i + 1] > low
        ]
        if high > knots[-1] or not slopes:
            slopes.append(0.0)
        return min(slopes), max(slopes)


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """Power rows by node: the transpose of the problem's row weights.

    Parameters
    ----------
    row, weight : int64 arrays, shape (E,)
        Rows that carry a node and its weight there, node after node.
    start : int64 array, shape (N + 1,)
        Where each node's entries begin.
    wide_row, wide_weight : int64 arrays, shape (N, D)
        The same with one line a node; nodes in fewer than D rows repeat one, or have K, a row without a limit.
    nodes : tuple of int64 arrays
        Nodes of each row.
    limit : int64 array, shape (K,)
        Budget times scale; ``ROOMY`` where there is none.
    domain_rows : tuple of int64 arrays
        Rows that belong to one domain; its overload is that of the worst.
    """

    row: Ints
    weight: Ints
    start: Ints
    wide_row: Ints
    wide_weight: Ints
    nodes: tuple[Ints, ...]
    limit: Ints
    domain_rows: tuple[Ints, ...]

    def of(self, node: int) -> tuple[Ints, Ints]:
        """Rows that carry a node, and its weights there."""
        span = slice(self.start[node], self.start[node + 1])
        return self.row[span], self.weight[span]


def compile_curves(problem: Problem) -> CurveTable:
    """Pad every node type's knots to one width."""
    width = max(len(kind.knots_mw) for kind in problem.types)

    def padded(knots: Ints) -> Ints:
        return np.concatenate([knots, np.repeat(knots[-1:], width - len(knots))])

    return CurveTable(
        use=np.stack([padded(kind.knots_ucores) for kind in problem.types]),
        mw=np.stack([padded(kind.knots_mw) for kind in problem.types]),
    )


def compile_rows(problem: Problem) -> RowTable:
    """Transpose the row weights and group rows by domain."""
    by_node = problem.row_weights.tocsc()
    by_row = problem.row_weights.tocsr()
    limit = np.where(problem.row_budget_mw == UNBOUNDED, 0, problem.row_budget_mw) * problem.row_scale
    wide_row, wide_weight = _wide(by_node.indptr, by_node.indices, by_node.data, len(limit))
    domains: dict[str, list[int]] = {}
    for row, name in enumerate(problem.row_domain):
        domains.setdefault(name, []).append(row)
    return RowTable(
        row=by_node.indices.astype(np.int64),
        weight=by_node.data.astype(np.int64),
        start=by_node.indptr.astype(np.int64),
        wide_row=wide_row,
        wide_weight=wide_weight,
        nodes=tuple(
            by_row.indices[by_row.indptr[k] : by_row.indptr[k + 1]].astype(np.int64)
            for k in range(len(problem.row_domain))
        ),
        limit=np.where(problem.row_budget_mw == UNBOUNDED, ROOMY, limit),
        domain_rows=tuple(np.array(rows, dtype=np.int64) for rows in domains.values()),
    )


def _wide(starts: NDArray[Any], rows: NDArray[Any], weights: NDArray[Any], none: int) -> tuple[Ints, Ints]:
    """Lay the entries of each column out on a line of their own, padded with the row ``none`` at weight 1."""
    lengths = np.diff(starts)
    shape = (len(lengths), max(1, int(lengths.max(initial=0))))
    wide_row, wide_weight = np.full(shape, none, dtype=np.int64), np.ones(shape, dtype=np.int64)
    node = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(rows)) - np.repeat(starts[:-1], lengths)
    wide_row[node, place] = rows
    wide_weight[node, place] = weights
    return wide_row, wide_weight


@dataclass(frozen=True, slots=True, eq=False)
class RuleTable:
    """Rules by class.

    Parameters
    ----------
    carried, targeted : dict
        Rows of ``Problem.rules`` that a class carries, and that count it. Classes without any are left out.
    """

    carried: dict[int, tuple[int, ...]]
    targeted: dict[int, tuple[int, ...]]


def compile_rules(problem: Problem) -> RuleTable:
    """Invert the rules' class lists."""
    carried: dict[int, list[int]] = {}
    targeted: dict[int, list[int]] = {}
    for i, rule in enumerate(problem.rules):
        for c in rule.carriers:
            carried.setdefault(int(c), []).append(i)
        for c in rule.targets:
            targeted.setdefault(int(c), []).append(i)
    return RuleTable(
        carried={c: tuple(rules) for c, rules in carried.items()},
        targeted={c: tuple(rules) for c, rules in targeted.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Everything compiled from one problem."""

    problem: Problem
    curves: CurveTable
    rows: RowTable
    rules: RuleTable
    peak_mw: Ints
    node_limit: Ints


def compile_tables(problem: Problem) -> Tables:
    """Compile all lookups of a problem."""
    curves = compile_curves(problem)
    return Tables(
        problem=problem,
        curves=curves,
        rows=compile_rows(problem),
        rules=compile_rules(problem),
        peak_mw=curves.mw[problem.node_type, -1],
        node_limit=np.where(problem.node_budget_mw == UNBOUNDED, ROOMY, problem.node_budget_mw),
    )
