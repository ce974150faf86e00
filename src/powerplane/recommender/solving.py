"""Solving in a process apart, in bounded time: one that takes too long or dies is ended, and the next has another."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from powerplane.models.snapshot import Snapshot
from powerplane.recommender.planning import WHY_TIMES
from powerplane.recommender.solving_worker import Answer, Question, serve

START_S = 15.0
"""Granted to the first question of a process: libraries have to be imported."""

SLACK_S = 5.0
"""Beyond the deadline: sending, composing and checking."""

END_S = 1.0
MOST_BYTES = 1 << 30
"""Four times what it was seen to ask for with 5,000 nodes and 50,000 pods (240 MiB)."""


class Solver:
    """Asks the process that solves. Not for several threads at once.

    Parameters
    ----------
    most_bytes : int
        Of memory that it may ask for.
    clock : callable
        Monotonic seconds.
    target : callable
        What runs in the process, handed the channel, this process's id and ``most_bytes``.
    slack_s, start_s : float
        How much longer than a deadline it may take, and its first answer more.

    Notes
    -----
    The thread that starts the process must live as long as it is wanted: Linux sends the signal of a parent's end when
    the thread that made the child ends.
    """

    def __init__(
        self,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
        target: Callable[[Connection, int, int], None] = serve,
        slack_s: float = SLACK_S,
        start_s: float = START_S,
    ) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._target = target
        self._slack_s = slack_s
        self._start_s = start_s
        self._process: SpawnProcess | None = None
        self._channel: Connection | None = None
        self._fresh = False
        self.starts = 0
        """How often the process was started."""

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none. From any thread."""
        process = self._process
        try:
            return (process.pid or 0) if process is not None else 0
        except ValueError:  # closed at this moment
            return 0

    def warm(self) -> None:
        """Start the process, so that the first solve does not wait for it."""
        if self._process is None or not self._process.is_alive():
            self._start()

    def solve(self, snapshot: Snapshot, deadline_s: float, seed: int) -> Answer:
        """Ask for a plan; whatever goes wrong is told in the answer.

        Parameters
        ----------
        snapshot : Snapshot
        deadline_s : float
        seed : int
        """
        self.warm()
        assert self._channel is not None
        assert self._process is not None
        most_s = deadline_s * WHY_TIMES + self._slack_s + (self._start_s if self._fresh else 0.0)
        began_s = self._clock()
        # A process that does not read holds up whoever sends to it; one that is ended does not.
        watchdog = threading.Timer(most_s + END_S, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._channel.send(Question(snapshot, deadline_s, seed))
            if not self._channel.poll(max(0.0, most_s - (self._clock() - began_s))):
                self.close()
                return Answer(None, f"solving took more than {most_s:g} s and was broken off")
            found = self._channel.recv()
        except (OSError, EOFError) as error:
            self.close()
            return Answer(None, f"the process that solves ended: {error or type(error).__name__}")
        finally:
            watchdog.cancel()
        self._fresh = False
        if not isinstance(found, Answer):
            self.close()
            return Answer(None, "the process that solves gave no answer that can be used")
        return found

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        if process is None:
            return
        process.kill()
        process.join(END_S)
        if not process.is_alive():
            process.close()

    def _start(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(
            target=self._target, args=(theirs, os.getpid(), self._most_bytes), name="solver", daemon=True
        )
        self._process.start()
        theirs.close()
        self.starts += 1
        self._fresh = True
