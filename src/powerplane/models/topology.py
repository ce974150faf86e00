"""The power topology: feeds, rows, racks and nodes, and who draws through whom.

A domain's parents are what it draws through. Two parents of one kind (a rack on two feeds) share its load while
both live, and the survivor carries all of it when the other is lost; parents of different kinds (a row and a
feed) each see the whole load.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError

SHARED = "shared"


@dataclass(frozen=True, slots=True)
class PowerDomain:
    """A feed, row, rack or any other level through which nodes draw.

    Parameters
    ----------
    name, kind : str
    budget_mw : int
        What it may draw in milliwatts; ``NO_BUDGET`` where it may draw anything.
    parents : tuple of str
        Names of the domains that it draws through.
    nodes : tuple of str
        Nodes that draw through it directly (not through a child).
    breaker : Breaker or None
    feed_load : str
        "shared" when parents of one kind each carry their part of the load.
    """

    name: str
    kind: str
    budget_mw: int
    parents: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    breaker: Breaker | None = None
    feed_load: str = ""


@dataclass(frozen=True, slots=True)
class PowerTopology:
    """All domains of a cluster, checked to be a forest that each node hangs in once.

    Parameters
    ----------
    domains : tuple of PowerDomain
        In the order of the source.

    Raises
    ------
    InputError
        For two domains of one name, an unknown parent, a cycle, a domain without nodes, a node in two domains of one
        kind, or two parents of one kind without ``feedLoad: shared``.
    """

    domains: tuple[PowerDomain, ...]

    def __post_init__(self) -> None:
        _check_names(self.domains)
        _check_cycles(self.domains)
        for domain in self.domains:
            _check_feeds(domain, self.by_name)
        _check_members(self)

    @property
    def by_name(self) -> dict[str, PowerDomain]:
        """Domains by name."""
        return {domain.name: domain for domain in self.domains}

    def graph(self) -> "nx.DiGraph[str]":
        """Return the domains as a graph, an edge from each child to each parent; ``kind`` on every vertex."""
        return _graph(self.domains)

    def nodes_under(self, name: str) -> tuple[str, ...]:
        """Names of all nodes that draw through a domain, directly or through children, sorted."""
        under = nx.ancestors(self.graph(), name) | {name}
        return tuple(sorted({node for domain in self.domains if domain.name in under for node in domain.nodes}))


def check_nodes(topology: PowerTopology, node_names: Iterable[str]) -> None:
    """Raise InputError unless the topology's nodes are exactly the cluster's."""
    known = set(node_names)
    placed = {node for domain in topology.domains for node in domain.nodes}
    if homeless := sorted(known - placed):
        raise InputError(
            f"node {homeless[0]!r} is in no rack of the topology ({len(homeless)} such nodes)",
            "list it under the `nodes:` of its rack in topology.yaml, or let a nodeSelector choose it",
        )
    for domain in topology.domains:
        for node in domain.nodes:
            if node not in known:
                raise InputError(
                    f"domain {domain.name!r} lists node {node!r}, which the cluster does not have",
                    "correct the name in topology.yaml, or remove it",
                )


def _graph(domains: tuple[PowerDomain, ...]) -> "nx.DiGraph[str]":
    graph: nx.DiGraph[str] = nx.DiGraph()
    for domain in domains:
        graph.add_node(domain.name, kind=domain.kind)
    graph.add_edges_from((domain.name, parent) for domain in domains for parent in domain.parents)
    return graph


def _check_names(domains: tuple[PowerDomain, ...]) -> None:
    for name, times in Counter(domain.name for domain in domains).items():
        if times > 1:
            raise InputError(f"{times} domains are named {name!r}", "give each domain a name of its own")
    names = {domain.name for domain in domains}
    for domain in domains:
        for parent in domain.parents:
            if parent not in names:
                raise InputError(
                    f"domain {domain.name!r} has the parent {parent!r}, which is not a domain",
                    f"add a domain named {parent!r}, or correct the parents of {domain.name!r}",
                )


def _check_cycles(domains: tuple[PowerDomain, ...]) -> None:
    graph = _graph(domains)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = [child for child, _ in nx.find_cycle(graph)]
        raise InputError(
            f"the topology has a cycle: {' → '.join([*cycle, cycle[0]])}",
            "remove one of these parents, so that power flows one way",
        )


def _check_feeds(domain: PowerDomain, by_name: dict[str, PowerDomain]) -> None:
    if domain.feed_load not in ("", SHARED):
        raise InputError(
            f"domain {domain.name!r} has feedLoad {domain.feed_load!r}",
            f"use `feedLoad: {SHARED}`, or leave it out",
        )
    kinds = Counter(by_name[parent].kind for parent in domain.parents)
    for kind, times in kinds.items():
        if times > 1 and domain.feed_load != SHARED:
            raise InputError(
                f"domain {domain.name!r} has {times} parents of kind {kind!r} and does not say how they share its load",
                f"add `feedLoad: {SHARED}` to {domain.name!r}, or leave it one parent of kind {kind!r}",
            )


def _check_members(topology: PowerTopology) -> None:
    seen: dict[tuple[str, str], str] = {}
    for domain in topology.domains:
        for node in domain.nodes:
            other = seen.setdefault((node, domain.kind), domain.name)
            if other != domain.name:
                raise InputError(
                    f"node {node!r} is in two domains of kind {domain.kind!r}: {other!r} and {domain.name!r}",
                    "leave it in one of them",
                )
    occupied = {domain.name for domain in topology.domains if domain.nodes}
    graph = topology.graph()
    for domain in topology.domains:
        if not occupied & (nx.ancestors(graph, domain.name) | {domain.name}):
            raise InputError(
                f"domain {domain.name!r} has no nodes",
                "list its `nodes:`, give it a nodeSelector that matches some, or remove the domain",
            )
