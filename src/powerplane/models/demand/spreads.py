"""How the draws of nodes and domains spread where pods run now: what placement decides before a quantile is taken."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.demand.arrays import Floats, Rows, ratio, sums_by_row
from powerplane.models.demand.mean_use import Integers, MeanUse, by_pod, mean_use
from powerplane.models.demand.memory import ClusterDemand, QuantityDemand
from powerplane.models.demand.together import PodSpreads, spread_of_sums
from powerplane.models.draws import NodeKind, node_kinds
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import PowerTopology


@dataclass(frozen=True, slots=True, eq=False)
class DomainSpreads:
    """What each row of domains draws, and how it spreads: what placement decides, before any quantile is taken.

    Parameters
    ----------
    domain, lost : tuple of str
        As in ``PowerIncidence``, shape (K,).
    mean_mw : int64 array, shape (K,)
        Draw with every pod at its mean.
    deviation_mw, skewness : float64 arrays, shape (K,)
        Of the sum.
    extra_mw : float64 array, shape (K,)
        The way from use to request of pods whose workload was never seen.
    room_mw : int64 array, shape (K,)
        From the mean to the worst case: all nodes at the peak of their curves, all accelerators at the highest seen.
    unseen : int
        Pods with a node whose workload was never seen.
    """

    domain: tuple[str, ...]
    lost: tuple[str, ...]
    mean_mw: Integers
    deviation_mw: Floats
    skewness: Floats
    extra_mw: Floats
    room_mw: Integers
    unseen: int


def domain_spreads(snapshot: Snapshot, demand: ClusterDemand, topology: PowerTopology | None = None) -> DomainSpreads:
    """Return how each row of domains spreads; parameters as of ``margins``."""
    incidence = compile_incidence(topology or snapshot.topology, snapshot.node_names)
    part = sparse.csr_array(incidence.weights.astype(np.float64) * (1 / incidence.scale))
    return spreads_over(site_spreads(snapshot, demand), part, incidence.domain, incidence.lost)


@dataclass(frozen=True, slots=True, eq=False)
class SiteSpreads:
    """Pods and nodes before they are summed.

    Parameters
    ----------
    pods : PodSpreads
        In watts, on the nodes where they run.
    placed : float64 CSR array, shape (N, P)
        1 where a pod runs.
    mean_mw, worst_mw, unseen_mw : float64 arrays, shape (N,)
        Draw of each node with its pods at their means and at the worst, and what unseen pods may draw more.
    unseen : int
    """

    pods: PodSpreads
    placed: sparse.csr_array
    mean_mw: Floats
    worst_mw: Floats
    unseen_mw: Floats
    unseen: int


def site_spreads(snapshot: Snapshot, demand: ClusterDemand) -> SiteSpreads:
    """Return what pods and nodes draw and how it spreads."""
    use, kinds = mean_use(snapshot, demand), node_kinds(snapshot)
    node = _NodeUse(snapshot, use, _deviation(demand.cores, use.row, use.known_cores))
    return SiteSpreads(
        pods=_pods(snapshot, demand, use, node.chord_watts_per_core(kinds)),
        placed=_placed(snapshot),
        mean_mw=node.mean_mw(kinds),
        worst_mw=node.worst_mw(kinds, _peak_watts(demand, use)),
        unseen_mw=node.unseen_mw(kinds),
        unseen=int((~use.known_cores & (snapshot.pods.node >= 0)).sum()),
    )


def spreads_over(
    site: SiteSpreads, part: sparse.csr_array, domain: tuple[str, ...], lost: tuple[str, ...]
) -> DomainSpreads:
    """Return how sums over nodes spread.

    Parameters
    ----------
    site : SiteSpreads
    part : float64 CSR array, shape (K, N)
        Part of each node's watts that each sum carries.
    domain, lost : tuple of str, shape (K,)
    """
    sums = spread_of_sums(site.pods, sparse.csr_array(part @ site.placed))
    mean = _whole(part @ site.mean_mw)
    return DomainSpreads(
        domain=domain,
        lost=lost,
        mean_mw=mean,
        deviation_mw=sums.deviation * MILLI,
        skewness=sums.skewness,
        extra_mw=part @ site.unseen_mw,
        room_mw=np.maximum(_whole(part @ site.worst_mw) - mean, 0),
        unseen=site.unseen,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _NodeUse:
    """Sums by node."""

    snapshot: Snapshot
    use: MeanUse
    deviation_cores: Floats

    def _sum(self, amounts: Floats | Integers) -> Floats:
        pods = self.snapshot.pods
        on = pods.node >= 0
        return sums_by_row(pods.node[on], amounts[on].astype(np.float64), len(self.snapshot.nodes))

    def mean_mw(self, kinds: tuple[NodeKind, ...]) -> Floats:
        return self._curve(kinds, self._sum(self.use.use_ucores)) + self._sum(self.use.accelerator_mw)

    def worst_mw(self, kinds: tuple[NodeKind, ...], peak_watts: Floats) -> Floats:
        return self._curve(kinds, np.full(len(self.snapshot.nodes), np.inf)) + self._sum(peak_watts * MILLI)

    def unseen_mw(self, kinds: tuple[NodeKind, ...]) -> Floats:
        """What unseen pods would draw more at their requests."""
        snapshot, use = self.snapshot, self.use
        cpu = snapshot.resources.index("cpu")
        requests = np.array([template.requests[cpu] for template in snapshot.templates], dtype=np.float64)
        asked = requests[snapshot.pods.template] * (MICRO / MILLI) if len(requests) else np.zeros(0)
        more = np.where(use.known_cores, 0.0, np.maximum(asked - use.use_ucores, 0))
        now = self._sum(use.use_ucores)
        return self._curve(kinds, now + self._sum(more)) - self._curve(kinds, now)

    def chord_watts_per_core(self, kinds: tuple[NodeKind, ...]) -> Floats:
        mean = self._sum(self.use.use_ucores)
        # At least a thousandth of a core: a chord needs two ends.
        away = np.maximum(np.sqrt(self._sum(self.deviation_cores**2)) * MICRO, MICRO / MILLI)
        low, high = np.maximum(mean - away, 0), mean + away
        rise: Floats = (self._curve(kinds, high) - self._curve(kinds, low)) / MILLI
        slope: Floats = rise / ((high - low) / MICRO)
        return slope

    def _curve(self, kinds: tuple[NodeKind, ...], use_ucores: Floats) -> Floats:
        result = np.zeros(len(use_ucores))
        for kind in kinds:
            result[kind.nodes] = np.interp(use_ucores[kind.nodes], kind.knots_ucores, kind.knots_mw)
        return result


def _pods(snapshot: Snapshot, demand: ClusterDemand, use: MeanUse, slope: Floats) -> PodSpreads:
    """Pods in watts where they run: cores by the slope of their node, plus accelerators."""
    pods, row = snapshot.pods, use.row
    per_core = np.where(pods.node >= 0, slope[pods.node] if len(slope) else 0.0, 0.0)
    cores, watts = demand.cores, demand.watts
    both = (
        (cores.shares, np.where(use.known_cores, per_core, 0.0)),
        (watts.shares, np.where(use.known_watts, 1.0, 0.0)),
    )
    common = sum((by_pod(shares.common, row)[0] * factor[:, None] for shares, factor in both), np.zeros((len(row), 1)))
    level = sum((by_pod(shares.level, row)[0] * factor for shares, factor in both), np.zeros(len(row)))
    own = sum((by_pod(shares.own, row)[0] * factor for shares, factor in both), np.zeros(len(row)))
    core_part = _deviation(cores, row, use.known_cores) * per_core
    watt_part = _deviation(watts, row, use.known_watts)
    whole = core_part + watt_part
    skews = [by_pod(quantity.skewness, row)[0] for quantity in (cores, watts)]
    skew = ratio(skews[0] * core_part + skews[1] * watt_part, whole, otherwise=0.0)
    mean = use.use_ucores / MICRO * per_core + use.accelerator_mw / MILLI
    # Unseen workloads have no parts at all, so that a row of their own would change nothing.
    return PodSpreads(row, mean, common, level, own, skew)


def _placed(snapshot: Snapshot) -> sparse.csr_array:
    pods = snapshot.pods
    on = np.flatnonzero(pods.node >= 0)
    shape = (len(snapshot.nodes), len(pods))
    return sparse.csr_array((np.ones(len(on)), (pods.node[on], on)), shape=shape)


def _deviation(quantity: QuantityDemand, row: Rows, known: NDArray[np.bool_]) -> Floats:
    variance, _ = by_pod(quantity.shares.variance, row)
    return np.where(known, np.sqrt(variance), 0.0)


def _peak_watts(demand: ClusterDemand, use: MeanUse) -> Floats:
    """Highest draw of each pod's accelerators; what the snapshot says where it was never seen."""
    quantity = demand.watts
    with np.errstate(divide="ignore"):
        widened = quantity.peak * (1 + 1 / quantity.days)
    peak, known = by_pod(widened, use.row)
    return np.where(known, peak, use.accelerator_mw / MILLI)


def _whole(milliwatts: Floats) -> Integers:
    """Whole milliwatts, rounded up; what a sum of floats is above a whole number by accident does not count."""
    result: Integers = np.ceil(np.round(milliwatts, 3)).astype(np.int64)
    return result
