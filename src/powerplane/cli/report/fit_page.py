"""The page of fitted curves: one HTML file that needs nothing else, with a picture for every claim."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from markupsafe import Markup

from powerplane.cli.fit_view import FitRow, FitView, TypeFit
from powerplane.cli.report import words
from powerplane.cli.report.charts import round_ticks
from powerplane.cli.report.fit_charts import Tick, error_bars, errors_by_load, over_time, scatter
from powerplane.cli.report.render import environment, write_page
from powerplane.models.curves import PowerCurve

SHARES: tuple[Tick, ...] = tuple((share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0))


@dataclass(frozen=True, slots=True)
class TypePictures:
    """What the page shows of one node type."""

    row: FitRow
    curve: Markup
    residuals: Markup
    errors: Markup
    first: str
    last: str


def write_fit_report(path: Path, fits: tuple[TypeFit, ...], view: FitView) -> None:
    """Write the page whole or not at all.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    write_page(path, render_fit_report(fits, view))


def render_fit_report(fits: tuple[TypeFit, ...], view: FitView) -> str:
    """Render the page; the same arguments give the same text."""
    pictures = tuple(_pictures(each, row) for each, row in zip(fits, view.node_types, strict=True))
    return environment().get_template("fit.html.j2").render(view=view, types=pictures)


def _pictures(each: TypeFit, row: FitRow) -> TypePictures:
    memory, name = each.fit.memory, each.history.name
    samples, scale = memory.samples, float(each.fit.curve_model.scale[0])
    shares = samples.now[:, 0] / scale
    at_s = samples.at_s - samples.at_s[0]
    high = each.fit.curve(each.fit.rules.quantile)
    lines = (("budget", _points(each.history.prior)), ("high", _points(high)), ("draw", _points(each.fit.curve())))
    seen = np.abs(np.column_stack([memory.curve_missed, memory.missed])) / samples.watts[:, None]
    bins = errors_by_load(shares, seen[:, 0], seen[:, 1])
    return TypePictures(
        row,
        scatter(
            f"Watts of {name} over utilisation",
            f"{len(samples)} samples, the curve that was fitted to them, and the one that it started from",
            (np.minimum(shares, 1.0), samples.watts),
            lines,
            SHARES,
        ),
        over_time(
            f"What the curve of {name} missed, over time",
            "measured less curve, each predicted before it was seen",
            at_s,
            memory.curve_missed,
            _time_ticks(float(at_s[-1])),
        ),
        error_bars(f"Error for {name} by utilisation", "mean relative error in steps of 10 %", bins),
        _moment(float(samples.at_s[0])),
        _moment(float(samples.at_s[-1])),
    )


def _points(curve: PowerCurve) -> list[tuple[float, float]]:
    return [(float(u), mw / 1000) for u, mw in zip(curve.utilisation, curve.milliwatts, strict=True)]


def _time_ticks(end_s: float) -> tuple[Tick, ...]:
    unit, name = next(
        ((unit, name) for unit, name in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")) if end_s >= 3 * unit),
        (1.0, "s"),
    )
    return tuple((value * unit, f"{value:g} {name}") for value in round_ticks(0.0, end_s / unit, most=6))


def _moment(at_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at_s, tz=UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return words.seconds(at_s)
