"""What workloads will want where they run: their demand's bounds, each pod's step up its own node's curve."""

import numpy as np

from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.memory import ClusterDemand, owners
from powerplane.models.draws import node_kinds, node_loads
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.readings import Integers


def bounds_watts(snapshot: Snapshot, demand: ClusterDemand, row_of_pod: Integers, count: int) -> Floats:
    """Return lower bound, target and upper bound of workloads' dynamic watts, shape (count, 3).

    Parameters
    ----------
    snapshot : Snapshot
        Its pods' use as measured, its curves as stated.
    demand : ClusterDemand
    row_of_pod : int64 array, shape (P,)
        Workload of each pod, -1 for one that does not count.
    count : int
        Workloads.

    Returns
    -------
    float64 array
        NaN for a workload that was never seen; the upper bound is infinite where too little is known.

    Notes
    -----
    A pod is taken to use its workload's bound while all else on its node uses what it does now; its accelerators' draw
    comes on top. The sum over a workload's pods takes all of them at the bound together.
    """
    row = demand.rows(owners(snapshot))
    counts = row_of_pod >= 0
    each = np.full((len(row), 3), np.nan)
    seen = counts & (row >= 0)
    if seen.any():
        cores = demand.cores.bounds[row[seen]]
        each[seen] = _step_watts(snapshot, np.flatnonzero(seen), cores)
        watts = demand.watts.bounds[row[seen]]
        never = np.isnan(demand.watts.mean[row[seen]])
        each[seen] += np.where(never[:, None], 0.0, watts)
        each[np.flatnonzero(seen)[np.isnan(demand.cores.mean[row[seen]])]] = np.nan
    result = np.zeros((count, 3))
    np.add.at(result, row_of_pod[counts], each[counts])
    return result


def _step_watts(snapshot: Snapshot, pods: Integers, cores: Floats) -> Floats:
    """How much further up its node's curve each pod's bounds lead, in watts, shape (P', 3)."""
    use, _ = node_loads(snapshot)
    node = snapshot.pods.node[pods]
    busy = np.maximum(use[node] - snapshot.pods.use_ucores[pods], 0)
    found = np.full(cores.shape, np.inf)
    kind_of = np.full(len(snapshot.nodes), -1, dtype=np.int64)
    kinds = node_kinds(snapshot)
    for number, kind in enumerate(kinds):
        kind_of[kind.nodes] = number
    for number, kind in enumerate(kinds):
        here = np.flatnonzero(kind_of[node] == number)
        above = busy[here, None] + np.where(np.isfinite(cores[here]), cores[here], 0.0) * MICRO
        rise = np.interp(above, kind.knots_ucores, kind.knots_mw) - np.interp(
            busy[here], kind.knots_ucores, kind.knots_mw
        ).reshape(-1, 1)
        found[here] = np.where(np.isposinf(cores[here]), np.inf, rise / MILLI)
    return found
