"""Measured watts of nodes, asked for again and again on a thread of its own; whoever needs them takes the latest."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from powerplane.adapters.prometheus import WattsReading
from powerplane.models.drift import Sample

LOG = logging.getLogger(__name__)

MW = 1000


class Source(Protocol):
    """What is asked: ``adapters.prometheus.NodeWatts``."""

    def read(self) -> WattsReading:
        """Ask once; whatever goes wrong is told in the reading."""
        ...


class SampleFeed:
    """Keeps the latest sample of each node. A node that is measured no more keeps its last one, which grows old.

    Parameters
    ----------
    source : Source
        Asked by one thread only.
    every_s : float
        Between two questions.
    clock : callable
        Monotonic seconds; the samples' times are by it.
    """

    def __init__(self, source: Source, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._every_s = every_s
        self._clock = clock
        self._samples: Mapping[str, Sample] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self.failures = 0
        """Questions without an answer, from the start."""
        self.error = ""
        """Why the last question had no answer."""

    def samples(self) -> Mapping[str, Sample]:
        """The latest sample of each node that was ever measured."""
        return self._samples

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question that is being asked is not waited for."""
        self._stopping.set()

    def ask(self) -> None:
        """Ask once."""
        reading = self._source.read()
        now = self._clock()
        if reading.error and reading.error != self.error:
            LOG.warning("no measured watts: %s", reading.error)
        self.error = reading.error
        self.failures += bool(reading.error)
        fresh = {node: Sample(round(each.watts * MW), now - each.age_s) for node, each in reading.nodes.items()}
        self._samples = {**self._samples, **fresh}

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.ask()
            except Exception:
                # Whatever the source did, the samples grow old, which is what counts; the next question may go well.
                self.failures += 1
                LOG.exception("a question for measured watts failed")
            self._stopping.wait(self._every_s)
