"""From books, the power tree and measurements to what the controller sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from powerplane.adapters.node_rates import Devices, devices_draw_mw, node_rates
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.drift import Drift, DriftRules, Sample, effective_base_mw, follow
from powerplane.models.incidence import PowerIncidence
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.node_watts.books import Books, NodeSums
from powerplane.node_watts.facts import NodeFact
from powerplane.node_watts.lie import Lie, demands_of
from powerplane.node_watts.seen import Seen
from powerplane.solver.partition_rows import Ints, PartitionRows, partition_rows

MW = 1000
MOST_WATTS = 100_000
"""What a node lists at most: more than any server draws, for nodes that no budget holds."""

NO_DRIFT = Drift()
NOTHING = NodeSums()


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is seen, and the figures behind it for metrics.

    Parameters
    ----------
    seen : Seen
    base_mw : int64 array, shape (N,)
        What each node draws that is no pod's request.
    unstated_pods : int
        Bound pods that state no watts; they count as their nodes' base.
    without_watts : mapping of namespace to int
        Those of them that are not their node's own, and should have been given watts.
    """

    seen: Seen
    base_mw: Ints
    unstated_pods: int
    without_watts: Mapping[str, int]


@dataclass(slots=True)
class Viewer:
    """Looks at the books; keeps what is slow to make for as long as it holds.

    Parameters
    ----------
    books : Books
    rules : DriftRules
    """

    books: Books
    rules: DriftRules = field(default_factory=DriftRules)
    drifts: dict[str, Drift] = field(default_factory=dict)

    def look(self, lie: Lie, budgets_mw: Mapping[str, int], samples: Mapping[str, Sample], now_s: float) -> Look:
        """See one moment.

        Parameters
        ----------
        lie : Lie
        budgets_mw : mapping of domain to int
            Where a policy lowers the domain's own.
        samples : mapping of node to Sample
            Latest measurements, where there are any.
        now_s : float
        """
        with self.books.lock:
            known, _ = self.books.everything()
            if tuple(sorted(known)) != lie.names:
                raise LookupError("nodes have come or gone since the tree was read")
            nodes = [known[name] for name in lie.names]
            sums = [self.books.sums.get(name, NOTHING) for name in lie.names]
            columns = [
                (s.watts, s.nominated_watts, s.cpu, s.memory, s.pods, s.unstated_cpu, s.unstated_pods, s.leaving_watts)
                for s in sums
            ]
            devices = [dict(each.unstated_devices) for each in sums]
            noted = [each.noted_watts for each in sums]
            waiting = list(self.books.waiting())
            without_watts = dict(self.books.without_watts)
        table = np.array(columns, dtype=np.int64).reshape(len(nodes), 8)
        allowances = [lie.reading.allowances.get(name, NodeAllowance()) for name in lie.names]
        base = self._base(nodes, allowances, table, devices, noted, samples=samples, now_s=now_s)
        listed = np.array([node.allocatable or 0 for node in nodes], dtype=np.int64)
        # Pods that are nominated, beside those that stay: what the node lacks for them.
        short = table[:, 0] - table[:, 7] + table[:, 1] - np.maximum(listed, table[:, 0])
        short[table[:, 1] == 0] = 0
        demands, allowed = demands_of(waiting, lie, short)
        offers = np.array([node.offers for node in nodes], dtype=np.int64).reshape(len(nodes), 3)
        free = offers - table[:, 2:5]
        closed_to_pods = np.array([node.unschedulable for node in nodes], dtype=np.bool_)
        free[closed_to_pods] = 0
        budget = np.minimum([each.budget_mw for each in allowances], MOST_WATTS * MW).astype(np.int64)
        absent = np.array([not node.version for node in nodes], dtype=np.bool_)
        cap = np.where(absent, 0, np.maximum((budget - base) // MW, 0))
        rows, row_names, scale = _rows(lie.incidence, len(nodes), base, budgets_mw)
        capacity = np.array([node.capacity or 0 for node in nodes], dtype=np.int64)
        zeroed = np.array([node.allocatable == 0 or node.capacity == 0 for node in nodes], dtype=np.bool_)
        seen = Seen(
            names=lie.names,
            versions=tuple(node.version for node in nodes),
            listed=listed,
            upper=np.maximum(listed, capacity),
            untrue=zeroed | (listed != capacity),
            closed=np.array([node.closed for node in nodes], dtype=np.bool_),
            absent=absent,
            bound=table[:, 0].copy(),
            nominated=table[:, 1].copy(),
            rows=rows,
            row_names=row_names,
            row_scale=scale,
            cap=cap,
            ability=_ability(allowances, offers[:, 0], free[:, 0], cap),
            free=free,
            demands=demands,
            allowed=allowed,
        )
        return Look(seen, base, int(table[:, 6].sum()), without_watts)

    def _base(
        self,
        nodes: list[NodeFact],
        allowances: list[NodeAllowance],
        table: Ints,
        devices: list[dict[Devices, int]],
        noted: list[int],
        *,
        samples: Mapping[str, Sample],
        now_s: float,
    ) -> Ints:
        """Idle watts, what pods state in notes alone, those that state none by what they request, and drift."""
        base = np.zeros(len(nodes), dtype=np.int64)
        drifts: dict[str, Drift] = {}
        for i, (node, known) in enumerate(zip(nodes, allowances, strict=True)):
            stated = known.idle_mw + noted[i] * MW + _unstated_mw(node, known, int(table[i, 5]), devices[i])
            drift, bound = self.drifts.get(node.name), int(table[i, 0]) * MW
            sample = samples.get(node.name)
            if drift is not None or sample is not None:
                drift = follow(drift or NO_DRIFT, sample, base_mw=stated, bound_mw=bound, now_s=now_s, rules=self.rules)
                drifts[node.name] = drift
                stated = effective_base_mw(
                    drift, base_mw=stated, bound_mw=bound, peak_mw=known.peak_mw, now_s=now_s, rules=self.rules
                )
            base[i] = stated
        self.drifts = drifts
        return base


def _unstated_mw(node: NodeFact, known: NodeAllowance, mcores: int, devices: Mapping[Devices, int]) -> int:
    """What pods that state no watts draw together; nothing where the node's peak is not stated."""
    dynamic = max(0, known.peak_mw - known.idle_mw) if known.peak_mw is not None else 0
    if not dynamic or not (mcores or devices):
        return 0
    rates = node_rates(node.labels, {"cpu": f"{node.offers[0]}m", **node.devices}, dynamic)
    held = sum(count * devices_draw_mw(each, rates.device_mw) for each, count in devices.items())
    return min(dynamic, -(-mcores * rates.per_core_mw // MILLI) + held)


def _rows(
    incidence: PowerIncidence | None, nodes: int, base_mw: Ints, budgets_mw: Mapping[str, int]
) -> tuple[PartitionRows, tuple[tuple[str, str], ...], int]:
    """Budgets less the base, in whole watts rounded down."""
    if incidence is None:
        return partition_rows(_empty(nodes), np.zeros(0, dtype=np.int64)), (), 1
    budget = [
        min(int(own), budgets_mw.get(domain, NO_BUDGET))
        for domain, own in zip(incidence.domain, incidence.budget_mw.tolist(), strict=True)
    ]
    held = np.array([i for i, mw in enumerate(budget) if mw < NO_BUDGET], dtype=np.int64)
    weights = incidence.weights[held]
    limit = np.array([budget[i] for i in held.tolist()], dtype=np.int64) * incidence.scale
    limit = (limit - weights @ base_mw) // MW
    return (
        partition_rows(weights, limit),
        tuple((incidence.domain[i], incidence.lost[i]) for i in held),
        incidence.scale,
    )


def _empty(nodes: int) -> sparse.csr_array:
    return sparse.csr_array((0, nodes), dtype=np.int64)


def _ability(allowances: list[NodeAllowance], cpu: Ints, free_cpu: Ints, cap: Ints) -> Ints:
    """Watts that each node's free CPU could draw; of a node whose peak is not stated, so much of its budget."""
    peak = np.array([MOST_WATTS * MW if a.peak_mw is None else a.peak_mw for a in allowances], dtype=np.int64)
    idle = np.array([a.idle_mw for a in allowances], dtype=np.int64)
    dynamic = np.minimum(np.maximum(peak - idle, 0) // MW, cap)
    ability: Ints = -(-dynamic * np.clip(free_cpu, 0, cpu) // np.maximum(cpu, 1))
    return ability
