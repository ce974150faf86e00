"""What pods do, asked of Prometheus: raw samples of each metric of work, once in a while, and never for long.

Policies name metrics, so a question may be for anything: its answer is bounded in size and time, and one that fails
loses nothing else. Names and values of labels are held against their forms before they come here
(``models.work.metrics``), and quoted where they are asked for (``promql``).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.adapters.telemetry import promql
from powerplane.adapters.telemetry.prometheus_answer import MatrixError, columns
from powerplane.adapters.telemetry.prometheus_api import NoAnswerError, PrometheusApi
from powerplane.models.telemetry.readings import SeriesBlock
from powerplane.models.work.metrics import WorkMetric
from powerplane.models.work.rates import WINDOW_S, PodRates, pod_rates

MOST_BYTES = 1 << 25
"""Of one answer: forty thousand series of eight samples."""

TIMEOUT_S = 20.0
"""For everything that is asked at one time."""

LONGEST_QUESTION_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkReading:
    """What one look brought.

    Parameters
    ----------
    rates : mapping
        By metric.
    troubles : mapping
        Why a metric is not known.
    trouble : str
        Why nothing is: Prometheus does not answer at all; "" where it does.
    """

    rates: Mapping[WorkMetric, PodRates] = field(default_factory=dict)
    troubles: Mapping[WorkMetric, str] = field(default_factory=dict)
    trouble: str = ""


class WorkReader:
    """Reads metrics of work. Not for several threads at once.

    Parameters
    ----------
    url : str
        Of Prometheus, or of what speaks its API.
    headers : mapping, optional
        Such as ``Authorization``; sent to this address only.
    ca_file : str, optional
        Certificates to trust, instead of the usual ones.
    timeout_s : float
        For a whole look.
    clock, sleep : callable
        Monotonic seconds; pause between two attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = PrometheusApi(url, headers or {}, ca_file, clock, sleep, most_bytes=MOST_BYTES)
        self._timeout_s = timeout_s
        self._clock = clock

    def read(self, metrics: Iterable[WorkMetric]) -> WorkReading:
        """Ask for some metrics, each for itself; whatever goes wrong is told in the reading."""
        until = self._clock() + self._timeout_s
        try:
            evaluated_s = self._api.now_s(min(LONGEST_QUESTION_S, self._timeout_s))
        except NoAnswerError as error:
            return WorkReading(trouble=str(error))
        rates: dict[WorkMetric, PodRates] = {}
        troubles: dict[WorkMetric, str] = {}
        for metric in metrics:
            try:
                blocks = [self._block(metric, place, evaluated_s, until) for place in range(len(metric.meanings))]
            except (NoAnswerError, MatrixError) as error:
                troubles[metric] = str(error)
            else:
                rates[metric] = pod_rates(metric, [each for each in blocks if each.entities], evaluated_s)
        return WorkReading(rates, troubles)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _block(self, metric: WorkMetric, place: int, evaluated_s: float, until: float) -> SeriesBlock:
        meaning, left_s = metric.meanings[place], until - self._clock()
        if left_s <= 0:
            raise NoAnswerError(f"no time left of {self._timeout_s:g} s")
        question = {"query": promql.raw_samples(meaning, WINDOW_S), "time": repr(evaluated_s)}
        body = self._api.get("/api/v1/query", question, min(LONGEST_QUESTION_S, left_s))
        return columns(meaning, body)[0]
