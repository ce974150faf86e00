"""From a snapshot to a plan that has been checked: formulate, solve, explain, compose, check."""

import time
from collections.abc import Callable

from powerplane.models.errors import PowerPlaneError
from powerplane.models.plan import Conflict, Plan
from powerplane.models.quantities import format_watts
from powerplane.models.snapshot import Snapshot
from powerplane.solver.check import CheckReport, check
from powerplane.solver.compose import compose_plan
from powerplane.solver.conflict import find_conflict
from powerplane.solver.explain import reasons
from powerplane.solver.formulate import formulate
from powerplane.solver.problem import Problem
from powerplane.solver.solve import Standing, solve

Say = Callable[[str], None]
"""Told what is being done."""

AFTERWARDS_SHARE = 0.25
"""Part of the deadline kept for explaining, composing and checking what was found."""

SHORTEST_SOLVE_SHARE = 0.2
"""Part of the deadline that the solver gets, however long reading took."""

WHY_TIMES = 2.0
"""Deadlines until which saying why no plan holds may take: no plan is kept waiting for it that could be carried out."""

PROOF_SHARE = 0.25
"""Part of the time left that one proof of a conflict may take."""

SHORTEST_PROOF_S = 0.5

VIOLATIONS_SHOWN = 20


def make_plan(
    snapshot: Snapshot, *, objective: str, deadline_s: float, seed: int, say: Say, clock: Callable[[], float]
) -> Plan:
    """Return the best plan found in time, checked.

    Parameters
    ----------
    objective : "disruption" or "energy"
        What to spare once all budgets hold.
    deadline_s : float
        Seconds on the clock, from its 0, for everything.
    say : Say
        Told what is being done.
    clock : callable
        Seconds since the command began.

    Raises
    ------
    PowerPlaneError
        When the checker finds anything wrong: nothing of the plan is reported then.
    """
    say("stating the problem")
    formulation = formulate(snapshot)
    seconds = solving_seconds(deadline_s, clock())
    say(f"solving for {seconds:.1f} s")
    result = solve(
        formulation.problem,
        objective=objective,
        seconds=seconds,
        seed=seed,
        clock=time.monotonic,
        on_progress=lambda standing: say(_told(standing)),
    )
    say("explaining the plan")
    because = reasons(formulation.problem, result.flows)
    conflict = None
    if result.status == "infeasible":
        say("narrowing down what cannot hold together")
        conflict = _conflict(formulation.problem, deadline_s, clock)
    plan = compose_plan(snapshot, formulation, result, because, conflict)
    say("adding every watt up again")
    require_sound(check(snapshot, plan))
    return plan


def planner_of(seed: int, seconds: float, told: Say) -> Callable[[Snapshot], Plan | None]:
    """Return who makes the least disruptive plan of a snapshot in so many seconds, and none where that is refused.

    Parameters
    ----------
    seed : int
    seconds : float
        For each plan.
    told : Say
        Why there is none.
    """

    def plan(snapshot: Snapshot) -> Plan | None:
        began = time.monotonic()
        try:
            return make_plan(
                snapshot,
                objective="disruption",
                deadline_s=seconds,
                seed=seed,
                say=lambda _: None,
                clock=lambda: time.monotonic() - began,
            )
        except PowerPlaneError as error:
            told(f"no plan: {error.problem}")
            return None

    return plan


def solving_seconds(deadline_s: float, spent_s: float) -> float:
    """Seconds for the solver: what is left of the deadline, less what comes after solving."""
    return max(SHORTEST_SOLVE_SHARE * deadline_s, (1 - AFTERWARDS_SHARE) * deadline_s - spent_s)


def require_sound(report: CheckReport) -> None:
    """Raise PowerPlaneError, naming what is wrong, unless the checker found nothing."""
    if report.ok:
        return
    shown = [f"    {violation}" for violation in report.violations[:VIOLATIONS_SHOWN]]
    if (more := len(report.violations) - len(shown)) > 0:
        shown.append(f"    and {more} more")
    raise PowerPlaneError(
        "\n".join([f"the plan failed its check in {len(report.violations)} places, so it is not shown:", *shown]),
        "please report this with the snapshot; a different --seed may give a sound plan",
    )


def _told(standing: Standing) -> str:
    over = f", {format_watts(standing.overload_mw)} still above budgets" if standing.overload_mw else ""
    return f"solving: {standing.step}, cost {standing.cost / 1000:g}, bound {standing.bound / 1000:g}{over}"


def _conflict(problem: Problem, deadline_s: float, clock: Callable[[], float]) -> Conflict | None:
    """Narrow the conflict down for as long again as the deadline; the set is then as small as it has become."""
    until = deadline_s * WHY_TIMES
    seconds = max(SHORTEST_PROOF_S, (until - clock()) * PROOF_SHARE)
    return find_conflict(problem, stop=lambda: clock() >= until, seconds=seconds)
