"""Counts and gauges of the controller, on a registry that the server exposes."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from powerplane.adapters.without_watts import pods_without_watts
from powerplane.node_watts.seen import Decisions, Outcome, Seen, Write


class _WithoutWatts(Collector):
    """Tells of namespaces only while they have such pods."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        return (pods_without_watts(self.counts),)


class NodeWattsMetrics:
    """What can be asked of the controller from outside.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._writes = Counter(
            "powerplane_node_watts_writes_total", "Writes to nodes.", ("kind", "outcome"), registry=registry
        )
        self._failures = Counter(
            "powerplane_node_watts_tick_failures_total", "Rounds of the loop that ended in an error.", registry=registry
        )
        gauges = {
            "leading": "Whether this replica writes.",
            "listed_watts": "Watts that all nodes list.",
            "bound_watts": "Watts that bound pods request.",
            "base_watts": "Watts that nodes draw which are no pod's request.",
            "closed_nodes": "Nodes closed for the moment, to give watts.",
            "unlisted_nodes": "Nodes that list no watts.",
            "waiting_pods": "Pods that request watts and that no node took.",
            "unserved_pods": "Waiting pods that no shift of watts helps.",
            "unstated_pods": "Bound pods that state no watts.",
            "excess_watts": "Watts by which bound pods and base exceed the worst row.",
            "tick_seconds": "How long the last round of the loop took.",
        }
        self._gauges = {
            name: Gauge(f"powerplane_node_watts_{name}", told, registry=registry) for name, told in gauges.items()
        }

        self._without_watts = _WithoutWatts()
        registry.register(self._without_watts)

    def wrote(self, write: Write, outcome: Outcome) -> None:
        """Count a write."""
        self._writes.labels(write.kind, outcome).inc()

    def failed(self) -> None:
        """Count a round that ended in an error."""
        self._failures.inc()

    def lead(self, leading: bool) -> None:
        """Tell whether this replica writes."""
        self._gauges["leading"].set(int(leading))

    def saw(self, seen: Seen, base_mw: int, unstated_pods: int, without_watts: Mapping[str, int]) -> None:
        """Tell what a moment showed; the last by namespace."""
        self._without_watts.counts = without_watts
        shown = {
            "listed_watts": int(seen.listed.sum()),
            "bound_watts": int(seen.bound.sum()),
            "base_watts": base_mw / 1000,
            "closed_nodes": int(seen.closed.sum()),
            "unlisted_nodes": int((seen.listed == 0).sum()),
            "waiting_pods": sum(demand.count for demand in seen.demands),
            "unstated_pods": unstated_pods,
        }
        for name, value in shown.items():
            self._gauges[name].set(value)

    def decided(self, decisions: Decisions, took_s: float) -> None:
        """Tell what came of it."""
        self._gauges["unserved_pods"].set(decisions.unserved)
        self._gauges["excess_watts"].set(max((each.watts for each in decisions.excess), default=0))
        self._gauges["tick_seconds"].set(took_s)
