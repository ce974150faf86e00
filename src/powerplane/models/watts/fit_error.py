"""How wrong a fit is, by predictions that it made before it had seen what it predicted."""

from dataclasses import dataclass
from math import nan

import numpy as np

from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.memory import Memory
from powerplane.models.watts.rules import FitRules


@dataclass(frozen=True, slots=True)
class FitError:
    """Errors of the samples that are remembered, each counting by its age; NaN without any.

    Parameters
    ----------
    samples : float
        How many samples they count as, faded by age.
    mape : float
        Mean of |measured - predicted| / measured, of the whole prediction.
    curve_mape : float
        The same of the curve alone, which is what a plan computes with.
    curve_bias_watts : float
        Mean of measured - curve: above 0 where the curve says too little.
    high_watts : float
        The stated quantile of measured - curve: what to keep free for what the curve does not say.
    """

    samples: float
    mape: float
    curve_mape: float
    curve_bias_watts: float
    high_watts: float


def fit_error(memory: Memory, rules: FitRules) -> FitError:
    """Sum up a memory."""
    weights = memory.weights(rules.half_life_s)
    if not weights.sum() > 0:
        return FitError(0.0, nan, nan, nan, nan)
    measured = memory.samples.watts

    def mean(values: Floats) -> float:
        return float(np.average(values, weights=weights))

    high = np.quantile(memory.curve_missed, rules.quantile, weights=weights, method="inverted_cdf")
    return FitError(
        float(weights.sum()),
        mean(np.abs(memory.missed) / measured),
        mean(np.abs(memory.curve_missed) / measured),
        mean(memory.curve_missed),
        float(high),
    )
