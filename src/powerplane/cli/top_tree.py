"""In which order domains are shown: a tree, each domain once, however many parents it draws through."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import networkx as nx

from powerplane.models.telemetry.domains import DomainReading
from powerplane.models.topology import PowerDomain, PowerTopology

Order = Literal["topology", "headroom", "draw", "name"]

FEED = "feed"

Branch = dict[str, list[str]]
"""Children by parent, "" for what hangs in nothing."""


def display_parents(topology: PowerTopology) -> dict[str, str]:
    """Return under which of its parents each domain is shown, "" for none.

    A place comes before a feed, and before one of several parents that share the load; then the one with the fewest
    nodes, so that a rack stands under its row, not under its feeds.
    """
    under = _nodes_under(topology)
    kinds = {domain.name: domain.kind for domain in topology.domains}
    return {domain.name: _display_parent(domain, kinds, under) for domain in topology.domains}


def tree_order(
    topology: PowerTopology, readings: Sequence[DomainReading], order: Order = "topology"
) -> tuple[tuple[str, int], ...]:
    """Return names of domains with their depth, in the order in which they are shown.

    Parameters
    ----------
    topology : PowerTopology
    readings : sequence of DomainReading
        For the orders by draw and headroom.
    order : Order
        Of siblings: the topology's; the branch with the least headroom anywhere in it first; the highest draw first;
        or by name. In the topology's order, parents that a branch shares with others come before that branch.
    """
    parent = display_parents(topology)
    children: Branch = defaultdict(list)
    for domain in topology.domains:
        children[parent[domain.name]].append(domain.name)
    if order == "topology":
        roots = _after_their_parents(topology, children)
        return tuple(_walk(children, roots, lambda names: names))
    return tuple(_walk(children, children[""], _sorter(children, readings, order)))


def sort_key(reading: DomainReading, order: Order) -> tuple[float, str]:
    """What a domain by itself is sorted by; those without a budget come last by headroom."""
    if order == "headroom":
        headroom = reading.headroom_mw
        return (math.inf if headroom is None else headroom, reading.name)
    return (-reading.draw_mw if order == "draw" else 0, reading.name)


def _sorter(children: Branch, readings: Sequence[DomainReading], order: Order) -> Callable[[list[str]], list[str]]:
    keys = {reading.name: sort_key(reading, order) for reading in readings}
    if order == "headroom":
        best = dict(keys)
        for name, _ in reversed(list(_walk(children, children[""], lambda names: names))):
            best[name] = min([keys[name], *((best[child][0], name) for child in children.get(name, ()))])
        keys = best
    return lambda names: sorted(names, key=keys.__getitem__)


def _walk(children: Branch, names: list[str], arrange: Callable[[list[str]], list[str]]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    waiting = [(name, 0) for name in reversed(arrange(names))]
    while waiting:
        name, depth = waiting.pop()
        found.append((name, depth))
        waiting += [(child, depth + 1) for child in reversed(arrange(children.get(name, [])))]
    return found


def _after_their_parents(topology: PowerTopology, children: Branch) -> list[str]:
    """Roots in the topology's order, but for roots that a branch draws through too: those come before that branch."""
    parents = {domain.name: domain.parents for domain in topology.domains}
    roots = set(children[""])
    done: dict[str, None] = {}
    begun: set[str] = set()

    def add(root: str) -> None:
        if root in begun:
            return
        begun.add(root)
        for name, _ in _walk(children, [root], lambda names: names):
            for parent in parents[name]:
                if parent in roots and parent != root:
                    add(parent)
        done[root] = None

    for root in children[""]:
        add(root)
    return list(done)


def _display_parent(domain: PowerDomain, kinds: dict[str, str], under: dict[str, int]) -> str:
    alike = Counter(kinds[parent] for parent in domain.parents)
    ranked = []
    for place, parent in enumerate(domain.parents):
        shared = alike[kinds[parent]] > 1
        # The last of those that share, so that all of them stand above, in their order.
        ranked.append((kinds[parent] == FEED or shared, under[parent], -place if shared else place, parent))
    return min(ranked)[-1] if ranked else ""


def _nodes_under(topology: PowerTopology) -> dict[str, int]:
    """How many nodes draw through each domain."""
    below: dict[str, set[str]] = {domain.name: set(domain.nodes) for domain in topology.domains}
    parents = {domain.name: domain.parents for domain in topology.domains}
    for name in nx.topological_sort(topology.graph()):  # children before their parents
        for parent in parents[name]:
            below[parent] |= below[name]
    return {name: len(nodes) for name, nodes in below.items()}
