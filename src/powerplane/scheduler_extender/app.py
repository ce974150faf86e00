"""The HTTP face of the extender: an ASGI application by hand, because a framework's data binding costs more than it.

A question that cannot be answered gets a status other than 200, which the scheduler takes for an error: the pod waits
(or, with `ignorable`, goes on without us). It never gets an empty object, which would refuse every node.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from powerplane.adapters.serving.operations import Operations
from powerplane.adapters.serving.requests import (
    JSON,
    BodyReader,
    GoneError,
    Message,
    Receive,
    RefusedError,
    Send,
    reply,
)
from powerplane.adapters.strict_json import MalformedError
from powerplane.scheduler_extender.answers import Answers
from powerplane.scheduler_extender.limits import DEFAULT_LIMITS, Limits
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.replies import error_reply, filter_reply, preempt_reply
from powerplane.scheduler_extender.wire import NameReader, read_bind, read_filter, read_preempt

DEFAULT_PREFIX: Final = "/scheduler/v1"

_log = logging.getLogger(__name__)


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
        self._bodies = BodyReader(limits)
        self._operations = Operations(answers.ready, metrics.render)
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
                await self._operations.answer(scope, send)
            else:
                body = await self._question(scope, receive)
                await reply(send, 200, await self._answer(*known, body), JSON)
        except RefusedError as refused:
            self._metrics.refused(verb, refused.result)
            await reply(send, refused.status, error_reply(refused.reason), JSON, *refused.extra)
        except GoneError:
            self._metrics.refused(verb, "gone")

    async def _question(self, scope: Message, receive: Receive) -> bytes:
        """Read the body of a question that may be asked now."""
        body = await self._bodies.read(scope, receive)
        ready, missing = self._operations.readiness()
        if not ready:  # told only now: a client that is still writing would see a broken connection instead
            raise RefusedError(503, "not_ready", f"not ready: {missing}", (b"retry-after", b"1"))
        return body

    async def _answer(self, verb: str, ask: Callable[[bytes], Awaitable[tuple[str, bytes]]], body: bytes) -> bytes:
        """Ask on; whatever goes wrong is an error to the scheduler, and counted."""
        start = self._clock()
        try:
            result, answer = await ask(body)
        except MalformedError as error:
            raise RefusedError(400, "malformed", str(error)) from error
        except Exception as error:
            _log.exception("%s failed", verb)
            raise RefusedError(500, "exception", f"{verb} failed: {type(error).__name__}") from error
        self._metrics.answered(verb, result, self._clock() - start)
        return answer

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
