"""The search: neighbourhoods of a few nodes, re-planned exactly, until the bound is met or the time is up.

Which size and which solver serve best differs from problem to problem; what has gained more per second lately is
tried more often (adaptive large neighbourhood search; Ropke and Pisinger, 2006).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from powerplane.solver.exact import Counts, apply_counts, counts_on, replan_exactly
from powerplane.solver.neighbourhood import Effort, replan
from powerplane.solver.run import Run, worth
from powerplane.solver.tables import Ints

MOST_FAILURES = 120
"""The search gives up after so many neighbourhoods in a row without a gain."""

MEMORY = 0.85
"""Weight of the past when a strategy's success is updated."""

FLOOR = 0.1
"""No strategy's chance falls below this share of the best's."""


@dataclass(slots=True)
class Strategy:
    """A size and a solver for neighbourhoods, and how well they have served.

    Attributes
    ----------
    givers, takers : int
        Nodes that pods should leave, or come back to, and nodes that could take them.
    seconds : float
        At most, for one neighbourhood.
    by_rules : bool
        True for CP-SAT, which knows the rules between pods; False for HiGHS, which leaves ruled pods where they are.
    success : float
        Recent gains per second.
    """

    givers: int
    takers: int
    seconds: float
    by_rules: bool
    success: float


def strategies(*, ruled: bool) -> list[Strategy]:
    """Return the strategies for a problem with or without rules between pods."""
    programs = [(3, 4, 0.3), (4, 8, 0.5), (8, 16, 1.0), (15, 15, 2.0)]
    models = [(3, 4, 0.3), (6, 8, 0.6)] if ruled else [(3, 4, 0.3)]
    # Until they are known, the quick ones are tried more often.
    return [
        Strategy(*size, by_rules=by_rules, success=1 / size[2])
        for by_rules, sizes in ((False, programs), (True, models))
        for size in sizes
    ]


def improve(run: Run, *, only_to_hold: bool = False) -> None:
    """Re-plan neighbourhoods until the plan is proven close enough, nothing has helped for long, or the time is up.

    Parameters
    ----------
    only_to_hold : bool
        Stop as soon as every budget and capacity holds, and at half of the time: the rest is another objective's.

    Notes
    -----
    As many at a time as there are workers, on nodes that they do not share: their gains then add up, but for budgets
    that they have in common, which each state is judged by before it is adopted.
    """
    rng = np.random.default_rng(run.seed)
    known = strategies(ruled=bool(run.found.tables.problem.rules))
    failures = 0
    with ThreadPoolExecutor(max_workers=run.workers) as pool:
        share = 0.5 if only_to_hold else 0.9
        while not run.close and run.left(share) > 0.05 and failures < MOST_FAILURES:
            if only_to_hold and not run.best.distress_mw():
                return
            tries = _tries(run, known, rng)
            if not tries:
                return
            answers = [pool.submit(_propose, run, one) for one in tries]
            for one, answer in zip(tries, answers, strict=True):
                failures = 0 if _adopt(run, one, answer.result()) else failures + 1


@dataclass(frozen=True, slots=True, eq=False)
class Try:
    """One neighbourhood to re-plan: how, which nodes, and a seed."""

    strategy: Strategy
    nodes: Ints
    seed: int


def _tries(run: Run, known: list[Strategy], rng: np.random.Generator) -> list[Try]:
    """Choose one neighbourhood for each worker, none of which share a node."""
    tries: list[Try] = []
    taken = np.zeros(0, dtype=np.int64)
    for _ in range(run.workers):
        strategy = _choose(known, rng)
        nodes = _neighbourhood(run, strategy, taken, rng)
        if len(nodes) >= 2:
            tries.append(Try(strategy, nodes, int(rng.integers(2**31))))
            taken = np.union1d(taken, nodes)
    return tries


def _propose(run: Run, one: Try) -> tuple[Counts | None, float]:
    """Re-plan one neighbourhood of the best state; return new counts on its nodes, and the seconds spent."""
    started = run.elapsed()
    seconds = min(one.strategy.seconds, max(0.01, run.left(0.9)))
    if one.strategy.by_rules:
        state = run.best.copy()
        better = replan(state, one.nodes, Effort(seconds, 1, one.seed))
        counts = counts_on(state, one.nodes, run.best) if better else None
    else:
        counts = replan_exactly(run.best, one.nodes, seconds=seconds, seed=one.seed)
    return counts, max(0.01, run.elapsed() - started)


def _adopt(run: Run, one: Try, answer: tuple[Counts | None, float]) -> bool:
    """Make the proposed state the best, if it is better; remember how the strategy served."""
    counts, spent = answer
    better = False
    if counts is not None:
        state = apply_counts(run.best, counts)
        better = worth(state) < worth(run.best) and run.offer(state, "neighbourhood")
    one.strategy.success = MEMORY * one.strategy.success + (1 - MEMORY) * (better / spent)
    return better


def _choose(known: list[Strategy], rng: np.random.Generator) -> Strategy:
    success = np.array([strategy.success for strategy in known])
    chance = np.maximum(success, max(1e-6, FLOOR * success.max()))
    return known[int(rng.choice(len(known), p=chance / chance.sum()))]


def _neighbourhood(run: Run, strategy: Strategy, taken: Ints, rng: np.random.Generator) -> Ints:
    """Choose nodes that are over something, or that pods have left at a price, and nodes that took them or could."""
    state = run.best
    room = state.node_room()
    over = np.flatnonzero((room < 0) | (state.free < 0).any(axis=1))
    left = np.array(sorted({n for (_, n), change in state.delta.items() if change < 0}), dtype=np.int64)
    took = np.array(sorted({n for (_, n), change in state.delta.items() if change > 0}), dtype=np.int64)
    pool = np.union1d(over, left) if rng.random() < 0.5 or not len(over) else over
    pool = np.setdiff1d(pool, taken)
    if not len(pool):
        return np.zeros(0, dtype=np.int64)
    givers = rng.permutation(_neighbours(run, int(rng.choice(pool)), pool))[: strategy.givers]
    busy = np.concatenate([givers, taken])
    half = rng.permutation(np.setdiff1d(took, busy))[: strategy.takers // 2]
    others = np.setdiff1d(np.flatnonzero(room > 0), np.concatenate([busy, half]))
    rest = rng.permutation(others)[: strategy.takers - len(half)]
    return np.unique(np.concatenate([givers, half, rest]))


def _neighbours(run: Run, node: int, pool: Ints) -> Ints:
    """Nodes of the pool that share a node's smallest power row, and with it the budget that binds first."""
    rows, _ = run.found.tables.rows.of(node)
    if not len(rows):
        return pool
    smallest = min(rows.tolist(), key=lambda row: len(run.found.tables.rows.nodes[row]))
    return np.intersect1d(pool, run.found.tables.rows.nodes[smallest])
