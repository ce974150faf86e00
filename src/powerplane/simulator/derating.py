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
        self._of = np.full(len(names), len(climates), dtype=np.int64)
        for i, climate in enumerate(climates):
            feeds = set(climate.feeds)
            self._of[[row for row, name in enumerate(names) if name in feeds]] = i

    def at(self, second: float) -> Floats:
        """Share that each domain keeps at a second, shape (D,)."""
        shares = np.array([derating(climate.heat.celsius_at(second)) for climate in self._climates] + [1.0])
        result: Floats = shares[self._of]
        return result
