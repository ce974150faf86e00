"""Work per watt of workloads and of policies that want one kept, and what it adds to the price of moving their pods."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.policies import PolicyKey
from powerplane.models.demand.memory import owners
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.readings import Floats
from powerplane.models.work.metrics import KNOWN, WorkMetric, metric_of
from powerplane.models.work.performance import SPAN_S, Performance, Track, Work, is_met, work_of
from powerplane.models.work.rates import in_order_of
from powerplane.recommender.performing_facts import asking_of, reached

NOT_ASKED = "no Prometheus is asked what pods do, or it has not answered for a while"
NOT_YET = "its metric has not been asked for yet; where policies name many, not all are"
Group = tuple[str, ...]
"""A workload, or a policy's namespace and name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a policy's ratio stands.

    Parameters
    ----------
    metric : str
        "" while it is not known which.
    target : float
    performance : Performance or None
        Of the last minutes.
    met : bool or None
        None where that cannot be told.
    why : str
        Why not.
    """

    metric: str
    target: float
    performance: Performance | None
    met: bool | None
    why: str = ""


@dataclass(slots=True)
class Performing:
    """Follows what is done with watts. Not for several threads at once.

    Parameters
    ----------
    latest : callable
        What pods do, as it was last read.
    span_s : float
        Over which ratios are taken: so long that enough rounds are within it.
    """

    latest: Callable[[], WorkReading | None]
    span_s: float = SPAN_S
    _tracks: dict[tuple[Group, WorkMetric], Track] = field(default_factory=dict)
    _metric_of: dict[PolicyKey, WorkMetric] = field(default_factory=dict)
    _why: dict[PolicyKey, str] = field(default_factory=dict)

    def follow(self, policies: Iterable[CappingPolicyObject], snapshot: Snapshot, watts: Floats, now_s: float) -> None:
        """Take in a round.

        Parameters
        ----------
        policies : iterable of policies
        snapshot : Snapshot
        watts : float64 array, shape (P,)
            What each of its pods draws, as ``pod_watts`` says it.
        now_s : float
            Unix seconds.
        """
        asking, reading = asking_of(policies), self.latest()
        if reading is None or reading.trouble:
            self._why = dict.fromkeys(asking, reading.trouble if reading is not None else NOT_ASKED)
            return
        names = list(zip(snapshot.pods.namespaces, snapshot.pods.names, strict=True))
        rates = {metric: in_order_of(each, names) for metric, each in reading.rates.items() if each.per_second}
        found = _Found(rates, watts)
        alive = self._workloads(snapshot, found, now_s)
        self._why = {}
        for key, (policy, ratio) in asking.items():
            rows = np.flatnonzero(reached(policy, snapshot)[snapshot.pods.template] & (snapshot.pods.node >= 0))
            metric = metric_of(ratio) or (None if ratio.metric else found.first_told(rows))
            self._why[key] = self._policy(key, metric, found, rows, now_s)
            if metric is None:
                self._why[key] = self._why[key] if not ratio.metric else "its metric cannot be asked for"
            elif not self._why[key]:
                alive.add((key, metric))
            elif metric in reading.troubles:
                self._why[key] = f"{metric.name}: {reading.troubles[metric]}"
            elif metric not in reading.rates:
                self._why[key] = NOT_YET
        self._forget(alive, asking, now_s)

    def standings(self, policies: Iterable[CappingPolicyObject], now_s: float) -> dict[PolicyKey, Standing]:
        """Return how every ratio stands that is to be kept."""
        found = {}
        for key, (_, ratio) in asking_of(policies).items():
            metric = metric_of(ratio) or self._metric_of.get(key)
            track = self._tracks.get((key, metric)) if metric is not None else None
            performance = track.performance(now_s) if track is not None else None
            met = is_met(performance, ratio.target, ratio.tolerance) if performance is not None else None
            why = self._why.get(key, "it has not been looked at yet")
            found[key] = Standing(
                metric.name if metric is not None else ratio.metric,
                ratio.target,
                performance,
                met,
                _why_untold(performance, why) if met is None else "",
            )
        return found

    def workloads(self, now_s: float) -> dict[tuple[str, str], Performance]:
        """Return what every workload that tells it did, by workload and metric."""
        found = {}
        for (group, metric), track in self._tracks.items():
            if len(group) == 1 and (performance := track.performance(now_s)) is not None:
                found[group[0], metric.name] = performance
        return found

    def _workloads(self, snapshot: Snapshot, found: "_Found", now_s: float) -> set[tuple[Group, WorkMetric]]:
        """Take in each workload by the first known metric that its pods have."""
        alive = set[tuple[Group, WorkMetric]]()
        if not found.rates:
            return alive
        told, owner_of = set[str](), owners(snapshot)
        for metric in (each for each in KNOWN if each in found.rates):
            rows_of: dict[str, list[int]] = {}
            for row in np.flatnonzero(np.isfinite(found.rates[metric]) & (snapshot.pods.node >= 0)).tolist():
                rows_of.setdefault(owner_of[row], []).append(row)
            for owner in rows_of.keys() - told:
                if (work := found.work(metric, np.array(rows_of[owner]))) is not None:
                    alive.add(((owner,), metric))
                    self._add(((owner,), metric), work, now_s)
            told |= rows_of.keys()
        return alive

    def _policy(
        self, key: PolicyKey, metric: WorkMetric | None, found: "_Found", rows: NDArray[np.int64], now_s: float
    ) -> str:
        """Take in a policy; return why that cannot be done, "" where it can."""
        if not len(rows):
            return "it selects no pod that runs"
        if metric is None:
            return "no pod of it tells any work that is known"
        if not found.tells(metric, rows):
            return f"no pod of it tells {metric.name}"
        work = found.work(metric, rows)
        if work is None:
            return f"the watts of its pods that tell {metric.name} are not known"
        self._metric_of[key] = metric
        self._add((key, metric), work, now_s)
        return ""

    def _add(self, key: tuple[Group, WorkMetric], work: Work, now_s: float) -> None:
        self._tracks.setdefault(key, Track(self.span_s)).add(work, now_s)

    def _forget(self, alive: Collection[tuple[Group, WorkMetric]], keys: Collection[PolicyKey], now_s: float) -> None:
        gone = [each for each, track in self._tracks.items() if each not in alive and track.performance(now_s) is None]
        for each in gone:
            del self._tracks[each]
        for key in self._metric_of.keys() - set(keys):
            del self._metric_of[key]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What P pods do by each metric, and draw; NaN where not known."""

    rates: Mapping[WorkMetric, Floats]
    watts: Floats

    def tells(self, metric: WorkMetric, rows: NDArray[np.int64]) -> bool:
        """Whether any of some pods tells a metric."""
        return metric in self.rates and bool(np.isfinite(self.rates[metric][rows]).any())

    def first_told(self, rows: NDArray[np.int64]) -> WorkMetric | None:
        """The first known metric that any of some pods tells."""
        return next((each for each in KNOWN if self.tells(each, rows)), None)

    def work(self, metric: WorkMetric, rows: NDArray[np.int64]) -> Work | None:
        """What some pods do."""
        return work_of(self.rates[metric][rows], self.watts[rows])


def none_kept(policies: Collection[CappingPolicyObject], now_s: float) -> Mapping[PolicyKey, Standing]:
    """How ratios stand where nobody follows them."""
    del policies, now_s
    return {}


def _why_untold(performance: Performance | None, why: str) -> str:
    if performance is None or why:
        return why or "nothing has been told of the last minutes"
    return "nothing is done" if performance.per_second <= 0 else "too few looks yet"
