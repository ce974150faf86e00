"""What the recommender tells about itself, in Prometheus' form."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from powerplane.adapters.figures import unit_of
from powerplane.models.plan import Plan
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.tracing import RoundTrace
from powerplane.recommender.work_metrics import WorkMetrics

PREFIX = "powerplane_recommender_"
STEPS = ("load", "telemetry", "forecast", "violations", "caps", "snapshot", "solve", "publish", "remember", "statuses")
STEP_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ERROR_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class RecommenderMetrics:
    """Counts, gauges and times of one recommender.

    Parameters
    ----------
    registry : CollectorRegistry
    trace : RoundTrace, optional
        Told of each step.
    """

    def __init__(self, registry: CollectorRegistry, trace: RoundTrace | None = None) -> None:
        self._trace = trace or RoundTrace()
        domain = ("domain", "kind")
        of_domains = {
            "domain_draw_watts": "What a domain draws by its nodes' readings.",
            "domain_budget_watts": "What it may draw, policies counted in.",
            "domain_headroom_watts": "Budget less draw; below zero where the budget is broken.",
            "domain_other_watts": "What it would draw had each choice of the last hour been the other one.",
            "domain_source_age_seconds": "Age of the oldest sample that its draw rests on.",
            "domain_unmeasured_nodes": "Nodes of it that count at their worst case.",
        }
        gauges = {
            "leading": "Whether this replica plans.",
            "stopped": "Whether everything is to stand still.",
            "violations": "Budgets that are broken now or ahead.",
            "plan_moves": "Moves of the last plan.",
            "plan_gap_ratio": "How far from its proven bound the last plan is at the most.",
            "plan_overload_watts": "Watts above budgets that the last plan leaves.",
            "last_success_timestamp_seconds": "When a look last ended without an error, by this replica as leader.",
        }
        self._domains = {
            name: Gauge(f"{PREFIX}{name}", told, domain, unit=unit_of(name), registry=registry)
            for name, told in of_domains.items()
        }
        self._gauges = {
            name: Gauge(f"{PREFIX}{name}", told, unit=unit_of(name), registry=registry) for name, told in gauges.items()
        }
        self._starts = Counter(
            f"{PREFIX}solver_starts", "How often the process that solves was started.", registry=registry
        )
        self._started = 0
        self._steps = Histogram(
            f"{PREFIX}step_seconds",
            "Time of each step.",
            ("step",),
            buckets=STEP_BUCKETS_S,
            unit="seconds",
            registry=registry,
        )
        for step in STEPS:
            self._steps.labels(step)
        self._solves = Histogram(
            f"{PREFIX}solve_seconds", "Time of solving.", buckets=STEP_BUCKETS_S, unit="seconds", registry=registry
        )
        self._errors = Histogram(
            f"{PREFIX}prediction_error_ratio",
            "How far a domain came out from what a plan that ran had foretold, either way, by its budget.",
            buckets=ERROR_BUCKETS,
            unit="ratio",
            registry=registry,
        )
        self._curves = Gauge(
            f"{PREFIX}curve_error_ratio",
            "Mean error of a learned curve that is planned with, by the curve that it stands in for.",
            ("curve",),
            unit="ratio",
            registry=registry,
        )
        self._plans = Counter(f"{PREFIX}plans", "Plans, by what became of them.", ("outcome",), registry=registry)
        self._writes = Counter(
            f"{PREFIX}writes", "Writes, by kind and outcome.", ("kind", "outcome"), registry=registry
        )
        self._events = Counter(f"{PREFIX}events", "Events, by outcome.", ("outcome",), registry=registry)
        self._failures = Counter(f"{PREFIX}round_failures", "Looks that ended in an error.", registry=registry)
        self._shown: set[tuple[str, str]] = set()
        self.work = WorkMetrics(registry, PREFIX)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        began_s = time.perf_counter()
        try:
            with self._trace.step(name):
                yield
        finally:
            self._steps.labels(name).observe(time.perf_counter() - began_s)

    def lead(self, leading: bool) -> None:
        """Tell whether this replica plans."""
        self._gauges["leading"].set(int(leading))

    def failed(self) -> None:
        """Count a look that ended in an error."""
        self._failures.inc()

    def succeeded(self, now_s: float) -> None:
        """Tell when a look last ended without one, in Unix seconds."""
        self._gauges["last_success_timestamp_seconds"].set(now_s)

    def looked(self, domains: Iterable[DomainReading], others_mw: Mapping[str, int], violations: int) -> None:
        """Tell how domains stand."""
        self._gauges["violations"].set(violations)
        shown = set()
        for each in domains:
            key = (each.name, each.kind)
            shown.add(key)
            figures = {
                "domain_draw_watts": each.draw_mw / MILLI,
                "domain_budget_watts": math.inf if each.budget_mw == NO_BUDGET else each.budget_mw / MILLI,
                "domain_headroom_watts": math.inf if each.headroom_mw is None else each.headroom_mw / MILLI,
                "domain_other_watts": others_mw.get(each.name, each.draw_mw) / MILLI,
                "domain_source_age_seconds": each.age_s,
                "domain_unmeasured_nodes": each.worst,
            }
            for name, value in figures.items():
                self._domains[name].labels(*key).set(value)
        for key in self._shown - shown:
            for gauge in self._domains.values():
                gauge.remove(*key)
        self._shown = shown

    def stopped(self, stopped: bool) -> None:
        """Tell whether everything is to stand still."""
        self._gauges["stopped"].set(int(stopped))

    def solved(self, plan: Plan | None, seconds: float, starts: int) -> None:
        """Tell what a solve came to."""
        self._solves.observe(seconds)
        self._starts.inc(max(0, starts - self._started))
        self._started = starts
        if plan is not None:
            self._gauges["plan_moves"].set(len(plan.moves))
            self._gauges["plan_gap_ratio"].set(math.inf if plan.gap is None else plan.gap)
            self._gauges["plan_overload_watts"].set(plan.overload_watts)

    def planned(self, outcome: str) -> None:
        """Count a plan: published, withheld, refused, none, or how one ended."""
        self._plans.labels(outcome).inc()

    def erred(self, share: float) -> None:
        """Count how far a domain came out from what a plan foretold."""
        self._errors.observe(abs(share))

    def fitted(self, errors: Mapping[str, float]) -> None:
        """Tell how far off the curves are that were learned."""
        self._curves.clear()
        for name, share in errors.items():
            self._curves.labels(name).set(share)

    def wrote(self, kind: str, outcome: str) -> None:
        """Count a write."""
        self._writes.labels(kind, outcome).inc()

    def told(self, outcome: str) -> None:
        """Count an event."""
        self._events.labels(outcome).inc()
