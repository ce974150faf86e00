"""From books, the power tree and measurements to what the controller sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.tree import TreeReading
from powerplane.models.eligibility import NodeIndex
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.objects import Node, NodeSpec, ObjectMeta, Taint
from powerplane.models.snapshot import NO_BUDGET
from powerplane.node_watts.books import Books, NodeSums
from powerplane.node_watts.drift import Drift, DriftRules, Sample, effective_base_mw, follow
from powerplane.node_watts.facts import NodeFact, PodFact
from powerplane.node_watts.seen import Mask, Seen
from powerplane.solver.partition import Demand
from powerplane.solver.partition_rows import Ints, PartitionRows, partition_rows

MW = 1000
MOST_WATTS = 100_000
"""What a node lists at most: more than any server draws, for nodes that no budget holds."""

NO_DRIFT = Drift()
NOTHING = NodeSums()


@dataclass(frozen=True, slots=True, eq=False)
class Lie:
    """How the nodes lie in the power tree, for as long as neither changes.

    Parameters
    ----------
    names : tuple of str
    reading : TreeReading
    incidence : PowerIncidence or None
        Rows that have a budget at all; None without a tree.
    index : NodeIndex or None
        None without nodes.
    """

    names: tuple[str, ...]
    reading: TreeReading
    incidence: PowerIncidence | None
    index: NodeIndex | None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is seen, and the figures behind it for metrics.

    Parameters
    ----------
    seen : Seen
    base_mw : int64 array, shape (N,)
        What each node draws that is no pod's request.
    unstated_pods : int
        Bound pods that request no watts; they count as their nodes' base.
    """

    seen: Seen
    base_mw: Ints
    unstated_pods: int


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
                (s.watts, s.nominated_watts, s.cpu, s.memory, s.pods, s.unstated_cpu, s.unstated_pods) for s in sums
            ]
            waiting = list(self.books.waiting())
        table = np.array(columns, dtype=np.int64).reshape(len(nodes), 7)
        allowances = [lie.reading.allowances.get(name, NodeAllowance()) for name in lie.names]
        base = self._base(nodes, allowances, table, samples, now_s)
        demands, allowed = _demands(waiting, lie.index, len(nodes))
        offers = np.array([node.offers for node in nodes], dtype=np.int64).reshape(len(nodes), 3)
        free = offers - table[:, 2:5]
        closed_to_pods = np.array([node.unschedulable for node in nodes], dtype=np.bool_)
        free[closed_to_pods] = 0
        budget = np.minimum([each.budget_mw for each in allowances], MOST_WATTS * MW).astype(np.int64)
        absent = np.array([not node.version for node in nodes], dtype=np.bool_)
        cap = np.where(absent, 0, np.maximum((budget - base) // MW, 0))
        rows, row_names, scale = _rows(lie.incidence, len(nodes), base, budgets_mw)
        listed = np.array([node.allocatable or 0 for node in nodes], dtype=np.int64)
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
        return Look(seen, base, int(table[:, 6].sum()))

    def _base(
        self,
        nodes: list[NodeFact],
        allowances: list[NodeAllowance],
        table: Ints,
        samples: Mapping[str, Sample],
        now_s: float,
    ) -> Ints:
        """Idle watts, pods that state none by their CPU, and drift."""
        base = np.zeros(len(nodes), dtype=np.int64)
        drifts: dict[str, Drift] = {}
        for i, (node, known) in enumerate(zip(nodes, allowances, strict=True)):
            dynamic = max(0, known.peak_mw - known.idle_mw) if known.peak_mw is not None else 0
            stated = known.idle_mw
            if dynamic and table[i, 5]:
                stated += min(dynamic, -(-dynamic * int(table[i, 5]) // max(1, node.offers[0])))
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


def lie_of(reading: TreeReading, nodes: Mapping[str, NodeFact]) -> Lie:
    """Compile the tree over the nodes; rows without a budget are left out."""
    names = tuple(sorted(nodes))
    incidence = compile_incidence(reading.topology, names) if reading.topology is not None else None
    return Lie(names, reading, incidence, NodeIndex(tuple(_node(nodes[name]) for name in names)) if names else None)


def _node(node: NodeFact) -> Node:
    taints = tuple(
        Taint(str(taint.get("key", "")), str(taint.get("effect", "")), str(taint.get("value") or ""))
        for taint in node.foreign_taints
    )
    return Node(ObjectMeta(name=node.name, labels=node.labels), NodeSpec(node.unschedulable, taints))


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


def _demands(waiting: list[PodFact], index: NodeIndex | None, nodes: int) -> tuple[tuple[Demand, ...], Mask]:
    """Waiting pods by kind, and the nodes that each kind may use by selectors, affinity and taints."""
    kinds: dict[str, list[PodFact]] = {}
    for pod in waiting:
        if pod.wish is not None:
            kinds.setdefault(pod.wish.key, []).append(pod)
    demands = tuple(
        Demand(key, kinds[key][0].watts or 0, kinds[key][0].requests, len(kinds[key]), row, kinds[key][0].priority)
        for row, key in enumerate(sorted(kinds))
    )
    allowed = np.ones((max(1, len(demands)), nodes), dtype=np.bool_)
    for demand in demands:
        wish = kinds[demand.key][0].wish
        if index is not None and wish is not None:
            affinity = wish.affinity.node_affinity if wish.affinity else None
            chosen = index.chosen(wish.node_selector, affinity)
            allowed[demand.allowed_row] = chosen & index.tolerated(wish.tolerations)
    return demands, allowed
