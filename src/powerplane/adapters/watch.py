"""A kind of object, kept in step with the API server: listed in pages once, then watched for as long as it runs.

The list is read in compressed pages. At ``resourceVersion=0`` the server takes no notice of ``limit`` and sends all in
one piece, which costs three times the memory; as a stream of initial events (WatchList) it came no sooner, and older
servers do not have it.

One thread a kind. It goes on from where it was after every break, lists again where the server has forgotten that
place (410), waits longer from failure to failure, and never dies of what it is sent. Source: Kubernetes API concepts,
"Efficient detection of changes", "Retrieving large results sets in chunks".
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, Generic, TypeVar

import urllib3

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Answer, Request, fetch, message, open_response, reason
from powerplane.adapters.watch_kinds import Batch, ReflectorStatus, Watched, WatchPatience
from powerplane.adapters.watch_lines import Change, Decoders, Gathered, LineError, read_lines

__all__ = ["Batch", "Reflector", "ReflectorStatus", "WatchPatience", "Watched"]

T = TypeVar("T")

LOG = logging.getLogger(__name__)

GONE = 410
REFUSALS = (401, 403, 404)
STORM_CHANGES = 8
"""Changes within a rest's length or a little more from which on they count as a storm."""

STOP_S = 0.9
"""How long ``stop`` waits for the thread."""


class _SetbackError(Exception):
    """An attempt that failed: why, whether the place in the history is lost, and how long to wait at least."""

    def __init__(self, told: str, *, lost: bool = False, pause_s: float = 0.0, refused: bool = False) -> None:
        super().__init__(told)
        self.lost = lost
        self.pause_s = pause_s
        self.refused = refused


class Reflector(Generic[T]):
    """Keeps a sink in step with the API server, on a thread of its own.

    Parameters
    ----------
    access : ClusterAccess
    watched : Watched
    sink : callable
        Takes each batch, on the reflector's thread: first the whole list, then changes. After its return the batch
        counts as taken; an exception of it leads to a new list.
    patience : WatchPatience, optional
    clock : callable
        Monotonic seconds.
    chance : random.Random, optional
        For pauses and the length of watches.
    """

    def __init__(
        self,
        access: ClusterAccess,
        watched: Watched[T],
        sink: Callable[[Batch[T]], None],
        patience: WatchPatience | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._access = access
        self._watched = watched
        self._sink = sink
        self._patience = patience or WatchPatience()
        self._clock = clock
        self._chance = chance or random.Random()
        self._decoders = Decoders(watched.decode, watched.reduce)
        self._status = ReflectorStatus()
        self._listed = False
        self._refusals = 0
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._lock = threading.Lock()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch-{watched.kind}", daemon=True)

    @property
    def watched(self) -> Watched[T]:
        """What is watched."""
        return self._watched

    @property
    def status(self) -> ReflectorStatus:
        """How it does; may be read from any thread."""
        return self._status

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a second: what is being read is broken off.

        A thread that waits for the first byte of an answer cannot be woken; it ends at that request's own time-out.
        The sink is called no more in either case, unless the call has begun.
        """
        self._stopping.set()
        with self._lock:
            if self._response is not None:
                _break_off(self._response)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def wait_synced(self, timeout_s: float) -> bool:
        """Wait until the whole list has been handed on."""
        return self._synced.wait(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._listed:
                    self._list()
                self._watch()
            except _SetbackError as setback:
                self._stopping.wait(self._fail(setback))
            # Whatever else a server's answer or a wrong kind of sink brings about must not end the thread unseen.
            except Exception as error:
                LOG.exception("watching %s failed", self._watched.kind)
                self._stopping.wait(self._fail(_SetbackError(f"{type(error).__name__}: {error}", lost=True)))

    def _fail(self, setback: _SetbackError) -> float:
        """Note a failure, and return how long to wait."""
        failures = self._status.failures + 1
        self._refusals = (self._refusals + 1 if failures > 1 else 1) if setback.refused else 0
        if setback.lost or failures % self._patience.futile == 0:
            self._listed = False
        self._note(failures=failures, last_error=str(setback))
        if self._stopping.is_set():
            return 0.0
        LOG.warning("watching %s: %s", self._watched.kind, str(setback))
        longest = self._patience.longest_pause_s
        # The exponent is held so that years of failures do not overflow.
        pause = min(longest, self._patience.first_pause_s * 2.0 ** min(failures - 1, 30))
        if setback.refused:
            # One that has just started refuses until it has read its roles and definitions: it answers, so it is near.
            growing = self._patience.first_pause_s * 2.0 ** min(self._refusals - 1, 30)
            pause = min(self._patience.refused_pause_s, growing)
        return max(pause * self._chance.uniform(0.5, 1.0), min(setback.pause_s, longest))

    def _note(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)

    # -- the list

    def _list(self) -> None:
        """Hand the whole list on; an expired token starts it afresh, at last in one piece."""
        for limit in (self._patience.page_size, self._patience.page_size, 0):
            try:
                changes, version = self._pages(limit)
            except _ExpiredError:
                continue
            relists = self._status.relists + self._status.synced
            self._deliver(Batch(True, changes), version, relists=relists)
            self._listed = True
            # Failures are not forgotten yet: where each watch fails at once, lists must not follow hard on each other.
            self._note(synced=True, last_error="")
            self._synced.set()
            return
        raise _SetbackError(f"the list of {self._watched.kind} expires each time (410)", lost=True)

    def _pages(self, limit: int) -> tuple[tuple[Change[T], ...], str]:
        changes: list[Change[T]] = []
        token = version = ""
        while not self._stopping.is_set():
            query = [*self._watched.selectors, *([("limit", str(limit))] if limit else [])]
            answer = self._fetch([*query, *([("continue", token)] if token else [])])
            if answer.status == GONE:
                raise _ExpiredError
            if answer.status != 200:
                raise self._refusal(answer.status, answer.body, answer.retry_after_s)
            try:
                page = self._decoders.page(answer.body)
            except LineError as error:
                self._note(malformed=self._status.malformed + 1)
                raise _SetbackError(f"GET {self._watched.path}: {error}", lost=True) from error
            changes.extend(("ADDED", each) for each in page.objects)
            self._note_unreadable(page.unreadable)
            version = version or page.resource_version
            token = page.token
            if not token:
                return tuple(changes), version
        raise _SetbackError("stopped")

    def _fetch(self, query: list[tuple[str, str]]) -> Answer:
        patience = self._patience
        try:
            request = Request("GET", self._watched.path, query)
            return fetch(self._access, request, patience.page_timeout_s, on_response=self._hold)
        except TRANSPORT_ERRORS as error:
            told = reason(error, patience.page_timeout_s)
            raise _SetbackError(f"GET {self._watched.path}: {told}", lost=True) from error
        finally:
            self._hold(None)

    # -- the watch

    def _watch(self) -> None:
        """Watch from where we are until the server ends it."""
        began = self._clock()
        rests = _Rests(self._patience.rest_s, began)
        # Closed here and now: an exception's traceback would keep the connection open through the pause that follows.
        with closing(self._gathered()) as everything:
            for gathered in everything:
                if self._stopping.is_set():
                    return
                self._take(gathered)
                if self._status.failures and self._clock() - began >= self._patience.settled_s:
                    self._note(failures=0, last_error="")
                if rests.due(len(gathered.changes), self._clock()):
                    self._stopping.wait(self._patience.rest_s)
                    rests.over(self._clock())
        if self._clock() - began < self._patience.settled_s and not self._stopping.is_set():
            raise _SetbackError("the server ends each watch at once")
        self._note(failures=0, last_error="", last_contact_s=self._clock(), reconnects=self._status.reconnects + 1)

    def _take(self, gathered: Gathered[T]) -> None:
        """Hand on what came, and fail where it ends in an error."""
        self._note_unreadable(gathered.unreadable)
        if gathered.changes:
            self._deliver(Batch(False, gathered.changes), gathered.resource_version)
        else:
            self._note(resource_version=gathered.resource_version, last_contact_s=self._clock())
        if gathered.error is not None:
            raise self._refusal(gathered.error.code, b"", None, gathered.error.message)

    def _gathered(self) -> Generator[Gathered[T], None, None]:
        """What the server says, decoded."""
        patience, path = self._patience, self._watched.path
        seconds = max(1, round(patience.watch_s * self._chance.uniform(0.8, 1.2)))
        query = [
            *self._watched.selectors,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
            ("resourceVersion", self._status.resource_version),
        ]
        response = None
        try:
            quiet_s = seconds + patience.grace_s
            response = open_response(
                self._access, Request("GET", path, query), connect_s=patience.connect_s, quiet_s=quiet_s, gzip=False
            )
            self._hold(response)
            self._judge(response)
            self._note(last_contact_s=self._clock(), last_error="")
            for lines in read_lines(response, patience.longest_line):
                yield self._decoders.gather(lines, self._status.resource_version)
        except TRANSPORT_ERRORS as error:
            self._note(reconnects=self._status.reconnects + 1)
            told = "nothing came for too long" if _is_timeout(error) else reason(error, 0.0)
            raise _SetbackError(f"watching {path}: {told}") from error
        except LineError as error:
            self._note(malformed=self._status.malformed + 1)
            raise _SetbackError(f"watching {path}: {error}", lost=True) from error
        finally:
            self._hold(None)
            if response is not None:
                response.close()

    def _judge(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status != 200:
            retry_after = response.headers.get("Retry-After", "")
            pause_s = float(retry_after) if retry_after.isdigit() else None
            raise self._refusal(response.status, response.read(1 << 16), pause_s)

    def _refusal(self, status: int, body: bytes, pause_s: float | None, told: str = "") -> _SetbackError:
        words = f"HTTP {status} {told or message(body)}".rstrip()
        return _SetbackError(
            f"GET {self._watched.path}: {words}",
            lost=status == GONE,
            pause_s=pause_s or 0.0,
            refused=status in REFUSALS,
        )

    # -- handing on

    def _deliver(self, batch: Batch[T], version: str, relists: int | None = None) -> None:
        if self._stopping.is_set():
            raise _SetbackError("stopped")
        try:
            self._sink(batch)
        # The sink is somebody else's code: that it failed must neither end the thread nor lose a change.
        except Exception as error:
            LOG.exception("what takes %s failed", self._watched.kind)
            self._note(sink_failures=self._status.sink_failures + 1)
            raise _SetbackError(f"what takes {self._watched.kind} failed: {error!r}", lost=True) from error
        self._note(
            resource_version=version,
            last_contact_s=self._clock(),
            batches=self._status.batches + 1,
            events=self._status.events + len(batch.changes),
            relists=self._status.relists if relists is None else relists,
        )

    def _note_unreadable(self, unreadable: tuple[str, ...]) -> None:
        if unreadable:
            self._note(unreadable=self._status.unreadable + len(unreadable))
            LOG.warning(
                "%d objects of %s cannot be read, such as %s", len(unreadable), self._watched.kind, unreadable[0]
            )

    def _hold(self, response: urllib3.BaseHTTPResponse | None) -> None:
        """Let ``stop`` break an answer off, or no longer."""
        with self._lock:
            self._response = response
            if response is not None and self._stopping.is_set():
                _break_off(response)


class _Rests:
    """When to let more gather: in a storm only, so that a single change is never seen late."""

    def __init__(self, rest_s: float, now_s: float) -> None:
        self._rest_s = rest_s
        self.over(now_s)

    def over(self, now_s: float) -> None:
        """Begin to count anew."""
        self._since_s, self._changes = now_s, 0

    def due(self, changes: int, now_s: float) -> bool:
        """Count changes, and say whether they come so fast that a rest pays; no more than half of the time is rest."""
        self._changes += changes
        if not self._rest_s or now_s - self._since_s < self._rest_s:
            return False
        fast = self._changes >= STORM_CHANGES and now_s - self._since_s <= 4 * self._rest_s
        if not fast:
            self.over(now_s)
        return fast


class _ExpiredError(Exception):
    """The continue token is too old."""


def _break_off(response: urllib3.BaseHTTPResponse) -> None:
    # Unless it has ended by itself, or its socket is gone.
    with suppress(ValueError, RuntimeError, OSError):
        response.shutdown()


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError)
