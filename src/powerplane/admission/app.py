"""The HTTP face of the webhook, over ASGI by hand.

A review that cannot be answered gets a status other than 200: the API server then does what ``failurePolicy`` says.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from powerplane.adapters.serving.limits import MIB, RequestLimits
from powerplane.adapters.serving.operations import Operations
from powerplane.adapters.serving.requests import (
    JSON,
    TEXT,
    BodyReader,
    GoneError,
    Message,
    Receive,
    RefusedError,
    Send,
    reply,
)
from powerplane.adapters.strict_json import MalformedError
from powerplane.admission.deciding import Decision, decide
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.admission.review import Request, answer_review, read_review
from powerplane.admission.rollouts import judge_rollout
from powerplane.admission.table import Table
from powerplane.admission.validation.validating import judge

MUTATE: Final = "/mutate"
VALIDATE: Final = "/validate"
ROLLOUTS: Final = "/rollouts"
LIMITS: Final = RequestLimits(body_bytes=4 * MIB, total_bytes=128 * MIB, read_timeout_s=2.0)
"""The API server keeps no object above 1.5 MiB; a review has two at the most."""

_log = logging.getLogger(__name__)


class AdmissionApp:
    """Answers the API server's reviews, and questions about its own health.

    Parameters
    ----------
    table : callable
        Returns the table of the moment; None while there is none.
    metrics : AdmissionMetrics
    limits : RequestLimits
    clock : callable
        Seconds, monotonic.
    certified : callable, optional
        Says whether API servers take our certificate, and if not, why.
    """

    def __init__(
        self,
        table: Callable[[], Table | None],
        metrics: AdmissionMetrics,
        limits: RequestLimits = LIMITS,
        clock: Callable[[], float] = time.perf_counter,
        certified: Callable[[], tuple[bool, str]] = lambda: (True, ""),
    ) -> None:
        self._table = table
        self._metrics = metrics
        self._clock = clock
        self._certified = certified
        self._bodies = BodyReader(limits)
        self._operations = Operations(self.ready, metrics.render)
        self._paths: dict[str, Callable[[Request, Table], Decision]] = {
            MUTATE: decide,
            VALIDATE: judge,
            ROLLOUTS: judge_rollout,
        }

    @property
    def at_once(self) -> dict[bytes, Callable[[bytes], bytes]]:
        """What answers short reviews, by path, without ASGI; raises `RefusedError`."""
        return {path.encode(): partial(self._answer_counted, path) for path in self._paths}

    def ready(self) -> tuple[bool, str]:
        """Say whether there is enough to answer from, and API servers take our certificate."""
        if self._table() is None:
            return False, "the watches are not in step yet"
        return self._certified()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, whatever it is."""
        if scope["type"] != "http":
            return
        path = scope["path"] if scope["path"] in self._paths else "none"
        try:
            if path == "none":
                await self._operations.answer(scope, send)
            else:
                await reply(send, 200, self._answer(path, await self._bodies.read(scope, receive)), JSON)
        except RefusedError as refused:
            self._metrics.refused(path, refused.result)
            await reply(send, refused.status, f"{refused.reason}\n".encode(), TEXT, *refused.extra)
        except GoneError:
            self._metrics.refused(path, "gone")

    def _answer_counted(self, path: str, body: bytes) -> bytes:
        try:
            return self._answer(path, body)
        except RefusedError as refused:
            self._metrics.refused(path, refused.result)
            raise

    def _answer(self, path: str, body: bytes) -> bytes:
        start = self._clock()
        table = self._table()
        if table is None:
            raise RefusedError(503, "not_ready", "not ready: the watches are not in step yet", (b"retry-after", b"1"))
        try:
            request = read_review(body)
            decision = self._paths[path](request, table)
            answer = answer_review(request.uid, decision.verdict)
        except MalformedError as error:
            raise RefusedError(400, "malformed", str(error)) from error
        except Exception as error:
            _log.exception("%s failed", path)
            raise RefusedError(500, "exception", f"{path} failed: {type(error).__name__}") from error
        self._metrics.answered(path, decision.result, self._clock() - start)
        if not request.dry_run:
            self._metrics.let_in(decision.watts, decision.source)
        return answer
