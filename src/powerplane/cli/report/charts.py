"""Step charts: watts against budgets, over waves or over time, and the bars of the table of domains."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.heat import OVER, domain_heat
from powerplane.cli.report.svg import Axis, element, picture
from powerplane.models.plan import DomainDraw

Point = tuple[float, float]

LEFT, TOP = 52.0, 8.0
RIGHT_MARGIN, BOTTOM_MARGIN = 8.0, 20.0
BAR_WIDTH, BAR_HEIGHT = 180.0, 14.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One step chart.

    Parameters
    ----------
    name, description : str
        The heading, and what the drawing shows in words.
    draw, budget : tuple of (x, watts)
        Each value holds until the next x.
    rating : float or None
        The breaker's, in watts.
    trips : tuple of float
        x at which a breaker trips.
    x_end : float
    y_range : (float, float)
        Watts at the bottom and the top.
    x_ticks : tuple of (x, label)
    size : (float, float)
        Of the drawing.
    """

    name: str
    description: str
    draw: tuple[Point, ...]
    budget: tuple[Point, ...]
    x_end: float
    y_range: tuple[float, float]
    x_ticks: tuple[tuple[float, str], ...]
    size: tuple[float, float] = (320.0, 160.0)
    rating: float | None = None
    trips: tuple[float, ...] = ()


def draw_panel(panel: Panel) -> Markup:
    """Draw a step chart: the draw as a line, what is over the budget filled, budget and rating as dashed lines."""
    width, height = panel.size
    x = Axis(0.0, panel.x_end, LEFT, width - RIGHT_MARGIN)
    y = Axis(*panel.y_range, height - BOTTOM_MARGIN, TOP)
    return picture(
        panel.name,
        panel.description,
        width,
        height,
        *_grid(panel, x, y),
        element("path", d=_excess(panel, x, y), class_="excess"),
        *_rating(panel, x, y),
        element("path", d=_steps(panel.budget, panel.x_end, x, y), class_="budget"),
        element("path", d=_steps(panel.draw, panel.x_end, x, y), class_="draw"),
        *(_trip(x(trip), y.start, trip) for trip in panel.trips),
        class_="panel",
    )


def round_ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Round values within a range, at steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return (low,)
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = -int(-low // step)
    return tuple(step * i for i in range(first, int(high // step) + 1))


def draw_bar(draw: DomainDraw, longest: float) -> Markup:
    """Draw a domain's share of its budget: a bar to where it ends, a tick where it was, a line at the budget.

    Parameters
    ----------
    draw : DomainDraw
    longest : float
        Share of a budget at the right end; what is above is drawn there.
    """
    if not draw.budget_watts:
        return Markup("")
    x = Axis(0.0, longest, 1.0, BAR_WIDTH - 1)
    before = min(draw.before_watts / draw.budget_watts, longest)
    after = min(draw.after_watts / draw.budget_watts, longest)
    colour = domain_heat(draw.name, draw.after_watts, draw.budget_watts).shade
    words_for_it = f"from {words.share(draw.before_watts / draw.budget_watts)} to "
    words_for_it += f"{words.share(draw.after_watts / draw.budget_watts)} of the budget"
    return picture(
        f"Share of the budget of {draw.name}",
        words_for_it,
        BAR_WIDTH,
        BAR_HEIGHT,
        element("rect", x=x(0), y=3.0, width=x(1) - x(0), height=8.0, class_="track"),
        element("rect", x=x(0), y=3.0, width=max(0.0, x(after) - x(0)), height=8.0, class_=colour),
        element("path", d=f"M{x(before):.1f} 1v12", class_="was was-over" if before > 1 else "was"),
        element("path", d=f"M{x(1):.1f} 0v14", class_="limit limit-over" if colour == OVER else "limit"),
        class_="bar",
    )


def _grid(panel: Panel, x: Axis, y: Axis) -> Iterable[Markup]:
    for value in round_ticks(*panel.y_range, most=4):
        yield element("path", d=f"M{LEFT:g} {y(value):.1f}H{x.end:g}", class_="rule")
        yield element("text", words.watts(value), x=LEFT - 5, y=y(value) + 3, class_="y")
    for value, label in panel.x_ticks:
        yield element("path", d=f"M{x(value):.1f} {y.start:g}v4", class_="tick")
        yield element("text", label, x=x(value), y=y.start + 13, class_="x")
    yield element("path", d=f"M{LEFT:g} {TOP:g}V{y.start:g}H{x.end:g}", class_="axis")


def _rating(panel: Panel, x: Axis, y: Axis) -> Iterable[Markup]:
    if panel.rating is not None and panel.y_range[0] <= panel.rating <= panel.y_range[1]:
        title = element("title", f"breaker rating {words.watts(panel.rating)}")
        yield element("path", title, d=f"M{LEFT:g} {y(panel.rating):.1f}H{x.end:g}", class_="rating")


def _trip(place: float, bottom: float, seconds: float) -> Markup:
    title = element("title", f"breaker trips at {words.seconds(seconds)}")
    line = element("path", d=f"M{place:.1f} {TOP:g}V{bottom:g}", class_="trip")
    cross = element("path", d=f"M{place - 4:.1f} {TOP:g}l8 8m0-8l-8 8", class_="trip cross")
    return element("g", title, line, cross)


def _steps(points: tuple[Point, ...], x_end: float, x: Axis, y: Axis) -> str:
    if not points:
        return ""
    start = f"M{x(points[0][0]):.1f} {y(points[0][1]):.1f}"
    return start + "".join(f"H{x(at):.1f}V{y(value):.1f}" for at, value in points[1:]) + f"H{x(x_end):.1f}"


def _excess(panel: Panel, x: Axis, y: Axis) -> str:
    """Outline of what is above the budget, one box a step."""
    changes = sorted({at for at, _ in (*panel.draw, *panel.budget)} | {panel.x_end})
    boxes = []
    for left, right in pairwise(changes):
        draw, budget = _value(panel.draw, left), _value(panel.budget, left)
        if draw is not None and budget is not None and words.is_over(draw, budget):
            boxes.append(f"M{x(left):.1f} {y(budget):.1f}V{y(draw):.1f}H{x(right):.1f}V{y(budget):.1f}z")
    return "".join(boxes)


def _value(points: tuple[Point, ...], at: float) -> float | None:
    found = None
    for place, value in points:
        if place > at:
            break
        found = value
    return found
