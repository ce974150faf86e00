"""What the alerts tell about themselves, and what fires, in Prometheus' form."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from powerplane.adapters.alerts.delivering import Delivery
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.models.alerts.alert import Notice

PREFIX = "powerplane_alerts_"
MOST_FIRING = 500
"""Firing alerts that have a series of their own, the worst first."""


class AlertMetrics:
    """Counts and gauges of one process.

    Parameters
    ----------
    registry : CollectorRegistry
    outbox : Outbox
    deliveries : sequence of Delivery
    now : callable
        Unix seconds.
    """

    def __init__(
        self, registry: CollectorRegistry, outbox: Outbox, deliveries: Iterable[Delivery], now: Callable[[], float]
    ) -> None:
        self._notices = Counter(f"{PREFIX}notices", "Notices made, by what they tell.", ("what",), registry=registry)
        self._failures = Counter(f"{PREFIX}round_failures", "Looks that ended in an error.", registry=registry)
        self._blind = Counter(f"{PREFIX}rounds_skipped", "Looks that were not possible.", registry=registry)
        self._round = Gauge(f"{PREFIX}last_round_timestamp_seconds", "When the last look was made.", registry=registry)
        self._took = Gauge(f"{PREFIX}round_seconds", "How long the last look took.", registry=registry)
        self._now = now
        registry.register(_Outgoing(outbox, tuple(deliveries), now))

    def looked(self, notices: Iterable[Notice], took_s: float) -> None:
        """Tell that a look was made."""
        for notice in notices:
            self._notices.labels(notice.what).inc()
        self._round.set(self._now())
        self._took.set(took_s)

    def failed(self) -> None:
        """Count a look that ended in an error."""
        self._failures.inc()

    def skipped(self) -> None:
        """Count a look that was not possible."""
        self._blind.inc()


class _Outgoing(Collector):
    """The outbox and its deliveries, read when they are asked for."""

    def __init__(self, outbox: Outbox, deliveries: tuple[Delivery, ...], now: Callable[[], float]) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Make the figures."""
        sent = CounterMetricFamily(f"{PREFIX}deliveries", "Attempts, by outcome.", labels=("sink", "outcome"))
        pending = GaugeMetricFamily(f"{PREFIX}pending_bundles", "Messages that wait.", labels=("sink",))
        oldest = GaugeMetricFamily(f"{PREFIX}pending_oldest_seconds", "Age of the oldest of them.", labels=("sink",))
        for each in self._deliveries:
            for outcome, count in sorted(each.counts.items()):
                sent.add_metric((each.name, outcome), count)
            waiting = self._outbox.pending(each.name)
            pending.add_metric((each.name,), len(waiting))
            oldest.add_metric((each.name,), max((self._now() - entry.put_s for entry in waiting), default=0.0))
        lost = CounterMetricFamily(f"{PREFIX}outbox_lost", "What the outbox could not keep, by why.", labels=("why",))
        for why, count in sorted(self._outbox.lost.items()):
            lost.add_metric((why,), count)
        yield from (sent, pending, oldest, lost, *self._firing())

    def _firing(self) -> Iterator[Metric]:
        labels = ("kind", "subject", "policy", "severity")
        over = GaugeMetricFamily("powerplane_alert_over_watts", "Watts above the limit, as last told.", labels=labels)
        count = GaugeMetricFamily(f"{PREFIX}firing", "Alerts that fire.")
        firing = sorted(self._outbox.firing(), key=lambda notice: -notice.finding.over_mw)
        for notice in firing[:MOST_FIRING]:
            finding = notice.finding
            over.add_metric((*finding.key, finding.severity), finding.over_mw / 1000)
        count.add_metric((), len(firing))
        yield from (over, count)
