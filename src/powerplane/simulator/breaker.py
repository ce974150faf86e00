"""Breakers in time: how soon a load trips one, and the heat that it remembers between overloads."""

from dataclasses import dataclass
from math import exp, inf, log

from powerplane.models.breakers import Breaker

ROUNDING = 1e-9
"""Of the heat that trips: n parts of 1/n must add up to one, whatever their rounding."""

COOLING_SECONDS = 900.0
"""Time constant in which a bimetal loses its heat once the load is back under the rating; an assumption."""


@dataclass(frozen=True, slots=True)
class BreakerHeat:
    """What a breaker remembers.

    Parameters
    ----------
    share : float
        Of the heat that trips it: 0 when cold, 1 when it trips.
    tripped : bool
        Open, for good: somebody has to close it by hand.
    """

    share: float = 0.0
    tripped: bool = False


def derate(breaker: Breaker, factor: float) -> Breaker:
    """Return the breaker as it behaves when the heat around it leaves it only ``factor`` of its rating."""
    return Breaker(int(breaker.rating_mw * factor), breaker.curve)


def seconds_to_trip(breaker: Breaker, load_mw: float) -> float:
    """Seconds until a cold breaker trips under a constant load.

    Straight lines between the points of its curve on logarithmic axes, as time-current curves are drawn (UL 489,
    IEC 60947-2); as fast as the last point beyond it.

    Parameters
    ----------
    breaker : Breaker
    load_mw : float
        Load in milliwatts.

    Returns
    -------
    float
        Infinite below the curve's first point.
    """
    times_over = load_mw / breaker.rating_mw
    if not breaker.curve or times_over < breaker.curve[0][0]:
        return inf
    for (low, slow), (high, fast) in zip(breaker.curve, breaker.curve[1:], strict=False):
        if times_over < high:
            along = log(times_over / low) / log(high / low)
            return exp(log(slow) + along * (log(fast) - log(slow)))
    return breaker.curve[-1][1]


def heat_after(heat: BreakerHeat, breaker: Breaker, load_mw: float, seconds: float) -> BreakerHeat:
    """Heat after some seconds at one load: it gathers by seconds over the time to trip, and cools when that is never.

    Parameters
    ----------
    heat : BreakerHeat
    breaker : Breaker
        As derated now.
    load_mw : float
        Load in milliwatts.
    seconds : float
    """
    if heat.tripped:
        return heat
    limit = seconds_to_trip(breaker, load_mw)
    if limit == inf:
        return BreakerHeat(heat.share * exp(-seconds / COOLING_SECONDS))
    share = heat.share + seconds / limit
    return BreakerHeat(min(share, 1.0), share >= 1 - ROUNDING)
