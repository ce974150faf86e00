"""BMCs as a source, asked directly by Redfish, each known to be a node's."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from powerplane.adapters.telemetry.redfish_http import Endpoint, RedfishError, RedfishHttp
from powerplane.adapters.telemetry.redfish_wire import Found, RedfishService
from powerplane.models.telemetry.metrics_watts import REDFISH
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock, SourceReading

WORKERS = 32
MOST_OPEN = 256
"""BMCs whose connections are kept between rounds: beyond, a process would run out of file descriptors."""

SOURCE = "redfish"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one BMC said, and when."""

    node: str
    at_s: float
    found: Found | None
    watts: tuple[float, ...]
    reason: str
    told: str


class RedfishSource:
    """Reads many BMCs at a time. Not for several threads at once.

    Parameters
    ----------
    endpoints : sequence of Endpoint
        One a node.
    timeout_s : float
        For one BMC. A round takes at most this long for every ``workers`` BMCs.
    workers : int
        BMCs that are asked at the same time.
    clock, sleep : callable
        Monotonic seconds; pause before a second attempt.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        timeout_s: float = 10.0,
        workers: int = WORKERS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._services = [
            (endpoint, RedfishService(RedfishHttp(endpoint, timeout_s, clock, sleep), endpoint.chassis))
            for endpoint in endpoints
        ]
        self._clock = clock
        self._pool = ThreadPoolExecutor(max(1, min(workers, len(endpoints))), thread_name_prefix="redfish")
        self.failures: Counter[tuple[str, str]] = Counter()
        """Readings that failed, from the start, by node and reason."""
        self.errors: dict[str, str] = {}
        """Why the last reading of a node failed, in words."""

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:  # noqa: ARG002 - a BMC tells its present only
        """Ask every BMC once; see ``PowerSource.read``. Each figure is dated by our clock when it came."""
        began = self._clock()
        answers = list(self._pool.map(lambda each: self._ask(each[0], each[1], now_s, began), self._services))
        refused = Counter(answer.reason for answer in answers if answer.reason)
        self.failures.update((answer.node, answer.reason) for answer in answers if answer.reason)
        self.errors = {answer.node: answer.told for answer in answers if answer.reason}
        good = [answer for answer in answers if answer.found]
        blocks = tuple(block for meaning in REDFISH if (block := _block(meaning, good)) is not None)
        present = {block.meaning.metric for block in blocks}
        missing = tuple(meaning.metric for meaning in REDFISH if meaning.metric not in present)
        error = next(iter(self.errors.values()), "") if not good else ""
        return (SourceReading(SOURCE, now_s, now_s, blocks, missing, dict(refused), error),)

    def close(self) -> None:
        """End sessions and close connections; once is enough."""
        services, self._services = self._services, []
        if services:
            list(self._pool.map(lambda each: each[1].close(), services))
        self._pool.shutdown()

    def _ask(self, endpoint: Endpoint, service: RedfishService, now_s: float, began: float) -> _Answer:
        try:
            found, watts = service.read()
        except RedfishError as error:
            return _Answer(endpoint.node, now_s, None, (), error.reason, f"{endpoint.url}: {error}")
        finally:
            if len(self._services) > MOST_OPEN:
                service.rest()
        return _Answer(endpoint.node, now_s + self._clock() - began, found, watts, "", "")


def _block(meaning: Meaning, answers: Sequence[_Answer]) -> SeriesBlock | None:
    """Figures of one property; a device for each where a node has several."""
    rows = [
        (
            Entity(node=answer.node, device=f"supply {place}" if meaning.device else ""),
            answer.found.place,
            answer,
            watts,
        )
        for answer in answers
        if answer.found and answer.found.property == meaning.metric
        for place, watts in enumerate(answer.watts)
    ]
    if not rows:
        return None
    return SeriesBlock(
        meaning,
        tuple(entity for entity, *_ in rows),
        np.arange(len(rows) + 1, dtype=np.int64),
        np.array([answer.at_s for *_, answer, _ in rows]),
        np.array([watts for *_, watts in rows]),
        tuple(place for _, place, *_ in rows),
    )
