"""The demo in words: what happens and why. Every figure is read off the scenario and its runs."""

from collections.abc import Iterator
from math import inf

from powerplane.cli.report.words import amount, count, gap, seconds, watts
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.simulator.breaker import seconds_to_trip
from powerplane.simulator.power import Reading, predict
from powerplane.simulator.scenario import Scenario

LOOK_EVERY_S = 10
"""Seconds between two looks for the moment from which a lost feed could no longer be borne."""


def clock(second: float) -> str:
    """Format a moment of the run: ``14:05``."""
    minutes, rest = divmod(int(second), 60)
    return f"{minutes}:{rest:02d}"


def opening(story: Scenario) -> Iterator[tuple[int, str]]:
    """Tell what stands there, what the heat does, and what the loss of a feed does: a second and a sentence each."""
    yield 0, _cool_day(story)
    yield _heat(story)
    if (broken := _first_broken(story)) is not None:
        yield (
            broken,
            f"No budget is broken yet, but {story.survivor} could no longer bear the loss of {story.lost_feed}. "
            "PowerPlane would ask for moves from here on; the demo starts it only after the loss, which is harder.",
        )
    yield story.lost_at_s, _loss(story)


def planning(story: Scenario, plan: Plan) -> Iterator[tuple[int, str]]:
    """Tell what PowerPlane found, and how well that is proven."""
    waves = len({move.wave for move in plan.moves})
    yield (
        story.planned_at_s,
        f"PowerPlane, which saw the loss at {clock(story.seen_at_s)}, has a plan after {seconds(plan.seconds)}: "
        f"{count(len(plan.moves), 'move')} in {count(waves, 'wave')}, {plan.status}, cost "
        f"{amount(plan.cost, plan.objective)}, proven that none costs below {amount(plan.bound, plan.objective)} "
        f"(gap {gap(plan.gap)}). The checker added every watt up again, at every point of every wave, and agrees.",
    )
    if plan.seconds > story.pace.solve_s:
        yield story.planned_at_s, f"That took longer here than the {story.pace.solve_s} s which the run below grants."
    if plan.overload_watts:
        yield story.planned_at_s, f"The plan leaves {watts(plan.overload_watts)} above budgets: it found none better."


def _cool_day(story: Scenario) -> str:
    snapshot = story.snapshot
    readings = predict(snapshot)
    over = [each for each in readings if each.over]
    tightest = max(readings, key=lambda each: each.draw_mw / each.budget_mw)
    state = "every budget holds, also with any one feed lost" if not over else f"{count(len(over), 'budget')} broken"
    return (
        f"{count(len(snapshot.nodes), 'node')} in {_count_kind(snapshot, 'rack')} on {_count_kind(snapshot, 'feed')} "
        f"run {len(snapshot.pods):,} pods; {state}. The tightest: {_reading(tightest)}."
    )


def _heat(story: Scenario) -> tuple[int, str]:
    room = next(room for room in story.climates if story.lost_feed in room.feeds)
    heat = room.heat
    fans = int(story.fans_at(heat.until_s)[list(room.nodes)].sum()) / 1000
    cool, hot = (watts(rating_mw(story, second) / 1000) for second in (0, heat.until_s))
    return heat.from_s, (
        f"A heat wave warms the hot row's inlet air from {heat.cool_celsius:.0f} to {heat.hot_celsius:.0f} °C by "
        f"{clock(heat.until_s)}: the row's fans add {watts(fans)}, and {story.survivor}'s breaker bears {hot} instead "
        f"of {cool}."
    )


def _loss(story: Scenario) -> str:
    found = next(each for each in predict(story.snapshot_at(story.lost_at_s)) if each.domain == story.survivor)
    breaker = next(each.breaker for each in story.domains_at(story.lost_at_s) if each.name == story.survivor)
    limit = seconds_to_trip(breaker, found.draw_mw) if breaker is not None else inf
    end = "for ever" if limit == inf else f"for {seconds(limit)}"
    return (
        f"{story.lost_feed} is lost, and {story.survivor} carries all: up to {watts(found.draw_mw / 1000)}, "
        f"{found.draw_mw / rating_mw(story, story.lost_at_s):.2f} times its rating in this heat. "
        f"Its breaker bears that {end}."
    )


def _first_broken(story: Scenario) -> int | None:
    """The first moment at which some feed's loss would break a budget; None when none does before it."""
    for second in range(0, story.lost_at_s, LOOK_EVERY_S):
        if any(each.over for each in predict(story.snapshot_at(second))):
            return second
    return None


def rating_mw(story: Scenario, second: int) -> float:
    """What the surviving feed's breaker carries for ever in the heat of a second, in milliwatts."""
    domain = next(domain for domain in story.domains_at(second) if domain.name == story.survivor)
    return domain.breaker.rating_mw if domain.breaker is not None else inf


def _reading(each: Reading) -> str:
    lost = f", with {each.lost} lost," if each.lost else ""
    return f"{each.domain}{lost} would draw {watts(each.draw_mw / 1000)} of {watts(each.budget_mw / 1000)}"


def _count_kind(snapshot: Snapshot, kind: str) -> str:
    return count(sum(domain.kind == kind for domain in snapshot.topology.domains), kind)
