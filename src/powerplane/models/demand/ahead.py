"""What was foretold: a draw for each step ahead, intervals, and the probability that a budget is passed."""

from dataclasses import dataclass

import numpy as np

from powerplane.models.demand.arrays import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """H steps ahead of one moment.

    Parameters
    ----------
    at_s : float64 array, shape (H,)
    watts : float64 array, shape (D, H)
        NaN for a domain that was never measured.
    errors : float64 array, shape (D, E, H)
        Paths of errors that such forecasts made; NaN for paths that are not whole.
    doubt : float64 array, shape (D,)
        What errors are multiplied by for want of history; infinite where there is none to judge by.
    """

    at_s: Floats
    watts: Floats
    errors: Floats
    doubt: Floats

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Lower and upper watts, each shape (D, H), of which ``level`` holds at each step; never below 0."""
        if not 0 < level < 1:
            raise ValueError(f"level is {level}, which is not between 0 and 1")
        shares = np.array([(1 - level) / 2, (1 + level) / 2])
        low, high = _quantiles(self.errors, shares)
        with np.errstate(invalid="ignore"):
            low, high = self.watts + _scaled(low, self.doubt), self.watts + _scaled(high, self.doubt)
        return np.maximum(low, 0), high

    def breach(self, budget_watts: Floats) -> Floats:
        """Probability that the draw passes a budget at any of the steps, shape (D,).

        Parameters
        ----------
        budget_watts : float64 array, shape (D,)
            Infinite for none.

        Returns
        -------
        float64 array
            NaN where nothing is known: that is not a probability of 0.
        """
        with np.errstate(invalid="ignore"):
            paths = self.watts[:, None, :] + _scaled(self.errors, self.doubt[:, None])
        whole = np.asarray(np.isfinite(paths).all(axis=2), dtype=np.bool_)
        over = whole & (np.where(whole[:, :, None], paths, -np.inf).max(axis=2) > budget_watts[:, None])
        count = whole.sum(axis=1).astype(np.float64)
        # One more path, of which nothing is known, counts half.
        return np.where(count > 0, (over.sum(axis=1) + 0.5) / (count + 1), np.nan)


def _quantiles(errors: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Lower and upper errors by rank among those known, with one more that may lie anywhere."""
    ordered = np.sort(errors, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    low = np.floor(shares[0] * (count + 1)).astype(np.int64)
    high = np.ceil(shares[1] * (count + 1)).astype(np.int64)
    found = [
        np.take_along_axis(ordered, np.clip(rank - 1, 0, np.maximum(count - 1, 0))[:, None], axis=1)[:, 0]
        for rank in (low, high)
    ]
    return np.where(low >= 1, found[0], -np.inf), np.where(high <= count, found[1], np.inf)


def _scaled(errors: Floats, doubt: Floats) -> Floats:
    wide = doubt.reshape(-1, *(1,) * (errors.ndim - 1)) if doubt.ndim == 1 else doubt[:, :, None]
    return np.where(np.isinf(wide), np.where(np.isnan(errors), np.nan, np.sign(errors) * np.inf), errors * wide)
