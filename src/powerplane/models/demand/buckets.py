"""Exponential buckets: each 5 % wider than the one before, so that a percentile errs by 5 % wherever it falls.

As in the Vertical Pod Autoscaler (autoscaler/vertical-pod-autoscaler, ``pkg/recommender/util/histogram_options.go``).
"""

from dataclasses import dataclass, field
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import Floats, Rows

GROWTH = 0.05
PART = 8192
"""Rows whose running sums are held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Bucket b reaches from ``starts[b]`` up to, not including, ``starts[b + 1]``; the last one has no end.

    Parameters
    ----------
    name : str
        Names the quantity and the sizes in checkpoints: what was written with other buckets is not read.
    first : float
        Width of the first bucket, in the quantity's unit.
    most : float
        A value that the last bucket must hold.
    growth : float
        How much wider each is than the one before.
    """

    name: str
    first: float
    most: float
    growth: float = GROWTH
    starts: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = ceil(log(self.most * self.growth / self.first + 1) / log(1 + self.growth)) + 1
        starts = self.first * ((1 + self.growth) ** np.arange(count) - 1) / self.growth
        starts.flags.writeable = False
        object.__setattr__(self, "starts", starts)

    def __len__(self) -> int:
        return len(self.starts)

    def index(self, values: Floats) -> Rows:
        """Bucket of each value of 0 or more, same shape."""
        return np.searchsorted(self.starts, values, side="right").astype(np.int64) - 1

    @property
    def ends(self) -> Floats:
        """What each bucket counts as in a percentile, shape (B,): its end, the last one its start."""
        return np.append(self.starts[1:], self.starts[-1])

    @property
    def middles(self) -> Floats:
        """Middle of each bucket, shape (B,)."""
        return (self.starts + self.ends) / 2


CORES = Buckets("cpu cores, 0.01 to 1000 by 5 %", first=0.01, most=1000)
"""CPU of one pod, in cores."""

WATTS = Buckets("accelerator watts, 1 to 200000 by 5 %", first=1, most=200_000)
"""Draw of one pod's accelerators; a rack-scale machine in one pod still fits."""


def believable(values: Floats) -> NDArray[np.bool_]:
    """Which samples count: NaN, infinite and negative ones say nothing, and are never taken for 0."""
    # A comparison with NaN is false, and so is infinity less than infinity.
    result: NDArray[np.bool_] = (values >= 0) & (values < np.inf)
    return result


def percentiles(buckets: Buckets, weights: Floats, shares: tuple[float, ...]) -> Floats:
    """Ends of the buckets in which percentiles fall.

    Parameters
    ----------
    buckets : Buckets
    weights : float64 array, shape (W, B)
    shares : tuple of float, length Q
        From 0 to 1.

    Returns
    -------
    float64 array, shape (W, Q)
        NaN where there is no weight: what was never seen is not 0.
    """
    found = np.empty((len(weights), len(shares)))
    for first in range(0, len(weights), PART):
        found[first : first + PART] = _percentiles(buckets, weights[first : first + PART], shares)
    return found


def _percentiles(buckets: Buckets, weights: Floats, shares: tuple[float, ...]) -> Floats:
    running = np.cumsum(weights, axis=1)
    total = running[:, -1]
    ends = buckets.ends
    found = np.empty((len(weights), len(shares)))
    for column, share in enumerate(shares):
        # A sum that falls short by rounding has reached the share; and of a share of 0 the first bucket with weight.
        wanted = np.maximum(share * total * (1 - 1e-12), np.nextafter(0, 1))
        found[:, column] = ends[np.minimum((running < wanted[:, None]).sum(axis=1), len(ends) - 1)]
    found[~(total > 0)] = np.nan
    return found
