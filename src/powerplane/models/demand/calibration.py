"""Calibration while it runs: a stated 95 % is made to hold in 95 of 100 windows, whatever the models got wrong.

Adaptive conformal inference (Gibbs and Candès, *Adaptive conformal inference under distribution shift*, NeurIPS 2021),
one a domain. The score of a window is how many deviations its draw stood above the mean. The factor for the next one
is a quantile of recent scores, at a level that rises after each miss and falls after each hit,

    α ← α + rate·(stated miss − missed),

so that in the long run the share of misses is the stated one, whatever the draws do. Where the level passes the highest
score that is kept, the paper takes an infinite quantile; here each further miss adds a quarter of a deviation, as the
quantile tracker of Angelopoulos, Candès and Tibshirani (*Conformal PID control for time series prediction*, NeurIPS
2023) would, so that a margin is never a whole site for one bad hour. Scores are in deviations, not in watts: what was
learnt stays right when pods come and go.
"""

from dataclasses import dataclass, replace

import numpy as np

from powerplane.models.demand.arrays import Floats, Rows, ratio
from powerplane.models.demand.together import normal_factor

RATE = 0.01
TAIL_STEP = 0.25
"""Deviations that each further miss adds beyond the highest score kept."""

KEPT = 600
"""Scores that are kept of each domain."""

PRIOR_SCORES = 40
"""Scores that the model itself puts in before any are seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What K domains' windows have taught.

    Parameters
    ----------
    level : float
        The stated level, such as 0.95.
    alpha : float64 array, shape (K,)
        Share of misses that each aims at now.
    scores : float64 array, shape (K, KEPT)
        Recent scores in deviations; NaN where none is yet.
    next_slot : int64 array, shape (K,)
    windows, missed : int64 arrays, shape (K,)
        Windows seen, and those that passed their quantile.
    rate : float
    """

    level: float
    alpha: Floats
    scores: Floats
    next_slot: Rows
    windows: Rows
    missed: Rows
    rate: float = RATE

    def factors(self) -> Floats:
        """Deviations above the mean to take for the next window, shape (K,)."""
        return _ranked(self.scores, self.alpha) + TAIL_STEP * np.maximum(-self.alpha / self.rate, 0)

    def lasting(self, normal: Floats) -> Floats:
        """Deviations to take for what stays as it is for longer than a window, such as a placement, shape (K,).

        Parameters
        ----------
        normal : float64 array, shape (K,)
            The model's own factors.

        Notes
        -----
        The factor for the next window follows the hour; this one is the stated level's quantile over all scores that
        are kept, and not less than the model's: they may not span a whole day.
        """
        return np.maximum(_ranked(self.scores, np.full(len(self.alpha), 1 - self.level)), normal)

    def learn(self, scores: Floats) -> "Calibration":
        """Return the calibration after one more window of each domain.

        Parameters
        ----------
        scores : float64 array, shape (K,)
            Deviations above the mean at which each window's draw stood; NaN for a domain that was not measured, of
            which nothing is learnt.
        """
        known = np.isfinite(scores)
        missed = known & (scores > self.factors())
        kept = self.scores.copy()
        here = np.flatnonzero(known)
        kept[here, self.next_slot[here]] = scores[here]
        step = self.rate * ((1 - self.level) - missed)
        return replace(
            self,
            alpha=np.where(known, self.alpha + step, self.alpha),
            scores=kept,
            next_slot=np.where(known, (self.next_slot + 1) % kept.shape[1], self.next_slot),
            windows=self.windows + known,
            missed=self.missed + missed,
        )


def start_calibration(level: float, skewness: Floats, rate: float = RATE) -> Calibration:
    """Start with the scores that the model expects, so that the first factors are the model's.

    Parameters
    ----------
    level : float
        From 0.5 up to, not including, 1.
    skewness : float64 array, shape (K,)
        Of each domain's sum; NaN counts as 0.
    rate : float
    """
    if not 0.5 <= level < 1:
        raise ValueError(f"level is {level}, which is not from 0.5 up to 1")
    count = len(skewness)
    skew = np.where(np.isnan(skewness), 0.0, skewness)
    scores = np.full((count, KEPT), np.nan)
    for slot in range(PRIOR_SCORES):
        # At the end of the ring: the last to be written over.
        scores[:, KEPT - PRIOR_SCORES + slot] = normal_factor((slot + 0.5) / PRIOR_SCORES, skew)
    return Calibration(
        level=level,
        alpha=np.full(count, 1 - level),
        scores=scores,
        next_slot=np.zeros(count, dtype=np.int64),
        windows=np.zeros(count, dtype=np.int64),
        missed=np.zeros(count, dtype=np.int64),
        rate=rate,
    )


def _ranked(scores: Floats, alpha: Floats) -> Floats:
    """Score that all but a share alpha of each domain's scores stay within."""
    seen = np.sort(scores, axis=1)  # NaN sorts last
    count = np.isfinite(seen).sum(axis=1)
    # The rank that split conformal prediction asks for: one more score, the next, is as likely anywhere.
    rank = np.ceil((1 - alpha) * (count + 1)).astype(np.int64)
    return np.take_along_axis(seen, np.clip(rank, 1, count)[:, None] - 1, axis=1)[:, 0]


def missed_share(calibration: Calibration) -> Floats:
    """Share of windows that passed their quantile, shape (K,); NaN before the first."""
    return ratio(calibration.missed.astype(np.float64), calibration.windows.astype(np.float64))
