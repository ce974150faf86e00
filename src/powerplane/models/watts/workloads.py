"""What each workload draws, and what nobody is known to: parts that add up to what was measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import sums_by_row
from powerplane.models.demand.memory import owners
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Floats, Integers
from powerplane.models.watts.whose import attribute_snapshot


@dataclass(frozen=True, slots=True, eq=False)
class WorkloadWatts:
    """W workloads and N nodes at one moment.

    Parameters
    ----------
    owners : tuple of str
        ``namespace/Kind/name``, in order of names; those with a pod on a node.
    pods, unmeasured_pods, assumed_pods : int64 arrays, shape (W,)
        All of them, those on nodes that nobody measures, and those whose use is assumed, since nothing tells it.
    cores : float64 array, shape (W,)
    dynamic_mw : int64 array, shape (W,)
        Of the pods on measured nodes.
    idle_mw, unattributed_mw, measured_mw : int64 arrays, shape (N,)
        Of each node; 0 where it is not measured.
    measured : bool array, shape (N,)
    row_of_pod : int64 array, shape (P,)
        Workload of each pod; -1 without a node.
    """

    owners: tuple[str, ...]
    pods: Integers
    unmeasured_pods: Integers
    assumed_pods: Integers
    cores: Floats
    dynamic_mw: Integers
    idle_mw: Integers
    unattributed_mw: Integers
    measured_mw: Integers
    measured: NDArray[np.bool_]
    row_of_pod: Integers


def workload_watts(snapshot: Snapshot, readings: NodeReadings) -> WorkloadWatts:
    """Part what was measured among workloads.

    Parameters
    ----------
    snapshot : Snapshot
        Its pods' use as measured, its curves as stated.
    readings : NodeReadings
        By name; a node that is missing or at its worst case is not measured.

    Notes
    -----
    ``Σ measured = Σ idle + Σ unattributed + Σ dynamic``, to the milliwatt.
    """
    watts = measured_mw(snapshot, readings)
    measured = watts >= 0
    found = attribute_snapshot(snapshot, np.maximum(watts, 0), readings)
    placed = snapshot.pods.node >= 0
    names, row = np.unique(np.array(owners(snapshot), dtype=np.str_)[placed], return_inverse=True)
    row_of_pod = np.full(len(placed), -1, dtype=np.int64)
    row_of_pod[placed] = row
    known = placed & np.append(measured, False)[snapshot.pods.node]
    count = len(names)
    dynamic = np.zeros(count, dtype=np.int64)
    np.add.at(dynamic, row_of_pod[known], found.pod_mw[known])
    return WorkloadWatts(
        owners=tuple(str(name) for name in names),
        pods=np.bincount(row, minlength=count).astype(np.int64),
        unmeasured_pods=np.bincount(row_of_pod[placed & ~known], minlength=count).astype(np.int64),
        assumed_pods=np.bincount(row[~snapshot.pods.measured[placed]], minlength=count).astype(np.int64),
        cores=sums_by_row(row, snapshot.pods.use_ucores[placed] / MICRO, count),
        dynamic_mw=dynamic,
        idle_mw=np.where(measured, found.idle_mw, 0),
        unattributed_mw=np.where(measured, found.unattributed_mw, 0),
        measured_mw=np.maximum(watts, 0),
        measured=measured,
        row_of_pod=row_of_pod,
    )


def measured_mw(snapshot: Snapshot, readings: NodeReadings) -> Integers:
    """Milliwatts that each node of a snapshot was measured to draw, -1 where it was not."""
    row_of = {name: row for row, name in enumerate(readings.nodes)}
    found = np.full(len(snapshot.nodes), -1, dtype=np.int64)
    for place, name in enumerate(snapshot.node_names):
        row = row_of.get(name)
        if row is not None and readings.state[row] != "worst" and np.isfinite(readings.watts[row]):
            found[place] = max(0, round(float(readings.watts[row]) * MILLI))
    return found
