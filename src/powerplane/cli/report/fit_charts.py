"""Charts of a fitted curve: the samples under it, what it missed over time, and its error by load."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from powerplane.cli.report import words
from powerplane.cli.report.charts import BOTTOM_MARGIN, LEFT, RIGHT_MARGIN, TOP, round_ticks
from powerplane.cli.report.svg import Axis, element, picture

Floats = NDArray[np.float64]

SIZE = (520.0, 260.0)
LOW_SIZE = (520.0, 170.0)
MOST_DOTS = 2500

Tick = tuple[float, str]
Line = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Axes of a chart: from where to where, and what stands at them."""

    x: Axis
    y: Axis
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def scatter(
    name: str,
    description: str,
    dots: tuple[Floats, Floats],
    lines: Sequence[tuple[str, Line]],
    x_ticks: tuple[Tick, ...],
) -> Markup:
    """Draw watts over utilisation: samples as dots, curves as lines.

    Parameters
    ----------
    name, description : str
    dots : tuple of float64 arrays, shape (M,)
        Utilisation from 0 to 1, and watts.
    lines : sequence of (class, points)
    x_ticks : tuple of (x, label)
    """
    tops = [float(dots[1].max(initial=0.0)), *(watts for _, line in lines for _, watts in line)]
    frame = make_frame(SIZE, (0.0, 1.0), (0.0, max(tops) * 1.05), x_ticks, words.watts)
    drawn = [element("path", d=polyline(line, frame), class_=style) for style, line in lines]
    return picture(name, description, *SIZE, *draw_grid(frame), _dots(*dots, frame), *drawn, class_="panel")


def over_time(name: str, description: str, at_s: Floats, missed: Floats, x_ticks: tuple[Tick, ...]) -> Markup:
    """Draw what was missed, in watts, over seconds since the first sample; 0 is a line."""
    edge = float(np.quantile(np.abs(missed), 0.995)) if len(missed) else 1.0
    edge = max(edge * 1.1, 1.0)
    end = float(at_s.max(initial=0.0)) or 1.0
    frame = make_frame(LOW_SIZE, (0.0, end), (-edge, edge), x_ticks, lambda value: f"{value:+.0f} W" if value else "0")
    zero = element("path", d=f"M{LEFT:g} {frame.y(0.0):.1f}H{frame.x.end:g}", class_="draw")
    dots = _dots(at_s, np.clip(missed, -edge, edge), frame)
    return picture(name, description, *LOW_SIZE, *draw_grid(frame), zero, dots, class_="panel")


def error_bars(name: str, description: str, bins: Sequence[tuple[float, float, float, float]]) -> Markup:
    """Draw errors by load, two bars a bin: (from, to, error of the curve, error of all that is known)."""
    top = max([0.05, *(max(curve, whole) for _, _, curve, whole in bins)]) * 1.1
    ticks = tuple((share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    frame = make_frame(LOW_SIZE, (0.0, 1.0), (0.0, top), ticks, lambda value: f"{100 * value:g} %")
    bars = [bar for each in bins for bar in _pair(each, frame)]
    return picture(name, description, *LOW_SIZE, *draw_grid(frame), *bars, class_="panel")


def _pair(each: tuple[float, float, float, float], frame: Frame) -> Iterable[Markup]:
    start, end, curve, whole = each
    middle = (start + end) / 2
    for left, right, value, style in ((start, middle, curve, "bar-curve"), (middle, end, whole, "bar-whole")):
        place, wide = frame.x(left) + 1.0, frame.x(right) - frame.x(left) - 1.0
        title = element("title", f"{100 * start:.0f} to {100 * end:.0f} %: {100 * value:.1f} %")
        height = frame.y(0.0) - frame.y(value)
        yield element("rect", title, x=place, y=frame.y(value), width=max(wide, 0.5), height=height, class_=style)


def make_frame(
    size: tuple[float, float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_ticks: tuple[Tick, ...],
    say: Callable[[float], str],
) -> Frame:
    """Lay out axes from and to these values, with round ticks upwards."""
    width, height = size
    return Frame(
        Axis(*x_range, LEFT, width - RIGHT_MARGIN - 8),
        Axis(*y_range, height - BOTTOM_MARGIN, TOP),
        x_ticks,
        tuple((value, say(value)) for value in round_ticks(*y_range, most=5)),
    )


def draw_grid(frame: Frame) -> Iterable[Markup]:
    """Draw rules, ticks and their labels."""
    bottom = frame.y.start
    for value, label in frame.y_ticks:
        yield element("path", d=f"M{LEFT:g} {frame.y(value):.1f}H{frame.x.end:g}", class_="rule")
        yield element("text", label, x=LEFT - 5, y=frame.y(value) + 3, class_="y")
    for value, label in frame.x_ticks:
        yield element("path", d=f"M{frame.x(value):.1f} {bottom:g}v4", class_="tick")
        yield element("text", label, x=frame.x(value), y=bottom + 14, class_="x")
    yield element("path", d=f"M{LEFT:g} {TOP:g}V{bottom:g}H{frame.x.end:g}", class_="axis")


def _dots(x: Floats, y: Floats, frame: Frame) -> Markup:
    """All dots as one path of points; of very many, every so manieth."""
    stride = max(1, -(-len(x) // MOST_DOTS))
    places = zip(x[::stride].tolist(), y[::stride].tolist(), strict=True)
    return element("path", d="".join(f"M{frame.x(u):.1f} {frame.y(v):.1f}h0" for u, v in places), class_="dots")


def polyline(line: Line, frame: Frame) -> str:
    """Path through some points."""
    points = [f"{frame.x(u):.1f} {frame.y(v):.1f}" for u, v in line]
    return "M" + "L".join(points) if points else ""


def errors_by_load(
    shares: Floats, curve: Floats, whole: Floats, count: int = 10
) -> list[tuple[float, float, float, float]]:
    """Mean errors of equal steps of load that have samples: (from, to, error of the curve, of all that is known)."""
    edges = np.linspace(0.0, 1.0, count + 1)
    step = np.clip((shares * count).astype(np.int64), 0, count - 1)
    found = []
    for number, (start, end) in enumerate(pairwise(edges.tolist())):
        within = step == number
        if within.any():
            found.append((start, end, float(curve[within].mean()), float(whole[within].mean())))
    return found
