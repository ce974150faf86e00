"""Watts of the last seconds, kept as joules, so that the mean of any window is one subtraction."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Trail:
    """Joules since the start, at the times when they were added up.

    Parameters
    ----------
    keep_s : float
        How far back windows will begin.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._points: deque[tuple[float, Floats]] = deque()
        self._watts: Floats = np.zeros(0)

    def add(self, at_s: float, watts: Floats) -> None:
        """Note what is drawn now, shape (N,): it was drawn since the last time."""
        if self._points:
            before_s, joules = self._points[-1]
            self._points.append((at_s, joules + watts * (at_s - before_s)))
        else:
            self._points.append((at_s, np.zeros(len(watts))))
        self._watts = watts
        while len(self._points) > 2 and self._points[1][0] <= at_s - self._keep_s:
            self._points.popleft()

    def rearrange(self, rows: NDArray[np.int64], watts: Floats) -> None:
        """Follow rows that come and go: new row i was ``rows[i]``, or draws ``watts[i]`` from the start where -1."""
        first_s = self._points[0][0] if self._points else 0.0
        for i, (at_s, joules) in enumerate(self._points):
            known = joules[np.maximum(rows, 0)] if len(joules) else np.zeros(len(rows))
            self._points[i] = (at_s, np.where(rows < 0, watts * (at_s - first_s), known))

    def mean(self, until_s: float, window_s: float) -> Floats:
        """Mean watts of the seconds before a time, shape (N,); of a moment for a window of 0."""
        if window_s <= 0 and until_s >= self._points[-1][0]:
            return self._watts
        window_s = window_s or 1e-3
        return (self._joules(until_s) - self._joules(until_s - window_s)) / window_s

    def _joules(self, at_s: float) -> Floats:
        points = self._points
        if len(points) == 1 or at_s >= points[-1][0]:
            last_s, joules = points[-1]
            return joules + self._watts * (at_s - last_s)
        i = next((i for i in range(len(points) - 2, -1, -1) if points[i][0] <= at_s), 0)
        (from_s, low), (to_s, high) = points[i], points[i + 1]
        if to_s <= from_s:
            return high
        return low + (high - low) * ((at_s - from_s) / (to_s - from_s))
