"""The power tree as the control path reads it: who shares which budgets, in arrays that answer in microseconds.

Nodes that draw through the same domains in the same shares form a *group* (as a rule, a rack). What a group's budgets
leave is worked out once for all of its nodes, so that a question about 5,000 nodes costs that of 250 racks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology

Ints = NDArray[np.int64]

UNLIMITED = 2**60
"""Room where no budget holds, in milliwatts times any scale: beyond every site, and far from 64 bits."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node to the tree.

    Parameters
    ----------
    name : str
    budget_mw : int
        ``NO_BUDGET`` where it may draw anything.
    base_mw : int
        What it draws that is no pod's: idle, and what is measured beyond the books.
    per_core_mw : int
        Estimate for a pod that states no watts, for each core that it requests; 0 where nothing is known.
    peak_mw : int or None
        What it draws at most; None where that is not known.
    device_mw : mapping of str to int
        Like ``per_core_mw``, for one unit of each resource that stands for accelerators.
    """

    name: str
    budget_mw: int = NO_BUDGET
    base_mw: int = 0
    per_core_mw: int = 0
    peak_mw: int | None = None
    device_mw: Mapping[str, int] = field(default_factory=dict)

    @property
    def envelope_watts(self) -> tuple[float, float]:
        """Base and peak in watts, the peak infinite where it is not known."""
        return self.base_mw / MILLI, inf if self.peak_mw is None else self.peak_mw / MILLI


@dataclass(frozen=True, slots=True, eq=False)
class PowerTree:
    """N nodes in G groups under K rows, a row being a domain in one situation (``PowerIncidence``).

    Parameters
    ----------
    nodes : tuple of NodeFigures
    index : dict
        Column of each node by name.
    node_free_mw : int64 array, shape (N,)
        Node budgets less base.
    per_core_mw : int64 array, shape (N,)
    row_domain, row_kind, row_lost : tuples of str, shape (K,)
    row_free : int64 array, shape (K + 1,)
        Budgets less base, in milliwatts times ``scale``; the last row is nobody's, and endless.
    row_budget_mw : int64 array, shape (K,)
    scale : int
    group : int32 array, shape (N,)
    group_row : int32 array, shape (G, D)
        Rows that each group draws through, filled up with row K.
    group_weight : int64 array, shape (G, D)
        Share of a node's watts that the row carries, times ``scale``; 1 in the filling.
    weights : int64 CSR array, shape (K, N), or None
        The same by row; None without rows.
    """

    nodes: tuple[NodeFigures, ...]
    index: dict[str, int]
    node_free_mw: Ints
    per_core_mw: Ints
    row_domain: tuple[str, ...]
    row_kind: tuple[str, ...]
    row_lost: tuple[str, ...]
    row_free: Ints
    row_budget_mw: Ints
    scale: int
    group: NDArray[np.int32]
    group_row: NDArray[np.int32]
    group_weight: Ints
    weights: sparse.csr_array | None

    def __len__(self) -> int:
        return len(self.nodes)

    def with_extra(self, extra_mw: Ints) -> "PowerTree":
        """Return the tree with nodes that draw more than their base, shape (N,); everything else is shared."""
        free = self.row_free.copy()
        if self.weights is not None:
            limited = free[:-1] < UNLIMITED
            free[:-1] -= np.where(limited, self.weights @ extra_mw, 0)
        return replace(self, node_free_mw=self.node_free_mw - extra_mw, row_free=free)

    def group_room(self, row_free: Ints) -> Ints:
        """Watts in milliwatts that one node of each group may still draw more, shape (G,).

        Parameters
        ----------
        row_free : int64 array, shape (K + 1,)
            What each row has left, in milliwatts times ``scale``.
        """
        room: Ints = (row_free[self.group_row] // self.group_weight).min(axis=1)
        return room

    def binding_row(self, row_free: Ints) -> NDArray[np.int32]:
        """Row that leaves each group the least, shape (G,)."""
        each = row_free[self.group_row] // self.group_weight
        tightest: NDArray[np.int32] = np.take_along_axis(self.group_row, each.argmin(axis=1)[:, None], axis=1)[:, 0]
        return tightest


def compile_tree(
    topology: PowerTopology | None, nodes: Sequence[NodeFigures], budgets_mw: Mapping[str, int] | None = None
) -> PowerTree:
    """Compile a topology for the control path.

    Parameters
    ----------
    topology : PowerTopology or None
        None: no domains at all.
    nodes : sequence of NodeFigures
        All nodes of the cluster; those in no domain are held by their own budget only.
    budgets_mw : mapping, optional
        Budgets in force by domain where they differ from the topology's (policies, schedules).
    """
    names = tuple(node.name for node in nodes)
    rows = compile_incidence(topology, names) if topology is not None and topology.domains else None
    base = np.array([node.base_mw for node in nodes], dtype=np.int64)
    own = np.array([min(node.budget_mw, UNLIMITED) for node in nodes], dtype=np.int64)
    group, group_row, group_weight = _groups(rows, len(nodes))
    budget = _budgets(rows, budgets_mw or {})
    scale = rows.scale if rows else 1
    free = np.full(len(budget) + 1, UNLIMITED, dtype=np.int64)
    if rows is not None:
        held = budget < UNLIMITED // scale
        free[:-1] = np.where(held, np.where(held, budget, 0) * scale - rows.weights @ base, UNLIMITED)
    kinds = {domain.name: domain.kind for domain in topology.domains} if topology else {}
    return PowerTree(
        nodes=tuple(nodes),
        index={name: i for i, name in enumerate(names)},
        node_free_mw=own - base,
        per_core_mw=np.array([node.per_core_mw for node in nodes], dtype=np.int64),
        row_domain=rows.domain if rows else (),
        row_kind=tuple(kinds[name] for name in rows.domain) if rows else (),
        row_lost=rows.lost if rows else (),
        row_free=free,
        row_budget_mw=budget,
        scale=scale,
        group=group,
        group_row=group_row,
        group_weight=group_weight,
        weights=rows.weights if rows else None,
    )


def _budgets(rows: PowerIncidence | None, overrides: Mapping[str, int]) -> Ints:
    if rows is None:
        return np.zeros(0, dtype=np.int64)
    changed = [overrides.get(name, budget) for name, budget in zip(rows.domain, rows.budget_mw.tolist(), strict=True)]
    return np.array(changed, dtype=np.int64)


def _groups(rows: PowerIncidence | None, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32], Ints]:
    """Nodes by the rows and shares that they draw through."""
    if rows is None:
        return np.zeros(count, dtype=np.int32), np.zeros((1, 1), dtype=np.int32), np.ones((1, 1), dtype=np.int64)
    columns = rows.weights.tocsc()
    columns.sort_indices()
    found: dict[tuple[bytes, bytes], int] = {}
    group = np.zeros(count, dtype=np.int32)
    members: list[tuple[list[int], list[int]]] = []
    for node in range(count):
        part = slice(int(columns.indptr[node]), int(columns.indptr[node + 1]))
        row, weight = columns.indices[part], columns.data[part]
        key = (row.tobytes(), weight.tobytes())
        if key not in found:
            found[key] = len(members)
            members.append((row.tolist(), weight.tolist()))
        group[node] = found[key]
    return group, *_padded(members, len(rows.domain))


def _padded(members: list[tuple[list[int], list[int]]], nobody: int) -> tuple[NDArray[np.int32], Ints]:
    depth = max((len(row) for row, _ in members), default=0) or 1
    row = np.full((max(len(members), 1), depth), nobody, dtype=np.int32)
    weight = np.ones((max(len(members), 1), depth), dtype=np.int64)
    for i, (own_rows, own_weights) in enumerate(members):
        row[i, : len(own_rows)] = own_rows
        weight[i, : len(own_weights)] = own_weights
    return row, weight
