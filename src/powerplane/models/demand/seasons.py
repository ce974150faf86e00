"""Daily and weekly seasons of many domains at once: ridge regression on waves, with gaps, newer days counting more.

The waves are the harmonics of a week: those of a day (every seventh), their neighbours, by which a weekend differs from
a working day, and the slow ones. They know no midnight, so that time zones need not be told.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import Floats, Rows, ratio
from powerplane.models.demand.confidence import DAY_S

WEEK_S = 7 * DAY_S
DAILY = (7, 14, 21, 28, 35, 42)
"""Harmonics of a week that repeat daily: periods of 24, 12, 8, 6, 4.8 and 4 hours."""

WEEKLY = (1, 2, 3, 4, 5, 6, 8, 9, 12, 13, 15, 16, 20, 22)
"""The slow ones, and the neighbours of the daily ones."""

AGE_HALF_LIFE_S = 14 * DAY_S
RIDGE_DAILY = 0.5
RIDGE_WEEKLY = 3.0
"""In samples at full weight: what a wave's amplitude is held against."""

LEAST_SPAN_S = 1.75 * DAY_S
"""Less than this shows no daily season."""

WEEKLY_SPAN_S = 9 * DAY_S
"""Less than this shows no weekly one."""

OFF = 1e9
HUBER = 2.5
"""Deviations beyond which a sample's weight falls: bursts are no season."""


@dataclass(frozen=True, slots=True, eq=False)
class Seasons:
    """Seasons of D domains.

    Parameters
    ----------
    coefficients : float64 array, shape (D, 1 + 2 × waves)
    left_out : float64 array, shape (D, T)
        What each sample of the history differs from seasons that were fitted without its own day and the next; NaN in
        gaps.
    """

    coefficients: Floats
    left_out: Floats

    def at(self, at_s: Floats) -> Floats:
        """Season at some times in Unix seconds, shape (D, M)."""
        result: Floats = self.coefficients @ waves(at_s).T
        return result


def waves(at_s: Floats) -> Floats:
    """Columns of the regression, shape (M, 1 + 2 × waves)."""
    angle = 2 * np.pi * (at_s % WEEK_S)[:, None] / WEEK_S * np.array([*DAILY, *WEEKLY])
    return np.concatenate([np.ones((len(at_s), 1)), np.cos(angle), np.sin(angle)], axis=1)


def fit_seasons(at_s: Floats, watts: Floats) -> Seasons:
    """Fit the seasons of many domains.

    Parameters
    ----------
    at_s : float64 array, shape (T,)
        Unix seconds, rising evenly.
    watts : float64 array, shape (D, T)
        NaN in gaps; a domain without any samples gets NaN coefficients.
    """
    seen: NDArray[np.bool_] = np.isfinite(watts)
    mean = ratio(np.where(seen, watts, 0).sum(axis=1), seen.sum(axis=1).astype(np.float64))
    away = np.where(seen, watts - mean[:, None], 0.0)
    age = np.exp2((at_s - at_s[-1]) / AGE_HALF_LIFE_S)
    columns = waves(at_s)
    ridge = np.diag(_ridge(at_s[-1] - at_s[0]))
    weights = np.asarray(seen * age, dtype=np.float64)
    blocks = _blocks(at_s)
    first = _solve(_products(weights, columns, blocks).sum(axis=0), (weights * away) @ columns, ridge)
    weights = weights * _doubt(away - first @ columns.T, seen)
    per_block = _products(weights, columns, blocks)
    moments = np.stack([(weights * away)[:, here] @ columns[here] for here in blocks])
    whole, moment = per_block.sum(axis=0), moments.sum(axis=0)
    left_out = np.full(watts.shape, np.nan)
    for here, own, its in zip(blocks, per_block, moments, strict=True):
        without = _solve(whole - own, moment - its, ridge)
        left_out[:, here] = np.where(seen[:, here], away[:, here] - without @ columns[here].T, np.nan)
    constant = np.zeros((1, columns.shape[1]))
    constant[0, 0] = 1
    return Seasons(_solve(whole, moment, ridge) + mean[:, None] * constant, left_out)


def _products(weights: Floats, columns: Floats, blocks: list[Rows]) -> Floats:
    """Weighted products of the columns in each block, shape (blocks, D, columns²)."""
    squared = ((columns[here, :, None] * columns[here, None, :]).reshape(len(here), -1) for here in blocks)
    return np.stack([weights[:, here] @ pairs for here, pairs in zip(blocks, squared, strict=True)])


def _ridge(span_s: float) -> Floats:
    daily = RIDGE_DAILY if span_s >= LEAST_SPAN_S else OFF
    weekly = RIDGE_WEEKLY if span_s >= WEEKLY_SPAN_S else OFF
    one = [daily] * len(DAILY) + [weekly] * len(WEEKLY)
    return np.array([1e-6, *one, *one])


def _solve(products: Floats, moments: Floats, ridge: Floats) -> Floats:
    size = len(ridge)
    found = np.linalg.solve(products.reshape(-1, size, size) + ridge, moments[:, :, None])
    return np.asarray(found[:, :, 0], dtype=np.float64)


def _doubt(residual: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Weights from 1 down for samples far off, by Huber's function."""
    off = np.abs(residual)
    ordered = np.sort(np.where(seen, off, np.inf), axis=1)
    middle = np.take_along_axis(ordered, np.minimum(seen.sum(axis=1)[:, None] // 2, off.shape[1] - 1), axis=1)
    scale = np.where(np.isfinite(middle), 1.4826 * middle, 0.0)
    return np.minimum(1.0, ratio(HUBER * scale + 0 * off, off, otherwise=1.0))


def _blocks(at_s: Floats) -> list[Rows]:
    """Columns of each two days."""
    number = (at_s - at_s[0]) // (2 * DAY_S)
    return [np.flatnonzero(number == block) for block in np.unique(number)]
