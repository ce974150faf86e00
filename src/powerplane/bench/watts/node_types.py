"""How soon a curve is known: published machines of many kinds, their sensors simulated."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from powerplane.models.catalogue import nearest_server
from powerplane.models.errors import InputError
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.samples import NodeSamples

PUBLISHED = Path("power/kepler_specpower_curves_11pt_best.csv")
LEVELS = np.linspace(0.0, 1.0, 11)
COLUMNS = tuple(f"w_at_{level}pct" for level in range(0, 101, 10))

AFTER = (30, 100, 400)
"""Samples after which the curve is held against the true one."""

EVERY = 3
"""Of the machines, every third is measured on: neighbours in the list are alike."""

SENSOR_NOISE = 0.015


def learning_note(data: Path) -> str:
    """Say how wrong curves are after some samples, at all loads from idle to peak, beside a straight line.

    Parameters
    ----------
    data : Path
        Directory of the recorded data sets.
    """
    prior = nearest_server(64, 256).curve
    ours: dict[int, list[float]] = {count: [] for count in AFTER}
    lines = []
    for seed, watts in enumerate(_machines(data / PUBLISHED)):
        samples = _simulated(watts, seed)
        fit, done = NodeFit.start(prior), 0
        for count in AFTER:
            fit, done = fit.follow(samples[done:count]), count
            ours[count].append(_error(fit.curve_watts(LEVELS), watts))
        line = np.polynomial.Polynomial.fit(samples.now[:, 0], samples.watts, 1)
        lines.append(_error(line(LEVELS), watts))
    told = ", ".join(f"{_shown(errors)} after {count}" for count, errors in ours.items())
    return (
        f"How soon a curve is known: {len(lines)} published machines of other kinds (watts at 11 loads), their use, "
        f"mostly at low load, and a meter with {100 * SENSOR_NOISE:g} % noise simulated, a seed each, all started from "
        f"one server of the catalogue. Mean error of the curve over all loads, median (95 of 100 below): {told} "
        f"samples; a straight line's, after {AFTER[-1]}: {_shown(lines)}."
    )


def _machines(path: Path) -> Iterator[Floats]:
    """Watts at the eleven loads of every third machine, made to never fall."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "give the directory of the data sets") from error
    for row in rows[::EVERY]:
        yield np.maximum.accumulate([float(row[column]) for column in COLUMNS])


def _simulated(watts: Floats, seed: int) -> NodeSamples:
    """Samples of a use that stays for a while, skewed to low loads, and what a meter says."""
    random = np.random.default_rng(seed)
    count = AFTER[-1]
    levels = np.repeat(random.beta(1.2, 2.5, count // 8 + 1), 8)[:count]
    use = np.clip(levels + random.normal(0.0, 0.03, count), 0.0, 1.0)
    drawn = np.interp(use, LEVELS, watts) * random.normal(1.0, SENSOR_NOISE, count)
    return NodeSamples.of_series(np.arange(count) * 30.0, use, drawn)


def _error(curve: Floats, watts: Floats) -> float:
    return float(np.abs(curve / watts - 1.0).mean())


def _shown(errors: list[float]) -> str:
    return f"{100 * np.median(errors):.1f} % ({100 * np.quantile(errors, 0.95):.1f} %)"
