"""Trouble spots: what is over its limit, grouped so that each group can be looked at alone."""

from dataclasses import dataclass

import networkx as nx
import numpy as np

from powerplane.solver.state import State
from powerplane.solver.tables import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Overdrawn rows and nodes that share nodes, directly or through one another.

    Parameters
    ----------
    rows : tuple of int
        Overdrawn power rows.
    nodes : int64 array
        All nodes under them, and nodes that are overdrawn or overcommitted themselves.
    """

    rows: tuple[int, ...]
    nodes: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The cheapest set found that relieves a spot.

    Parameters
    ----------
    spot : Spot
    taken : dict
        Pods to take by (class, node); empty when none was found.
    bound : int
        Proven lower bound on the price of any such set.
    possible : bool
        False when it is proven that not even taking every movable pod relieves the spot.
    """

    spot: Spot
    taken: dict[tuple[int, int], int]
    bound: int
    possible: bool


def trouble_spots(state: State) -> tuple[Spot, ...]:
    """Group what is over its limit into spots that share no node."""
    rows = np.flatnonzero(state.load > state.tables.rows.limit)
    alone = np.flatnonzero((state.node_excess() > 0) | (state.free < 0).any(axis=1))
    links: nx.Graph[tuple[str, int]] = nx.Graph()
    for row in rows.tolist():
        links.add_edges_from((("row", row), ("node", node)) for node in state.tables.rows.nodes[row].tolist())
    links.add_nodes_from(("node", node) for node in alone.tolist())
    spots = [sorted(part) for part in nx.connected_components(links)]
    return tuple(
        Spot(
            rows=tuple(i for kind, i in part if kind == "row"),
            nodes=np.array([i for kind, i in part if kind == "node"], dtype=np.int64),
        )
        for part in sorted(spots)
    )
