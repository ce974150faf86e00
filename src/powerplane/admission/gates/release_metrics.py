"""What the releaser tells about itself, in Prometheus' form."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from powerplane.admission.gates.release_facts import Outcome, Release, Round
from powerplane.models.quantities import MILLI

PREFIX = "powerplane_gates_"
BOUND_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class ReleaseMetrics:
    """Counts and gauges of one releaser.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauges = {
            "leading": "Whether this replica lets pods go.",
            "waiting_pods": "Pods behind the gate.",
            "oldest_seconds": "How long the oldest of them has waited.",
            "set_aside_pods": "Waiting pods that watts are kept back for.",
            "surge_pods": "Pods of roll-outs in progress that watts are held back for.",
            "never_pods": "Waiting pods that fit no node even if nobody else were there.",
            "on_their_way_pods": "Pods let go and not bound yet.",
            "on_their_way_oldest_seconds": "How long the first of these has been let go.",
            "round_seconds": "How long the last look took.",
            "measured_excess_watts": "What nodes draw beyond the books, as measured; no pod is given it.",
        }
        self._gauges = {name: Gauge(f"{PREFIX}{name}", told, registry=registry) for name, told in gauges.items()}
        self._released = Counter(f"{PREFIX}released", "Pods let go, by reason.", ("reason",), registry=registry)
        self._writes = Counter(f"{PREFIX}writes", "Writes to pods, by outcome.", ("outcome",), registry=registry)
        self._events = Counter(f"{PREFIX}events", "Events about pods, by outcome.", ("outcome",), registry=registry)
        self._failures = Counter(f"{PREFIX}round_failures", "Looks that ended in an error.", registry=registry)
        self._bound = Histogram(
            f"{PREFIX}release_to_bound_seconds",
            "From the write that let a pod go until the watch showed it bound.",
            buckets=BOUND_BUCKETS_S,
            registry=registry,
        )

    def lead(self, leading: bool) -> None:
        """Tell whether this replica lets pods go."""
        self._gauges["leading"].set(int(leading))

    def measured(self, extra_mw: int) -> None:
        """Tell what nodes draw beyond the books."""
        self._gauges["measured_excess_watts"].set(extra_mw / MILLI)

    def decided(self, round_: Round, took_s: float) -> None:
        """Tell what a look came to."""
        shown = {
            "waiting_pods": round_.waiting,
            "oldest_seconds": round_.oldest_s,
            "set_aside_pods": round_.set_aside,
            "surge_pods": round_.surge,
            "never_pods": round_.never,
            "on_their_way_pods": round_.on_their_way,
            "on_their_way_oldest_seconds": round_.on_their_way_s,
            "round_seconds": took_s,
        }
        for name, value in shown.items():
            self._gauges[name].set(value)

    def wrote(self, release: Release, outcome: Outcome) -> None:
        """Count a write, and a pod that it let go."""
        self._writes.labels(outcome).inc()
        if outcome == "done":
            self._released.labels(release.reason).inc()

    def wrote_move(self, done: bool) -> None:
        """Count a write that lets a successor go whom its actuator forgot."""
        self._writes.labels("done" if done else "refused").inc()
        if done:
            self._released.labels("no_actuator").inc()

    def told(self, outcome: str) -> None:
        """Count an event."""
        self._events.labels(outcome).inc()

    def bound(self, seconds: float) -> None:
        """Count how long a pod that was let go took to be bound."""
        self._bound.observe(seconds)

    def failed(self) -> None:
        """Count a look that ended in an error."""
        self._failures.inc()
