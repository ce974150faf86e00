"""Runs over time: the watts of the domains that came closest to their limits, and where breakers tripped."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite

from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.charts import Panel, Point, draw_panel, round_ticks
from powerplane.cli.report.wave_panels import frame
from powerplane.models.frames import DrawFrame
from powerplane.models.topology import PowerDomain, PowerTopology

MOST_DOMAINS = 6
MOST_STEPS = 240
PANEL_SIZE = (420.0, 120.0)

Run = tuple[DrawFrame, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to one domain in one run.

    Parameters
    ----------
    frames : tuple of DrawFrame
    dark_s : float
        Second at which it goes dark, infinite when it never does.
    cause : str
        The domain above whose loss made it dark; "" when there is none.
    has_breaker : bool
    """

    frames: Run = ()
    dark_s: float = inf
    cause: str = ""
    has_breaker: bool = False

    @property
    def trips(self) -> bool:
        """Whether its own breaker trips; without one, what it carries or what carries it went dark."""
        return self.dark_s < inf and self.has_breaker and not self.cause


@dataclass(frozen=True, slots=True)
class TimePanel:
    """One domain's chart of one run.

    Parameters
    ----------
    outcome : str
        What came of it: a trip, the worst excess, or that the budget held.
    bad : bool
    """

    outcome: str
    bad: bool
    drawing: Markup


def time_panels(
    runs: tuple[Run, ...], topology: PowerTopology
) -> tuple[tuple[tuple[str, tuple[TimePanel, ...]], ...], int]:
    """Draw the same domains for each run, on the same axes.

    Returns
    -------
    tuple
        (domain, a panel for each run), at most ``MOST_DOMAINS``, worst first; and how many domains were left out.
    """
    stories = [_stories(run, topology) for run in runs]
    names = list(dict.fromkeys(name for found in stories for name in found))
    names.sort(key=lambda name: max(_severity(found[name]) for found in stories if name in found), reverse=True)
    end = max((f.seconds for run in runs for f in run), default=0.0) or 1.0
    shown = names[:MOST_DOMAINS]
    rows = tuple((name, _row(name, [found.get(name, Story()) for found in stories], topology, end)) for name in shown)
    return rows, len(names) - len(shown)


def _by_domain(run: Run) -> dict[str, Run]:
    frames: dict[str, list[DrawFrame]] = defaultdict(list)
    for shot in run:
        frames[shot.domain].append(shot)
    return {name: tuple(shots) for name, shots in frames.items()}


def _stories(run: Run, topology: PowerTopology) -> dict[str, Story]:
    """Tell what happened to each domain."""
    found, by_name = _by_domain(run), topology.by_name
    dark = {name: _goes_dark(frames) for name, frames in found.items()}
    roots = {name: _root(name, by_name, dark) if dark[name] < inf else name for name in found}
    breakers = {name for name in found if name in by_name and by_name[name].breaker}
    return {
        name: Story(frames, dark[name], roots[name] if roots[name] != name else "", name in breakers)
        for name, frames in found.items()
    }


def _root(name: str, by_name: dict[str, PowerDomain], dark: dict[str, float]) -> str:
    """Follow a dark domain up to the one whose breaker tripped.

    A domain goes dark with the parents of a kind once all of them are dark; otherwise it tripped itself.
    """
    parents = by_name[name].parents if name in by_name else ()
    for kind in dict.fromkeys(by_name[parent].kind for parent in parents):
        supply = [parent for parent in parents if by_name[parent].kind == kind]
        last = max(supply, key=lambda parent: dark.get(parent, inf))
        if dark.get(last, inf) <= dark[name]:
            return _root(last, by_name, dark)
    return name


def _goes_dark(run: Run) -> float:
    return next((f.seconds for f in run if f.dark), inf)


def _severity(story: Story) -> tuple[bool, float]:
    loads = [f.watts / f.budget_watts for f in story.frames if f.budget_watts > 0]
    return story.trips, max(loads, default=0.0)


def _row(name: str, runs: list[Story], topology: PowerTopology, end: float) -> tuple[TimePanel, ...]:
    domain = topology.by_name.get(name)
    rating = domain.breaker.rating_mw / 1000 if domain and domain.breaker else None
    values = [value for run in runs for f in run.frames for value in (f.watts, f.budget_watts) if isfinite(value)]
    y_range = frame([*values, *([] if rating is None else [rating])] or [0.0])
    return tuple(_panel(name, run, rating, y_range, end) for run in runs)


def _panel(name: str, story: Story, rating: float | None, y_range: tuple[float, float], end: float) -> TimePanel:
    run, (outcome, bad) = story.frames, _outcome(story)
    panel = Panel(
        name=f"Watts of {name} over time",
        description=outcome,
        draw=thin(tuple((f.seconds, f.watts) for f in run)),
        budget=_changes(tuple((f.seconds, f.budget_watts) for f in run if isfinite(f.budget_watts))),
        x_end=end,
        y_range=y_range,
        x_ticks=_time_ticks(end),
        size=PANEL_SIZE,
        rating=rating,
        trips=(story.dark_s,) if story.trips else (),
    )
    return TimePanel(outcome, bad, draw_panel(panel))


def _time_ticks(end: float) -> tuple[tuple[float, str], ...]:
    unit, name = (1.0, "s") if end < 300 else (60.0, "min") if end < 3 * 3600 else (3600.0, "h")
    return tuple((tick * unit, f"{tick:g} {name}" if tick else "0") for tick in round_ticks(0.0, end / unit, most=6))


def _outcome(story: Story) -> tuple[str, bool]:
    run = story.frames
    if story.dark_s < inf:
        return f"dark from {words.seconds(story.dark_s)}" + (f", with {story.cause}" if story.cause else ""), True
    excess = max((f.watts - f.budget_watts for f in run), default=0.0)
    if excess > words.HALF_A_MILLIWATT:
        over = sum(right.seconds - left.seconds for left, right in pairwise(run) if left.watts > left.budget_watts)
        return f"over budget for {words.seconds(over)}, by {words.watts(excess)} at most", False
    return "held throughout" if any(isfinite(f.budget_watts) for f in run) else "no budget", False


def thin(points: tuple[Point, ...], most: int = MOST_STEPS) -> tuple[Point, ...]:
    """Thin a series to about ``most`` points, keeping the lowest and the highest of every stretch."""
    if len(points) <= most:
        return points
    stride = -(-2 * len(points) // most)
    kept: list[Point] = []
    for start in range(0, len(points), stride):
        stretch = points[start : start + stride]
        kept.extend(sorted({min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}))
    return tuple(kept)


def _changes(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Only the points at which the value changes."""
    return tuple(p for i, p in enumerate(points) if i == 0 or p[1] != points[i - 1][1])
