"""What the webhook tells about itself, in Prometheus' form."""

from collections.abc import Callable
from functools import cache
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from powerplane.adapters.serving.port_metrics import PortMetrics
from powerplane.models.api.capping_policy import Lock

PREFIX = "powerplane_admission_"
LATENCY_BUCKETS_S = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0, 5.0)


class AdmissionMetrics(PortMetrics):
    """Counts and times of one webhook.

    Parameters
    ----------
    registry : CollectorRegistry, optional
        A new one by default.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        super().__init__(PREFIX, registry)
        self._durations = Histogram(
            f"{PREFIX}review_duration_seconds",
            "From the last byte of a review to its answer.",
            ("path",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._reviews = Counter(f"{PREFIX}reviews", "Reviews by result.", ("path", "result"), registry=registry)
        # To look a child up takes longer than to count.
        self._duration, self._count = cache(self._durations.labels), cache(self._reviews.labels)
        self._predictions = Counter(
            f"{PREFIX}predictions", "New pods by what their watts rest on.", ("source",), registry=registry
        )
        self._watts = Counter(f"{PREFIX}requested_watts", "Watts that new pods were let in with.", registry=registry)

        self._lock = Gauge(
            f"{PREFIX}lock_offered",
            "1 for what holds budgets for policies that leave the lock to us; Auto stands for nothing.",
            ("lock",),
            registry=registry,
        )

    def offers(self, offered: Callable[[], Lock]) -> None:
        """Tell which lock is offered, asked at each scrape."""

        def tell(lock: Lock) -> None:
            self._lock.labels(lock).set_function(lambda: offered() == lock)

        for each in get_args(Lock):
            tell(each)

    def answered(self, path: str, result: str, seconds: float) -> None:
        """Count one answer and its time."""
        self._duration(path).observe(seconds)
        self._count(path, result).inc()

    def refused(self, path: str, result: str) -> None:
        """Count a review that was not looked at: malformed, too large, too slow, too early."""
        self._count(path, result).inc()

    def let_in(self, watts: int, source: str) -> None:
        """Count what a new pod asks for, and what that rests on; dry runs do not count."""
        self._watts.inc(watts)
        if source:
            self._predictions.labels(source).inc()
