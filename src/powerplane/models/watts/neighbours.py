"""What a monotone curve cannot say, learned from the samples most like the present one.

Two loads with the same CPU time draw different watts: the instructions, the clock and the memory differ. Some of that
shows in how the counters stand to each other and in the sample before: a meter reads the end of an interval over which
a counter is averaged, so a load that has just stopped still has CPU time but no watts. The median residual of the
nearest samples says how much, and is 0 where nothing like it was ever seen. It stays apart from the curve, which
answers what a move will cost.

Source: T. Cover and P. Hart, "Nearest neighbor pattern classification", IEEE Trans. Inf. Theory 13 (1967).
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from powerplane.models.telemetry.readings import Floats

REACH = 0.1
"""Distance, in shares of the counters' scales, at which a residual counts half."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Residuals of a curve by the counters at the time.

    Parameters
    ----------
    tree : KDTree
        Places of the samples: counters now and before, in shares of their scales.
    residuals : float64 array, shape (M,)
        Watts measured less watts of the curve.
    scale : float64 array, shape (C,)
    count : int
        How many are asked.
    """

    tree: KDTree
    residuals: Floats
    scale: Floats
    count: int

    def watts(self, now: Floats, before: Floats) -> Floats:
        """Return what to add to the curve; counters of shape (M, C)."""
        if not len(now):
            return np.zeros(0)
        asked = range(1, self.count + 1)  # a list keeps the shape where one neighbour is asked for
        distance, row = self.tree.query(place(now, before, self.scale), k=asked, p=1)
        near = np.mean(distance, axis=1)
        typical = np.median(self.residuals[np.asarray(row)], axis=1)
        faded: Floats = typical / (1.0 + (near / REACH) ** 2)
        return faded


def learn_neighbours(now: Floats, before: Floats, residuals: Floats, scale: Floats, count: int) -> Neighbours | None:
    """Return the neighbours of a model; None where there are too few samples for them to say anything."""
    if count < 1 or len(residuals) < 4 * count:
        return None
    return Neighbours(KDTree(place(now, before, scale)), residuals, scale, count)


def place(now: Floats, before: Floats, scale: Floats) -> Floats:
    """Return where samples stand: shape (M, 2 C)."""
    return np.hstack([now / scale, before / scale])
