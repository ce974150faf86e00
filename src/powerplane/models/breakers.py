"""Breakers: how long a domain may draw more than its rating before it goes dark."""

from dataclasses import dataclass
from itertools import pairwise

from powerplane.models.errors import InputError


@dataclass(frozen=True, slots=True)
class Breaker:
    """A breaker's rating and its time-current curve.

    Parameters
    ----------
    rating_mw : int
        Load that it carries for ever, in milliwatts.
    curve : tuple of (float, float)
        Times over the rating, and seconds until it trips at that load; loads rise from above 1, seconds fall.

    Raises
    ------
    InputError
        When the rating is not positive, or the curve is not falling.

    Notes
    -----
    Between two points the trip time is interpolated on logarithmic axes, as time-current curves are drawn
    (UL 489, IEC 60947-2); below the first point it does not trip.
    """

    rating_mw: int
    curve: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        mend = "give the breaker a rating above 0 W and a curve [[times over, seconds], …] that falls"
        if self.rating_mw <= 0:
            raise InputError(f"breaker rating {self.rating_mw / 1000:g} W is not positive", mend)
        for times_over, seconds in self.curve:
            if not (times_over > 1 and 0 < seconds < float("inf")):
                raise InputError(f"breaker point [{times_over:g}, {seconds:g}] is out of range", mend)
        for (load, slow), (heavier, fast) in pairwise(self.curve):
            if heavier <= load or fast > slow:
                raise InputError(f"breaker curve does not fall from {load:g} to {heavier:g} times over", mend)
