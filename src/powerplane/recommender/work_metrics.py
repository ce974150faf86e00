"""What the recommender tells of work per watt, in Prometheus' form; few series, whoever writes policies."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.work.performance import Performance

MOST_POLICIES, MOST_WORKLOADS = 100, 50
"""That are shown: policies by their names, workloads by their watts, the highest first."""

Key = tuple[str, str]
"""Who, and by which metric."""


class WorkMetrics:
    """Gauges and counters of work.

    Parameters
    ----------
    registry : CollectorRegistry
    prefix : str
        Of their names.
    """

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self._of_policies = {
            "per_watt": Gauge(
                f"{prefix}work_per_watt",
                "Work per watt of a policy's pods over the last minutes, in its metric.",
                ("policy", "metric"),
                registry=registry,
            ),
            "target": Gauge(
                f"{prefix}work_per_watt_target",
                "Work per watt that a policy wants kept.",
                ("policy", "metric"),
                registry=registry,
            ),
        }
        self._of_workloads = Gauge(
            f"{prefix}workload_work_per_watt",
            "Work per watt of workloads that draw most, over the last minutes, by a known metric.",
            ("workload", "metric"),
            registry=registry,
        )
        self._refused = Counter(
            f"{prefix}work_series_refused", "Series of work that were not used.", ("reason",), registry=registry
        )
        self._failures = Counter(
            f"{prefix}work_failures", "Questions for work that had no usable answer.", registry=registry
        )

    def read(self, reading: WorkReading) -> None:
        """Count what was refused, and what did not come."""
        self._failures.inc(len(reading.troubles) + bool(reading.trouble))
        for rates in reading.rates.values():
            for reason, count in rates.refused.items():
                self._refused.labels(reason).inc(count)

    def performed(
        self, policies: Iterable[tuple[Key, Performance, float]], workloads: Mapping[Key, Performance]
    ) -> None:
        """Tell what was done with a watt.

        Parameters
        ----------
        policies : iterable of (key, Performance, target)
            In order of their names.
        workloads : mapping
        """
        for gauge in (*self._of_policies.values(), self._of_workloads):
            gauge.clear()
        for key, performance, target in list(policies)[:MOST_POLICIES]:
            self._of_policies["per_watt"].labels(*key).set(performance.per_watt)
            self._of_policies["target"].labels(*key).set(target)
        most = sorted(workloads.items(), key=lambda each: (-each[1].watts, each[0]))[:MOST_WORKLOADS]
        for key, performance in most:
            self._of_workloads.labels(*key).set(performance.per_watt)
