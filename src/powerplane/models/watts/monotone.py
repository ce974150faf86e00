r"""Robust regression under monotonicity: watts as a base plus increments that are never negative.

A monotone, piecewise linear function of a counter u with knots :math:`k_0 < k_1 < … < k_K` is

.. math:: f(u) = b_0 + \sum_{j=1}^{K} b_j \, \mathrm{clip}\big((u - k_{j-1}) / (k_j - k_{j-1}), 0, 1\big),
          \qquad b_j \ge 0,

so that fitting it is a problem in non-negative increments. Several counters add up: the columns of each stand side by
side. The loss is Huber's: squares near the fit, and linear beyond a threshold, so that it is the
*typical* draw, which neither a stuck sensor nor one odd workload pulls away. Weighing what lies above more than what
lies below gives a quantile instead.

Source: P. Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35 (1964); C. Lawson and R. Hanson,
"Solving Least Squares Problems" (1974), ch. 23 (non-negative least squares); R. Koenker and G. Bassett, "Regression
quantiles", Econometrica 46 (1978).
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from powerplane.models.telemetry.readings import Floats

ROUNDS = 30
"""Most reweightings; they end sooner once no increment changes by more than ``SETTLED`` of the largest."""

SETTLED = 1e-4
RIDGE = 1e-9
"""Share of the mean diagonal that is added to it, so that increments without any sample stay solvable."""


def rising_columns(counter: Floats, knots: Floats) -> Floats:
    """Return how far each value has come through each segment between knots, from 0 to 1.

    Parameters
    ----------
    counter : float64 array, shape (M,)
    knots : float64 array, shape (K + 1,)
        Rising.

    Returns
    -------
    float64 array, shape (M, K)
    """
    columns: Floats = np.clip((counter[:, None] - knots[:-1]) / (knots[1:] - knots[:-1]), 0.0, 1.0)
    return columns


def design(counters: Floats, knots: Sequence[Floats]) -> Floats:
    """Return a column of ones and the rising columns of every counter; shape (M, 1 + Σ K)."""
    parts = [rising_columns(counters[:, c], own) for c, own in enumerate(knots)]
    return np.hstack([np.ones((len(counters), 1)), *parts])


def fit_increments(
    columns: Floats, watts: Floats, weights: Floats, threshold_watts: float, quantile: float = 0.5
) -> Floats:
    """Find the non-negative increments whose weighted Huber loss is least.

    Parameters
    ----------
    columns : float64 array, shape (M, B)
    watts, weights : float64 arrays, shape (M,)
    threshold_watts : float
        Residual from which the loss grows linearly; infinite for least squares.
    quantile : float
        With a low threshold, share of the samples that is to lie below: what is above the fit weighs as much more.

    Returns
    -------
    float64 array, shape (B,)
    """
    increments = _least_squares(columns, watts, weights)
    if not np.isfinite(threshold_watts):
        return increments
    for _ in range(ROUNDS):
        residual = watts - columns @ increments
        sided = weights * np.where(residual > 0, quantile, 1.0 - quantile)
        found = _least_squares(columns, watts, sided / np.maximum(np.abs(residual) / threshold_watts, 1.0))
        change = np.abs(found - increments).max()
        increments = found
        if change <= SETTLED * max(increments.max(), 1e-9):
            break
    return increments


def _least_squares(columns: Floats, watts: Floats, weights: Floats) -> Floats:
    """Weighted non-negative least squares by way of the normal equations, whose size is that of the answer."""
    gram = columns.T @ (columns * weights[:, None])
    gram[np.diag_indices_from(gram)] += max(RIDGE * float(np.trace(gram)) / len(gram), 1e-12)
    root = np.linalg.cholesky(gram)
    right = np.linalg.solve(root, columns.T @ (weights * watts))
    found, _ = nnls(root.T, right, maxiter=30 * len(gram))
    return found
