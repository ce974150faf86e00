"""Health and metrics: what a process tells about itself to whoever can reach the port."""

import asyncio
import logging
from collections.abc import Callable

from powerplane.adapters.serving.requests import CLOSE, TEXT, Message, Receive, RefusedError, Send, reply

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_log = logging.getLogger(__name__)


class Operations:
    """Answers ``/healthz``, ``/readyz`` and ``/metrics``.

    Parameters
    ----------
    ready : callable
        Says whether there is enough to answer from, and if not, what is missing.
    metrics : callable
        Renders every figure; called on a thread.
    """

    def __init__(self, ready: Callable[[], tuple[bool, str]], metrics: Callable[[], bytes]) -> None:
        self._ready = ready
        self._metrics = metrics

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        """Serve one request, whatever it is."""
        if scope["type"] != "http":
            return
        try:
            await self.answer(scope, send)
        except RefusedError as refused:
            await reply(send, refused.status, f"{refused.reason}\n".encode(), TEXT, *refused.extra)

    async def answer(self, scope: Message, send: Send) -> None:
        """Serve one request.

        Raises
        ------
        RefusedError
            For another path or method.
        """
        path = scope["path"]
        if path not in ("/healthz", "/readyz", "/metrics"):
            raise RefusedError(404, "path", "there is nothing at this path", CLOSE)
        if scope["method"] not in ("GET", "HEAD"):
            raise RefusedError(405, "method", "this is read with GET", (b"allow", b"GET, HEAD"), CLOSE)
        if path == "/metrics":
            await reply(send, 200, await asyncio.to_thread(self._metrics), METRICS_TYPE)
        elif path == "/healthz":
            await reply(send, 200, b"ok\n", TEXT)
        else:
            ready, missing = self.readiness()
            await reply(send, 200 if ready else 503, b"ok\n" if ready else f"{missing}\n".encode(), TEXT)

    def readiness(self) -> tuple[bool, str]:
        """Whether questions may be answered; what cannot tell is not ready."""
        try:
            return self._ready()
        except Exception as error:
            _log.exception("readiness failed")
            return False, f"readiness failed: {type(error).__name__}"
