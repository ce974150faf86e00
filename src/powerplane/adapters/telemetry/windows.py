"""How far back each row is asked for: of pods, as far as a rate needs and no farther.

A round's window is long enough to find a sensor that is frozen, which takes minutes. Of pods there are a hundred
thousand series, of which nothing but a rate is wanted.
"""

import math

import numpy as np

from powerplane.models.telemetry.readings import Meaning, Quantity, SeriesBlock

POD_QUANTITIES: tuple[Quantity, ...] = ("pod cpu cores", "pod watts", "info")
"""What there is as much of as there are pods."""

SCRAPES, LEAST_S, FIRST_S = 5.0, 90.0, 150.0
"""So many of its scrapes, and so many seconds at the least; and before it is known how often it is scraped."""


class Windows:
    """Learns how often pods' rows are scraped."""

    def __init__(self) -> None:
        self._enough_s: dict[Meaning, float] = {}

    def window_s(self, meaning: Meaning, asked_s: float) -> float:
        """Seconds to ask for: those that were asked for, or fewer where that is enough."""
        first_s = FIRST_S if meaning.quantity in POD_QUANTITIES else asked_s
        return min(asked_s, self._enough_s.get(meaning, first_s))

    def learn(self, block: SeriesBlock) -> None:
        """Take in an answer. One whose series have a single sample tells nothing, so that the next asks for all."""
        if block.meaning.quantity not in POD_QUANTITIES:
            return
        first, last = block.offsets[:-1], block.offsets[1:] - 1
        several = last > first
        if several.mean() < 0.5:
            self._enough_s[block.meaning] = math.inf
            return
        spans = (block.at_s[last[several]] - block.at_s[first[several]]) / (last - first)[several]
        self._enough_s[block.meaning] = max(LEAST_S, SCRAPES * float(np.median(spans)))
