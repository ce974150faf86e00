"""What pods have in common: how much of a workload's variance is the hour's, the workload's, and each pod's own.

A pod's use is its workload's mean, plus a common part that all workloads share (time of day, the whole load), plus a
part that the pods of its workload share, plus a part of its own: a factor model with one common factor and one factor a
workload. The common factor of a round is how far the cluster's whole use stands from its mean. Estimated round by
round from sums that decay, so that no history is kept.

The loading is the covariance with the cluster's whole over the whole's deviation, own part included. Summed over all
pods it is therefore exactly the deviation that the whole was seen to have.
"""

from dataclasses import dataclass, field

import numpy as np

from powerplane.models.demand.arrays import Floats, Rows, ratio, sums_by_row
from powerplane.models.demand.buckets import believable
from powerplane.models.demand.histogram import HALF_LIFE_S, LARGEST_EXPONENT, reference_for

COMMON_PRIOR = 0.25
LEVEL_PRIOR = 0.25
"""Shares of a pod's variance that count as common, and as its workload's, before anything is known of them."""

PRIOR_DAYS = 0.25
"""Days of data that weigh as much as the prior."""

SUMS = ("rounds", "level", "level²", "common", "common²", "level·common", "1/pods", "within", "freedom")


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """The split of W workloads, in the quantity's unit.

    Parameters
    ----------
    common : float64 array, shape (W,)
        Loading of one pod on the common factor; negative where a workload rests while others work.
    level : float64 array, shape (W,)
        Deviation that pods of the workload share besides.
    own : float64 array, shape (W,)
        Deviation of a pod's own.
    """

    common: Floats
    level: Floats
    own: Floats


@dataclass(slots=True, eq=False)
class LoadSharing:
    """Sums of W rows, the same rows as a ``HistogramBank``'s; changes in place.

    Parameters
    ----------
    half_life_s : float
    """

    half_life_s: float = HALF_LIFE_S
    _reference_s: float = np.nan
    _sums: Floats = field(default_factory=lambda: np.zeros((0, len(SUMS))))

    def __len__(self) -> int:
        return len(self._sums)

    def grow(self, count: int) -> None:
        """Have ``count`` rows at least; new ones are empty."""
        if count > len(self):
            self._sums = np.concatenate([self._sums, np.zeros((count - len(self), len(SUMS)))])

    def keep(self, rows: Rows) -> None:
        """Keep these rows only, in this order."""
        self._sums = self._sums[rows]

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
        common = float((count * self._departure(here, level)).sum())
        self._move(at_s)
        weight = float(np.exp2((at_s - self._reference_s) / self.half_life_s))
        one = np.ones(len(here))
        columns = (one, level, level**2, common * one, common**2 * one, level * common, 1 / count, within, count - 1)
        self._sums[here] += weight * np.stack(columns, axis=1)

    def shares(self, variance: Floats, days: Floats) -> Shares:
        """Split each workload's variance, drawn to the prior where there is little data.

        Parameters
        ----------
        variance : float64 array, shape (W,)
            Of one pod over pods and time, as the histograms have it.
        days : float64 array, shape (W,)
            Confidence in days of data.

        Notes
        -----
        Of a workload with one pod at a time, its own part cannot be told from its level: all counts as level.
        """
        sums = ratio(self._sums, self._sums[:, :1], otherwise=0.0)
        _, mean, second, common, common2, product, inverse, within, freedom = sums.T
        own = ratio(within, freedom, otherwise=0.0)
        between = np.maximum(second - mean**2 - own * inverse, 0)
        spread = np.sqrt(np.maximum(common2 - common**2, 0))
        loading = ratio(product - mean * common, spread, otherwise=0.0)
        loading = np.clip(loading, -np.sqrt(between), np.sqrt(between))
        level = np.maximum(between - loading**2, 0)
        # The histograms' variance is the one that is told; the split only shares it out.
        total = own + between
        scale = ratio(variance, total, otherwise=0.0)
        trust = np.where(total > 0, days / (days + PRIOR_DAYS), 0.0)
        prior = (1 - trust) * variance
        return Shares(
            common=trust * loading * np.sqrt(scale) + (1 - trust) * np.sqrt(COMMON_PRIOR * variance),
            level=np.sqrt(trust * level * scale + LEVEL_PRIOR * prior),
            own=np.sqrt(trust * own * scale + (1 - COMMON_PRIOR - LEVEL_PRIOR) * prior),
        )

    def _departure(self, here: Rows, level: Floats) -> Floats:
        """How far each workload's level stands from its mean; 0 for one that has none yet."""
        rounds, before = self._sums[here, 0], self._sums[here, 1]
        return np.where(rounds > 0, level - ratio(before, rounds, otherwise=0.0), 0.0)

    def _move(self, at_s: float) -> None:
        wanted = reference_for(at_s, self.half_life_s)
        if np.isnan(self._reference_s):
            self._reference_s = wanted
        if (at_s - self._reference_s) / self.half_life_s > LARGEST_EXPONENT:
            self._sums *= float(np.exp2((self._reference_s - wanted) / self.half_life_s))
            self._reference_s = wanted
