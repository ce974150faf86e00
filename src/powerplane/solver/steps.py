"""The steps of a solve before the search, in their order: repair, prove, round, relax, solve whole."""

from math import ceil

from powerplane.solver.cover import cover
from powerplane.solver.exact import apply_counts, hold_exactly, is_small, solve_whole
from powerplane.solver.greedy import repair
from powerplane.solver.relaxation import relax
from powerplane.solver.rounding import follow_covers, follow_relaxation
from powerplane.solver.run import Run
from powerplane.solver.spots import trouble_spots


def repair_greedily(run: Run) -> None:
    """Step 1: the first plan, greedily; where one way of choosing targets gets stuck, another may not."""
    state = run.found.copy()
    repair(state, lambda: run.left(0.5) < 0)
    run.offer(state, "greedy repair")
    if state.distress_mw() and run.left(0.3) > 0:
        other = run.found.copy()
        repair(other, lambda: run.left(0.5) < 0, frugal=True)
        run.offer(other, "frugal repair")


def prove(run: Run) -> None:
    """Step 2: bounds from exact covers of the trouble spots."""
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


def relax_whole(run: Run) -> None:
    """Step 4: a bound by linear programming; where budgets are still broken, a small model may prove that they must."""
    if run.close:
        return
    if run.best.distress_mw() and not run.hopeless:
        run.hopeless = relax(run.found, (), seconds=max(0.2, run.left(0.8)), coarse=True).infeasible
    if not run.hopeless and run.left(0.7) > 0:
        cuts = tuple((c.spot.nodes, c.bound) for c in run.covers)
        whole = relax(run.found, cuts, seconds=run.left(0.8))
        run.hopeless |= whole.infeasible
        if not whole.infeasible:
            run.cost_bound = max(run.cost_bound, ceil(whole.bound - 1e-3))
            state = follow_relaxation(run.found, whole)
            repair(state, lambda: run.left(0.8) < 0)
            run.offer(state, "relaxation rounding")
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
    """Step 5, for small problems: the whole as one program."""
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
