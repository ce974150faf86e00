"""What the actuator tells about itself, in Prometheus' form."""

from collections import Counter as Count
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from powerplane.actuator.acts import Act, Evict
from powerplane.actuator.engine import Outcome
from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.words import UNDER_WAY
from powerplane.adapters.figures import OTHER, LabelWords, unit_of
from powerplane.models.api.placement_plan import LEVERS

PREFIX = "powerplane_actuator_"
LOOK_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
PLAN_BUCKETS_S = (2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class ActuatorMetrics:
    """Counts and gauges of one actuator.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauges = {
            "leading": "Whether this replica acts.",
            "stopped": "Whether the stop annotation is set.",
            "paused": "Whether nothing may be begun: a Lease is stale, or it is no time for it.",
            "under_way_moves": "Moves that have begun and not ended.",
            "waiting_moves": "Moves of open plans that have not begun.",
            "placeholders": "Placeholders that stand.",
            "evictions_left": "Evictions that the hour's budget still allows.",
            "last_success_timestamp_seconds": "When a look last ended without an error, by this replica as leader.",
        }
        self._gauges = {
            name: Gauge(f"{PREFIX}{name}", told, unit=unit_of(name), registry=registry) for name, told in gauges.items()
        }
        self._looks = Histogram(
            f"{PREFIX}look_seconds", "Time of a look.", buckets=LOOK_BUCKETS_S, unit="seconds", registry=registry
        )
        self._reasons = LabelWords()
        self._plans = Counter(f"{PREFIX}plans", "Plans that ended, by phase.", ("phase",), registry=registry)
        self._moves = Counter(
            f"{PREFIX}moves",
            "Moves that ended, by lever, step and reason.",
            ("lever", "step", "reason"),
            registry=registry,
        )
        self._acts = Counter(f"{PREFIX}acts", "Acts, by kind and result.", ("act", "result"), registry=registry)
        self._evictions = Counter(
            f"{PREFIX}evictions", "Answers of the Eviction API, by what they mean.", ("verdict",), registry=registry
        )
        self._writes = Counter(f"{PREFIX}status_writes", "Writes to plans' status.", ("result",), registry=registry)
        self._events = Counter(f"{PREFIX}events", "Events, by outcome.", ("outcome",), registry=registry)
        self._marks = Counter(
            f"{PREFIX}sleep_marks",
            "Marks on nodes that are to sleep, or no longer, by kind and outcome.",
            ("mark", "outcome"),
            registry=registry,
        )
        self._failures = Counter(f"{PREFIX}round_failures", "Looks that ended in an error.", registry=registry)
        self._took = Histogram(
            f"{PREFIX}plan_seconds",
            "From a plan's start to its end.",
            buckets=PLAN_BUCKETS_S,
            unit="seconds",
            registry=registry,
        )

    def lead(self, leading: bool) -> None:
        """Tell whether this replica acts."""
        self._gauges["leading"].set(int(leading))

    def looked(self, plans: Iterable[Plan], placeholders: int, stop: str, pause: str) -> None:
        """Tell what a look found."""
        steps = Count(plan.state.of(move.uid).step for plan in plans if not plan.over for move in plan.moves)
        self._gauges["under_way_moves"].set(sum(count for step, count in steps.items() if step in UNDER_WAY))
        self._gauges["waiting_moves"].set(steps["Waiting"])
        self._gauges["placeholders"].set(placeholders)
        self._gauges["stopped"].set(bool(stop))
        self._gauges["paused"].set(bool(pause))

    def took(self, seconds: float, evictions_left: int) -> None:
        """Tell how long a look took, and what is left of the hour's budget."""
        self._looks.observe(seconds)
        self._gauges["evictions_left"].set(evictions_left)

    def wrote(self, plan: Plan, state: PlanState, done: bool) -> None:
        """Count a write to a status, and what ended with it."""
        self._writes.labels("done" if done else "refused").inc()
        if not done:
            return
        for move in plan.moves:
            before, after = plan.state.of(move.uid), state.of(move.uid)
            if after.ended and not before.ended:
                lever = move.lever if move.lever in LEVERS else OTHER
                self._moves.labels(lever, after.step, self._reasons.of(after.reason)).inc()
        if state.phase != plan.state.phase and state.finished_s:
            self._plans.labels(state.phase).inc()
            self._took.observe(max(0.0, state.finished_s - (state.started_s or state.finished_s)))

    def acted(self, act: Act, outcome: Outcome) -> None:
        """Count an act."""
        self._acts.labels(type(act).__name__, outcome.result).inc()
        if isinstance(act, Evict) and outcome.answer is not None:
            self._evictions.labels(outcome.answer.verdict).inc()

    def marked(self, what: str, outcome: str) -> None:
        """Count a mark on a node that is to sleep, or no longer."""
        self._marks.labels(what, outcome).inc()

    def told(self, outcome: str) -> None:
        """Count an event."""
        self._events.labels(outcome).inc()

    def failed(self) -> None:
        """Count a look that ended in an error."""
        self._failures.inc()

    def succeeded(self, now_s: float) -> None:
        """Tell when a look last ended without one, in Unix seconds."""
        self._gauges["last_success_timestamp_seconds"].set(now_s)
