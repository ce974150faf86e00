"""Who carries what right now: node watts through their curves, domain watts through what still has power."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.curves import milliwatts_at
from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import Snapshot
from powerplane.models.topology import PowerTopology


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """The part of a topology that has power.

    Parameters
    ----------
    alive : tuple of str
        Domains that still carry load.
    weights : int64 CSR array, shape (D, N)
        Share of each node's watts that each domain of the whole topology carries, times ``scale``; 0 where dark.
    scale : int
    lit : bool array, shape (N,)
        Nodes with power.
    """

    alive: tuple[str, ...]
    weights: sparse.csr_array
    scale: int
    lit: NDArray[np.bool_]


def wire(topology: PowerTopology, node_names: tuple[str, ...], lost: Iterable[str] = ()) -> Wiring:
    """Compile what carries what once some domains have lost power."""
    left = surviving(topology, lost)
    rows = np.array([domain.name for domain in topology.domains])
    if not left.domains:
        nothing = sparse.csr_array((len(rows), len(node_names)), dtype=np.int64)
        return Wiring((), nothing, 1, np.zeros(len(node_names), dtype=bool))
    incidence = compile_incidence(left, node_names)
    now = [i for i, without in enumerate(incidence.lost) if not without]
    alive = tuple(incidence.domain[i] for i in now)
    place = sparse.csr_array(
        (np.ones(len(now), dtype=np.int64), ([list(rows).index(name) for name in alive], now)),
        shape=(len(rows), len(incidence.domain)),
    )
    fed = {node for domain in left.domains for node in domain.nodes}
    lit = np.array([name in fed for name in node_names], dtype=bool)
    return Wiring(alive, sparse.csr_array(place @ incidence.weights), incidence.scale, lit)


def surviving(topology: PowerTopology, lost: Iterable[str]) -> PowerTopology:
    """Return the topology without the lost domains and whatever drew only through them.

    A domain goes dark when it has no living parent left of some kind: a rack needs one of its feeds, and its row.
    """
    dark = _dark(topology, set(lost))
    left = [
        replace(domain, parents=tuple(parent for parent in domain.parents if parent not in dark))
        for domain in topology.domains
        if domain.name not in dark
    ]
    carrying = _carrying({domain.name: domain.parents for domain in left}, [d.name for d in left if d.nodes])
    return PowerTopology(tuple(domain for domain in left if domain.name in carrying))


def _dark(topology: PowerTopology, dark: set[str]) -> set[str]:
    by_name = topology.by_name
    for name in reversed(list(nx.topological_sort(topology.graph()))):
        kinds = {by_name[parent].kind for parent in by_name[name].parents}
        living = {by_name[parent].kind for parent in by_name[name].parents if parent not in dark}
        if kinds - living:
            dark.add(name)
    return dark


def _carrying(parents: dict[str, tuple[str, ...]], occupied: list[str]) -> set[str]:
    """Domains with nodes under them: the others carry nothing."""
    found: set[str] = set()
    queue = list(occupied)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(parents[name])
    return found


@dataclass(frozen=True, slots=True, eq=False)
class NodeGroup:
    """Nodes of one curve and one size: their rows, and the knots in micro-cores and milliwatts."""

    nodes: NDArray[np.int64]
    knots_ucores: NDArray[np.int64]
    knots_mw: NDArray[np.int64]


def group_nodes(snapshot: Snapshot) -> tuple[NodeGroup, ...]:
    """Gather a snapshot's nodes by curve and size, so that their watts come in few calls."""
    ucores = snapshot.allocatable[:, snapshot.resources.index("cpu")] * 1000
    groups: dict[tuple[int, int], list[int]] = {}
    for i, curve in enumerate(snapshot.node_curve):
        groups.setdefault((id(curve), int(ucores[i])), []).append(i)
    return tuple(
        NodeGroup(
            np.array(rows),
            snapshot.node_curve[rows[0]].knots_ucores(capacity),
            np.array(snapshot.node_curve[rows[0]].milliwatts, dtype=np.int64),
        )
        for (_, capacity), rows in groups.items()
    )


def draw_nodes(groups: tuple[NodeGroup, ...], use_ucores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliwatts of nodes, shape (N,), at a use in micro-cores, shape (N,)."""
    watts = np.zeros(len(use_ucores), dtype=np.int64)
    for group in groups:
        watts[group.nodes] = milliwatts_at(group.knots_ucores, group.knots_mw, use_ucores[group.nodes])
    return watts
