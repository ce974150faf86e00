"""From the watches' threads to the event loop, a few changes at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from powerplane.adapters.watch import Batch

T = TypeVar("T")

AT_ONCE = 200
"""Changes that are taken before the loop may answer a question: half a millisecond's worth."""


class Intake(Generic[T]):
    """Hands the changes of one kind to the loop, in their order.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    key : callable
        What an object is known by.
    see, lose : callables
        Called on the loop for what is there, and with the key of what is gone.

    Attributes
    ----------
    taken : int
        Changes taken so far.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        key: Callable[[Any], str],
        *,
        see: Callable[[T], None],
        lose: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._key = key
        self._see = see
        self._lose = lose
        self._queue: deque[tuple[str, T | None]] = deque()
        self._scheduled = False
        self.known: set[str] = set()
        self.taken = 0

    def sink(self, batch: Batch[Any]) -> None:
        """Take a batch, on the watch's thread."""
        there = [(self._key(each), None if what == "DELETED" else each) for what, each in batch.changes]
        if batch.replace:
            # What was known and is not listed is gone; told last, so that until then too much is held, not too little.
            listed = {key for key, fact in there if fact is not None}
            there += [(key, None) for key in sorted(self.known - listed)]
            self.known = listed
        else:
            for key, fact in there:
                (self.known.discard if fact is None else self.known.add)(key)
        self._queue.extend(there)
        self._loop.call_soon_threadsafe(self._wake)

    @property
    def idle(self) -> bool:
        """Whether everything that came is taken."""
        return not self._queue

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._take()

    def _take(self) -> None:
        for _ in range(min(AT_ONCE, len(self._queue))):
            key, fact = self._queue.popleft()
            if fact is None:
                self._lose(key)
            else:
                self._see(fact)
            self.taken += 1
        if self._queue:
            self._loop.call_soon(self._take)
        else:
            self._scheduled = False
