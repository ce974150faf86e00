"""The topology compiled: which share of each node's watts every domain carries, also with a feed lost.

One row is a domain in one situation: all feeds alive, or one of them lost. Rows that another row of the same
domain makes redundant are left out, so that a rack, whose load does not depend on its feeds, has one row.
"""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.topology import PowerDomain, PowerTopology

Shares = dict[str, dict[str, Fraction]]
"""By domain: the share of each child's (domain's or node's) load that it carries."""


@dataclass(frozen=True, slots=True, eq=False)
class PowerIncidence:
    """Rows of domains over columns of nodes.

    Parameters
    ----------
    domain : tuple of str
        Domain of each of the K rows.
    lost : tuple of str
        The parent that each row takes as lost; "" with all alive.
    weights : int64 CSR array, shape (K, N)
        Share of each node's watts that the row carries, times ``scale``.
    scale : int
        Common denominator of the shares.
    budget_mw : int64 array, shape (K,)
        The domain's budget in milliwatts: a row holds when ``weights @ watts <= budget_mw * scale``.
    """

    domain: tuple[str, ...]
    lost: tuple[str, ...]
    weights: sparse.csr_array
    scale: int
    budget_mw: NDArray[np.int64]


def compile_incidence(topology: PowerTopology, node_names: tuple[str, ...]) -> PowerIncidence:
    """Compile a topology to its rows.

    Parameters
    ----------
    topology : PowerTopology
    node_names : tuple of str
        Columns, in order.
    """
    column = {name: i for i, name in enumerate(node_names)}
    order = list(nx.topological_sort(topology.graph()))
    alive = _loads(topology, order, lost="")
    rows: list[tuple[str, str, dict[str, Fraction]]] = [(name, "", alive[name]) for name in order]
    for lost in losable(topology):
        for name, load in _loads(topology, order, lost).items():
            if any(share > alive[name].get(node, 0) for node, share in load.items()):
                rows.append((name, lost, load))
    rank = {domain.name: i for i, domain in enumerate(topology.domains)}
    rows.sort(key=lambda row: (rank[row[0]], row[1]))
    scale = lcm(*(share.denominator for _, _, load in rows for share in load.values()))
    by_name = topology.by_name
    return PowerIncidence(
        domain=tuple(name for name, _, _ in rows),
        lost=tuple(lost for _, lost, _ in rows),
        weights=_matrix([load for _, _, load in rows], column, scale),
        scale=scale,
        budget_mw=np.array([by_name[name].budget_mw for name, _, _ in rows], dtype=np.int64),
    )


def losable(topology: PowerTopology) -> tuple[str, ...]:
    """Names of the domains whose loss some sibling makes up for, in the topology's order."""
    by_name = topology.by_name
    found = {parent for domain in topology.domains for parent in domain.parents if _siblings(domain, parent, by_name)}
    return tuple(domain.name for domain in topology.domains if domain.name in found)


def _siblings(domain: PowerDomain, parent: str, by_name: dict[str, PowerDomain]) -> int:
    return sum(by_name[other].kind == by_name[parent].kind for other in domain.parents if other != parent)


def _loads(topology: PowerTopology, order: list[str], lost: str) -> dict[str, dict[str, Fraction]]:
    """Share of each node's load by domain, with one domain lost: what drew only through it is dark."""
    by_name = topology.by_name
    dark = _dark(topology, order, lost)
    loads: dict[str, dict[str, Fraction]] = {name: {} for name in order}
    for name in order:
        domain = by_name[name]
        if name in dark:
            loads[name] = {}
            continue
        for node in domain.nodes:
            loads[name][node] = Fraction(1)
        living = [parent for parent in domain.parents if parent not in dark]
        kinds = Counter(by_name[parent].kind for parent in living)
        for parent in living:
            share = Fraction(1, kinds[by_name[parent].kind])
            for node, load in loads[name].items():
                loads[parent][node] = loads[parent].get(node, Fraction(0)) + share * load
    return loads


def _dark(topology: PowerTopology, order: list[str], lost: str) -> set[str]:
    """The lost domain and whatever has no living parent left of some kind."""
    by_name = topology.by_name
    dark = {lost} if lost else set()
    for name in reversed(order):
        parents = by_name[name].parents
        kinds = {by_name[parent].kind for parent in parents}
        living = {by_name[parent].kind for parent in parents if parent not in dark}
        if kinds - living:
            dark.add(name)
    return dark


def _matrix(loads: list[dict[str, Fraction]], column: dict[str, int], scale: int) -> sparse.csr_array:
    data = [int(share * scale) for load in loads for share in load.values()]
    columns = [column[node] for load in loads for node in load]
    starts = np.cumsum([0, *(len(load) for load in loads)])
    shape = (len(loads), len(column))
    return sparse.csr_array((np.array(data, dtype=np.int64), np.array(columns), starts), shape=shape)
