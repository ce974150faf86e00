"""Throughput per watt of a workload, from a metric that the user names: tokens a second over the watts attributed.

The figure is the median of the ratios of intervals, each weighted by its watts, so that an hour of a stuck exporter or
of a cold start does not move it. Its interval is the one of order statistics: of n intervals each lies below the true
median as often as not, so ranks follow the binomial distribution, whatever the ratios' own is (Hollander, Wolfe and
Chicken, *Nonparametric statistical methods*, 2014, section 3.6).
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.stats import binom

from powerplane.models.demand.arrays import Floats, sums_by_row

LEAST_INTERVALS = 6
"""Fewer have no interval at 95 %: 2·(1/2)⁵ is more than 5 %."""

BLOCK_S = 300.0
"""Samples are added up over five minutes: throughput lags watts by a batch."""

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Throughput per watt.

    Parameters
    ----------
    metric : str
    per_watt : float
        Units of the metric (a rate, such as tokens/s) per watt.
    lower, upper : float
        Bounds at ``LEVEL``.
    intervals : int
        Five-minute intervals that it rests on.
    left_out : int
        Samples in which the metric or the watts were not known.
    """

    metric: str
    per_watt: float
    lower: float
    upper: float
    intervals: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why there is no figure.

    Parameters
    ----------
    metric : str
    reason : str
        A clause, such as "the metric has no samples".
    next_step : str
    """

    metric: str
    reason: str
    next_step: str


def efficiency(metric: str, at_s: Floats, rate: Floats, watts: Floats) -> Efficiency | Unknown:
    """Return a workload's throughput per watt, or why it cannot be told.

    Parameters
    ----------
    metric : str
        Its name, for messages.
    at_s : float64 array, shape (M,)
        Unix seconds of samples of both.
    rate : float64 array, shape (M,)
        Throughput of all pods of the workload, in units a second; NaN where the metric is missing.
    watts : float64 array, shape (M,)
        What is attributed to its pods; NaN where it is not known.

    Notes
    -----
    A throughput of 0 with watts known counts: the workload drew and made nothing. Watts of 0 do not: nothing runs on
    nothing, so that such a sample is one that was not measured.
    """
    has_rate = np.isfinite(rate) & (rate >= 0)
    has_watts = np.isfinite(watts) & (watts > 0)
    if not has_rate.any():
        return Unknown(metric, "the metric has no samples", f"check that {metric} is scraped, and its labels")
    if not has_watts.any():
        return Unknown(metric, "the workload's watts are not known", "powerplane doctor tells which source is missing")
    both = has_rate & has_watts & np.isfinite(at_s)
    if not both.any():
        return Unknown(metric, "metric and watts were never known together", "compare their times and labels")
    ratios, weights = _ratios(at_s[both], rate[both], watts[both])
    if len(ratios) < LEAST_INTERVALS:
        have = f"only {len(ratios)} intervals of {BLOCK_S / 60:g} minutes are known, {LEAST_INTERVALS} are needed"
        return Unknown(metric, have, "wait, or ask for a longer history")
    order = np.argsort(ratios)
    ratios, weights = ratios[order], weights[order]
    reached = np.cumsum(weights) / weights.sum()
    low = int(binom.ppf((1 - LEVEL) / 2, len(ratios), 0.5))
    # Equal weights: the ranks are those of the plain median. Uneven ones are fewer independent intervals.
    shift = (0.5 - (low - 1 + 0.5) / len(ratios)) * np.sqrt(len(ratios) / _effective(weights))
    shift -= 1e-9  # an end that is exactly the first or last rank is still inside
    ends = np.interp([0.5 - shift, 0.5 + shift], reached - weights / weights.sum() / 2, ratios, left=0.0, right=inf)
    return Efficiency(
        metric=metric,
        per_watt=float(ratios[np.searchsorted(reached, 0.5)]),
        lower=float(ends[0]),
        upper=float(ends[1]),
        intervals=len(ratios),
        left_out=int((~both).sum()),
    )


def _ratios(at_s: Floats, rate: Floats, watts: Floats) -> tuple[Floats, Floats]:
    """Ratio of the sums of each interval, and the sum of its watts."""
    _, block = np.unique(at_s // BLOCK_S, return_inverse=True)
    count = int(block.max()) + 1
    total = sums_by_row(block, watts, count)
    return sums_by_row(block, rate, count) / total, total


def _effective(weights: Floats) -> float:
    """How many equal weights tell as much."""
    return float(weights.sum() ** 2 / (weights**2).sum())
