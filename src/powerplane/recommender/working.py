"""Asks what pods do, once a round, on a thread of its own: a slow answer must not hold a look at watts up."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from powerplane.adapters.round_thread import RoundThread
from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.api.capping_policy import PerformancePowerRatio
from powerplane.models.plain import printable
from powerplane.models.work.metrics import WorkMetric, wanted

LOG = logging.getLogger(__name__)

MOST_NAMED = 16
"""Metrics that policies name and that are asked for: those of cluster policies, then of each namespace in turn."""

YOUNG_PERIODS = 1.5
"""What was read longer ago counts no more: the watts beside it would be those of another time."""


class ReadsWork(Protocol):
    """What is needed of ``adapters.telemetry.work.WorkReader``."""

    def read(self, metrics: Iterable[WorkMetric]) -> WorkReading:
        """Ask once; whatever goes wrong is told in the reading."""
        ...


class Working:
    """Reads again and again, and keeps what came last.

    Parameters
    ----------
    reader : ReadsWork
        Used by this alone.
    ratios : callable
        What policies ask for now, whose metrics come first before others.
    told : callable
        Called with each reading.
    failed : callable
        Called after a round that raised.
    period_s : float
    now : callable
        Unix seconds.
    """

    def __init__(
        self,
        reader: ReadsWork,
        ratios: Callable[[], Iterable[PerformancePowerRatio]],
        *,
        told: Callable[[WorkReading], None],
        failed: Callable[[], None],
        period_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._ratios = ratios
        self._told = told
        self._now = now
        self._young_s = YOUNG_PERIODS * period_s
        self._last: tuple[float, WorkReading] | None = None
        self._said: dict[str, str] = {}
        self._rounds = RoundThread("work", self.once, failed, tick_s=lambda: period_s)

    def start(self) -> None:
        """Begin. Once only."""
        self._rounds.start()

    def stop(self) -> None:
        """End; a question that is open is not waited for."""
        self._rounds.stop(0.0)

    def once(self) -> None:
        """Ask once."""
        reading = self._reader.read(wanted(self._ratios(), MOST_NAMED))
        self._say(reading)
        self._told(reading)
        self._last = (self._now(), reading)

    def _say(self, reading: WorkReading) -> None:
        """Say in the log what is not known, once while it stays so."""
        said = {metric.name: trouble for metric, trouble in reading.troubles.items()}
        if reading.trouble:
            said["what pods do"] = reading.trouble
        for what, trouble in said.items():
            if self._said.get(what) != trouble:
                LOG.warning("%s is not known: %s", printable(what), printable(trouble))
        self._said = said

    def latest(self) -> WorkReading | None:
        """Return what was read last; None where that is old, of a time to come, or nothing."""
        if self._last is None or not 0 <= self._now() - self._last[0] < self._young_s:
            return None
        return self._last[1]


def none_read() -> WorkReading | None:
    """What is known where nothing is asked."""
    return None
