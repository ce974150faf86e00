"""All that is remembered of workloads' demand, and the view of it that planning reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import Floats, Rows
from powerplane.models.demand.bank import HistogramBank
from powerplane.models.demand.buckets import CORES, WATTS
from powerplane.models.demand.confidence import RULES, BoundRules
from powerplane.models.demand.sharing import LoadSharing, Shares
from powerplane.models.demand.workload import WorkloadDemand
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.node_readings import PodReadings

STALE_S = 180.0
"""A pod's sample of this age says nothing about the round: three scrapes of a minute."""

LEAST_DAYS = 10 / 1440
"""Ten minutes: a workload seen for less counts as one never seen, since a moment tells a mean and no spread."""

FORGET_S = 8 * 86_400.0
"""A workload without samples for so long is forgotten; eight half-lives leave 0.4 % of the weight."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantityDemand:
    """One quantity of W workloads, of one pod each, in cores or watts; NaN where it was never seen.

    Parameters
    ----------
    mean, variance, skewness : float64 arrays, shape (W,)
        The variance as seen.
    shares : Shares
        The variance's parts, widened for what few days can tell.
    bounds : float64 array, shape (W, 3)
        Lower bound, target, upper bound.
    peak : float64 array, shape (W,)
        The highest bucket seen.
    days : float64 array, shape (W,)
        Confidence.
    """

    mean: Floats
    variance: Floats
    skewness: Floats
    shares: Shares
    bounds: Floats
    peak: Floats
    days: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ClusterDemand:
    """What every workload's pods use, at one moment.

    Parameters
    ----------
    row_of : dict of str to int
        Row by owner, ``namespace/Kind/name``.
    cores, watts : QuantityDemand
        CPU, and accelerators.
    """

    row_of: Mapping[str, int]
    cores: QuantityDemand
    watts: QuantityDemand

    def rows(self, owners: Iterable[str]) -> Rows:
        """Row of each owner; -1 for one never seen."""
        return np.array([self.row_of.get(owner, -1) for owner in owners], dtype=np.int64)


@dataclass(slots=True, eq=False)
class DemandMemory:
    """Histograms and sharing of all workloads; changes in place, round by round.

    Parameters
    ----------
    rules : BoundRules
    """

    rules: BoundRules = RULES
    row_of: dict[str, int] = field(default_factory=dict)
    cores: HistogramBank = field(default_factory=lambda: HistogramBank(CORES))
    watts: HistogramBank = field(default_factory=lambda: HistogramBank(WATTS))
    _core_sharing: LoadSharing = field(default_factory=LoadSharing)
    _watt_sharing: LoadSharing = field(default_factory=LoadSharing)

    def rows(self, owners: Iterable[str]) -> Rows:
        """Row of each owner; a new one is given the next."""
        row_of = self.row_of
        found = [row_of.setdefault(owner, len(row_of)) for owner in owners]
        for part in (self.cores, self.watts, self._core_sharing, self._watt_sharing):
            part.grow(len(row_of))
        return np.array(found, dtype=np.int64)

    def observe(self, rows: Rows, cores: Floats, watts: Floats, now_s: float) -> None:
        """Take one round in.

        Parameters
        ----------
        rows : int64 array, shape (P,)
            Of ``rows()``.
        cores, watts : float64 arrays, shape (P,)
            CPU of each pod, and watts of its accelerators; NaN where not measured, or where it has none.
        now_s : float
            Unix seconds of the round.
        """
        for bank, sharing, values in (
            (self.cores, self._core_sharing, cores),
            (self.watts, self._watt_sharing, watts),
        ):
            asked = ~np.isnan(values)
            bank.add(rows[asked], values[asked], np.full(int(asked.sum()), now_s))
            sharing.add(rows, values, now_s)

    def observe_pods(self, readings: PodReadings, owner_of: Mapping[tuple[str, str], str], now_s: float) -> int:
        """Take a round of readings in, by owner; return how many pods were left out.

        Parameters
        ----------
        readings : PodReadings
        owner_of : mapping
            Owner by (namespace, pod): see ``owners``.
        now_s : float

        Notes
        -----
        Left out are pods that the cluster does not have, and those whose sample is older than ``STALE_S``.
        """
        names = list(zip(readings.namespaces, readings.pods, strict=True))
        fresh = readings.age_s <= STALE_S  # false for NaN
        here = [at for at, name in enumerate(names) if fresh[at] and name in owner_of]
        rows = self.rows(owner_of[names[at]] for at in here)
        self.observe(rows, readings.cpu_cores[here], readings.gpu_watts[here], now_s)
        return len(names) - len(here)

    def demand(self) -> ClusterDemand:
        """Return what is known now."""
        return ClusterDemand(
            dict(self.row_of),
            _quantity(self.cores, self._core_sharing, self.rules),
            _quantity(self.watts, self._watt_sharing, self.rules),
        )

    def workload(self, owner: str) -> WorkloadDemand:
        """Return one workload's demand; without samples where it was never seen."""
        row = self.row_of.get(owner)
        if row is None:
            return WorkloadDemand(owner)
        return WorkloadDemand(owner, self.cores.histogram(row), self.watts.histogram(row))

    def forget(self, now_s: float) -> int:
        """Forget workloads without samples for ``FORGET_S``; return how many."""
        last = np.maximum(self.cores.last_s, self.watts.last_s)
        stay: NDArray[np.bool_] = last >= now_s - FORGET_S
        rows = np.flatnonzero(stay)
        gone = len(stay) - len(rows)
        if gone:
            for part in (self.cores, self.watts, self._core_sharing, self._watt_sharing):
                part.keep(rows)
            owners = list(self.row_of)
            self.row_of = {owners[row]: at for at, row in enumerate(rows.tolist())}
        return gone


def owners(snapshot: Snapshot) -> tuple[str, ...]:
    """Owner of each pod of a snapshot, ``namespace/Kind/name``; a bare pod is its own."""
    by_template = [
        f"{template.namespace}/{template.owner}" if template.owner else "" for template in snapshot.templates
    ]
    pods = snapshot.pods
    return tuple(
        by_template[template] or f"{namespace}/Pod/{name}"
        for template, namespace, name in zip(pods.template.tolist(), pods.namespaces, pods.names, strict=True)
    )


def _quantity(bank: HistogramBank, sharing: LoadSharing, rules: BoundRules) -> QuantityDemand:
    variance, days = bank.variance, bank.days(rules)
    # Of n days, which are about as many independent draws, the next day's variance is 1/n larger than the one seen.
    # A single sample has seen no time at all, and its variance is rounding: finite, so that it can be shared out.
    widened = variance * (1 + 1 / np.maximum(days, LEAST_DAYS))
    return QuantityDemand(
        mean=bank.mean,
        variance=variance,
        skewness=bank.skewness,
        shares=sharing.shares(widened, days),
        bounds=bank.bounds(rules),
        peak=bank.percentiles(1.0)[:, 0],
        days=days,
    )
