"""Watts to keep back in each domain, so that its draw stays within its budget at a stated quantile, not on average."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from powerplane.models.demand.arrays import Floats
from powerplane.models.demand.mean_use import Integers
from powerplane.models.demand.memory import ClusterDemand
from powerplane.models.demand.spreads import DomainSpreads, domain_spreads
from powerplane.models.demand.together import normal_factor
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import PowerTopology

LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """What to keep back, by row of the topology's incidence.

    Parameters
    ----------
    spreads : DomainSpreads
    factor : float64 array, shape (K,)
        How many deviations were taken.
    keep_mw : int64 array, shape (K,)
        Milliwatts to take off the budget: the quantile of the sum less the sum of the means; 0 or more.
    """

    spreads: DomainSpreads
    factor: Floats
    keep_mw: Integers


def margins(
    snapshot: Snapshot,
    demand: ClusterDemand,
    topology: PowerTopology | None = None,
    *,
    level: float = LEVEL,
    factors: Mapping[str, float] | None = None,
) -> Margins:
    """Return the watts to keep back in each row of domains.

    Parameters
    ----------
    snapshot : Snapshot
        Where pods run; those that wait for a node draw nothing.
    demand : ClusterDemand
    topology : PowerTopology, optional
        The snapshot's own, by default.
    level : float
        From 0.5 up to, not including, 1.
    factors : mapping of str to float, optional
        Deviations to take by domain, as calibration has learnt them (infinite: the worst case); the normal ones,
        corrected for skewness, for domains that are not in it.

    Notes
    -----
    A budget lessened by ``keep_mw`` and held by a plan on ``mean_use`` is held at ``level`` by the draw. The node's
    curve is taken by its chord over one deviation of the node's use on either side. Nothing is kept back beyond the
    worst case: all nodes at the peak of their curves, all accelerators at the highest seen, widened with little data.
    """
    return margins_of(domain_spreads(snapshot, demand, topology), level=level, factors=factors)


def margins_of(spreads: DomainSpreads, *, level: float = LEVEL, factors: Mapping[str, float] | None = None) -> Margins:
    """Return the margins of spreads; parameters as of ``margins``."""
    normal = normal_factor(level, spreads.skewness)
    learnt = factors or {}
    taken = [learnt.get(name, value) for name, value in zip(spreads.domain, normal.tolist(), strict=True)]
    return margins_at(spreads, np.array(taken))


def margins_at(spreads: DomainSpreads, factor: Floats) -> Margins:
    """Return the margins that come of a factor for each row, shape (K,); infinite for the worst case."""
    finite = np.where(np.isinf(factor), 0.0, factor)
    kept = np.where(np.isinf(factor), np.inf, finite * spreads.deviation_mw + spreads.extra_mw)
    keep: Integers = np.ceil(np.clip(kept, 0, spreads.room_mw)).astype(np.int64)
    return Margins(spreads, factor, keep)
