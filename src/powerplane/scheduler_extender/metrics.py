"""What the extender tells about itself, in Prometheus' form; kube-scheduler has no figure of its own by extender.

The registry is the extender's own, so that two in one process do not meet. It is rendered on a thread of its own:
whatever the collector reads there must bear being read beside the event loop.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from powerplane.adapters.serving.port_metrics import PortMetrics
from powerplane.adapters.without_watts import pods_without_watts

PREFIX = "powerplane_extender_"
LATENCY_BUCKETS_S = (1e-4, 2e-4, 3e-4, 5e-4, 7.5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class DomainReading:
    """A power domain's budget, and what pods and reservations leave of it, in watts."""

    domain: str
    kind: str
    budget_watts: float
    headroom_watts: float


@dataclass(frozen=True, slots=True)
class StateReading:
    """The state behind the answers at one moment.

    Parameters
    ----------
    domains : tuple of DomainReading
        One for each domain.
    reservations : int
        Pods that hold watts and are not yet seen bound.
    reserved_watts : float
        What those hold together.
    watch_ages_s : mapping of str to float
        By kind, seconds since the API server was last heard of.
    silent_pods : int
        Bound pods that state no watts and count by their cores.
    without_watts : mapping of str to int
        Those of them that should have been given watts, by namespace.
    nodes_outside : int
        Nodes in no power domain, which no domain's budget holds.
    refused_pods : int
        Pods that wait for power, as far as is remembered.
    events : mapping of str to int
        What happened, counted from the start.
    watch_events : mapping of (resource, event) to int
        Lists, reconnects and unreadable objects of the watches, counted from the start.
    writes : mapping of (verb, outcome) to int
        Writes to the API server, counted from the start.
    """

    domains: tuple[DomainReading, ...] = ()
    reservations: int = 0
    reserved_watts: float = 0.0
    watch_ages_s: Mapping[str, float] = field(default_factory=dict)
    silent_pods: int = 0
    without_watts: Mapping[str, int] = field(default_factory=dict)
    nodes_outside: int = 0
    refused_pods: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    watch_events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    writes: Mapping[tuple[str, str], int] = field(default_factory=dict)


class _StateCollector(Collector):
    """Reads the state when it is asked, so that nothing is kept up to date for nobody."""

    def __init__(self, read: Callable[[], StateReading]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Tell nothing ahead, so that registering reads no state."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield each family."""
        reading = self._read()
        labels = ("domain", "kind")
        budget = GaugeMetricFamily(f"{PREFIX}domain_budget_watts", "Watts that a domain may draw.", labels=labels)
        headroom = GaugeMetricFamily(
            f"{PREFIX}domain_headroom_watts", "Budget less what its nodes, pods and reservations draw.", labels=labels
        )
        for one in reading.domains:
            budget.add_metric((one.domain, one.kind), one.budget_watts)
            headroom.add_metric((one.domain, one.kind), one.headroom_watts)
        ages = GaugeMetricFamily(
            f"{PREFIX}watch_age_seconds", "Seconds since a watch last heard of the API server.", labels=("resource",)
        )
        for resource, age_s in reading.watch_ages_s.items():
            ages.add_metric((resource,), age_s)
        pods = GaugeMetricFamily(f"{PREFIX}reservations", "Pods holding watts, not yet seen bound.")
        pods.add_metric((), reading.reservations)
        watts = GaugeMetricFamily(f"{PREFIX}reserved_watts", "Watts that pods not yet seen bound hold.")
        watts.add_metric((), reading.reserved_watts)
        silent = pods_without_watts(reading.without_watts)
        return (budget, headroom, ages, pods, watts, silent, *_figures(reading), *_counters(reading))


def _figures(reading: StateReading) -> Iterable[Metric]:
    for name, told, value in (
        ("silent_pods", "Bound pods that state no watts and count by their cores.", reading.silent_pods),
        ("nodes_outside", "Nodes in no power domain.", reading.nodes_outside),
        ("refused_pods", "Pods that were refused and still wait.", reading.refused_pods),
    ):
        yield GaugeMetricFamily(f"{PREFIX}{name}", told, value=value)


def _counters(reading: StateReading) -> Iterable[Metric]:
    events = CounterMetricFamily(f"{PREFIX}events", "What happened to pods' holds and moves.", labels=("event",))
    for event, count in reading.events.items():
        events.add_metric((event,), count)
    watches = CounterMetricFamily(f"{PREFIX}watch_events", "What happened to watches.", labels=("resource", "event"))
    for pair, count in reading.watch_events.items():
        watches.add_metric(pair, count)
    writes = CounterMetricFamily(f"{PREFIX}writes", "Writes to the API server.", labels=("verb", "outcome"))
    for pair, count in reading.writes.items():
        writes.add_metric(pair, count)
    return (events, watches, writes)


class ExtenderMetrics(PortMetrics):
    """Counts and times of one extender.

    Parameters
    ----------
    read_state : callable, optional
        Returns a `StateReading`; called on the thread that renders.
    """

    def __init__(self, read_state: Callable[[], StateReading] | None = None) -> None:
        registry = CollectorRegistry()
        super().__init__(PREFIX, registry)
        self._durations = Histogram(
            f"{PREFIX}request_duration_seconds",
            "From the last byte of a question to its answer.",
            ("verb",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._answers = Counter(
            f"{PREFIX}answers", "Answers by verb and result.", ("verb", "result"), registry=registry
        )
        self._nodes = Counter(
            f"{PREFIX}nodes", "Nodes asked about in filter, by answer.", ("answer",), registry=registry
        )
        if read_state is not None:
            registry.register(_StateCollector(read_state))

    def answered(self, verb: str, result: str, seconds: float) -> None:
        """Count one answer and its time."""
        self._durations.labels(verb).observe(seconds)
        self._answers.labels(verb, result).inc()

    def refused(self, verb: str, result: str) -> None:
        """Count a question that was not asked on: malformed, too large, too slow, too early."""
        self._answers.labels(verb, result).inc()

    def filtered(self, passed: int, failed: int, unresolvable: int) -> None:
        """Count the nodes of one filter."""
        for answer, count in (("passed", passed), ("failed", failed), ("unresolvable", unresolvable)):
            if count:
                self._nodes.labels(answer).inc(count)
