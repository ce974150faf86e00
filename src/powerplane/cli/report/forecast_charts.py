"""Charts of a forecast: what a domain drew, the band that it will stay in, and its budget."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from powerplane.cli.report import words
from powerplane.cli.report.charts import TOP
from powerplane.cli.report.fit_charts import Floats, Frame, Line, Tick, draw_grid, make_frame, polyline
from powerplane.cli.report.svg import element, picture
from powerplane.cli.report.wave_panels import frame as y_frame

SIZE = (520.0, 200.0)
TICK_HOURS = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0)
MOST_TICKS, SHORT_LABEL = 7, 5
MOST_ABOVE = 1.6
"""Times the highest draw and budget, above which a band is cut off: the rest would be flat."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One domain over time; hours are from now, those of the past below 0.

    Parameters
    ----------
    name, description : str
    past_hours, past_watts : float64 arrays, shape (T,)
        NaN in gaps.
    hours, expected, lower, upper : float64 arrays, shape (H,)
    lost : float64 array, shape (H + 1,), or None
        Now and expected, with a feed lost.
    budget : float or None
        In watts.
    breach_hours : float or None
        When a breach is foreseen.
    """

    name: str
    description: str
    past_hours: Floats
    past_watts: Floats
    hours: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    lost: Floats | None
    budget: float | None
    breach_hours: float | None


def draw_band(band: Band) -> Markup:
    """Draw history, band, expected draw, budget, and when it is foreseen broken."""
    frame, top = _frame(band)
    now = band.past_watts[-1]
    hours, expected = np.append(0.0, band.hours), np.append(now, band.expected)
    low, high = np.append(now, band.lower), np.minimum(np.append(now, band.upper), top)
    around = [*_points(hours, np.maximum(high, frame.y.low)), *_points(hours, np.maximum(low, frame.y.low))[::-1]]
    drawn = [
        element("path", d=polyline(around, frame) + "z", class_="band"),
        element("path", d=f"M{frame.x(0.0):.1f} {TOP:g}V{frame.y.start:g}", class_="now"),
        *(element("path", d=polyline(part, frame), class_="draw") for part in _pieces(band)),
        element("path", d=polyline(_points(hours, expected), frame), class_="expected"),
    ]
    if band.lost is not None:
        drawn.append(element("path", d=polyline(_points(hours, np.minimum(band.lost, top)), frame), class_="lost"))
    if band.budget is not None and band.budget <= top:
        title = element("title", f"budget {words.watts(band.budget)}")
        across = [(frame.x.low, band.budget), (frame.x.high, band.budget)]
        drawn.append(element("path", title, d=polyline(across, frame), class_="budget"))
    if band.breach_hours is not None:
        place = frame.x(band.breach_hours)
        drawn.append(element("path", d=f"M{place - 4:.1f} {TOP:g}l8 8m0-8l-8 8", class_="trip cross"))
        drawn.append(element("path", d=f"M{place:.1f} {TOP:g}V{frame.y.start:g}", class_="trip"))
    return picture(band.name, band.description, *SIZE, *draw_grid(frame), *drawn, class_="panel")


def _frame(band: Band) -> tuple[Frame, float]:
    """Axes, and the highest value that is drawn: a band that tells nothing must not flatten the rest."""
    known = band.past_watts[np.isfinite(band.past_watts)]
    shown = [*known.tolist(), *band.expected.tolist(), *([] if band.budget is None else [band.budget])]
    lost = [] if band.lost is None else band.lost.tolist()
    most = MOST_ABOVE * max(shown)
    # A budget far above all that is ever drawn would flatten the rest as well.
    if band.budget is not None and band.budget > MOST_ABOVE * max([*known.tolist(), *band.upper.tolist(), *lost]):
        shown.remove(band.budget)
    values = [*shown, *(min(each, most) for each in (*lost, *band.upper.tolist())), *band.lower.tolist()]
    low, high = y_frame(values)
    start = float(band.past_hours[0]) if len(band.past_hours) > 1 else -float(band.hours[-1])
    ticks = _ticks(start, float(band.hours[-1]))
    return make_frame(SIZE, (start, float(band.hours[-1])), (low, high), ticks, words.watts), high


def _ticks(start: float, end: float) -> tuple[Tick, ...]:
    """Whole parts of a day where there is room for them, counted from now."""
    every = next((each for each in TICK_HOURS if (end - start) / each <= MOST_TICKS), 24.0 * round((end - start) / 96))
    first, last = -int(-start // every), int(end // every)
    each = ((number * every, _tick(number * every)) for number in range(first, last + 1))
    # A long label at the right end would be cut.
    return tuple((at, label) for at, label in each if len(label) <= SHORT_LABEL or at < end - 0.04 * (end - start))


def _tick(hours: float) -> str:
    size = abs(hours)
    said = f"{size:g} h" if 1 <= size < 48 else f"{size / 24:g} d" if size >= 48 else f"{60 * size:g} min"
    return f"{'−' if hours < 0 else '+'}{said}" if hours else "now"


def _points(x: Floats, y: Floats) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _pieces(band: Band) -> list[Line]:
    """The history between its gaps."""
    known = np.isfinite(band.past_watts)
    edges = np.flatnonzero(np.diff(known.astype(np.int64))) + 1
    parts = np.split(np.arange(len(known)), edges)
    return [_points(band.past_hours[part], band.past_watts[part]) for part in parts if known[part[0]]]
