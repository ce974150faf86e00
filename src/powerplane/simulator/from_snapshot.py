"""A simulation that starts from a snapshot: its pods run on as they were found."""

import numpy as np

from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.simulator.workload import Steady, Trace, Workload

SWING = 0.05 / 0.95
"""Use swings about a mean so that what the snapshot predicts, a high quantile, is met and never passed."""


def workloads_of(snapshot: Snapshot, trace: Trace | None = None) -> tuple[Workload, ...]:
    """Return a workload for each template of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
    trace : Trace, optional
        Load of all pods but DaemonSets' over time; steady by default.
    """
    pods = snapshot.pods
    count = np.bincount(pods.template, minlength=len(snapshot.templates))
    use = np.bincount(pods.template, pods.use_ucores / 1e6, len(snapshot.templates)) / np.maximum(count, 1)
    return tuple(
        _workload(template, int(number), float(cores), trace or Steady())
        for template, number, cores in zip(snapshot.templates, count, use, strict=True)
    )


def _workload(template: PodTemplate, count: int, cores: float, trace: Trace) -> Workload:
    daemon = template.owner.startswith("DaemonSet/")
    return Workload(
        kind="DaemonSet" if daemon else "Fixed",
        replicas=count,
        cores=cores / (1 + SWING),
        most_cores=np.inf,
        trace=Steady() if daemon else trace,
        wobble=SWING,
    )
