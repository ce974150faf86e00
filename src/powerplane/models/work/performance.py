"""Work per watt of a group of pods: the work of the last minutes over the watts of the very pods that tell it.

Both are added up before they are divided, so that a minute of little work and few watts counts for little. A group that
does nothing at all is idle: it keeps no ratio and breaks none.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.telemetry.readings import Floats

SPAN_S = 300.0
"""Over which the ratio is taken, where looks are no rarer than usual."""

LEAST_SAMPLES = 3
"""Fewer say nothing of whether a target is met: a cold start is one bad minute."""

MOST_PER_WATT = 1e12


@dataclass(frozen=True, slots=True)
class Work:
    """What some pods do now, and draw.

    Parameters
    ----------
    per_second, watts : float
        Of the pods of which both are known.
    telling, pods : int
        How many those are, and how many there are.
    """

    per_second: float
    watts: float
    telling: int
    pods: int


@dataclass(frozen=True, slots=True)
class Performance:
    """What a group did over the last minutes.

    Parameters
    ----------
    per_second, watts : float
        Means.
    per_watt : float
    at_s : float
        Unix seconds of the last sample.
    samples : int
    """

    per_second: float
    watts: float
    per_watt: float
    at_s: float
    samples: int

    @property
    def tells(self) -> bool:
        """Whether it says how well the work is done: enough was seen, and something is done."""
        return self.samples >= LEAST_SAMPLES and self.per_second > 0


def work_of(rates: Floats, watts: Floats) -> Work | None:
    """Return what P pods do; None where of none both are known, or where they draw nothing.

    Parameters
    ----------
    rates, watts : float64 arrays, shape (P,)
        NaN where not known.
    """
    both = np.isfinite(rates) & np.isfinite(watts) & (rates >= 0) & (watts >= 0)
    per_second, drawn = float(rates[both].sum()), float(watts[both].sum())
    # Nothing runs on nothing: watts of 0 are watts that were not measured.
    if drawn <= 0 or per_second > MOST_PER_WATT * drawn:
        return None
    return Work(per_second, drawn, int(both.sum()), len(rates))


@dataclass(slots=True)
class Track:
    """The last minutes of one group. Not for several threads at once.

    Parameters
    ----------
    span_s : float
        How many seconds count.
    """

    span_s: float = SPAN_S
    _samples: deque[tuple[float, float, float]] = field(default_factory=deque)

    def add(self, work: Work, now_s: float) -> None:
        """Take in what is so now."""
        self._forget(now_s)
        if not self._samples or self._samples[-1][0] < now_s:
            self._samples.append((now_s, work.per_second, work.watts))

    def performance(self, now_s: float) -> Performance | None:
        """Return what the last minutes came to; None where nothing is known of them."""
        self._forget(now_s)
        if not self._samples:
            return None
        count = len(self._samples)
        done, drawn = sum(each[1] for each in self._samples), sum(each[2] for each in self._samples)
        return Performance(done / count, drawn / count, done / drawn, self._samples[-1][0], count)

    def _forget(self, now_s: float) -> None:
        # A clock that was set back leaves samples that are to come: they are forgotten as well.
        kept = [each for each in self._samples if now_s - self.span_s < each[0] <= now_s]
        if len(kept) != len(self._samples):
            self._samples = deque(kept)


def is_met(performance: Performance, target: float, tolerance: float) -> bool | None:
    """Whether a target is met to its tolerance; None where that cannot be told yet, or nothing is done.

    Parameters
    ----------
    performance : Performance
    target : float
    tolerance : float
        Share of the target by which it may be missed.
    """
    if not performance.tells:
        return None
    return performance.per_watt >= target * (1.0 - tolerance)
