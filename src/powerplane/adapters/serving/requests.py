"""One request over ASGI, by hand: its head checked, its body read within bounds, its answer sent."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from powerplane.adapters.serving.limits import RequestLimits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
CLOSE: Final = (b"connection", b"close")
LENGTH_DIGITS: Final = 18


class RefusedError(Exception):
    """A request that ends with a status other than 200.

    Parameters
    ----------
    status : int
    result : str
        A word for metrics.
    reason : str
        A sentence for the sender.
    extra : pairs of bytes
        Headers of the answer.
    """

    def __init__(self, status: int, result: str, reason: str, *extra: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status = status
        self.result = result
        self.reason = reason
        self.extra = extra


class GoneError(Exception):
    """The client has gone; there is nobody to answer."""


class BodyReader:
    """Reads bodies within bounds; one for all requests of a port, which share their bytes.

    Parameters
    ----------
    limits : RequestLimits
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._held_bytes = 0

    async def read(self, scope: Message, receive: Receive) -> bytes:
        """Return the body of a POST.

        Raises
        ------
        RefusedError
            For what is no POST of plain JSON, or is too large or too slow.
        GoneError
            Where the client has left.
        """
        if scope["method"] != "POST":
            raise RefusedError(405, "method", "this is asked with POST", (b"allow", b"POST"))
        check_headers(dict(scope["headers"]), self._limits)
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                return await self._read(receive)
        except TimeoutError as error:
            raise RefusedError(408, "slow", "the body took too long to come", CLOSE) from error

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                chunk: bytes = message.get("body", b"")
                chunks.append(chunk)
                size += len(chunk)
                self._held_bytes += len(chunk)
                if size > self._limits.body_bytes:
                    raise RefusedError(413, "too_large", f"the body is above {self._limits.body_bytes} bytes", CLOSE)
                if self._held_bytes > self._limits.total_bytes:
                    raise RefusedError(503, "busy", "too many bytes of other requests are being read", CLOSE)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            self._held_bytes -= size


def check_headers(headers: Headers, limits: RequestLimits) -> None:
    """Refuse by its head what need not be read: too long, of unknown length, or not plain JSON."""
    length = headers.get(b"content-length")
    if length is None and b"transfer-encoding" not in headers:
        raise RefusedError(411, "length", "a body is needed, with its length")
    if length is not None and not length.isdigit():
        raise RefusedError(400, "malformed", "content-length is no number", CLOSE)
    if length is not None and (len(length) > LENGTH_DIGITS or int(length) > limits.body_bytes):
        raise RefusedError(413, "too_large", f"the body is above {limits.body_bytes} bytes", CLOSE)
    kind = headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
    if kind != JSON or headers.get(b"content-encoding", b"identity") != b"identity":
        raise RefusedError(415, "type", "the body must be application/json, not compressed", CLOSE)


async def reply(send: Send, status: int, body: bytes, kind: bytes, *extra: tuple[bytes, bytes]) -> None:
    """Send an answer whole."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
