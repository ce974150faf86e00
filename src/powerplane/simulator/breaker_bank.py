"""All breakers of a cluster at once: curve, heat and cooling as one breaker's, and the exact moment of a trip."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.breakers import Breaker
from powerplane.simulator.breaker import COOLING_SECONDS, ROUNDING, seconds_to_trip

Floats = NDArray[np.float64]


class BreakerBank:
    """Heat of D domains' breakers.

    Parameters
    ----------
    breakers : sequence of Breaker or None, length D
        None where a domain has none.

    Notes
    -----
    Heat gathers by seconds over the time to trip at the present load, and decays with ``COOLING_SECONDS`` while the
    load is below the curve: as ``breaker.heat_after``, which a test holds against this.
    """

    def __init__(self, breakers: Sequence[Breaker | None]) -> None:
        self._breakers = tuple(breakers)
        self.rating_watts = np.array([b.rating_mw / 1000 if b else np.inf for b in breakers])
        self._first = np.array([b.curve[0][0] if b and b.curve else np.inf for b in breakers])
        self.share = np.zeros(len(breakers))
        self.tripped = np.zeros(len(breakers), dtype=bool)

    def limits_s(self, watts: Floats, factor: Floats) -> Floats:
        """Seconds to a trip from cold at these loads, infinite where never, shape (D,).

        Parameters
        ----------
        watts, factor : float64 arrays, shape (D,)
            Loads, and the share of its rating that the heat around it leaves each breaker.
        """
        limits = np.full(len(watts), np.inf)
        hot = np.flatnonzero((watts >= self._first * self.rating_watts * factor * (1 - 1e-12)) & ~self.tripped)
        for row in hot.tolist():
            breaker = self._breakers[row]
            if breaker is not None:
                limits[row] = seconds_to_trip(breaker, float(watts[row]) / float(factor[row]) * 1000)
        return limits

    def first_trip_s(self, limits_s: Floats) -> float:
        """Seconds from now until the first breaker trips if loads stay, infinite when none does."""
        over = np.isfinite(limits_s)
        if not over.any():
            return float("inf")
        return float(np.maximum((1.0 - self.share[over]) * limits_s[over], 0.0).min())

    def pass_time(self, limits_s: Floats, dt_s: float) -> list[int]:
        """Gather or lose heat for some seconds at these loads; return the rows that tripped at their end."""
        over = np.isfinite(limits_s)
        warm = np.where(over, self.share + dt_s / limits_s, self.share * np.exp(-dt_s / COOLING_SECONDS))
        self.share = np.where(self.tripped, self.share, np.minimum(warm, 1.0))
        gone = over & ~self.tripped & (warm >= 1.0 - ROUNDING)
        self.tripped |= gone
        return [int(row) for row in np.flatnonzero(gone)]

    def close(self, row: int) -> None:
        """Close a breaker by hand, cold."""
        self.share[row] = 0.0
        self.tripped[row] = False
