"""What a power model learns from: counters and watts of one node, at the moments when both were measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from powerplane.models.telemetry.readings import Floats, Integers

MOST_WATTS = 100_000.0
"""More than any one machine draws: a reading above is in another unit."""

LEAST_WATTS = 0.001

LONGEST_GAP = 5.0
"""Times the usual distance of samples after which the one before says nothing about this one."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeSamples:
    """M samples, each with the counters of the sample before it on the same node.

    Parameters
    ----------
    at_s : float64 array, shape (M,)
        Unix seconds of the watts.
    now, before : float64 arrays, shape (M, C)
        Counters, not negative: as shares of the machine or as rates, each in its own unit. Where nothing came shortly
        before, ``before`` repeats ``now``.
    watts : float64 array, shape (M,)
    """

    at_s: Floats
    now: Floats
    before: Floats
    watts: Floats

    @classmethod
    def of_series(cls, at_s: ArrayLike, counters: ArrayLike, watts: ArrayLike) -> Self:
        """Pair each sample of one node with the one before it; samples may come in any order.

        Parameters
        ----------
        at_s, watts : array_like, shape (M,)
        counters : array_like, shape (M,) or (M, C)

        Raises
        ------
        ValueError
            When the lengths differ.
        """
        times, now, drawn = (np.asarray(values, dtype=np.float64) for values in (at_s, counters, watts))
        now = now[:, None] if now.ndim == 1 else now
        if not len(times) == len(now) == len(drawn):
            raise ValueError(f"{len(times)} times, {len(now)} rows of counters and {len(drawn)} watts")
        order = np.argsort(times, kind="stable")
        times, now, drawn = times[order], now[order], drawn[order]
        before = np.vstack([now[:1], now[:-1]])
        gaps = np.diff(times)
        usual = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
        alone = np.concatenate([np.ones(min(1, len(times)), bool), ~(gaps <= LONGEST_GAP * usual)])
        alone |= ~np.isfinite(before).all(axis=1) | (before < 0).any(axis=1)
        return cls(times, now, np.where(alone[:, None], now, before), drawn)

    @classmethod
    def joined(cls, parts: Sequence["NodeSamples"]) -> "NodeSamples":
        """Put samples of several nodes of one type together, in order of time."""
        at_s, now, before, watts = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("at_s", "now", "before", "watts")
        )
        order = np.argsort(at_s, kind="stable")
        return cls(at_s[order], now[order], before[order], watts[order])

    def __len__(self) -> int:
        return len(self.watts)

    def __getitem__(self, rows: slice | Integers | NDArray[np.bool_]) -> "NodeSamples":
        return NodeSamples(self.at_s[rows], self.now[rows], self.before[rows], self.watts[rows])

    def believable(self) -> tuple["NodeSamples", Mapping[str, int]]:
        """Return the samples that can be true, and how many were refused for which reason.

        A node that measures 0 W is dark or its meter is: neither says what load costs.
        """
        reasons: dict[str, NDArray[np.bool_]] = {
            "not a number": ~(np.isfinite(self.at_s) & np.isfinite(self.watts) & np.isfinite(self.now).all(axis=1)),
            "no watts": self.watts < LEAST_WATTS,
            "absurd watts": self.watts > MOST_WATTS,
            "negative counter": self.now.min(axis=1, initial=0.0) < 0,
        }
        refused: Counter[str] = Counter()
        kept: NDArray[np.bool_] = np.ones(len(self), dtype=np.bool_)
        for reason, wrong in reasons.items():
            refused[reason] += int((kept & wrong).sum())
            kept &= ~wrong
        lone = ~np.isfinite(self.before).all(axis=1) | (self.before.min(axis=1, initial=0.0) < 0)
        mended = NodeSamples(self.at_s, self.now, np.where(lone[:, None], self.now, self.before), self.watts)
        return mended[kept], dict(+refused)
