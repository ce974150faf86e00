"""From our objects and the nodes to the budgets in force, and to what a moment leaves of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from powerplane.adapters.node_rates import devices_draw_mw, node_rates
from powerplane.admission.gates.books import Held, Moment
from powerplane.admission.gates.facts import SENT, Asks, NodeFact, PodFact
from powerplane.admission.gates.headroom import MCORES, Asked, Headroom, Mask, draw_mw
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.policies import effective_rack_budgets
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.tree import Specs, TreeReading, read_tree
from powerplane.models.eligibility import NodeIndex
from powerplane.models.pod_reading import ROOM, Wish
from powerplane.models.power_tree import Ints, NodeFigures, PowerTree, compile_tree


@dataclass(frozen=True, slots=True)
class Lie:
    """How nodes lie under domains."""

    reading: TreeReading
    index: NodeIndex
    facts: tuple[NodeFact, ...]


class Ground:
    """A tree over the nodes of a moment, and who may go where.

    Parameters
    ----------
    lie : Lie
    tree : PowerTree
    gone : frozenset of str
        Nodes that take nobody.
    """

    def __init__(self, lie: Lie, tree: PowerTree, gone: frozenset[str]) -> None:
        self.tree = tree
        self.holds = lie.reading.in_force != "none" or not lie.reading.defects
        self.hostnames = tuple(fact.hostname for fact in lie.facts)
        self._index = lie.index
        self._facts = lie.facts
        there = np.array([fact.name not in gone for fact in lie.facts], dtype=np.bool_)
        self._there = there
        self._nameable = there & np.array(_unique(self.hostnames), dtype=np.bool_)
        self._masks: dict[str, Mask] = {}

    def asked(self, pod: PodFact | Asks) -> Asked:
        """What a pod takes, and where it may go."""
        room = np.array(pod.requests, dtype=np.int64)
        return Asked(draw_mw(self.tree, pod.draw), room, self._allowed(pod.wish))

    def reach(self, pod: PodFact) -> Asked:
        """What a pod takes, and where it may ever come to stand: a taint may go again, and nodes may come.

        One that was sent to nodes by name stays with these; for another that no node suits yet, any may come to.
        """
        affinity = pod.wish.affinity.node_affinity if pod.wish and pod.wish.affinity else None
        mask = self._index.chosen(pod.wish.node_selector if pod.wish else (), affinity)
        if pod.granted != SENT and not mask.any():
            mask = self._there
        return Asked(draw_mw(self.tree, pod.draw), np.array(pod.requests, dtype=np.int64), mask)

    def nameable(self, asked: Asked) -> Asked:
        """The same among the nodes that a pod can be sent to by name."""
        return Asked(asked.mw, asked.room, asked.allowed & self._nameable)

    def among(self, asked: Asked, names: tuple[str, ...]) -> Asked:
        """The same among some nodes by name."""
        mask = np.zeros(len(self.tree), dtype=np.bool_)
        mask[[self.tree.index[name] for name in names if name in self.tree.index]] = True
        return Asked(asked.mw, asked.room, asked.allowed & mask)

    def headroom(self, moment: Moment, extra_mw: Ints | None = None) -> Headroom:
        """What bound pods leave of what nodes do not draw beyond the books (``extra_mw``, shape (N,))."""
        left = np.array([fact.offers for fact in self._facts], dtype=np.int64).reshape(-1, len(ROOM))
        for name, held in moment.sums.items():
            column = self.tree.index.get(name)
            if column is not None:
                left[column] -= np.array(held.room, dtype=np.int64)
        tree = self.tree if extra_mw is None else self.tree.with_extra(extra_mw)
        return Headroom(tree, self.bound_mw(moment), left)

    def bound_mw(self, moment: Moment) -> Ints:
        """What bound pods draw by the books, shape (N,)."""
        used = np.zeros(len(self.tree), dtype=np.int64)
        for name, held in moment.sums.items():
            column = self.tree.index.get(name)
            if column is not None:
                used[column] = held.stated_mw + self._silent_mw(column, held)
        return used

    def _silent_mw(self, column: int, held: Held) -> int:
        """What pods on a node draw that state no watts."""
        known = self.tree.nodes[column].device_mw
        cards_mw = sum(count * devices_draw_mw(each, known) for each, count in held.silent_devices)
        return -(-held.silent_mcores * int(self.tree.per_core_mw[column]) // MCORES) + cards_mw

    def _allowed(self, wish: Wish | None) -> Mask:
        if wish is None:
            return self._there
        if wish.key not in self._masks:
            affinity = wish.affinity.node_affinity if wish.affinity else None
            mask = self._index.chosen(wish.node_selector, affinity) & self._index.tolerated(wish.tolerations)
            self._masks[wish.key] = mask & self._there
        return self._masks[wish.key]


def lie_of(domains: Iterable[PowerDomainObject], nodes: Mapping[str, NodeFact], accepted: Specs) -> Lie:
    """Read all domains over all nodes."""
    facts = tuple(nodes[name] for name in sorted(nodes))
    labels = [(fact.name, fact.node.metadata.labels or {}) for fact in facts]
    return Lie(read_tree(domains, labels, accepted), NodeIndex(tuple(fact.node for fact in facts)), facts)


def budgets_now(
    reading: TreeReading,
    domains: Iterable[PowerDomainObject],
    policies: Iterable[ClusterPowerCappingPolicyObject],
    now: datetime,
) -> dict[str, int]:
    """Budgets that policies lower at a moment, by domain."""
    if reading.topology is None:
        return {}
    own = {domain.name: domain.budget_mw for domain in reading.topology.domains}
    lowered = effective_rack_budgets(domains, policies, now, own)
    return {name: budget for name, budget in lowered.items() if name in own and budget != own[name]}


def ground_of(lie: Lie, budgets_mw: Mapping[str, int], gone: frozenset[str] = frozenset()) -> Ground:
    """Compile the budgets of a moment."""
    figures = [_figures(fact, lie.reading.allowances.get(fact.name)) for fact in lie.facts]
    return Ground(lie, compile_tree(lie.reading.topology, figures, budgets_mw), gone)


def _figures(fact: NodeFact, allowance: NodeAllowance | None) -> NodeFigures:
    known = allowance or NodeAllowance()
    dynamic = max(0, known.peak_mw - known.idle_mw) if known.peak_mw is not None else 0
    offers = {"cpu": f"{fact.mcores}m", **{resource: str(units) for resource, units in fact.devices}}
    rates = node_rates(fact.node.metadata.labels or {}, offers, dynamic)
    return NodeFigures(
        fact.name, known.budget_mw, known.idle_mw, rates.per_core_mw, known.peak_mw, device_mw=rates.device_mw
    )


def _unique(names: tuple[str, ...]) -> list[bool]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [bool(name) and seen[name] == 1 for name in names]
