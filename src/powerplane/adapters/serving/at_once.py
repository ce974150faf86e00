"""Short requests, answered the moment their last byte is there: no task, no ASGI, no waiting.

A task for each request costs twice what the rest of HTTP costs. What is not plain and short, or does not come whole in
time, goes the usual way, from its head on.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from powerplane.adapters.serving.connection import GuardedProtocol
from powerplane.adapters.serving.requests import JSON, TEXT, RefusedError

AT_ONCE_BYTES: Final = 64 << 10
"""Of a body: no more than about a millisecond, for which all others wait."""

LENGTH_DIGITS: Final = 5
LATER_S: Final = 1.0

Answer = Callable[[bytes], bytes]
"""Returns JSON for the body of a POST, or raises `RefusedError`; never waits."""

_STATUS: Final = {each.value: b"HTTP/1.1 %d %s\r\n" % (each.value, each.phrase.encode()) for each in HTTPStatus}
_USUAL_WAY: Final = (b"content-encoding", b"transfer-encoding", b"expect", b"connection", b"upgrade")


class AtOnceProtocol(GuardedProtocol):
    """HTTP/1.1 that answers some paths itself; see `GuardedProtocol` for its bounds."""

    at_once: Mapping[bytes, Answer]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._url = b""
        self._lines: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._answer: Answer | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._leaving = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers with the connection."""
        self._answer = None
        self._stop_body_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a body that has not come whole is waited for as long as any body is."""
        super().data_received(data)
        if self._answer is not None and self._body_timer is None and not self._closed:
            self._body_timer = self.loop.call_later(self.limits.read_timeout_s, self._go_the_usual_way)

    def shutdown(self) -> None:
        """End, after the answer that is being waited for."""
        if self._answer is None:
            super().shutdown()
        self._leaving = True

    def on_message_begin(self) -> None:
        """Keep the head until it is known who answers."""
        self._url = b""
        self._lines = []
        self._chunks = []

    def on_url(self, url: bytes) -> None:
        """Keep it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep it."""
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """Choose who answers."""
        answer = self.at_once.get(self._url.partition(b"?")[0])
        if answer is None or not self._is_short_and_plain():
            self._pass_head()
            return
        self._head_seen()
        self._answer = answer

    def on_body(self, body: bytes) -> None:
        """Keep it, or pass it on."""
        if self._answer is None:
            super().on_body(body)
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Answer."""
        answer, self._answer = self._answer, None
        if answer is None:
            super().on_message_complete()
            return
        self._stop_body_timer()
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        try:
            self._reply(200, JSON, answer(body))
        except RefusedError as refused:
            self._reply(refused.status, TEXT, f"{refused.reason}\n".encode(), refused.extra)
        self.server_state.total_requests += 1
        if self._leaving:
            self.transport.close()
        elif self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _is_idle(self) -> bool:
        return self._answer is None and super()._is_idle()

    def _is_short_and_plain(self) -> bool:
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return False
        if not super()._is_idle() or self.pipeline or self.flow.write_paused or self.transport.is_closing():
            return False
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            return False
        length = b""
        for name, value in self._lines:
            lowered = name.lower()
            if lowered == b"content-length":
                length = value
            elif lowered in _USUAL_WAY or (lowered == b"content-type" and value != JSON):
                return False
        return length.isdigit() and len(length) <= LENGTH_DIGITS and int(length) <= AT_ONCE_BYTES

    def _reply(self, status: int, kind: bytes, body: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        head = b"%scontent-type: %s\r\ncontent-length: %d\r\n" % (_STATUS[status], kind, len(body))
        lines = b"".join(b"%s: %s\r\n" % pair for pair in extra)
        self._leaving = self._leaving or (b"connection", b"close") in extra
        last = b"connection: close\r\n" if self._leaving and (b"connection", b"close") not in extra else b""
        self.transport.write(b"%s%s%s\r\n%s" % (head, lines, last, body))

    def _go_the_usual_way(self) -> None:
        """Hand over what came so far, to be told that the rest is late."""
        self._body_timer = None
        if self._answer is None or self.transport.is_closing():
            return
        self._answer = None
        self._pass_head()
        for chunk in self._chunks:
            super().on_body(chunk)
        self._chunks = []

    def _pass_head(self) -> None:
        super().on_message_begin()
        super().on_url(self._url)
        for name, value in self._lines:
            super().on_header(name, value)
        super().on_headers_complete()

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _close_if_idle(self) -> None:
        """Look once in a while, instead of setting a timer anew with each request."""
        self._idle_timer = None
        if self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return
        left_s = self._heard_s + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0 and self._is_idle() and not self._in_head:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(max(left_s, LATER_S), self._close_if_idle)
