"""Progress on stderr: a live line on a terminal, otherwise a line every few seconds; silent for the first two."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from powerplane.cli.harmless import harmless

Say = Callable[[str], None]
"""Says what is being done now."""

QUIET_SECONDS = 2.0
LINE_EVERY_SECONDS = 5.0


@contextmanager
def progress(what: str) -> Iterator[Say]:
    """Show what is being done for as long as the block runs; yields the function that changes the words."""
    ticker = _Ticker(what)
    ticker.start()
    try:
        yield ticker.say
    finally:
        ticker.finish()


class _Ticker(threading.Thread):
    """A thread, so that a long native call does not silence it."""

    def __init__(self, what: str) -> None:
        super().__init__(daemon=True, name="progress")
        self._what = what
        self._over = threading.Event()
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        self._what = what

    def finish(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        if self._over.wait(QUIET_SECONDS):
            return
        if sys.stderr.isatty():
            self._spin()
        else:
            self._print_lines()

    def _line(self) -> str:
        return harmless(f"{self._what} ({time.monotonic() - self._began:.0f} s)")

    def _print_lines(self) -> None:
        while True:
            sys.stderr.write(f"powerplane: {self._line()}\n")
            sys.stderr.flush()
            if self._over.wait(LINE_EVERY_SECONDS):
                return

    def _spin(self) -> None:
        with Console(stderr=True).status(Text(self._line())) as status:
            self._turn(status)

    def _turn(self, status: Status) -> None:
        while not self._over.wait(0.5):
            status.update(Text(self._line()))
