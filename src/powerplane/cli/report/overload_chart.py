"""A breaker's time-current curve, with every overload of a run drawn where it stands to it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp, log, log10

from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.svg import Axis, element, picture
from powerplane.models.breakers import Breaker
from powerplane.simulator.breaker import seconds_to_trip
from powerplane.simulator.outcomes import Overload

WIDTH, HEIGHT = 420.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 8.0, 32.0
SHORTEST_S = 1.0
TICKS_S = ((1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (36_000, "10 h"), (86_400, "1 d"))
TIMES = (1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
MARK = 4.2
CURVE_STEPS = 120


def equal_load(breaker: Breaker, overload: Overload) -> float:
    """Steady load, in times the rating, that would gather the same heat in the same time.

    Drawn at this load and its duration, an overload lies below the curve by just the share of the heat that trips the
    breaker, and on it when that is all of it. One that gathers no heat stands at its mean load.
    """
    if overload.heat <= 0 or not breaker.curve:
        return overload.mean_times
    limit = overload.lasted_s / overload.heat
    points = breaker.curve
    if limit >= points[0][1]:
        return points[0][0]
    for (low, slow), (high, fast) in pairwise(points):
        if fast <= limit <= slow:
            along = (log(limit) - log(slow)) / (log(fast) - log(slow)) if fast != slow else 0.0
            return exp(log(low) + along * (log(high) - log(low)))
    return max(overload.most_times, points[-1][0])


def overload_chart(name: str, breaker: Breaker, runs: Sequence[Sequence[Overload]]) -> Markup:
    """Draw the curve on logarithmic axes, and each run's overloads with a mark of its own.

    Parameters
    ----------
    name : str
        The domain's.
    breaker : Breaker
    runs : sequence of sequence of Overload
        One a policy, in the order of the marks.
    """
    placed = [[(equal_load(breaker, each), each) for each in run] for run in runs]
    flat = [(load, each) for run in placed for load, each in run]
    most = max([1.5, *(load for load, _ in flat), *(x for x, _ in breaker.curve if x <= 2.5)]) * 1.05
    longest = max([600.0, *(each.lasted_s for _, each in flat), *(s for _, s in breaker.curve)]) * 1.3
    x = Axis(log(0.98), log(most), LEFT, WIDTH - RIGHT)
    y = Axis(log10(SHORTEST_S), log10(longest), HEIGHT - BOTTOM, TOP)
    told = f"{words.count(len(flat), 'overload')}, {sum(each.tripped for _, each in flat)} of them to a trip"
    return picture(
        f"Breaker of {name}: time over load",
        told,
        WIDTH,
        HEIGHT,
        *_grid(x, y, most, longest),
        element("path", d=_curve(breaker, x, y, most), class_="curve"),
        *(_mark(i, load, each, x, y) for i, run in enumerate(placed) for load, each in run),
        class_="panel breaker",
    )


def mark_shape(number: int, x: float, y: float) -> str:
    """Path of a policy's mark: circle, square, triangle, diamond, cross."""
    size = MARK
    shapes = (
        f"M{x - size:.1f} {y:.1f}a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0z",
        f"M{x - size:.1f} {y - size:.1f}h{2 * size}v{2 * size}h{-2 * size}z",
        f"M{x:.1f} {y - size:.1f}l{size} {2 * size}h{-2 * size}z",
        f"M{x:.1f} {y - size:.1f}l{size} {size}l{-size} {size}l{-size} {-size}z",
        f"M{x - size:.1f} {y - size:.1f}l{2 * size} {2 * size}m0 {-2 * size}l{-2 * size} {2 * size}",
    )
    return shapes[number % len(shapes)]


def legend_mark(number: int) -> Markup:
    """Return a policy's mark for a legend."""
    path = element("path", d=mark_shape(number, 7, 7), class_=f"mark m{number % 5}")
    return element("svg", path, viewBox="0 0 14 14", class_="legend", role="presentation")


def _mark(number: int, load: float, each: Overload, x: Axis, y: Axis) -> Markup:
    ended = "trips" if each.tripped else f"{words.share(each.heat)} of the heat that trips it"
    load_told = f"{each.mean_times:.2f} times the rating (at most {each.most_times:.2f})"
    title = f"{words.seconds(each.lasted_s)} at {load_told}: {ended}"
    place = (x(log(max(load, 0.98))), y(log10(max(each.lasted_s, SHORTEST_S))))
    tripped = " tripped" if each.tripped else ""
    return element("path", element("title", title), d=mark_shape(number, *place), class_=f"mark m{number % 5}{tripped}")


def _grid(x: Axis, y: Axis, most: float, longest: float) -> Iterable[Markup]:
    for seconds, label in TICKS_S:
        if seconds <= longest:
            yield element("path", d=f"M{LEFT:g} {y(log10(seconds)):.1f}H{x.end:g}", class_="rule")
            yield element("text", label, x=LEFT - 5, y=y(log10(seconds)) + 3, class_="y")
    for times in TIMES:
        if times <= most:
            yield element("path", d=f"M{x(log(times)):.1f} {y.start:g}v4", class_="tick")
            yield element("text", f"{times:g}", x=x(log(times)), y=y.start + 13, class_="x")
    yield element("text", "times the breaker's rating", x=(x.start + x.end) / 2, y=HEIGHT - 4, class_="x")
    yield element("path", d=f"M{LEFT:g} {TOP:g}V{y.start:g}H{x.end:g}", class_="axis")


def _curve(breaker: Breaker, x: Axis, y: Axis, most: float) -> str:
    """The curve from the top of the drawing down to its right edge."""
    if not breaker.curve or breaker.curve[0][0] > most:
        return ""
    first = breaker.curve[0][0]
    loads = [first * (most / first) ** (i / CURVE_STEPS) for i in range(CURVE_STEPS + 1)]
    limits = [seconds_to_trip(breaker, load * breaker.rating_mw * (1 + 1e-12)) for load in loads]
    heights = [max(y.end, y(log10(max(limit, SHORTEST_S)))) for limit in limits]
    places = [(x(log(load)), height) for load, height in zip(loads, heights, strict=True)]
    return f"M{places[0][0]:.1f} {y.end:.1f}" + "".join(f"L{left:.1f} {top:.1f}" for left, top in places)
