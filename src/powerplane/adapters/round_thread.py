"""A thread that does its round again and again: when woken, and after a while in any case."""

import logging
import threading
from collections.abc import Callable

from powerplane.adapters.lease import uptime_s

LOG = logging.getLogger(__name__)


class RoundThread:
    """Does one round at once, and the next when woken or when its time has come.

    Parameters
    ----------
    name : str
        Of the thread, and in the log.
    round_ : callable
        What is done, on this thread. It starts from what is known then, so that one that raises spoils none after it.
    failed : callable
        Called after a round that raised; the log tells of it already.
    tick_s : callable
        Seconds from the end of a round to the next one where nobody wakes; asked after each round.
    soonest_s : float
        The least time between two rounds, whoever wakes. A round that took longer is followed by a rest as long as
        itself: others of this process have work to do.
    clock : callable
        Seconds that only go on.
    """

    def __init__(
        self,
        name: str,
        round_: Callable[[], object],
        failed: Callable[[], None],
        *,
        tick_s: Callable[[], float],
        soonest_s: float = 0.0,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._name = name
        self._round = round_
        self._failed = failed
        self._tick_s = tick_s
        self._soonest_s = soonest_s
        self._clock = clock
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def wake(self) -> None:
        """Ask for a round soon; from any thread, and before the start too."""
        self._woken.set()

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End: a round that has begun is waited for, this long at the most. Without a start nothing is waited for."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Before the round, so that what comes during it is looked at in the next one.
            self._woken.clear()
            began_s = self._clock()
            try:
                self._round()
            except Exception:
                LOG.exception("a round of %s failed", self._name)
                self._failed()
            rest_s = max(self._soonest_s, self._clock() - began_s)
            if not self._stopping.wait(rest_s):
                self._woken.wait(max(0.0, self._tick_s() - rest_s))
