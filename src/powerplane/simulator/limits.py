"""Power limits and how long they take: accepted at once, in force after a dead time, settled after a ramp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NO_LIMIT = 1e12
"""Watts that nothing draws: a limit that does not bind, still a number that can be reckoned with."""


@dataclass(frozen=True, slots=True)
class Means:
    """A way to set a limit.

    Parameters
    ----------
    name : str
    dead_s : float
        From the order until anything happens.
    settle_s : float
        From then until the draw is at the limit.
    """

    name: str
    dead_s: float
    settle_s: float

    @property
    def reaction_s(self) -> float:
        """Seconds from the order until the limit holds."""
        return self.dead_s + self.settle_s


RAPL = Means("rapl", 0.5, 3.5)
"""A package's running average limit: 2 to 6 s until it has settled."""
NVML = Means("nvml", 0.1, 1.0)
"""A GPU's own limit: the call takes 10 to 20 ms, the board about a tenth of a second, boards of a node a second."""
OUT_OF_BAND = Means("out-of-band", 40.0, 5.0)
"""By way of the management controller: up to 40 s until it acts."""

MEANS = {each.name: each for each in (RAPL, NVML, OUT_OF_BAND)}


class LimitBank:
    """Limits of many things at once, each at its own point between an order and its effect.

    Parameters
    ----------
    count : int
        Things that can be limited.
    lowest : float64 array, shape (count,)
        Watts below which no limit is taken.
    """

    def __init__(self, count: int, lowest: Floats) -> None:
        self._lowest = lowest
        self._before = np.full(count, NO_LIMIT)
        self._from = np.full(count, NO_LIMIT)
        self._target = np.full(count, NO_LIMIT)
        self._begins_s = np.zeros(count)
        self._settled_s = np.zeros(count)
        self._any = False

    @property
    def target(self) -> Floats:
        """Watts that were last ordered, ``NO_LIMIT`` where none was, shape (count,)."""
        return self._target

    @property
    def idle(self) -> bool:
        """Whether no limit was ever ordered."""
        return not self._any

    def order(self, rows: Rows, watts: Floats, now_s: float, draw: Floats, means: Means) -> None:
        """Ask for limits.

        Parameters
        ----------
        rows : int64 array, shape (M,)
        watts : float64 array, shape (M,)
            ``NO_LIMIT`` or more takes a limit away.
        now_s : float
        draw : float64 array, shape (M,)
            What each draws now, from which a falling limit starts.
        means : Means
            A rising limit takes effect after the dead time, at once.

        Notes
        -----
        An order that comes while another is on its way is acted on when that one is due. So orders that follow each
        other faster than the dead time do not put each other off for ever.
        """
        wanted = np.where(watts >= NO_LIMIT, NO_LIMIT, np.maximum(watts, self._lowest[rows]))
        changed = (wanted != self._target[rows]) | (now_s + means.reaction_s < self._settled_s[rows])
        rows, wanted, draw = rows[changed], wanted[changed], draw[changed]
        before = self.in_force(now_s)[rows]
        falling = wanted < before
        self._any = True
        due_s = np.where(now_s < self._begins_s[rows], self._begins_s[rows], np.inf)
        begins_s = np.minimum(due_s, now_s + means.dead_s)
        self._before[rows] = before
        self._from[rows] = np.where(falling, np.maximum(np.minimum(before, draw), wanted), wanted)
        self._target[rows] = wanted
        self._begins_s[rows] = begins_s
        self._settled_s[rows] = begins_s + np.where(falling, means.settle_s, 0.0)

    def in_force(self, now_s: float) -> Floats:
        """Limits as they bind at a moment, in watts, shape (count,)."""
        if not self._any:
            return self._target
        run = np.maximum(self._settled_s - self._begins_s, 1e-9)
        along = np.clip((now_s - self._begins_s) / run, 0.0, 1.0)
        ramp = self._from + along * (self._target - self._from)
        result: Floats = np.where(now_s < self._begins_s, self._before, ramp)
        return result
