"""The anytime solve: a first plan at once, a bound soon, and better plans until they meet or the time is up."""

from powerplane.solver.finish import in_waves, result_of
from powerplane.solver.least_energy import least_energy
from powerplane.solver.problem import Problem
from powerplane.solver.result import Result
from powerplane.solver.run import Clock, Progress, Run, Standing
from powerplane.solver.search import improve
from powerplane.solver.state import found_state
from powerplane.solver.steps import prove, relax_whole, repair_greedily, round_covers, solve_small_whole
from powerplane.solver.tables import compile_tables

__all__ = ["Progress", "Standing", "solve"]


def solve(
    problem: Problem,
    *,
    objective: str = "disruption",
    seconds: float,
    seed: int,
    clock: Clock,
    workers: int = 2,
    on_progress: Progress | None = None,
) -> Result:
    """Find the least disruptive placement that holds every budget, and prove how close to the least it is.

    Parameters
    ----------
    problem : Problem
    objective : "disruption" or "energy"
        What is minimised once budgets and capacities hold.
    seconds : float
        Time for everything, in ``clock``'s seconds; the best found by then is returned.
    seed : int
    clock : callable
        Monotonic seconds.
    workers : int
        Threads for the neighbourhoods.
    on_progress : callable, optional
        Called with a ``Standing`` after every step.
    """
    found = found_state(compile_tables(problem))
    run = Run(found, found, clock, clock(), seconds, seed, workers, on_progress)
    run.trail.append((run.elapsed(), 0, found.overload_mw(), "found"))
    if found.distress_mw():
        repair_greedily(run)
        prove(run)
        round_covers(run)
        relax_whole(run)
        solve_small_whole(run)
        improve(run, only_to_hold=objective == "energy")
    if objective == "energy":
        return least_energy(run)
    flows, reached = in_waves(run)
    cost = sum(flow.count * int(problem.move_cost[flow.pod_class]) for flow in flows)
    return result_of(run, objective, (flows, reached), cost)
