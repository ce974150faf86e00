"""What came of the demo's two runs, fact by fact, and whether it went well."""

from collections.abc import Callable
from math import ceil

from powerplane.cli.demo_words import clock
from powerplane.cli.report.words import count, seconds, share
from powerplane.models.plan import Plan
from powerplane.simulator.history import Run
from powerplane.simulator.scenario import Scenario

Fact = tuple[str, str, str]
"""What is asked, the answer without PowerPlane, and with it."""


def find_facts(story: Scenario, row: str, alone: Run, guarded: Run) -> tuple[Fact, ...]:
    """What came of a run without PowerPlane and one with it.

    Parameters
    ----------
    row : str
        The row that the lost feed serves.
    """
    feed = story.survivor
    tellers: dict[str, Callable[[Run], str]] = {
        f"breaker of {feed}": lambda run: _breaker(run, feed),
        f"{feed} above its rating": lambda run: seconds(float(run.seconds_over(feed))),
        f"highest load of {feed}": lambda run: f"{run.times_over(feed).max():.2f} times its rating",
        f"{row} without power": lambda run: _dark(run, row),
        "pods without power, at worst": lambda run: f"{run.lost_pods:,}",
        "pod-minutes without power": lambda run: f"{run.lost_pod_minutes:,.0f}",
        "pods down at the end": lambda run: f"{int(run.down[-1]):,}",
        "pods moved": lambda run: f"{run.moved:,} in {count(run.waves, 'wave')}" if run.moved else "0",
        "pod-minutes between two nodes": lambda run: f"{run.moving_pod_minutes:,.0f}",
        "budgets broken at the end": lambda run: (
            "; ".join(_broken(run)) or "none, also with one of two paired feeds lost"
        ),
    }
    return tuple((fact, tell(alone), tell(guarded)) for fact, tell in tellers.items())


def went_well(plan: Plan, guarded: Run) -> bool:
    """Whether the plan holds all budgets, was carried out whole, and did hold them."""
    return (
        plan.overload_watts == 0
        and guarded.moved == len(plan.moves)
        and not (guarded.tripped or guarded.broken or guarded.lost_pods)
    )


def conclude(row: str, plan: Plan, alone: Run, guarded: Run) -> str:
    """Say the outcome in a sentence, whatever it was."""
    bad = _harm(row, guarded)
    if not went_well(plan, guarded):
        return f"PowerPlane did not hold this cluster: {bad or 'the plan was not carried out whole'}."
    if not (harm := _harm(row, alone)):
        return "PowerPlane held every budget, but in this run nothing would have gone dark without it either."
    return f"Without PowerPlane {harm}. With it no breaker trips, no pod is lost, and every budget holds again."


def _harm(row: str, run: Run) -> str:
    if run.tripped:
        feed, second = next(iter(run.tripped.items()))
        return f"{feed} trips at {clock(second)}, {row} goes dark, and {run.lost_pods:,} pods stop"
    return f"the budget of {_broken(run)[0]} stays broken" if run.broken else ""


def _broken(run: Run) -> list[str]:
    return [each.domain + (f" with {each.lost} lost" if each.lost else "") for each in run.broken]


def _breaker(run: Run, feed: str) -> str:
    if feed in run.tripped:
        return f"trips at {clock(run.tripped[feed])}"
    return f"holds; at most {share(ceil(100 * run.peak_heat(feed)) / 100)} of the heat that trips it"


def _dark(run: Run, row: str) -> str:
    minutes = run.dark_minutes(row)
    if not minutes:
        return "never"
    until_the_end = bool(run.dark[-1, run.domains.index(row)])
    return f"{minutes:.1f} min" + (", and still at the end" if until_the_end else "")
