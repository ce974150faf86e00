"""Bounds that widen with little data, by the Vertical Pod Autoscaler's confidence.

Confidence is the days that samples span, or the days' worth of samples at one a minute, whichever is less. The upper
percentile is raised by ``1 + 1/confidence``, the lower one lowered by ``(1 + 0.001/confidence)**-2``: with no data the
upper bound is infinite, with a day of it twice the percentile, with a week 1.14 times (autoscaler,
``pkg/recommender/logic/estimator.go`` and ``recommender.go``).
"""

from dataclasses import dataclass

import numpy as np

from powerplane.models.demand.arrays import Floats

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class BoundRules:
    """Which percentiles, and how bounds widen.

    Parameters
    ----------
    lower, target, upper : float
        Percentiles, from 0 to 1.
    margin : float
        Share that is added to all three for safety. The autoscaler's default is 0.15; here margins are kept back per
        domain, where they are smaller, so it is 0.
    sample_s : float
        Seconds between samples that count as full data.
    """

    lower: float = 0.5
    target: float = 0.9
    upper: float = 0.95
    margin: float = 0.0
    sample_s: float = 60.0


RULES = BoundRules()


def confidence(first_s: Floats, last_s: Floats, samples: Floats, rules: BoundRules = RULES) -> Floats:
    """Days of data, any shape; 0 without any.

    Parameters
    ----------
    first_s, last_s : float64 arrays
        Unix seconds of the oldest and newest sample; infinities of either sign where there is none.
    samples : float64 array
        Count of samples.
    rules : BoundRules
    """
    spanned = np.where(samples > 0, last_s - first_s, 0.0) / DAY_S
    return np.minimum(spanned, samples * rules.sample_s / DAY_S)


def widened_upper(values: Floats, days: Floats) -> Floats:
    """Upper percentiles raised; infinite without data."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(days > 0, values * (1 + 1 / days), np.inf)


def widened_lower(values: Floats, days: Floats) -> Floats:
    """Lower percentiles lowered; 0 without data, which as a lower bound says nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(days > 0, values * (1 + 0.001 / days) ** -2, 0.0)
