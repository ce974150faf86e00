"""The accelerator part of ``powerplane fit``: throughput and watts over the power limit, from a recording."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from statistics import median

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powerplane.adapters.limits_csv import read_limits
from powerplane.cli.report import words
from powerplane.models.catalogue import gpu, load_catalogue
from powerplane.models.errors import InputError
from powerplane.models.watts.gpu_limit import GpuLimitModel, LimitPoint

STEPS = 8
"""Limits that are shown, from the lowest to the highest."""

SLOWDOWNS = (0.02, 0.05, 0.1)
FEWEST_LIMITS = 3
"""With fewer, leaving one out says nothing about the model."""


class LimitRow(msgspec.Struct, frozen=True, rename="camel"):
    """What is predicted at one limit, and what was measured there; null where it was not."""

    limit_watts: float
    watts: float
    throughput: float
    slowdown: float
    measured_watts: float | None
    measured_throughput: float | None


class CardView(msgspec.Struct, frozen=True, rename="camel"):
    """One workload on one card. Errors are relative, of limits left out in turn; null with fewer than three."""

    card: str
    limits: tuple[LimitRow, ...]
    lowest_limit_watts: dict[str, float]
    knee_watts: float
    watts_error: float | None
    throughput_error: float | None


def fit_card(path: Path, product: str, *, limit: str | None, watts: str | None, throughput: str | None) -> CardView:
    """Fit a card's model to a recording.

    Raises
    ------
    InputError
        For a card that the catalogue does not know, or a file that cannot be used.
    """
    card = gpu(product)
    if card is None:
        known = ", ".join(row.model for row in load_catalogue().gpus)
        raise InputError(f"the catalogue has no accelerator {product!r}", f"choose one of: {known}")
    points = read_limits(path, limit=limit, watts=watts, throughput=throughput)
    start = GpuLimitModel.of_card(card)
    model = start.refined(points)
    errors = _left_out(start, points) if len(points) >= FEWEST_LIMITS else []
    measured = {point.limit_watts: point for point in points}
    span = model.max_watts - model.min_limit_watts
    limits = sorted({*measured, *(round(model.min_limit_watts + span * i / (STEPS - 1)) for i in range(STEPS))})
    return CardView(
        card.model,
        tuple(_row(model, at, measured.get(at)) for at in limits),
        {f"{slowdown:g}": model.lowest_limit(slowdown) for slowdown in SLOWDOWNS},
        model.knee_watts,
        _median([watts_error for watts_error, _ in errors]),
        _median([speed_error for _, speed_error in errors]),
    )


def print_card_table(view: CardView, console: Console) -> None:
    """Print the limits, then what they mean."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=view.card, title_justify="left")
    for heading in ("limit", "watts", "measured", "throughput", "measured", "slower by"):
        table.add_column(heading, justify="right")
    for row in view.limits:
        table.add_row(
            words.watts(row.limit_watts),
            words.watts(row.watts),
            "" if row.measured_watts is None else words.watts(row.measured_watts),
            f"{row.throughput:.4g}",
            "" if row.measured_throughput is None else f"{row.measured_throughput:.4g}",
            f"{100 * row.slowdown:.1f} %",
        )
    console.print(table)
    floors = (f"{100 * float(share):g} %: {words.watts(limit)}" for share, limit in view.lowest_limit_watts.items())
    console.print(Text(f"lowest limit that slows work by at most {', '.join(floors)}"))
    console.print(Text(f"knee: {words.watts(view.knee_watts)}; below, throughput falls with the watts"))
    if view.watts_error is None and view.throughput_error is None:
        console.print(Text("fewer than three limits: how well it predicts another is not known", style="yellow"))
    else:
        told = [f"{name} {100 * error:.1f} %" for name, error in _named_errors(view) if error is not None]
        console.print(Text(f"error at a limit left out (median): {', '.join(told)}", style="dim"))


def _named_errors(view: CardView) -> tuple[tuple[str, float | None], ...]:
    return ("watts", view.watts_error), ("throughput", view.throughput_error)


def _row(model: GpuLimitModel, limit: float, point: LimitPoint | None) -> LimitRow:
    return LimitRow(
        limit,
        round(model.watts(limit), 3),
        model.throughput(limit),
        model.slowdown(limit),
        _known(point.watts) if point else None,
        _known(point.throughput) if point else None,
    )


def _left_out(start: GpuLimitModel, points: Sequence[LimitPoint]) -> list[tuple[float, float]]:
    """Relative errors of watts and throughput at each limit, predicted from the others."""
    found = []
    for place, point in enumerate(points):
        model = start.refined([*points[:place], *points[place + 1 :]])
        limit = point.limit_watts
        found.append((abs(model.watts(limit) / point.watts - 1), abs(model.throughput(limit) / point.throughput - 1)))
    return found


def _median(errors: list[float]) -> float | None:
    known = [error for error in errors if isfinite(error)]
    return median(known) if known else None


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
