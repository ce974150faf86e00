"""What the controller of claims tells about itself, in Prometheus' form."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from powerplane.admission.claims.layout import NO_ROW, Layout

PREFIX = "powerplane_claims_"


class ClaimMetrics:
    """Counts and gauges of one controller.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauges = {
            "leading": "Whether this replica keeps slices and templates.",
            "devices": "Budgets that are offered as devices.",
            "hidden_devices": "Budgets for whose nodes no slice can be made.",
            "unclaimed_pods": "Bound pods that draw more than they have claimed.",
            "excess_watts": "What nodes are measured to draw beyond their books.",
            "templates": "Claim templates that are there.",
            "round_seconds": "How long the last look took, its writes included.",
        }
        self._gauges = {name: Gauge(f"{PREFIX}{name}", told, registry=registry) for name, told in gauges.items()}
        self._offered = Gauge(
            f"{PREFIX}offered_watts",
            "What a domain offers to claims, claimed or not; nodes' own budgets are not told.",
            ("pool",),
            registry=registry,
        )
        self._pools: set[str] = set()
        self._writes = Counter(
            f"{PREFIX}writes", "Writes, by kind, verb and outcome.", ("kind", "verb", "outcome"), registry=registry
        )
        self._failures = Counter(f"{PREFIX}round_failures", "Looks that ended in an error.", registry=registry)

    def lead(self, leading: bool) -> None:
        """Tell whether this replica acts."""
        self._gauges["leading"].set(int(leading))

    def decided(self, shown: Mapping[str, float], layout: Layout, watts: tuple[int | None, ...]) -> None:
        """Tell what a look came to.

        Parameters
        ----------
        shown : mapping of gauge to value
        layout : Layout
        watts : tuple of int or None
            By device.
        """
        for name, value in shown.items():
            self._gauges[name].set(value)
        offered = {
            device.pool: amount
            for device, amount in zip(layout.devices, watts, strict=True)
            if device.row != NO_ROW and amount is not None
        }
        for pool in self._pools - offered.keys():
            self._offered.remove(pool)
        self._pools = set(offered)
        for pool, amount in offered.items():
            self._offered.labels(pool).set(amount)

    def wrote(self, kind: str, verb: str, outcome: str) -> None:
        """Count a write."""
        self._writes.labels(kind, verb, outcome).inc()

    def failed(self) -> None:
        """Count a look that ended in an error."""
        self._failures.inc()
