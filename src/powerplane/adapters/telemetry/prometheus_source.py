"""Prometheus as a source: raw samples with their own times, and their history.

An instant query of a metric answers with the time of the question, not of the sample. So each row of the declared
table is asked as a range vector (``metric[90s]``), whose samples come as they were scraped. Each row is a question
of its own: what is missing or fails loses nothing else.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from powerplane.adapters.telemetry import promql
from powerplane.adapters.telemetry.history import History
from powerplane.adapters.telemetry.prometheus_answer import MatrixError, columns
from powerplane.adapters.telemetry.prometheus_api import NoAnswerError, PrometheusApi
from powerplane.adapters.telemetry.sums import columns_of_sums
from powerplane.adapters.telemetry.windows import Windows
from powerplane.models.errors import UnreachableError
from powerplane.models.telemetry.metrics import DEAR, SCRAPED
from powerplane.models.telemetry.readings import Meaning, SeriesBlock, SourceReading
from powerplane.models.telemetry.samples import MOST_AHEAD_S

AT_A_TIME = 2
"""Questions that are open at the same time."""

SUM_STEPS, FINE_STEPS = 4, 60
"""How often within the window sums are asked for: those of dear quantities, and those that nodes are counted by. The
samples' own times, and so how long they are held, are known no better than by these steps."""


@dataclass(slots=True)
class _Gathered:
    """What came for one source."""

    blocks: list[SeriesBlock] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


class PrometheusSource:
    """Reads every source that a Prometheus carries. Not for several threads at once.

    Parameters
    ----------
    url : str
        Of Prometheus, or of what speaks its API.
    meanings : sequence of Meaning
        Rows of the declared table to ask for. ``metrics.OWNERS`` are left out by default: as many series as pods, which
        the API server knows as well.
    timeout_s : float
        For a whole reading; no question gets more than half of it.
    headers : mapping, optional
        Such as ``Authorization``. No redirect is followed, and nothing is taken from the environment.
    ca_file : str, optional
        Certificates to trust, instead of the usual ones.
    node_labels : sequence of str
        Labels that name a series' node in this Prometheus, before those that the table knows.
    clock, sleep : callable
        Monotonic seconds; pause between two attempts.
    """

    def __init__(
        self,
        url: str,
        meanings: Sequence[Meaning] = SCRAPED,
        *,
        timeout_s: float = 30.0,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        node_labels: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._apis = [PrometheusApi(url, headers or {}, ca_file, clock, sleep) for _ in range(AT_A_TIME)]
        self._free: SimpleQueue[PrometheusApi] = SimpleQueue()
        for api in self._apis:
            self._free.put(api)
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="prometheus")
        self._meanings = tuple(meanings)
        self._timeout_s = timeout_s
        self._node_labels = tuple(node_labels)
        self._clock = clock
        self._windows = Windows()
        self.errors: dict[str, str] = {}
        """Why the last reading has no answer, in words, by metric."""
        self.failures: Counter[str] = Counter()
        """Questions without an answer, from the start, by metric; "" for a Prometheus that does not answer at all."""

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """Ask once for the samples of the last seconds, by the server's clock; see ``PowerSource.read``.

        Of pods, once it is known how often they are scraped, no more is asked for than five scrapes bring.

        A metric whose question failed is missing, and counted as "unanswered". A source has an error where none of
        its questions was answered.
        """
        until = self._clock() + self._timeout_s
        self.errors = {}
        gathered: dict[str, _Gathered] = {meaning.source: _Gathered() for meaning in self._meanings}
        try:
            evaluated_s = self._apis[0].now_s(self._timeout_s / 2)
        except NoAnswerError as error:
            self.failures[""] += 1
            return tuple(SourceReading(source, now_s, now_s, error=str(error)) for source in gathered)
        dear = [meaning for meaning in self._meanings if meaning.sum_over and meaning.quantity in DEAR]
        self._gather(
            [meaning for meaning in self._meanings if meaning not in dear], evaluated_s, window_s, until, gathered
        )
        for meaning in dear:
            if not any(
                block.meaning.quantity == meaning.quantity for each in gathered.values() for block in each.blocks
            ):
                self._gather([meaning], evaluated_s, window_s, until, gathered)
        return tuple(_reading(source, evaluated_s, now_s, each) for source, each in gathered.items())

    def history(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        """Ask for a row's values at equal steps, each the latest sample at most five minutes old by then.

        Parameters
        ----------
        meaning : Meaning
        start_s, end_s, step_s : float
            Unix seconds by the server's clock, both ends included; the step at least a second.

        Raises
        ------
        UnreachableError
            When there is no usable answer.
        """
        try:
            return History(self._apis[0], self._node_labels, self._timeout_s).read(meaning, start_s, end_s, step_s)
        except (NoAnswerError, MatrixError) as error:
            self.failures[meaning.metric] += 1
            raise UnreachableError(
                f"{self._apis[0].url} has no history of {meaning.metric}: {error}",
                f"check that it answers: curl '{self._apis[0].url}/api/v1/query?query={meaning.metric}'",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown(cancel_futures=True)
        for api in self._apis:
            api.close()

    def _gather(
        self,
        meanings: Sequence[Meaning],
        evaluated_s: float,
        window_s: float,
        until: float,
        gathered: Mapping[str, _Gathered],
    ) -> None:
        """Ask for some rows, so that Prometheus writes one answer while another is read; few bodies at a time."""
        ahead: deque[tuple[Meaning, Future[bytes]]] = deque()
        rest = iter(meanings)
        while True:
            while len(ahead) < AT_A_TIME and (meaning := next(rest, None)):
                ahead.append((meaning, self._pool.submit(self._body, meaning, evaluated_s, window_s, until)))
            if not ahead:
                return
            meaning, body = ahead.popleft()
            self._take(meaning, body, evaluated_s - window_s, gathered[meaning.source])

    def _body(self, meaning: Meaning, evaluated_s: float, window_s: float, until: float) -> bytes:
        """Ask for one row."""
        timeout_s = min(until - self._clock(), self._timeout_s / 2)
        if timeout_s <= 0:
            raise NoAnswerError(f"no time left of {self._timeout_s:g} s")
        window_s = self._windows.window_s(meaning, window_s)
        api = self._free.get()
        try:
            if not meaning.sum_over:
                # Also what a clock that is ahead dates later than now: unseen, its samples would look fresh once late.
                query = promql.raw_samples(meaning, window_s + MOST_AHEAD_S)
                return api.get("/api/v1/query", {"query": query, "time": repr(evaluated_s + MOST_AHEAD_S)}, timeout_s)
            parameters = {
                "query": promql.summed(meaning, self._node_labels),
                "start": repr(evaluated_s - window_s),
                "end": repr(evaluated_s),
                "step": repr(max(1.0, window_s / (SUM_STEPS if meaning.quantity in DEAR else FINE_STEPS))),
            }
            return api.get("/api/v1/query_range", parameters, timeout_s)
        finally:
            self._free.put(api)

    def _take(self, meaning: Meaning, body: "Future[bytes]", since_s: float, into: _Gathered) -> None:
        """Read one answer."""
        try:
            if meaning.sum_over:
                found, refused = columns_of_sums(meaning, body.result(), self._node_labels, since_s)
            else:
                found, refused = columns(meaning, body.result(), self._node_labels)
        except (NoAnswerError, MatrixError) as error:
            self.failures[meaning.metric] += 1
            self.errors[meaning.metric] = str(error)
            into.errors.append(f"{meaning.metric}: {error}")
            into.missing.append(meaning.metric)
            into.refused["unanswered"] += 1
            return
        into.refused.update(refused)
        if found.entities:
            self._windows.learn(found)
            into.blocks.append(found)
        else:
            into.missing.append(meaning.metric)


def _reading(source: str, evaluated_s: float, now_s: float, each: _Gathered) -> SourceReading:
    asked = len(each.blocks) + len(each.missing)
    error = each.errors[0] if each.errors and len(each.errors) == asked else ""
    present = {block.meaning.metric for block in each.blocks}
    missing = tuple(dict.fromkeys(metric for metric in each.missing if metric not in present))
    return SourceReading(source, evaluated_s, now_s, tuple(each.blocks), missing, dict(each.refused), error)
