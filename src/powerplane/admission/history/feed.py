"""Histories for the webhook, read again and again by a process apart; whoever needs them takes the latest.

A round that fails leaves what was known, which grows old; beyond ``TRUSTED_S`` it counts no more, and new pods are
foretold by their requests.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from powerplane.adapters.line_process import LineProcess
from powerplane.admission.history.wire import NOTHING_KNOWN, Ask, Histories, Opening, Told
from powerplane.admission.metrics import PREFIX

LOG = logging.getLogger(__name__)

WORKER: Final = "powerplane.admission.history.worker"
EVERY_S: Final = 300.0
TRUSTED_S: Final = 86_400.0
"""A day: by then half of what the histograms weigh would be newer."""

ROUND_S: Final = 300.0
"""For one piece, the list of pods included."""

LOOK_S: Final = 1.0
"""Between two looks whether containers are wanted by now."""


class HistoryFeed:
    """Keeps the latest histories.

    Parameters
    ----------
    opening : Opening
    containers : callable
        Whether containers' use is wanted now.
    every_s : float
        Between two rounds; a round that failed is tried again after as long.
    clock : callable
        Monotonic seconds.
    command : sequence of str
        Of the process.
    """

    def __init__(
        self,
        opening: Opening,
        containers: Callable[[], bool] = lambda: False,
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        command: tuple[str, ...] = (sys.executable, "-m", WORKER),
    ) -> None:
        self._containers = containers
        self._every_s = every_s
        self._clock = clock
        self._worker = LineProcess(command, opening, clock)
        self._latest = NOTHING_KNOWN
        self._read_s: float | None = None
        self._wanted = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self.failures = 0
        """Rounds without an answer, from the start."""
        self.error = ""
        """Why the last round had no answer."""

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none."""
        return self._worker.pid

    @property
    def age_s(self) -> float | None:
        """Seconds since the last round that had an answer; None before the first."""
        return None if self._read_s is None else self._clock() - self._read_s

    def histories(self) -> Histories:
        """What is known and may be trusted: the same object until there is news."""
        age_s = self.age_s
        return self._latest if age_s is not None and age_s <= TRUSTED_S else NOTHING_KNOWN

    async def run(self) -> None:
        """Read on a thread of its own until cancelled. Once only."""
        self._thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            # A piece that is being read is not waited for: its process ends when this one does.
            self._stopping.set()

    def ask(self) -> bool:
        """Ask once; return whether there is more to read at once."""
        self._wanted = self._containers()
        try:
            line = self._worker.ask(Ask(self._wanted), self._clock() + ROUND_S)
            told = msgspec.json.decode(line, type=Told)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            self._worker.close()
            told = Told(error=f"the process that reads history failed: {error}")
        if told.error and told.error != self.error:
            LOG.warning("no history of pods: %s", told.error)
        self.error = told.error
        self.failures += bool(told.error)
        if told.histories is not None and not told.error:
            self._latest, self._read_s = told.histories, self._clock()
        return told.behind

    def close(self) -> None:
        """End the process; by the thread that asks."""
        self._worker.close()

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._asked():
                    self._rest()
        finally:
            self.close()

    def _rest(self) -> None:
        """Wait for the next round; no longer where a policy wants requests filled in meanwhile, and none did."""
        until_s = self._clock() + self._every_s
        while self._clock() < until_s and not self._stopping.wait(LOOK_S):
            if self._containers() and not self._wanted:
                return

    def _asked(self) -> bool:
        try:
            return self.ask()
        except Exception:
            # Whatever went wrong, what is known grows old, which is what counts; the next round may go well.
            self.failures += 1
            LOG.exception("a round of history failed")
            return False


class HistoryMetrics(Collector):
    """What is known of history, and how old it is.

    Parameters
    ----------
    feed : HistoryFeed
    """

    def __init__(self, feed: HistoryFeed) -> None:
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """Look when asked."""
        yield CounterMetricFamily(
            f"{PREFIX}history_failures", "Rounds of reading history without an answer.", value=self._feed.failures
        )
        known = self._feed.histories()
        sizes = GaugeMetricFamily(f"{PREFIX}history_known", "What has a history that counts now.", labels=("what",))
        for what, each in (("workload", known.workloads), ("class", known.classes), ("filled", known.containers)):
            sizes.add_metric((what,), len(each))
        yield sizes
        age_s = self._feed.age_s
        if age_s is not None:
            yield GaugeMetricFamily(
                f"{PREFIX}history_age_seconds", "Since history was last read; beyond a day none counts.", value=age_s
            )
