"""What a fit remembers of its samples: bounded, fading with age, the rare loads kept where the common ones crowd."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.samples import NodeSamples

CELLS = 64
"""Equal steps of the first counter; the most crowded step is thinned first."""

DOUBTED = 16
"""So many of the latest samples may have a wrong time without making the others old."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """M samples, what each counts for, and how wrong the model was about it before it had seen it.

    Parameters
    ----------
    samples : NodeSamples
    counts : float64 array, shape (M,)
        How many samples each stands for: those thinned away around it are counted by it.
    missed, curve_missed : float64 arrays, shape (M,)
        Watts measured less watts predicted, by the whole model and by the curve alone.
    """

    samples: NodeSamples
    counts: Floats
    missed: Floats
    curve_missed: Floats

    @classmethod
    def empty(cls, counters: int) -> Self:
        """Return a memory without samples."""
        none = np.zeros(0)
        rows = np.zeros((0, counters))
        return cls(NodeSamples(none, rows, rows, none), none, none, none)

    def __len__(self) -> int:
        return len(self.samples)

    def weights(self, half_life_s: float) -> Floats:
        """Return what each sample counts for by now, which is when the latest but a few were taken; shape (M,)."""
        if not len(self):
            return self.counts
        at_s = self.samples.at_s
        # In order of time: a few samples from the future must not make all others old.
        latest = at_s[max(len(at_s) // 2, len(at_s) - DOUBTED)]
        faded: Floats = self.counts * np.exp2(-np.maximum(latest - at_s, 0.0) / half_life_s)
        return faded

    def with_more(self, more: NodeSamples, missed: Floats, curve_missed: Floats, most: int, half_life_s: float) -> Self:
        """Return a memory with more samples, thinned to ``most``."""
        samples = NodeSamples.joined([self.samples, more])
        # The same order as that of the joined samples.
        order = np.argsort(np.concatenate([self.samples.at_s, more.at_s]), kind="stable")
        whole = type(self)(
            samples,
            np.concatenate([self.counts, np.ones(len(more))])[order],
            np.concatenate([self.missed, missed])[order],
            np.concatenate([self.curve_missed, curve_missed])[order],
        )
        return whole if len(whole) <= most else whole._thinned(most, half_life_s)

    def _thinned(self, most: int, half_life_s: float) -> Self:
        """Drop the oldest of the most crowded loads; what stays in a cell counts for what left it."""
        first = self.samples.now[:, 0]
        top = max(float(np.quantile(first, 0.99)), 1e-12)
        cell = np.minimum((first / top * CELLS).astype(np.int64), CELLS)
        sizes = np.bincount(cell)
        quota = _level(sizes, most)
        # Rank of each sample in its cell, the youngest 0: samples are in order of time.
        order = np.lexsort((-np.arange(len(cell)), cell))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        rank = np.empty(len(cell), dtype=np.int64)
        rank[order] = np.arange(len(cell)) - starts[cell[order]]
        kept = rank < quota
        weights = self.weights(half_life_s)
        before, after = np.bincount(cell, weights), np.bincount(cell[kept], weights[kept], minlength=len(sizes))
        grown = np.divide(before, after, out=np.ones_like(before), where=after > 0)
        return type(self)(
            self.samples[kept],
            (self.counts * grown[cell])[kept],
            self.missed[kept],
            self.curve_missed[kept],
        )


def _level(sizes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], most: int) -> int:
    """Return the largest size to which cells can be cut so that at most ``most`` samples stay."""
    low, high = 0, int(sizes.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(sizes, middle).sum()) <= most:
            low = middle
        else:
            high = middle - 1
    return max(low, 1)
