"""What pods have in common: how much of a workload's variance is the hour's, the workload's, and each pod's own.

A pod's use is its workload's mean, plus a part that follows factors which all workloads share, plus a part that the
pods of its workload share, plus a part of its own. The shared factors are the time of day (two harmonics, so that
workloads of other time zones rest while others work) and the whole load: how far the cluster's use stands from its
mean. Each workload's loadings are the regression of its level on the factors, from sums that decay, so that no history
is kept.

Because the whole load is one of the factors, the loadings of all pods add up to the deviation that the whole was seen
to have, whatever the regression of each says.
"""

from dataclasses import dataclass, field

import numpy as np

from powerplane.models.demand.arrays import Floats, Rows, ratio, sums_by_row
from powerplane.models.demand.buckets import believable
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.histogram import HALF_LIFE_S, LARGEST_EXPONENT, reference_for

COMMON_PRIOR = 0.25
LEVEL_PRIOR = 0.25
"""Shares of a pod's variance that count as common, and as its workload's, before anything is known of them."""

PRIOR_DAYS = 0.1
"""Days of data that weigh as much as the prior."""

RIDGE = 0.02
"""Added to the factors' correlations: half a day cannot tell the harmonics from the load."""

HARMONICS = (1, 2)
FACTORS = 1 + 2 * len(HARMONICS)
"""The whole load, then cosine and sine of each harmonic."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """The split of W workloads, in the quantity's unit.

    Parameters
    ----------
    common : float64 array, shape (W, FACTORS)
        Loadings of one pod on common factors, which are uncorrelated and of unit variance; of either sign.
    level : float64 array, shape (W,)
        Deviation that pods of the workload share besides.
    own : float64 array, shape (W,)
        Deviation of a pod's own.
    """

    common: Floats
    level: Floats
    own: Floats

    @property
    def variance(self) -> Floats:
        """Of one pod as a whole, shape (W,)."""
        result: Floats = (self.common**2).sum(axis=1) + self.level**2 + self.own**2
        return result

    @property
    def correlation(self) -> Floats:
        """Between two pods of one workload, shape (W,), from 0 to 1; NaN where nothing varies."""
        variance = self.variance
        return ratio(variance - self.own**2, variance)


@dataclass(slots=True, eq=False)
class LoadSharing:
    """Sums of W rows, the same rows as a ``HistogramBank``'s; changes in place.

    Parameters
    ----------
    half_life_s : float
    """

    half_life_s: float = HALF_LIFE_S
    _reference_s: float = np.nan
    _products: Floats = field(default_factory=lambda: np.zeros((0, 2 + FACTORS, 2 + FACTORS)))
    """Σ z zᵀ of each workload over rounds, z = (1, level, factors)."""
    _pods: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    """Σ of 1 / pods, of squares within the workload, and of pods - 1."""
    _whole: Floats = field(default_factory=lambda: np.zeros((1 + FACTORS, 1 + FACTORS)))
    """Σ f fᵀ over all rounds, f = (1, factors)."""
    _first_s: Floats = field(default_factory=lambda: np.zeros(0))
    _last_s: float = -np.inf

    def __len__(self) -> int:
        return len(self._pods)

    def grow(self, count: int) -> None:
        """Have ``count`` rows at least; new ones are empty."""
        more = count - len(self)
        if more > 0:
            self._products = np.concatenate([self._products, np.zeros((more, *self._products.shape[1:]))])
            self._pods = np.concatenate([self._pods, np.zeros((more, 3))])
            self._first_s = np.concatenate([self._first_s, np.full(more, np.inf)])

    def keep(self, rows: Rows) -> None:
        """Keep these rows only, in this order."""
        self._products, self._pods, self._first_s = self._products[rows], self._pods[rows], self._first_s[rows]

    def add(self, rows: Rows, values: Floats, at_s: float) -> None:
        """Take one round in: what each pod uses at one moment.

        Parameters
        ----------
        rows : int64 array, shape (P,)
        values : float64 array, shape (P,)
            NaN, infinite and negative ones are left out.
        at_s : float
            Unix seconds.
        """
        self.grow(int(rows.max(initial=-1)) + 1)
        good = believable(values)
        if not good.any() or not np.isfinite(at_s):
            return
        row, value = rows[good], values[good]
        pods = sums_by_row(row, 1.0, len(self))
        here = np.flatnonzero(pods)
        count = pods[here]
        level = sums_by_row(row, value, len(self))[here] / count
        within = sums_by_row(row, (value - level[np.searchsorted(here, row)]) ** 2, len(self))[here]
        factors = [float((count * self._departure(here, level)).sum()), *_time_factors(at_s)]
        self._move(at_s)
        weight = float(np.exp2((at_s - self._reference_s) / self.half_life_s))
        seen = np.stack([np.ones(len(here)), level, *(np.full(len(here), factor) for factor in factors)], axis=1)
        self._products[here] += weight * seen[:, :, None] * seen[:, None, :]
        self._pods[here] += weight * np.stack([1 / count, within, count - 1], axis=1)
        self._first_s[here] = np.minimum(self._first_s[here], at_s)
        self._last_s = max(self._last_s, at_s)
        self._whole += weight * np.outer([1.0, *factors], [1.0, *factors])

    def shares(self, variance: Floats, days: Floats) -> Shares:
        """Split each workload's variance, drawn to the prior where there is little data.

        Parameters
        ----------
        variance : float64 array, shape (W,)
            Of one pod over pods and time, as the histograms have it; NaN for one never seen.
        days : float64 array, shape (W,)
            Confidence in days of data.

        Notes
        -----
        Of a workload with one pod at a time, its own part cannot be told from its level: all counts as level. The
        histograms' variance is the one that is told; the split only shares it out.
        """
        rounds = self._products[:, 0, 0]
        inverse = ratio(self._pods[:, 0], rounds, otherwise=0.0)
        own = ratio(self._pods[:, 1], self._pods[:, 2], otherwise=0.0)
        covariance = _covariance(self._products)
        between = np.maximum(covariance[:, 0, 0] - own * inverse, 0)
        slopes = _slopes(covariance)
        explained = np.maximum(np.einsum("wf,wfg,wg->w", slopes, covariance[:, 1:, 1:], slopes), 0)
        slopes *= np.sqrt(np.minimum(ratio(between, explained, otherwise=0.0), 1))[:, None]
        loadings = slopes @ _root(_covariance(self._whole[None])[0])
        common = np.minimum((loadings**2).sum(axis=1), between)
        loadings *= np.sqrt(ratio(common, (loadings**2).sum(axis=1), otherwise=0.0))[:, None]
        total = own + between
        scale = np.sqrt(ratio(variance, total, otherwise=0.0))
        # Histograms outlive a restart, these sums do not: what they have seen themselves is what they can tell.
        own_days = np.minimum(days, np.maximum(self._last_s - self._first_s, 0) / DAY_S)
        trust = np.where(total > 0, own_days / (own_days + PRIOR_DAYS), 0.0)
        # In deviations, not variances: those of many pods add up, and a little of a prior would be most of the sum.
        loadings = np.asarray(loadings * (trust * scale)[:, None], dtype=np.float64)
        loadings[:, 0] += (1 - trust) * np.sqrt(COMMON_PRIOR * variance)
        level = trust * scale * np.sqrt(between - common) + (1 - trust) * np.sqrt(LEVEL_PRIOR * variance)
        rest = variance - (loadings**2).sum(axis=1) - level**2
        return Shares(common=loadings, level=level, own=np.sqrt(np.maximum(rest, 0)))

    def _departure(self, here: Rows, level: Floats) -> Floats:
        """How far each workload's level stands from its mean; 0 for one that has none yet."""
        rounds, before = self._products[here, 0, 0], self._products[here, 0, 1]
        return np.where(rounds > 0, level - ratio(before, rounds, otherwise=0.0), 0.0)

    def _move(self, at_s: float) -> None:
        wanted = reference_for(at_s, self.half_life_s)
        if np.isnan(self._reference_s):
            self._reference_s = wanted
        if (at_s - self._reference_s) / self.half_life_s > LARGEST_EXPONENT:
            scale = float(np.exp2((self._reference_s - wanted) / self.half_life_s))
            self._products *= scale
            self._pods *= scale
            self._whole *= scale
            self._reference_s = wanted


def _time_factors(at_s: float) -> list[float]:
    angle = 2 * np.pi * (at_s % DAY_S) / DAY_S
    return [float(wave(angle * harmonic)) for harmonic in HARMONICS for wave in (np.cos, np.sin)]


def _covariance(products: Floats) -> Floats:
    """Covariance of what stands beside the leading 1 in Σ z zᵀ, shape (W, M, M); 0 without rounds."""
    mean = ratio(products, products[:, :1, :1], otherwise=0.0)
    result: Floats = mean[:, 1:, 1:] - mean[:, 1:, :1] * mean[:, :1, 1:]
    return result


def _slopes(covariance: Floats) -> Floats:
    """Ridge regression of the level, which comes first, on the factors, shape (W, FACTORS)."""
    factors, product = covariance[:, 1:, 1:], covariance[:, 1:, 0]
    deviation = np.sqrt(np.maximum(np.diagonal(factors, axis1=1, axis2=2), 0))
    # A factor that has not moved explains nothing.
    inverse = ratio(np.ones_like(deviation), deviation, otherwise=0.0)
    scaled = factors * inverse[:, :, None] * inverse[:, None, :] + RIDGE * np.eye(FACTORS)
    result: Floats = np.linalg.solve(scaled, (product * inverse)[:, :, None])[:, :, 0] * inverse
    return result


def _root(covariance: Floats) -> Floats:
    """Lower root L of the factors' covariance L Lᵀ; a factor that the ones before it explain gets no column."""
    root = np.zeros_like(covariance)
    for at in range(len(covariance)):
        left = covariance[at:, at] - root[at:, :at] @ root[at, :at]
        # A tolerance for sums that cancel: within minutes the time of day has hardly moved.
        if left[0] > 1e-9 * covariance[at, at]:
            root[at:, at] = left / np.sqrt(left[0])
    return root
