"""What pods are expected to use: their workloads' means, brought to each pod."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import Floats, Rows
from powerplane.models.demand.memory import LEAST_DAYS, ClusterDemand, QuantityDemand, owners
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MeanUse:
    """What each of P pods is expected to use.

    Parameters
    ----------
    use_ucores, accelerator_mw : int64 arrays, shape (P,)
        The workload's mean, rounded up; what the snapshot says of pods whose workload was never seen.
    known_cores, known_watts : bool arrays, shape (P,)
        Pods whose workload was seen for ``LEAST_DAYS`` at least.
    row : int64 array, shape (P,)
        Row of the workload in the demand; -1 for one never seen.
    """

    use_ucores: Integers
    accelerator_mw: Integers
    known_cores: NDArray[np.bool_]
    known_watts: NDArray[np.bool_]
    row: Rows


def mean_use(snapshot: Snapshot, demand: ClusterDemand) -> MeanUse:
    """Return what pods use by their workloads' means: the use that margins are kept on top of."""
    pods, row = snapshot.pods, demand.rows(owners(snapshot))
    cores, known_cores = by_pod(_told(demand.cores), row)
    watts, known_watts = by_pod(_told(demand.watts), row)
    return MeanUse(
        use_ucores=np.where(known_cores, np.ceil(cores * MICRO), pods.use_ucores).astype(np.int64),
        accelerator_mw=np.where(known_watts, np.ceil(watts * MILLI), pods.accelerator_mw).astype(np.int64),
        known_cores=known_cores,
        known_watts=known_watts,
        row=row,
    )


def by_pod(amounts: Floats, row: Rows) -> tuple[Floats, NDArray[np.bool_]]:
    """Amount of each pod's workload, 0 where none is known, and where one is."""
    if not len(amounts):
        return np.zeros((len(row), *amounts.shape[1:])), np.zeros(len(row), dtype=np.bool_)
    found = amounts[row]
    seen = (row >= 0).reshape(-1, *(1,) * (amounts.ndim - 1)) & np.isfinite(found)
    return np.where(seen, found, 0.0), np.asarray(seen.reshape(len(row), -1).all(axis=1), dtype=np.bool_)


def _told(quantity: QuantityDemand) -> Floats:
    """Means of the workloads that were seen for long enough; NaN of the others."""
    return np.where(quantity.days >= LEAST_DAYS, quantity.mean, np.nan)
