"""Counters into rates: what falls is a restart and is left out, and no rate is negative."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.readings import Floats
from powerplane.models.telemetry.samples import Samples

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """One rate a series; arrays of shape (S,).

    Parameters
    ----------
    value : float64 array
        Exported units a second; NaN where there are too few samples.
    at_s : float64 array
        When the last sample was taken that it rests on; NaN where there is no rate.
    reset, absurd : bool arrays
        Whether it fell, and whether it leapt by more than any such thing can use; both steps are left out.
    """

    value: Floats
    at_s: Floats
    reset: Mask
    absurd: Mask


def rates(samples: Samples, *, span_s: float, gap_s: float, most: float) -> Rates:
    """Rate of each series over its last while.

    Parameters
    ----------
    samples : Samples
    span_s : float
        The while: steps that ended within it before the last sample count.
    gap_s : float
        Steps longer than that say nothing about the present, and are left out.
    most : float
        Highest believable rate, in exported units a second.

    Notes
    -----
    A counter that starts again begins at 0, but when it did is not known: the step over the fall is left out, where
    Prometheus' ``rate`` would count the new value as risen within it.
    """
    count = samples.count
    end, there = samples.ends()
    series = samples.series[1:]
    same = series == samples.series[:-1]
    rise, run = np.diff(samples.value), np.diff(samples.at_s)
    fell = same & (rise < 0)
    leapt = same & (rise > most * np.maximum(run, 1e-3))
    last_s = np.where(there, samples.at_s[end], np.nan) if len(samples.at_s) else np.full(count, np.nan)
    counted = same & ~fell & ~leapt & (run <= gap_s) & (samples.at_s[1:] > last_s[series] - span_s)
    seconds = np.bincount(series[counted], run[counted], minlength=count)
    risen = np.bincount(series[counted], rise[counted], minlength=count)
    known = seconds > 0
    at_s = np.full(count, -np.inf)
    np.maximum.at(at_s, series[counted], samples.at_s[1:][counted])
    return Rates(
        value=np.divide(risen, seconds, out=np.full(count, np.nan), where=known),
        at_s=np.where(known, at_s, np.nan),
        reset=_any(series, fell, count),
        absurd=_any(series, leapt, count),
    )


def _any(series: np.ndarray, mask: Mask, count: int) -> Mask:
    result = np.zeros(count, dtype=np.bool_)
    result[series[mask]] = True
    return result
