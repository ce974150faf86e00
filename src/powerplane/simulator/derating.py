"""What heat takes from breakers and from the budgets above them, over time."""

import numpy as np

from powerplane.simulator.scenario import Climate
from powerplane.simulator.weather import derating
from powerplane.simulator.workload import Floats


class Deratings:
    """Shares of budgets and ratings that D domains keep.

    Parameters
    ----------
    climates : tuple of Climate
    names : tuple of str
        The domains, in order.
    """

    def __init__(self, climates: tuple[Climate, ...], names: tuple[str, ...]) -> None:
        self._climates = climates
        inside = [[name in set(climate.feeds) for climate in climates] for name in names]
        self._inside = np.array(inside, dtype=bool).reshape(len(names), len(climates))

    def at(self, second: float) -> Floats:
        """Share that each domain keeps at a second, shape (D,); of several climates, the hottest decides."""
        shares = np.array([derating(climate.heat.celsius_at(second)) for climate in self._climates])
        result: Floats = np.where(self._inside, shares, 1.0).min(axis=1, initial=1.0)
        return result
