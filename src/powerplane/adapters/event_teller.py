"""Events written on a thread of their own: what they tell of never waits for them, and a flood of them is cut."""

import logging
import queue
import threading
from collections.abc import Callable

from powerplane.adapters.cluster_events import ClusterEvent, write_event
from powerplane.adapters.cluster_writes import Writer

LOG = logging.getLogger(__name__)

MOST_IN_LINE = 256


class EventTeller:
    """Writes events one after the other.

    Parameters
    ----------
    writer : Writer
        Whose attempts bound how long one event is tried: its name makes it the only one however often it is sent.
    instance : str
        This replica's name.
    count : callable
        Called with what became of each: ``ok``, ``failed``, ``refused``, or ``dropped`` where too many stand in line.
    most : int
        Events that stand in line.
    """

    def __init__(self, writer: Writer, instance: str, count: Callable[[str], None], most: int = MOST_IN_LINE) -> None:
        self._writer = writer
        self._instance = instance
        self._count = count
        self._line: queue.Queue[ClusterEvent | None] = queue.Queue(most)
        self._stopping = threading.Event()
        self._refused = ""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def tell(self, event: ClusterEvent) -> None:
        """Put an event in line; never waits."""
        try:
            self._line.put_nowait(event)
        except queue.Full:
            self._count("dropped")

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """End; what stands in line is not written any more."""
        self._stopping.set()
        try:
            self._line.put_nowait(None)
        except queue.Full:
            return

    def _run(self) -> None:
        while not self._stopping.is_set():
            event = self._line.get()
            if event is not None and not self._stopping.is_set():
                self._write(event)

    def _write(self, event: ClusterEvent) -> None:
        try:
            written = write_event(self._writer, event.body(self._instance))
        except Exception:
            self._count("failed")
            LOG.exception("an event could not be written")
            return
        self._count(written.outcome)
        # Said once, not with every event: as a rule a right is missing.
        if not written.ok and written.told != self._refused:
            self._refused = written.told
            LOG.warning("event %s about %s was not written: %s", event.reason, event.stem, written.told)
