"""Who carries what: the topology once some of it has lost power, and what its domains are predicted to draw."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.draws import node_draws_mw, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import NO_BUDGET, Snapshot
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a domain would draw with a feed lost ("" for none), and may draw, in milliwatts."""

    domain: str
    lost: str
    draw_mw: int
    budget_mw: int

    @property
    def over(self) -> bool:
        """Whether the budget is broken."""
        return self.draw_mw > self.budget_mw


def predict(snapshot: Snapshot) -> tuple[Reading, ...]:
    """Predicted draw of every domain of a snapshot that has a budget, in every situation that it must hold in."""
    return read_domains(snapshot.topology, snapshot.node_names, node_draws_mw(snapshot))


def read_domains(
    topology: PowerTopology, node_names: tuple[str, ...], node_mw: NDArray[np.int64]
) -> tuple[Reading, ...]:
    """What nodes that draw ``node_mw``, shape (N,), come to in every domain with a budget, in every situation."""
    if not topology.domains:
        return ()
    incidence = compile_incidence(topology, node_names)
    draws = row_draws_mw(incidence, node_mw).tolist()
    rows = zip(incidence.domain, incidence.lost, draws, incidence.budget_mw.tolist(), strict=True)
    return tuple(Reading(*row) for row in rows if row[-1] != NO_BUDGET)
