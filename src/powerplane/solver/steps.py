"""The steps of a solve, in their order: repair, prove, round, solve whole, improve."""

from math import ceil

import numpy as np

from powerplane.solver.cover import cover
from powerplane.solver.exact import apply_counts, hold_exactly, is_small, solve_whole
from powerplane.solver.greedy import repair
from powerplane.solver.neighbourhood import Effort, replan
from powerplane.solver.relaxation import relax
from powerplane.solver.rounding import follow_covers
from powerplane.solver.run import Run
from powerplane.solver.spots import Cover, trouble_spots
from powerplane.solver.state import State
from powerplane.solver.tables import Ints


def repair_greedily(run: Run) -> None:
    """Step 1: the first plan, greedily."""
    state = run.found.copy()
    repair(state, lambda: run.left(0.5) < 0)
    run.offer(state, "greedy repair")


def prove(run: Run) -> None:
    """Step 2: bounds, from exact covers of the trouble spots and the relaxation of the whole."""
    spots = trouble_spots(run.found)
    covers = []
    for i, spot in enumerate(spots):
        fair = run.left(0.6) / max(1, len(spots) - i)
        if run.left(0.6) <= 0:
            break
        covers.append(cover(run.found, spot, seconds=max(0.02, min(fair, run.seconds / 4)), seed=run.seed))
    run.covers = tuple(covers)
    if not all(c.possible for c in covers):
        run.hopeless = True
    run.cost_bound = sum(c.bound for c in covers)
    run.tell("covers")
    if not run.proven:
        _relax(run)


def _relax(run: Run) -> None:
    """Bound the whole by linear programming: a small model first, which may prove at once that nothing helps."""
    small = relax(run.found, (), seconds=max(0.2, run.left(0.8)), coarse=True)
    run.hopeless |= small.infeasible
    if not run.hopeless and run.left(0.7) > 0:
        cuts = tuple((c.spot.nodes, c.bound) for c in run.covers)
        whole = relax(run.found, cuts, seconds=run.left(0.8))
        run.hopeless |= whole.infeasible
        if not whole.infeasible:
            run.cost_bound = max(run.cost_bound, ceil(whole.bound - 1e-3))
    if run.hopeless:
        least = relax(run.found, (), seconds=max(0.2, run.left(0.8)), coarse=True, soft=True)
        if run.left(0.5) > 0:
            closer = relax(run.found, (), seconds=run.left(0.8), soft=True)
            least = max(least, closer, key=lambda relaxed: 0.0 if relaxed.infeasible else relaxed.bound)
        run.overload_bound_mw = 0 if least.infeasible else max(0, ceil(least.bound - 1))
    run.tell("relaxation")


def round_covers(run: Run) -> None:
    """Step 3: carry the covers out, and repair what did not fit."""
    if run.proven or not any(c.taken for c in run.covers):
        return
    state = follow_covers(run.found, run.covers)
    repair(state, lambda: run.left(0.8) < 0)
    run.offer(state, "cover rounding")


def solve_small_whole(run: Run) -> None:
    """Step 3½, for small problems: the whole as one program."""
    if run.close or run.left(0.5) <= 0 or not is_small(run.found):
        return
    broken = run.best.distress_mw() > 0
    whole = solve_whole(run.found, broken=broken, seconds=run.left(0.5), seed=run.seed)
    run.overload_bound_mw = max(run.overload_bound_mw, whole.overload_bound_mw)
    run.hopeless |= whole.overload_bound_mw > 0
    run.cost_bound = max(run.cost_bound, whole.cost_bound)
    ruled = bool(run.found.tables.problem.rules)
    if whole.counts is not None and not ruled:
        run.offer(apply_counts(run.found, whole.counts), "whole program")
        if run.best.distress_mw() and not run.hopeless and run.left(0.8) > 0:
            counts = hold_exactly(run.found, seconds=run.left(0.8), seed=run.seed)
            if counts is not None:
                run.offer(apply_counts(run.found, counts), "whole program")
    run.tell("whole program")


def improve(run: Run) -> None:
    """Step 4: neighbourhoods, until the bound is met, nothing improves any more, or the time is up."""
    rng = np.random.default_rng(run.seed)
    idle = 0
    while not run.close and run.left(0.9) > 0.05 and idle < 40:
        nodes = _neighbourhood(run, rng)
        if not len(nodes):
            return
        state = run.best.copy()
        budget = min(0.5, run.left(0.9))
        better = replan(state, nodes, Effort(budget, run.workers, int(rng.integers(2**31))))
        idle = 0 if better else idle + 1
        if better:
            run.offer(state, "neighbourhood")


def _neighbourhood(run: Run, rng: np.random.Generator) -> Ints:
    """Choose a few nodes: of a spot that is still over budget or pays more than its cover, and some that have room."""
    state = run.best
    room = state.node_room()
    hot = np.flatnonzero((room < 0) | (state.free < 0).any(axis=1))
    if not len(hot):
        dear = [c.spot.nodes for c in run.covers if _paid(state, c) > c.bound]
        if not dear:
            return np.zeros(0, dtype=np.int64)
        hot = dear[int(rng.integers(len(dear)))]
    givers = rng.permutation(hot)[:8]
    weight = np.maximum(room, 0).astype(float)
    weight[givers] = 0
    if not weight.any():
        return np.sort(givers)
    weight = np.minimum(weight, np.quantile(weight[weight > 0], 0.9))
    size = min(6, int((weight > 0).sum()))
    takers = rng.choice(len(weight), size=size, replace=False, p=weight / weight.sum())
    return np.sort(np.concatenate([givers, takers]))


def _paid(state: State, spot_cover: Cover) -> int:
    """What the plan pays for pods that leave a spot's nodes."""
    nodes = set(spot_cover.spot.nodes.tolist())
    price = state.tables.problem.move_cost
    return sum(-change * int(price[c]) for (c, n), change in state.delta.items() if change < 0 and n in nodes)
