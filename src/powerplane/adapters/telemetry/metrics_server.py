"""metrics-server as a source: CPU of nodes and pods by the API metrics.k8s.io, there where nothing else is.

Each figure is an average over a window of some 15 to 60 s that ends at its timestamp.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch, message, reason
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_quantity
from powerplane.models.telemetry.metrics_use import METRICS_SERVER
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock, SourceReading
from powerplane.models.timestamps import parse_seconds

SOURCE = "metrics-server"
PATHS = {
    "NodeMetrics.usage.cpu": "/apis/metrics.k8s.io/v1beta1/nodes",
    "PodMetrics.usage.cpu": "/apis/metrics.k8s.io/v1beta1/pods",
}
ATTEMPTS = 2
PAUSE_S = 0.5


class _Metadata(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    namespace: str = ""


class _Container(msgspec.Struct, frozen=True, gc=False):
    usage: dict[str, str] = {}


class _Item(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata = _Metadata()
    timestamp: str = ""
    usage: dict[str, str] = {}
    containers: tuple[_Container, ...] = ()


class _List(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None


class _Figure(NamedTuple):
    entity: Entity
    at_s: float
    cores: float


class MetricsServerSource:
    """Reads the API.

    Parameters
    ----------
    access : ClusterAccess
    timeout_s : float
        For each of the two lists, all attempts together.
    clock, sleep : callable
        Monotonic seconds; pause before a second attempt.
    """

    def __init__(
        self,
        access: ClusterAccess,
        *,
        timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._clock = clock
        self._sleep = sleep
        self.failures: Counter[str] = Counter()
        """Lists that did not come, from the start, by metric."""
        self.errors: dict[str, str] = {}
        """Why the last reading lacks a list, in words, by metric."""

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:  # noqa: ARG002 - the API has one sample
        """Ask for both lists; see ``PowerSource.read``. There is one sample of each thing, however old."""
        refused: Counter[str] = Counter()
        self.errors = {}
        blocks, missing, errors = [], [], []
        for meaning in METRICS_SERVER:
            try:
                body = self._body(PATHS[meaning.metric])
                items = msgspec.json.decode(body, type=_List).items or []
            except (_NoAnswerError, msgspec.MsgspecError, RecursionError) as error:
                self.failures[meaning.metric] += 1
                refused["unanswered"] += 1
                missing.append(meaning.metric)
                errors.append(str(error))
                self.errors[meaning.metric] = str(error)
                continue
            figures = list(_figures(items, refused, of_pods=bool(meaning.pod)))
            if figures:
                blocks.append(_block(meaning, figures))
            else:
                missing.append(meaning.metric)
        told = errors[0] if len(errors) == len(METRICS_SERVER) else ""
        return (SourceReading(SOURCE, now_s, now_s, tuple(blocks), tuple(missing), dict(refused), told),)

    def _body(self, path: str) -> bytes:
        until = self._clock() + self._timeout_s
        told = ""
        for attempt in range(ATTEMPTS):
            left_s = until - self._clock()
            if left_s <= 0:
                break
            try:
                answer = fetch(self._access, Request("GET", path), left_s)
            except TRANSPORT_ERRORS as error:
                told = reason(error, self._timeout_s)
            else:
                if answer.status == 200:
                    return answer.body
                told = f"HTTP {answer.status} {message(answer.body)}".rstrip()
                if answer.status < 500 and answer.status != 429:
                    break
            if attempt + 1 < ATTEMPTS:
                self._sleep(PAUSE_S)
        raise _NoAnswerError(f"GET {path}: {told or 'no answer in time'}")


class _NoAnswerError(Exception):
    """No list came; the text says why."""


def _figures(items: Iterable[msgspec.Raw], refused: Counter[str], *, of_pods: bool) -> Iterable[_Figure]:
    """CPU of each item that tells it: a node's own, or the sum of a pod's containers.

    Each is read by itself: the API writes null for a time or containers that it does not know yet.
    """
    for raw in items:
        try:
            item = msgspec.json.decode(raw, type=_Item)
            usages = [container.usage for container in item.containers] or [item.usage]
            cores = sum((parse_quantity(usage["cpu"]) for usage in usages), Fraction())
            at_s = parse_seconds(item.timestamp)
        except (KeyError, InputError, ValueError, msgspec.MsgspecError, RecursionError):
            refused["malformed"] += 1
            continue
        name, namespace = item.metadata.name, item.metadata.namespace
        if not name or (of_pods and not namespace):
            refused["unlabelled"] += 1
            continue
        yield _Figure(Entity(namespace=namespace, pod=name) if of_pods else Entity(node=name), at_s, float(cores))


def _block(meaning: Meaning, figures: list[_Figure]) -> SeriesBlock:
    return SeriesBlock(
        meaning,
        tuple(figure.entity for figure in figures),
        np.arange(len(figures) + 1, dtype=np.int64),
        np.array([figure.at_s for figure in figures]),
        np.array([figure.cores for figure in figures]),
    )
