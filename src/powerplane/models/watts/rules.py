"""How a node's power model learns: what it remembers, for how long, and how much the catalogue counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitRules:
    """Settings of a fit.

    Parameters
    ----------
    half_life_s : float
        Age at which a sample counts half.
    prior_samples : float
        How many samples the starting curve counts as, over the whole range.
    memory : int
        Samples that are kept, those of crowded loads thinned first.
    threshold_share : float
        Residual, as a share of the typical watts, from which the loss is linear: small for the typical draw (median),
        infinite for the mean.
    neighbours : int
        Samples like the present one whose residuals are asked for what the curve does not say; 0 for none.
    quantile : float
        Of the residuals: what is stated as the conservative error.
    """

    half_life_s: float = 14 * 86_400.0
    prior_samples: float = 10.0
    memory: int = 4096
    threshold_share: float = 0.1
    neighbours: int = 15
    quantile: float = 0.95
