"""Decaying histograms of many workloads at once: one row each, so that a round over 100,000 pods is a few array sums.

A row belongs to an owner, not to a pod: pods come and go, and what is known about their workload stays.
"""

from dataclasses import dataclass, field

import numpy as np

from powerplane.models.demand.arrays import Floats, Rows, ratio, sums_by_row
from powerplane.models.demand.buckets import Buckets, believable, percentiles
from powerplane.models.demand.confidence import RULES, BoundRules, confidence, widened_lower, widened_upper
from powerplane.models.demand.histogram import HALF_LIFE_S, LARGEST_EXPONENT, DecayingHistogram, reference_for


@dataclass(slots=True, eq=False)
class HistogramBank:
    """Histograms of W rows; grows as rows are named. It changes in place: a copy a round would be the whole memory.

    Parameters
    ----------
    buckets : Buckets
    half_life_s : float

    Notes
    -----
    10,000 rows of CPU take 14 MB, 100,000 take 140 MB.
    """

    buckets: Buckets
    half_life_s: float = HALF_LIFE_S
    _reference_s: float = np.nan
    _weights: Floats = field(init=False)
    _moments: Floats = field(init=False)
    _first_s: Floats = field(init=False)
    _last_s: Floats = field(init=False)
    _samples: Rows = field(init=False)
    _refused: Rows = field(init=False)

    def __post_init__(self) -> None:
        self._weights = np.zeros((0, len(self.buckets)))
        self._moments = np.zeros((0, 3))
        self._first_s, self._last_s = np.zeros(0), np.zeros(0)
        self._samples, self._refused = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._samples)

    def grow(self, count: int) -> None:
        """Have ``count`` rows at least; new ones are empty."""
        more = count - len(self)
        if more <= 0:
            return
        self._weights = np.concatenate([self._weights, np.zeros((more, len(self.buckets)))])
        self._moments = np.concatenate([self._moments, np.zeros((more, 3))])
        self._first_s = np.concatenate([self._first_s, np.full(more, np.inf)])
        self._last_s = np.concatenate([self._last_s, np.full(more, -np.inf)])
        self._samples = np.concatenate([self._samples, np.zeros(more, dtype=np.int64)])
        self._refused = np.concatenate([self._refused, np.zeros(more, dtype=np.int64)])

    def keep(self, rows: Rows) -> None:
        """Keep these rows only, in this order, and forget the others."""
        self._weights, self._moments = self._weights[rows], self._moments[rows]
        self._first_s, self._last_s = self._first_s[rows], self._last_s[rows]
        self._samples, self._refused = self._samples[rows], self._refused[rows]

    def add(self, rows: Rows, values: Floats, at_s: Floats) -> None:
        """Take samples in.

        Parameters
        ----------
        rows : int64 array, shape (M,)
        values, at_s : float64 arrays, shape (M,)
            In the quantity's unit, and Unix seconds. NaN, infinite and negative ones are counted, and nothing else.
        """
        self.grow(int(rows.max(initial=-1)) + 1)
        good = believable(values) & np.isfinite(at_s)
        np.add.at(self._refused, rows[~good], 1)
        if not good.any():
            return
        row, value, moment = rows[good], values[good], at_s[good]
        self._move(float(moment.max()))
        weight = np.exp2((moment - self._reference_s) / self.half_life_s)
        np.add.at(self._weights, (row, self.buckets.index(value)), weight)
        for column, power in enumerate((weight, weight * value, weight * value * value)):
            self._moments[:, column] += sums_by_row(row, power, len(self))
        np.minimum.at(self._first_s, row, moment)
        np.maximum.at(self._last_s, row, moment)
        self._samples += np.bincount(row, minlength=len(self))

    def put(self, row: int, histogram: DecayingHistogram) -> None:
        """Add one histogram's samples to a row, as when a checkpoint is read back."""
        self.grow(row + 1)
        if not histogram.samples or histogram.weights is None:
            self._refused[row] += histogram.refused
            return
        self._move(histogram.reference_s)
        scale = float(np.exp2((histogram.reference_s - self._reference_s) / self.half_life_s))
        self._weights[row] += histogram.weights * scale
        self._moments[row] += np.array(histogram.moments) * scale
        self._first_s[row] = min(float(self._first_s[row]), histogram.first_s)
        self._last_s[row] = max(float(self._last_s[row]), histogram.last_s)
        self._samples[row] += histogram.samples
        self._refused[row] += histogram.refused

    def histogram(self, row: int) -> DecayingHistogram:
        """Return one row as a histogram of its own."""
        empty = not self._samples[row]
        weight, first, second = self._moments[row].tolist()
        return DecayingHistogram(
            self.buckets,
            self.half_life_s,
            None if empty else self._weights[row].copy(),
            (weight, first, second),
            0.0 if empty else self._reference_s,
            float(self._first_s[row]),
            float(self._last_s[row]),
            int(self._samples[row]),
            int(self._refused[row]),
        )

    def percentiles(self, *shares: float) -> Floats:
        """Percentiles of every row, shape (W, Q); NaN without samples."""
        return percentiles(self.buckets, self._weights, shares)

    def bounds(self, rules: BoundRules = RULES) -> Floats:
        """Lower bound, target and upper bound of every row, shape (W, 3); 0, NaN and infinity without samples."""
        found = self.percentiles(rules.lower, rules.target, rules.upper) * (1 + rules.margin)
        days = self.days(rules)
        return np.stack([widened_lower(found[:, 0], days), found[:, 1], widened_upper(found[:, 2], days)], axis=1)

    def days(self, rules: BoundRules = RULES) -> Floats:
        """Confidence of every row in days of data, shape (W,)."""
        return confidence(self._first_s, self._last_s, self._samples.astype(np.float64), rules)

    @property
    def mean(self) -> Floats:
        """Mean of every row, shape (W,); NaN without samples."""
        return ratio(self._moments[:, 1], self._moments[:, 0])

    @property
    def variance(self) -> Floats:
        """Variance of every row over pods and time, shape (W,); NaN without samples."""
        return np.maximum(ratio(self._moments[:, 2], self._moments[:, 0]) - self.mean**2, 0)

    @property
    def skewness(self) -> Floats:
        """Skewness of every row by its buckets' middles, shape (W,); 0 where nothing varies, NaN without samples."""
        middles = self.buckets.middles
        powers = self._weights @ np.stack([np.ones_like(middles), middles, middles**2, middles**3], axis=1)
        total = powers[:, 0]
        mean, second, third = (ratio(powers[:, power], total) for power in (1, 2, 3))
        variance = second - mean**2
        # Buckets are 5 % apart: what varies by less is in one of them, and its variance is rounding.
        varies = np.where(variance > 1e-6 * mean**2, variance, 0.0)
        central = third - 3 * mean * second + 2 * mean**3
        return np.where(total > 0, ratio(central, varies**1.5, otherwise=0.0), np.nan)

    @property
    def last_s(self) -> Floats:
        """Unix seconds of every row's newest sample, shape (W,); minus infinity without samples."""
        return self._last_s

    @property
    def refused(self) -> int:
        """How many samples counted for nothing, over all rows."""
        return int(self._refused.sum())

    def _move(self, newest_s: float) -> None:
        """Have a reference near enough for exponents to stay small."""
        wanted = reference_for(newest_s, self.half_life_s)
        if np.isnan(self._reference_s):
            self._reference_s = wanted
        if (newest_s - self._reference_s) / self.half_life_s > LARGEST_EXPONENT:
            scale = float(np.exp2((self._reference_s - wanted) / self.half_life_s))
            self._weights *= scale
            self._moments *= scale
            self._reference_s = wanted
