"""The search: neighbourhoods of a few nodes, re-planned exactly, until the bound is met or the time is up.

Which size and which solver serve best differs from problem to problem; what has gained more per second lately is
tried more often (adaptive large neighbourhood search; Ropke and Pisinger, 2006).
"""

from dataclasses import dataclass

import numpy as np

from powerplane.solver.exact import apply_counts, replan_exactly
from powerplane.solver.neighbourhood import Effort, replan
from powerplane.solver.run import Run, worth
from powerplane.solver.state import State
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


def improve(run: Run) -> None:
    """Re-plan neighbourhoods until the plan is proven close enough, nothing has helped for long, or the time is up."""
    rng = np.random.default_rng(run.seed)
    known = strategies(ruled=bool(run.found.tables.problem.rules))
    failures = 0
    while not run.close and run.left(0.9) > 0.05 and failures < MOST_FAILURES:
        strategy = _choose(known, rng)
        nodes = _neighbourhood(run, strategy, rng)
        if len(nodes) < 2:
            return
        started = run.elapsed()
        state = _replan(run, strategy, nodes, int(rng.integers(2**31)))
        better = state is not None and run.offer(state, "neighbourhood")
        spent = max(0.01, run.elapsed() - started)
        strategy.success = MEMORY * strategy.success + (1 - MEMORY) * (better / spent)
        failures = 0 if better else failures + 1


def _choose(known: list[Strategy], rng: np.random.Generator) -> Strategy:
    success = np.array([strategy.success for strategy in known])
    chance = np.maximum(success, max(1e-6, FLOOR * success.max()))
    return known[int(rng.choice(len(known), p=chance / chance.sum()))]


def _replan(run: Run, strategy: Strategy, nodes: Ints, seed: int) -> State | None:
    """Return a better state than the best, or None."""
    seconds = min(strategy.seconds, run.left(0.9))
    if strategy.by_rules:
        state = run.best.copy()
        return state if replan(state, nodes, Effort(seconds, run.workers, seed)) else None
    counts = replan_exactly(run.best, nodes, seconds=seconds, seed=seed)
    if counts is None:
        return None
    state = apply_counts(run.best, counts)
    return state if worth(state) < worth(run.best) else None


def _neighbourhood(run: Run, strategy: Strategy, rng: np.random.Generator) -> Ints:
    """Choose nodes that are over something, or that pods have left at a price, and nodes that took them or could."""
    state = run.best
    room = state.node_room()
    over = np.flatnonzero((room < 0) | (state.free < 0).any(axis=1))
    left = np.array(sorted({n for (_, n), change in state.delta.items() if change < 0}), dtype=np.int64)
    took = np.array(sorted({n for (_, n), change in state.delta.items() if change > 0}), dtype=np.int64)
    pool = np.union1d(over, left) if rng.random() < 0.5 or not len(over) else over
    if not len(pool):
        return np.zeros(0, dtype=np.int64)
    givers = rng.permutation(pool)[: strategy.givers]
    half = rng.permutation(np.setdiff1d(took, givers))[: strategy.takers // 2]
    others = np.setdiff1d(np.flatnonzero(room > 0), np.concatenate([givers, half]))
    rest = rng.permutation(others)[: strategy.takers - len(half)]
    return np.unique(np.concatenate([givers, half, rest]))
