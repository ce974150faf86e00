"""What ``powerplane workloads`` says in data: the form of ``-o json`` and ``-o yaml``, units in the fields' names."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from powerplane.models.demand.efficiency import Efficiency, Unknown
from powerplane.models.plan import Wire
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.workloads import WorkloadWatts


class DemandView(Wire, frozen=True):
    """What a workload will want of its nodes beyond their idle, all of its pods together.

    Attributes
    ----------
    upper_watts : float or None
        None where too little is known for any.
    """

    lower_watts: float
    target_watts: float
    upper_watts: float | None


class ThroughputView(Wire, frozen=True):
    """Throughput per watt, or why there is no figure.

    Attributes
    ----------
    per_watt, lower, upper : float or None
        Units of the metric a second and a watt, and bounds at 95 %; None where there is no figure, or no bound.
    intervals : int
        Of five minutes, that it rests on.
    left_out : int
        Intervals in which metric or watts were not known.
    reason, next_step : str
        Why there is no figure, and what to do; "" where there is one.
    """

    metric: str
    per_watt: float | None = None
    lower: float | None = None
    upper: float | None = None
    intervals: int = 0
    left_out: int = 0
    reason: str = ""
    next_step: str = ""


class WorkloadView(Wire, frozen=True):
    """One workload.

    Attributes
    ----------
    unmeasured_pods : int
        Of its pods, those on nodes that nobody measures: their watts are in no figure here.
    assumed_pods : int
        Of its pods, those whose use is assumed from their requests.
    watts : float or None
        Dynamic watts of the others, accelerators included; None where all are unmeasured.
    demand : DemandView or None
        None where its history tells nothing.
    throughput : ThroughputView or None
        None where none was asked for.
    """

    namespace: str
    workload: str
    pods: int
    unmeasured_pods: int
    assumed_pods: int
    cores: float
    watts: float | None
    demand: DemandView | None = None
    throughput: ThroughputView | None = None


class TotalsView(Wire, frozen=True):
    """Parts of what all measured nodes draw: the first is the sum of the others, to the milliwatt."""

    measured_watts: float
    idle_watts: float
    unattributed_watts: float
    workloads_watts: float


class WorkloadsView(Wire, frozen=True):
    """All workloads that have a pod on a node.

    Attributes
    ----------
    unmeasured : tuple of str
        Nodes that are in no figure.
    history_seconds : float
        How far back demand and throughput look; 0 where they were not asked for.
    notes : tuple of str
    """

    at_seconds: float
    measured_nodes: int
    unmeasured: tuple[str, ...]
    totals: TotalsView
    workloads: tuple[WorkloadView, ...]
    history_seconds: float = 0.0
    notes: tuple[str, ...] = ()


Throughput = Mapping[str, Efficiency | Unknown]


def workload_views(
    watts: WorkloadWatts, bounds: Floats | None, throughput: Throughput | None
) -> tuple[WorkloadView, ...]:
    """Return every workload, the one that draws most first.

    Parameters
    ----------
    watts : WorkloadWatts
    bounds : float64 array, shape (W, 3), or None
    throughput : mapping of owner to Efficiency or Unknown, or None
    """
    views = []
    for row, owner in enumerate(watts.owners):
        namespace, _, workload = owner.partition("/")
        pods, unmeasured = int(watts.pods[row]), int(watts.unmeasured_pods[row])
        views.append(
            WorkloadView(
                namespace=namespace,
                workload=workload,
                pods=pods,
                unmeasured_pods=unmeasured,
                assumed_pods=int(watts.assumed_pods[row]),
                cores=round(float(watts.cores[row]), 6),
                watts=None if unmeasured == pods else int(watts.dynamic_mw[row]) / MILLI,
                demand=_demand(bounds[row]) if bounds is not None else None,
                throughput=_throughput(throughput[owner]) if throughput and owner in throughput else None,
            )
        )
    return tuple(sorted(views, key=lambda view: (-(view.watts or 0.0), view.namespace, view.workload)))


def totals_view(watts: WorkloadWatts) -> TotalsView:
    """Return the sums, each rounded once from whole milliwatts."""
    return TotalsView(
        measured_watts=int(watts.measured_mw.sum()) / MILLI,
        idle_watts=int(watts.idle_mw.sum()) / MILLI,
        unattributed_watts=int(watts.unattributed_mw.sum()) / MILLI,
        workloads_watts=int(watts.dynamic_mw.sum()) / MILLI,
    )


def unmeasured_nodes(snapshot: Snapshot, watts: WorkloadWatts) -> tuple[str, ...]:
    """Return the names of the nodes that are in no figure."""
    return tuple(snapshot.node_names[row] for row in np.flatnonzero(~watts.measured).tolist())


def _demand(bounds: Floats) -> DemandView | None:
    lower, target, upper = (round(each, 3) for each in bounds.tolist())
    if not (isfinite(lower) and isfinite(target)):
        return None
    return DemandView(lower_watts=lower, target_watts=target, upper_watts=upper if isfinite(upper) else None)


def _throughput(found: Efficiency | Unknown) -> ThroughputView:
    if isinstance(found, Unknown):
        return ThroughputView(metric=found.metric, reason=found.reason, next_step=found.next_step)
    return ThroughputView(
        metric=found.metric,
        per_watt=found.per_watt,
        lower=found.lower,
        upper=found.upper if isfinite(found.upper) else None,
        intervals=found.intervals,
        left_out=found.left_out,
    )
