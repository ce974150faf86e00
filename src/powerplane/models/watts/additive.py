"""A fitted model of watts: a base, and a monotone curve for each counter, added up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.monotone import design, fit_increments, rising_columns

FIXED_KNOTS = (0.0, 0.1, 0.5, 1.0)
"""Where a published curve bends most; they stand with any data."""

MOST_KNOTS = 8
SAMPLES_A_KNOT = 20
CLOSEST_KNOTS = 0.05
LEAST_SCALE = 1e-100
"""A counter that was never above is taken for one that stands still."""


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveModel:
    """Watts as ``base + Σ f_c(counter_c)``.

    Parameters
    ----------
    scale : float64 array, shape (C,)
        Value of each counter that counts as 1.
    knots : tuple of float64 arrays
        Of each counter, in shares of its scale, rising from 0 to 1.
    increments : float64 array, shape (1 + Σ K,)
        The base, then what each segment adds, in watts; never negative.
    """

    scale: Floats
    knots: tuple[Floats, ...]
    increments: Floats

    @property
    def idle_watts(self) -> float:
        """Watts without any load."""
        return float(self.increments[0])

    @property
    def peak_watts(self) -> float:
        """Watts with every counter at its scale."""
        return float(self.increments.sum())

    def watts(self, counters: Floats) -> Floats:
        """Return the watts at counters of shape (M, C); flat beyond the scale."""
        found: Floats = design(counters / self.scale, self.knots) @ self.increments
        return found


def fit_additive(
    counters: Floats,
    watts: Floats,
    weights: Floats,
    *,
    scale: Floats,
    prior: PowerCurve,
    prior_samples: float,
    threshold_share: float,
    quantile: float = 0.5,
) -> AdditiveModel:
    """Fit a model, starting from a curve over the first counter and leaving it as samples gather.

    Parameters
    ----------
    counters : float64 array, shape (M, C)
    watts, weights : float64 arrays, shape (M,)
    scale : float64 array, shape (C,)
    prior : PowerCurve
        Over the first counter.
    prior_samples : float
        How many samples it counts as.
    threshold_share : float
        Of the typical watts: where the loss turns linear.
    quantile : float
        See ``fit_increments``.

    Notes
    -----
    The starting curve enters as samples of its own. First only its level and its height are fitted, so that a machine
    that draws more than the published one keeps its shape at the loads not seen yet; then the knots are.
    """
    shares = counters / scale
    usual = float(np.median(watts)) if len(watts) else prior.peak_mw / 1000
    threshold = threshold_share * usual
    knots = tuple(place_knots(shares[:, c], weights) for c in range(shares.shape[1]))
    first = knots[0]
    shape, idle, span = _shape(prior, first)
    own = np.interp(shares[:, 0], first, shape)
    level = fit_increments(
        _rows(np.column_stack([np.ones(len(watts)), own]), np.eye(2)),
        np.concatenate([watts, [idle, span]]),
        np.concatenate([weights, np.full(2, prior_samples / 2)]),
        threshold,
        quantile,
    )
    columns = design(shares, knots)
    believed = np.zeros((len(first), columns.shape[1]))
    believed[:, 0] = 1.0
    believed[:, 1 : len(first)] = rising_columns(first, first)
    increments = fit_increments(
        _rows(columns, believed),
        np.concatenate([watts, level[0] + level[1] * shape]),
        np.concatenate([weights, np.full(len(first), prior_samples / len(first))]),
        threshold,
        quantile,
    )
    return AdditiveModel(scale, knots, increments)


def place_knots(shares: Floats, weights: Floats) -> Floats:
    """Return knots from 0 to 1: the fixed ones, and more where samples are, as many as they bear out."""
    wanted = min(MOST_KNOTS, int(weights.sum() / SAMPLES_A_KNOT))
    seen = np.quantile(shares, np.linspace(0.0, 1.0, wanted + 2)[1:-1]) if wanted and len(shares) else np.zeros(0)
    knots = list(FIXED_KNOTS)
    for knot in np.round(np.clip(seen, 0.0, 1.0), 4):
        if min(abs(knot - other) for other in knots) >= CLOSEST_KNOTS:
            knots.append(float(knot))
    return np.array(sorted(knots))


def _shape(prior: PowerCurve, knots: Floats) -> tuple[Floats, float, float]:
    """Return a curve's way from idle to peak at the knots, its idle and its span, in watts."""
    at = np.array([float(u) for u in prior.utilisation])
    watts = np.array(prior.milliwatts, dtype=np.float64) / 1000
    span = float(watts[-1] - watts[0])
    way = (np.interp(knots, at, watts) - watts[0]) / span if span > 0 else knots
    return way, float(watts[0]), span


def _rows(samples: Floats, more: Floats) -> Floats:
    return np.vstack([samples, more])


def scale_of(counters: Floats, stated: Sequence[float] | None) -> Floats:
    """Return the value of each counter that counts as 1: the stated one, or the largest seen.

    One absurd value must not squeeze all others together: what is above three times the 99th percentile is passed
    over.
    """
    if stated is not None:
        return np.array(stated, dtype=np.float64)
    if not len(counters):
        return np.ones(counters.shape[1])
    most = 3.0 * np.quantile(counters, 0.99, axis=0)
    tops = np.where(counters <= most, counters, 0.0).max(axis=0)
    scale: Floats = np.maximum(np.where(tops > 0, tops, counters.max(axis=0)), LEAST_SCALE)
    return scale
