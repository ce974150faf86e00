"""The HTTP face of the extender: an ASGI application by hand, because a framework's data binding costs more than it.

A question that cannot be answered gets a status other than 200, which the scheduler takes for an error: the pod waits
(or, with `ignorable`, goes on without us). It never gets an empty object, which would refuse every node.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits
from powerplane.scheduler_extender.metrics import CONTENT_TYPE, ExtenderMetrics
from powerplane.scheduler_extender.replies import error_reply, filter_reply, preempt_reply
from powerplane.scheduler_extender.wire import NameReader, read_bind, read_filter, read_preempt
from powerplane.scheduler_extender.wire_json import MalformedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

DEFAULT_PREFIX: Final = "/scheduler/v1"
JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
CLOSE: Final = (b"connection", b"close")
LENGTH_DIGITS: Final = 18

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that ends with a status other than 200."""

    def __init__(self, status: int, result: str, reason: str, *extra: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.status = status
        self.result = result
        self.reason = reason
        self.extra = extra


class ExtenderApp:
    """Answers one scheduler's questions, and those about its own health.

    Parameters
    ----------
    answers : Answers
        What decides.
    metrics : ExtenderMetrics
        Where it is counted.
    prefix : str
        Path before each verb: the end of the scheduler's `urlPrefix`.
    limits : Limits
        Bounds on each request.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        answers: Answers,
        metrics: ExtenderMetrics,
        prefix: str = DEFAULT_PREFIX,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._answers = answers
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._held_bytes = 0
        self._names = NameReader()
        base = "/" + prefix.strip("/") if prefix.strip("/") else ""
        self._verbs: dict[str, tuple[str, Callable[[bytes], Awaitable[tuple[str, bytes]]]]] = {
            f"{base}/filter": ("filter", self._filter),
            f"{base}/prioritize": ("prioritize", self._prioritize),
            f"{base}/preempt": ("preempt", self._preempt),
            f"{base}/bind": ("bind", self._bind),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, whatever it is."""
        if scope["type"] != "http":
            return
        known = self._verbs.get(scope["path"])
        verb = known[0] if known else "none"
        try:
            if known is None:
                await _operate(scope, send, self._answers, self._metrics)
            else:
                body = await self._question(scope, receive)
                await _reply(send, 200, await self._answer(*known, body), JSON)
        except RefusedError as refused:
            self._metrics.refused(verb, refused.result)
            await _reply(send, refused.status, error_reply(refused.reason), JSON, *refused.extra)
        except _GoneError:
            self._metrics.refused(verb, "gone")

    async def _question(self, scope: Message, receive: Receive) -> bytes:
        """Read the body of a question that may be asked now."""
        if scope["method"] != "POST":
            raise RefusedError(405, "method", "a verb is asked with POST", (b"allow", b"POST"))
        _check_headers(dict(scope["headers"]), self._limits)
        body = await self._body(receive)
        ready, missing = _readiness(self._answers)
        if not ready:  # told only now: a client that is still writing would see a broken connection instead
            raise RefusedError(503, "not_ready", f"not ready: {missing}", (b"retry-after", b"1"))
        return body

    async def _body(self, receive: Receive) -> bytes:
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
                    raise _GoneError
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

    async def _answer(self, verb: str, ask: Callable[[bytes], Awaitable[tuple[str, bytes]]], body: bytes) -> bytes:
        """Ask on; whatever goes wrong is an error to the scheduler, and counted."""
        start = self._clock()
        try:
            result, reply = await ask(body)
        except MalformedError as error:
            raise RefusedError(400, "malformed", str(error)) from error
        except Exception as error:
            _log.exception("%s failed", verb)
            raise RefusedError(500, "exception", f"{verb} failed: {type(error).__name__}") from error
        self._metrics.answered(verb, result, self._clock() - start)
        return reply

    async def _filter(self, body: bytes) -> tuple[str, bytes]:
        args = read_filter(body, self._limits, self._names)
        answer = self._answers.filter(args)
        if answer.error:
            return "error", filter_reply(args, answer)
        passed = len(args.node_names if answer.names is None else answer.names)
        self._metrics.filtered(passed, len(answer.failed), len(answer.unresolvable))
        return "ok" if passed else "no_node", filter_reply(args, answer)

    async def _prioritize(self, body: bytes) -> tuple[str, bytes]:
        return "ok", self._answers.prioritize(read_filter(body, self._limits, self._names))

    async def _preempt(self, body: bytes) -> tuple[str, bytes]:
        answer = self._answers.preempt(read_preempt(body, self._limits))
        return "ok" if answer.victims else "no_node", preempt_reply(answer)

    async def _bind(self, body: bytes) -> tuple[str, bytes]:
        args = read_bind(body, self._limits)
        try:
            async with asyncio.timeout(self._limits.bind_timeout_s):
                error = await self._answers.bind(args)
        except TimeoutError:
            error = "binding took too long; whether it was done will show on the pod"
        return "error" if error else "ok", error_reply(error)


class OperationsApp:
    """Health and metrics alone, for a port of its own, where probes have no client certificate."""

    def __init__(self, answers: Answers, metrics: ExtenderMetrics) -> None:
        self._answers = answers
        self._metrics = metrics

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        """Serve one request, whatever it is."""
        if scope["type"] != "http":
            return
        try:
            await _operate(scope, send, self._answers, self._metrics)
        except RefusedError as refused:
            await _reply(send, refused.status, error_reply(refused.reason), JSON, *refused.extra)


class _GoneError(Exception):
    """The client has gone; there is nobody to answer."""


async def _operate(scope: Message, send: Send, answers: Answers, metrics: ExtenderMetrics) -> None:
    path = scope["path"]
    if path not in ("/healthz", "/readyz", "/metrics"):
        raise RefusedError(404, "path", "there is nothing at this path", CLOSE)
    if scope["method"] not in ("GET", "HEAD"):
        raise RefusedError(405, "method", "this is read with GET", (b"allow", b"GET, HEAD"), CLOSE)
    if path == "/metrics":
        await _reply(send, 200, await asyncio.to_thread(metrics.render), CONTENT_TYPE)
    elif path == "/healthz":
        await _reply(send, 200, b"ok\n", TEXT)
    else:
        ready, missing = _readiness(answers)
        await _reply(send, 200 if ready else 503, b"ok\n" if ready else f"{missing}\n".encode(), TEXT)


def _readiness(answers: Answers) -> tuple[bool, str]:
    """Whether verbs may be answered; what cannot tell is not ready."""
    try:
        return answers.ready()
    except Exception as error:
        _log.exception("readiness failed")
        return False, f"readiness failed: {type(error).__name__}"


def _check_headers(headers: Headers, limits: Limits) -> None:
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


async def _reply(send: Send, status: int, body: bytes, kind: bytes, *extra: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
