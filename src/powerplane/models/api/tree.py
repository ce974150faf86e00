"""PowerDomains together: the power tree that is in force, whole or not at all.

A tree that is half old and half new would hold neither's budgets. So the current specs are taken only if all of
them together make a tree; with any defect the last accepted ones stay in force, all of them, and every defect is
told at the domain that it is in.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from powerplane.models.api.domain_reading import Defect, DomainReading, NodeAllowance, read_domain
from powerplane.models.api.members import NodeIndex, NodeLabels
from powerplane.models.api.power_domain import SHARED_LOAD, PowerDomainObject, PowerDomainSpec
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology

Specs = Mapping[str, PowerDomainSpec]
Defects = dict[str, tuple[Defect, ...]]
InForce = Literal["current", "accepted", "none"]


@dataclass(frozen=True, slots=True)
class TreeReading:
    """The tree in force, and what is wrong with the one that was asked for.

    Parameters
    ----------
    topology : PowerTopology or None
        Without the domains that no node draws through; None where nothing can be in force.
    allowances : dict
        By node name, for every node of the tree.
    defects : dict
        By domain name, of the *current* specs; empty where they are in force.
    in_force : str
        "current", "accepted" (the last that made a tree) or "none".
    specs : mapping
        The specs in force by domain name: what to hand to the next reading as ``accepted``, and to keep in status.
    outside : tuple of str
        Nodes in no domain, which no budget holds.
    """

    topology: PowerTopology | None
    allowances: dict[str, NodeAllowance]
    defects: Defects
    in_force: InForce
    specs: Specs
    outside: tuple[str, ...]


def read_tree(
    domains: Iterable[PowerDomainObject], nodes: Iterable[NodeLabels], accepted: Specs | None = None
) -> TreeReading:
    """Read all PowerDomains of a cluster.

    Parameters
    ----------
    domains : iterable of PowerDomainObject
    nodes : iterable of (name, labels)
        All nodes of the cluster.
    accepted : mapping of domain name to spec, optional
        What was in force last (``TreeReading.specs``), also of domains that have been deleted since; taken from the
        domains' status where it is not given or is empty, as after a restart.

    Returns
    -------
    TreeReading

    Notes
    -----
    Nodes come and go without anybody touching a domain. So under the accepted specs, a node that two domains of one
    kind have come to claim stays with the first of them by name: one relabelled node must not unmake the tree.
    """
    objects = {domain.metadata.name: domain for domain in domains}
    index = NodeIndex.of(nodes)
    current: Specs = {name: objects[name].spec for name in sorted(objects)}
    attempt = _Attempt.of(current, index)
    if not attempt.defects:
        return attempt.reading({}, "current")
    last = accepted or {
        name: domain.status.accepted_spec
        for name, domain in sorted(objects.items())
        if domain.status is not None and domain.status.accepted_spec is not None
    }
    fallback = _Attempt.of(dict(sorted(last.items())), index).settled()
    if not last or fallback.defects:
        return TreeReading(None, {}, attempt.defects, "none", {}, tuple(index.labels))
    return fallback.reading(attempt.defects, "accepted")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Specs as a tree: figures, members and defects."""

    specs: Specs
    figures: Mapping[str, DomainReading]
    members: Mapping[str, tuple[str, ...]]
    defects: Defects
    index: NodeIndex

    @classmethod
    def of(cls, specs: Specs, index: NodeIndex) -> "_Attempt":
        read = {name: read_domain(spec) for name, spec in specs.items()}
        members = {name: members_of(spec, index) for name, spec in specs.items()}
        found: dict[str, list[Defect]] = {name: list(own) for name, (_, own) in read.items() if own}
        for name, defect in (*parent_defects(specs), *cycle_defects(specs), *shared_nodes(specs, members)):
            found.setdefault(name, []).append(defect)
        defects = {name: tuple(found[name]) for name in sorted(found)}
        return cls(specs, {name: figures for name, (figures, _) in read.items()}, members, defects, index)

    def settled(self) -> "_Attempt":
        """The same with every node in the first domain of a kind that claims it."""
        taken: set[tuple[str, str]] = set()
        members = {}
        for name, spec in self.specs.items():
            members[name] = tuple(node for node in self.members[name] if (spec.kind, node) not in taken)
            taken |= {(spec.kind, node) for node in members[name]}
        rest = {n: tuple(d for d in own if d.reason != NODE_IN_TWO_DOMAINS) for n, own in self.defects.items()}
        defects = {name: own for name, own in rest.items() if own}
        return _Attempt(self.specs, self.figures, members, defects, self.index)

    def reading(self, defects: Defects, in_force: InForce) -> TreeReading:
        topology = PowerTopology(tuple(self._domain(name) for name in self._occupied()))
        placed = {node for own in self.members.values() for node in own}
        outside = tuple(node for node in self.index.labels if node not in placed)
        return TreeReading(topology, self._allowances(), defects, in_force, self.specs, outside)

    def _occupied(self) -> list[str]:
        """Domains that nodes draw through: those with members, and whatever is above them."""
        occupied: set[str] = set()
        waiting = [name for name, own in self.members.items() if own]
        while waiting:
            name = waiting.pop()
            if name not in occupied:
                occupied.add(name)
                waiting += self.specs[name].parents
        return [name for name in self.specs if name in occupied]

    def _domain(self, name: str) -> PowerDomain:
        spec, figures = self.specs[name], self.figures[name]
        return PowerDomain(
            name=name,
            kind=spec.kind,
            budget_mw=figures.budget_mw,
            parents=spec.parents,
            nodes=self.members[name],
            breaker=figures.breaker,
            feed_load=SHARED if spec.feed_load == SHARED_LOAD else "",
        )

    def _allowances(self) -> dict[str, NodeAllowance]:
        found: dict[str, NodeAllowance] = {}
        for name, own in self.members.items():
            for node in own:
                found[node] = _tighter(found.get(node), self.figures[name].allowance)
        return found


NODE_IN_TWO_DOMAINS = "NodeInTwoDomains"


def members_of(spec: PowerDomainSpec, index: NodeIndex) -> tuple[str, ...]:
    """Direct members that the cluster has; a name that it does not have is a node still to come."""
    if spec.node_selector is not None:
        return index.chosen(spec.node_selector)
    return tuple(sorted({name for name in spec.node_names if name in index.labels}))


def _tighter(one: NodeAllowance | None, other: NodeAllowance) -> NodeAllowance:
    """What holds for a node in two domains of different kinds: the worse of both figures."""
    if one is None:
        return other
    peaks = [peak for peak in (one.peak_mw, other.peak_mw) if peak is not None]
    return NodeAllowance(
        min(one.budget_mw, other.budget_mw), max(one.idle_mw, other.idle_mw), max(peaks) if peaks else None
    )


def parent_defects(specs: Specs) -> Iterable[tuple[str, Defect]]:
    """Yield who has a parent that does not exist, or two of one kind."""
    for name, spec in specs.items():
        for parent in spec.parents:
            if parent not in specs:
                yield name, Defect("UnknownParent", f"the parent {parent!r} does not exist: create it, or correct it")
        kinds = Counter(specs[parent].kind for parent in dict.fromkeys(spec.parents) if parent in specs)
        for kind, times in kinds.items():
            if times > 1 and spec.feed_load != SHARED_LOAD:
                yield (
                    name,
                    Defect(
                        "ParentsOfOneKind",
                        f"{times} parents are of kind {kind!r}: add `feedLoad: {SHARED_LOAD}` if they share its load, "
                        "or leave one of them",
                    ),
                )


def cycle_defects(specs: Specs) -> Iterable[tuple[str, Defect]]:
    """Yield who lies in a ring."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(specs)
    graph.add_edges_from((name, parent) for name, spec in specs.items() for parent in spec.parents if parent in specs)
    for knot in nx.strongly_connected_components(graph):
        first = min(knot)
        if len(knot) > 1 or graph.has_edge(first, first):
            way = [child for child, _ in nx.find_cycle(graph.subgraph(knot), first)]
            told = f"power would flow in a circle: {' → '.join([*way, way[0]])}: remove one of these parents"
            for name in sorted(knot):
                yield name, Defect("Cycle", told)


def shared_nodes(specs: Specs, members: Mapping[str, tuple[str, ...]]) -> Iterable[tuple[str, Defect]]:
    """Yield who claims a node with another of its kind: each is told of one other, linear where pairs are not."""
    claims: dict[tuple[str, str], list[str]] = {}
    for name, own in members.items():
        for node in own:
            claims.setdefault((specs[name].kind, node), []).append(name)
    pairs: dict[tuple[str, str], list[str]] = {}
    for (_, node), names in claims.items():
        for rank, name in enumerate(names if len(names) > 1 else ()):
            pairs.setdefault((name, names[0] if rank else names[1]), []).append(node)
    for (name, other), nodes in pairs.items():
        kind = specs[name].kind
        more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
        told = f"node {nodes[0]!r}{more} is in {other!r}, too, which is of kind {kind!r} as well: leave it in one"
        yield name, Defect(NODE_IN_TWO_DOMAINS, told)
