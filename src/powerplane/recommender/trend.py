"""Where domains' draws are heading: a line through the last minutes, believed as far as its own noise lets it be."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.demand.arrays import Floats

FEWEST = 8
SPAN_S = 60.0
"""Of fewer looks, or of a shorter time, no trend is told."""

DOUBTS = 3.0
"""Standard errors by which a line is believed to fall short."""


@dataclass(slots=True)
class Record:
    """The last looks at D rows.

    Parameters
    ----------
    keep_s : float
        How far back.
    """

    keep_s: float = 300.0
    _looks: deque[tuple[float, Floats]] = field(default_factory=deque)

    def add(self, at_s: float, watts: Floats) -> None:
        """Add a look; one of other rows than the last begins the record anew, and one no newer is passed over.

        Parameters
        ----------
        at_s : float
            Monotonic seconds.
        watts : float64 array, shape (D,)
            NaN for a row that cannot be believed now.
        """
        if self._looks and self._looks[-1][1].shape != watts.shape:
            self._looks.clear()
        if self._looks and at_s <= self._looks[-1][0]:
            return
        self._looks.append((at_s, watts))
        while self._looks[0][0] < at_s - self.keep_s:
            self._looks.popleft()

    def clear(self) -> None:
        """Forget all: the rows mean something else from now on."""
        self._looks.clear()

    def surely_by(self, lead_s: float) -> Floats:
        """Return what each row will surely have come to, shape (D,); see ``sure_watts``."""
        if not self._looks:
            return np.empty(0)
        at_s = np.array([at for at, _ in self._looks])
        return sure_watts(at_s, np.array([watts for _, watts in self._looks]).T, lead_s)


def sure_watts(at_s: Floats, watts: Floats, lead_s: float) -> Floats:
    """Extrapolate rows, less what their noise leaves open.

    Parameters
    ----------
    at_s : float64 array, shape (T,)
        Rising.
    watts : float64 array, shape (D, T)
        NaN in gaps.
    lead_s : float
        From the last look on.

    Returns
    -------
    float64 array, shape (D,)
        The lowest of three lines' ends, through all looks, through the later half and through the last quarter, each
        less ``DOUBTS`` of its standard errors of prediction: a step that is over by now is no trend. NaN where there
        are too few looks, or a gap at the end.
    """
    if len(at_s) < FEWEST or at_s[-1] - at_s[0] < SPAN_S:
        return np.full(len(watts), np.nan)
    count = len(at_s)
    starts = (0, count // 2, min(count * 3 // 4, count - FEWEST // 2))
    result: Floats = np.min([_end(at_s[k:] - at_s[-1], watts[:, k:], lead_s) for k in starts], axis=0)
    return result


def _end(x: Floats, watts: Floats, lead_s: float) -> Floats:
    """Least squares of each row; its value at the lead less its doubts (Draper and Smith, 1998, 1.4)."""
    seen = np.isfinite(watts)
    count = seen.sum(axis=1)
    enough = (count >= FEWEST // 2) & seen[:, -1]
    n = np.maximum(count, 1)
    y = np.where(seen, watts, 0.0)
    mean_x = (seen * x).sum(axis=1) / n
    mean_y = y.sum(axis=1) / n
    dx = np.where(seen, x - mean_x[:, None], 0.0)
    spread = (dx**2).sum(axis=1)
    enough &= spread > 0
    slope = (dx * y).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    left = np.where(seen, watts - mean_y[:, None] - slope[:, None] * dx, 0.0)
    free = np.maximum(count - 2, 1)
    variance = (left**2).sum(axis=1) / free
    away = lead_s - mean_x
    error = np.sqrt(variance * (1 + 1 / n + away**2 / np.where(spread > 0, spread, 1.0)))
    return np.where(enough, mean_y + slope * away - DOUBTS * error, np.nan)
