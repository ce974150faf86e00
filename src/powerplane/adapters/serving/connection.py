"""One connection: who it is from, how long its heads may take, and whom it makes room for; uvicorn bounds none."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from powerplane.adapters.serving.limits import RequestLimits
from powerplane.adapters.serving.tls import certificate_names

_log = logging.getLogger(__name__)


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 from a client that may ask, with heads of bounded size, each in bounded time."""

    allowed: frozenset[str] | None = None
    limits = RequestLimits()
    on_stranger: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False
        self._closed = False
        self._heard_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own form
        """Take the connection if its certificate is made out to an allowed name, else drop it."""
        super().connection_made(transport)
        if self.allowed is not None:
            names = certificate_names(transport.get_extra_info("peercert") or {})
            if self.allowed.isdisjoint(names):
                _log.warning("closed a connection whose certificate is for %s", sorted(map(ascii, names))[:4])
                self.on_stranger()
                self._drop()
                return
        self._heard_s = self.loop.time()
        self._make_room()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._closed = True
        self._head_seen()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head that is being read has grown too large."""
        if self._closed:
            return
        self._heard_s = self.loop.time()
        if not self._in_head and self._is_idle():
            self._in_head = True
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._drop()
            elif self._head_timer is None:
                self._expect_head()

    def on_headers_complete(self) -> None:
        """Start the request; from here on the application bounds its time."""
        self._head_seen()
        super().on_headers_complete()

    def _make_room(self) -> None:
        """Hang up on whoever has been silent the longest where there are too many.

        Else clients who hold connections and ask nothing would keep all others out: uvicorn only counts.
        """
        limit = self.limit_concurrency
        if limit is None or len(self.connections) < limit:
            return
        others = (each for each in self.connections if isinstance(each, GuardedProtocol) and each is not self)
        silent = min((each for each in others if each._is_idle()), key=lambda each: each._heard_s, default=None)
        if silent is not None:
            self.connections.discard(silent)
            silent._drop()

    def _is_idle(self) -> bool:
        """Whether nothing is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _expect_head(self) -> None:
        self._in_head = True
        self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._drop)

    def _head_seen(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _drop(self) -> None:
        self._closed = True
        self._head_seen()
        self.transport.abort()


def guarded_protocol(
    names: tuple[str, ...],
    limits: RequestLimits,
    on_stranger: Callable[[], None],
    base: type[GuardedProtocol] = GuardedProtocol,
    **members: Any,
) -> type[GuardedProtocol]:
    """Return a protocol class that admits clients by these names; any client where there are none.

    Parameters
    ----------
    names, limits, on_stranger
        See `GuardedProtocol`.
    base : class
    members : any
        Of the class, beside these.
    """
    members |= {
        "allowed": frozenset(names) if names else None,
        "limits": limits,
        "on_stranger": staticmethod(on_stranger),
    }
    return type(base.__name__, (base,), members)
