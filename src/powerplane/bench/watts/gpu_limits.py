"""``python -m powerplane.bench.watts.gpu_limits``: throughput and watts at a power limit that was not seen."""

import argparse
import csv
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from powerplane.bench.command import as_command
from powerplane.bench.suite import DATA_VARIABLE
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.table import WattsTable
from powerplane.models.catalogue import gpu
from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.errors import InputError, UsageError
from powerplane.models.watts.gpu_limit import GpuLimitModel, LimitPoint

TRACES = Path("power/gpu-power-limit")
NAME = re.compile(r"profile_(?P<card>[^+]+)\+(?P<job>.+)\.csv")
LIMIT = re.compile(r"_(\d+(?:\.\d+)?)$")
AIM = 0.05

Prediction = tuple[float, float]
"""Throughput and watts."""

Trace = tuple[str, str, tuple[LimitPoint, ...]]
"""Card, job, and what was measured."""

Predict = Callable[[Sequence[LimitPoint], float], Prediction]

HEADINGS = ("trace", "unseen limit", "method", "throughput: median", "worst", "watts: median", "worst", "within 5 %")


def measure(data: Path) -> WattsTable:
    """Leave each limit of each trace out, and predict it from the others and the catalogue.

    Parameters
    ----------
    data : Path
        Directory of the recorded data sets.
    """
    traces = list(read_traces(data / TRACES))
    errors = {
        (job, method): [_errors(points, place, predict) for place in range(len(points))]
        for card, job, points in traces
        for method, predict in _methods(_card(card, points)).items()
    }
    rows = [
        _row(job, kind, method, [found for place, found in enumerate(each) if _inner(place, len(each)) == inner])
        for (job, method), each in errors.items()
        if method == OURS
        for kind, inner in KINDS
    ]
    for kind, inner in KINDS:
        for method in dict.fromkeys(method for _, method in errors):
            pooled = [
                found
                for (_, own), each in errors.items()
                if own == method
                for place, found in enumerate(each)
                if _inner(place, len(each)) == inner
            ]
            rows.append(_row("**all**", kind, method, pooled))
    rows += [_row("**all**", f"all others, {words}", OURS, _from_few(traces, count)) for count, words in FEW]
    return WattsTable("Accelerators at an unseen power limit", TEXT, HEADINGS, tuple(rows), NOTES)


def read_traces(directory: Path) -> Iterator[Trace]:
    """Yield card, job and points of each recorded profile, by rising limit.

    A profile has a row a limit: its name ends in the limit in watts, and has the time and the energy of the same
    number of training steps.

    Raises
    ------
    InputError
        When there is none.
    """
    found = sorted(directory.glob("profile_*.csv"))
    if not found:
        raise InputError(f"{directory} has no profiles", "see docs/how-to/fit-curves.md for where they come from")
    for path in found:
        name = NAME.fullmatch(path.name)
        if name:
            with path.open(newline="", encoding="utf-8") as file:
                points = [_point(row) for row in csv.DictReader(file)]
            yield name["card"], name["job"], tuple(sorted(points, key=lambda point: point.limit_watts))


def _point(row: dict[str, str]) -> LimitPoint:
    limit = LIMIT.search(row["window_name"])
    if limit is None:
        raise InputError(f"the window {row['window_name']!r} names no limit", "end its name in the limit in watts")
    seconds = float(row["elapsed_time"])
    joules = [float(value) for column, value in row.items() if column.endswith("_energy")]
    return LimitPoint(float(limit[1]), sum(joules) / len(joules) / seconds, 1.0 / seconds)


OURS = "**ours**"
FEW = ((4, "four known"), (2, "the lowest and the highest known"), (1, "the highest known"))
"""How many limits are known in the last rows."""

KINDS = (("between others", True), ("beyond all others", False))


IDLE_SHARE = 0.1
"""Of its highest limit, that a card which the catalogue does not know is taken to draw without work."""


def _card(name: str, points: Sequence[LimitPoint]) -> GpuEnvelope:
    top = max(point.limit_watts for point in points)
    return gpu(name) or GpuEnvelope(name, (), IDLE_SHARE * top, top, None, None, "assumed", "the recording")


def _methods(card: GpuEnvelope) -> dict[str, Predict]:
    start = GpuLimitModel.of_card(card)

    def ours(points: Sequence[LimitPoint], limit: float) -> Prediction:
        model = start.refined(points)
        return model.throughput(limit), model.watts(limit)

    return {OURS: ours, "linear between neighbours": _interpolated, "quadratic": _quadratic, "proportional": _line}


def _interpolated(points: Sequence[LimitPoint], limit: float) -> Prediction:
    """Straight between the two nearest limits; beyond, along the last two."""
    limits = [point.limit_watts for point in points]
    place = int(np.clip(np.searchsorted(limits, limit), 1, len(limits) - 1))
    left, right = points[place - 1], points[place]
    way = (limit - left.limit_watts) / (right.limit_watts - left.limit_watts)
    return (
        left.throughput + way * (right.throughput - left.throughput),
        left.watts + way * (right.watts - left.watts),
    )


def _polynomial(points: Sequence[LimitPoint], limit: float, degree: int) -> Prediction:
    limits = np.array([point.limit_watts for point in points])
    both = [np.array([getattr(point, name) for point in points]) for name in ("throughput", "watts")]
    speed, watts = (float(np.polynomial.Polynomial.fit(limits, values, degree)(limit)) for values in both)
    return speed, watts


def _quadratic(points: Sequence[LimitPoint], limit: float) -> Prediction:
    return _polynomial(points, limit, 2)


def _line(points: Sequence[LimitPoint], limit: float) -> Prediction:
    return _polynomial(points, limit, 1)


def _errors(points: Sequence[LimitPoint], place: int, predict: Predict) -> tuple[float, float]:
    """Relative errors of throughput and watts at a point, predicted from the others."""
    left_out = points[place]
    speed, watts = predict([*points[:place], *points[place + 1 :]], left_out.limit_watts)
    return abs(speed / left_out.throughput - 1.0), abs(watts / left_out.watts - 1.0)


def _from_few(traces: Sequence[Trace], count: int) -> list[tuple[float, float]]:
    """Relative errors at all other limits, from that many limits: evenly from the lowest on, or the highest alone."""
    found = []
    for card, _, points in traces:
        chosen = {round(place) for place in np.linspace(0, len(points) - 1, count)} if count > 1 else {len(points) - 1}
        model = GpuLimitModel.of_card(_card(card, points)).refined([points[place] for place in sorted(chosen)])
        for place, point in enumerate(points):
            if place not in chosen:
                speed, watts = model.throughput(point.limit_watts), model.watts(point.limit_watts)
                found.append((abs(speed / point.throughput - 1.0), abs(watts / point.watts - 1.0)))
    return found


def _inner(place: int, count: int) -> bool:
    return 0 < place < count - 1


def _row(job: str, kind: str, method: str, errors: list[tuple[float, float]]) -> tuple[str, ...]:
    speed, watts = np.array(errors).T
    within = int((np.maximum(speed, watts) <= AIM).sum())
    figures = (np.median(speed), speed.max(), np.median(watts), watts.max())
    return (job, kind, method, *(_shown(value) for value in figures), f"{within} of {len(errors)}")


def _shown(error: float) -> str:
    text = f"{100 * error:.1f} %"
    return text if error <= AIM else f"**{text}**"


TEXT = """\
Training jobs on one model of card (six profiles of seven limits each). Each limit in turn is left out, and its
throughput and watts are predicted from the other six and from the catalogue. *Between others* is interpolation,
*beyond all others* extrapolation to the lowest or highest limit; the last rows predict all limits from few. Errors are
relative. In bold: above 5 %. For comparison: straight lines between the neighbouring limits, a quadratic, and
throughput that goes with the limit (*proportional*), all fitted to the same six points. Nothing is random here."""

NOTES = (
    "Some points are noisy themselves: of bert-base-uncased, more watts at 175 W did less work than at 150 W; no "
    "model that rises with the limit can meet both.",
    "The recordings are of one model of card; no accelerator was at hand to record another.",
)


@as_command
def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m powerplane.bench.watts.gpu_limits", description=__doc__)
    named = os.environ.get(DATA_VARIABLE)
    parser.add_argument("data", type=Path, nargs="?", default=named, help=f"the data sets; default: {DATA_VARIABLE}")
    given = parser.parse_args(arguments)
    if given.data is None:
        raise UsageError("no profiles to measure on", f"give their directory, or {DATA_VARIABLE}=DIR")
    sys.stdout.write(render_table(measure(Path(given.data))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
