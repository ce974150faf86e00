"""What pods used over the last hours: from a Prometheus, asked at equal steps, or from a recording."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.pod_history import Historian, first_history, pod_rows
from powerplane.models.telemetry.readings import PowerSource, Quantity, SeriesBlock

Say = Callable[[str], None]
"""Told what is being read."""

MOST_VALUES = 10_000_000
"""Values of pods that are read, at the most: the step between them grows with the number of pods."""

LEAST_STEP_S, USUAL_STEP_S = 60.0, 300.0


class PodHistories(Protocol):
    """Histories of pods, whatever they are read from.

    Attributes
    ----------
    step_s : float
        Seconds between values.
    """

    step_s: float

    def blocks(self, quantity: Quantity, sources: Sequence[str]) -> list[SeriesBlock]:
        """Return what is known of a quantity.

        Parameters
        ----------
        quantity : Quantity
        sources : sequence of str
            In their order of precedence.
        """
        ...


def open_histories(opened: Opened, history_s: float, pods: int, say: Say) -> PodHistories:
    """Return the histories of a cluster's pods; nothing is asked of a Prometheus yet.

    Parameters
    ----------
    opened : Opened
        A recording, or a source that is a ``Historian``.
    history_s : float
        How far back.
    pods : int
        How many there are.
    say : Say

    Raises
    ------
    UnreachableError
        When a recording cannot be read.
    """
    if opened.moments:
        return _Recorded(opened, history_s)
    return _Live(opened.source, history_s, max(_step_s(history_s), history_s * pods / MOST_VALUES), say)


class _Live:
    """A Prometheus, asked at equal steps; the first source that has a quantity is enough."""

    def __init__(self, source: PowerSource, history_s: float, step_s: float, say: Say) -> None:
        assert isinstance(source, Historian)
        self._source = source
        self._end_s = time.time()
        self._history_s = history_s
        self._say = say
        self.step_s = step_s

    def blocks(self, quantity: Quantity, sources: Sequence[str]) -> list[SeriesBlock]:
        span = (self._end_s - self._history_s, self._end_s, self.step_s)
        rows = pod_rows(quantity, sources)
        return first_history(self._source, rows, span, lambda row: self._say(f"reading the history of {row.metric}"))


class _Recorded:
    """A recording: all of its samples within the history."""

    def __init__(self, opened: Opened, history_s: float) -> None:
        last_s = opened.moments[-1]
        answers = opened.source.read(last_s, history_s)
        self._blocks = [block for answer in answers for block in answer.blocks if block.meaning.pod]
        spaced = [b - a for a, b in zip(opened.moments, opened.moments[1:], strict=False) if b > a]
        self.step_s = min(spaced, default=LEAST_STEP_S)

    def blocks(self, quantity: Quantity, sources: Sequence[str]) -> list[SeriesBlock]:
        found = [b for b in self._blocks if b.meaning.quantity == quantity and b.meaning.source in sources]
        return sorted(found, key=lambda block: sources.index(block.meaning.source))


def _step_s(history_s: float) -> float:
    """Five minutes, or less where the history would have too few steps."""
    return min(USUAL_STEP_S, max(LEAST_STEP_S, history_s / 100))
