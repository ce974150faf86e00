"""Where each domain stands on the page: levels of feeds, bands of rows, racks with their nodes."""

from collections import defaultdict
from dataclasses import dataclass

import networkx as nx

from powerplane.models.topology import PowerDomain, PowerTopology


@dataclass(frozen=True, slots=True)
class Band:
    """Racks that draw through the same parents, drawn side by side.

    Parameters
    ----------
    heads : tuple of str
        The parents that the racks share; empty where they have none.
    racks : tuple of str
    """

    heads: tuple[str, ...]
    racks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """The page's view of a topology.

    Parameters
    ----------
    levels : tuple of (kind, domains)
        Domains that head no band, from the feeds down.
    bands : tuple of Band
    rack_of : tuple of str
        The rack (or whatever holds nodes directly) of each node, shape (N,).
    """

    levels: tuple[tuple[str, tuple[str, ...]], ...]
    bands: tuple[Band, ...]
    rack_of: tuple[str, ...]

    @property
    def nodes_of(self) -> dict[str, list[int]]:
        """Rows of nodes by rack."""
        nodes: dict[str, list[int]] = defaultdict(list)
        for node, rack in enumerate(self.rack_of):
            nodes[rack].append(node)
        return nodes


def lay_out(topology: PowerTopology, node_names: tuple[str, ...]) -> FloorPlan:
    """Lay a topology out; nodes in domains of several kinds stand in the kind that holds most nodes."""
    home = _homes(topology)
    racks = set(home.values())
    heads: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for domain in topology.domains:
        if domain.name in racks:
            heads[_head(domain, topology.by_name)].append(domain.name)
    alone = {parents[0] for parents in heads if len(parents) == 1}
    levels: dict[str, list[str]] = {kind: [] for kind in kinds_from_the_top(topology)}
    for domain in topology.domains:
        if domain.name not in racks | alone:
            levels[domain.kind].append(domain.name)
    return FloorPlan(
        levels=tuple((kind, tuple(names)) for kind, names in levels.items() if names),
        bands=tuple(Band(parents, tuple(names)) for parents, names in heads.items()),
        rack_of=tuple(home.get(name, "") for name in node_names),
    )


def kinds_from_the_top(topology: PowerTopology) -> tuple[str, ...]:
    """Kinds of domains, feeds before rows before racks."""
    order = reversed(list(nx.topological_sort(topology.graph())))
    by_name = topology.by_name
    return tuple(dict.fromkeys(by_name[name].kind for name in order))


def _homes(topology: PowerTopology) -> dict[str, str]:
    """The domain that each node stands in."""
    held: dict[str, int] = defaultdict(int)
    for domain in topology.domains:
        held[domain.kind] += len(domain.nodes)
    home: dict[str, str] = {}
    for domain in sorted(topology.domains, key=lambda d: held[d.kind]):
        home.update(dict.fromkeys(domain.nodes, domain.name))
    return home


def _head(rack: PowerDomain, by_name: dict[str, PowerDomain]) -> tuple[str, ...]:
    """The one parent of its kind (a row) where there is one, else all parents (both feeds)."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for parent in rack.parents:
        kinds[by_name[parent].kind].append(parent)
    for parents in kinds.values():
        if len(parents) == 1:
            return tuple(parents)
    return tuple(sorted(rack.parents))
