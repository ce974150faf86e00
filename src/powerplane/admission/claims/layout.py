"""Budgets as devices: which there are, over which nodes, and at which level each is claimed from.

A pod claims before it has a node, the same amount at the same levels wherever it comes to run. So every node needs
exactly one device at each level: rows of the power tree that share no node may be of one level, and where a node draws
through no row of a level, there is a device without a limit.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from powerplane.admission.claims.names import level_names, pool_name
from powerplane.models.power_tree import UNLIMITED, Ints, PowerTree

NODE = "node"
"""Kind of the level of nodes' own budgets."""

NO_ROW = -1
MW = 1000


@dataclass(frozen=True, slots=True)
class Device:
    """One budget.

    Parameters
    ----------
    level : int
        Place among the levels.
    pool : str
    row : int
        Of the power tree; ``NO_ROW`` for a node's own budget, and where there is no limit.
    nodes : tuple of int
        Columns of the nodes that draw through it.
    limited : bool
    """

    level: int
    pool: str
    row: int
    nodes: tuple[int, ...]
    limited: bool = True


@dataclass(frozen=True)
class Layout:
    """All devices, by level; each of N nodes is in one device of each of L levels."""

    levels: tuple[str, ...]
    devices: tuple[Device, ...]
    size: int

    @cached_property
    def device_at(self) -> NDArray[np.int64]:
        """Place of each node's device, by level, shape (L, N)."""
        found = np.full((len(self.levels), self.size), -1, dtype=np.int64)
        for place, device in enumerate(self.devices):
            found[device.level, list(device.nodes)] = place
        return found


@dataclass(slots=True)
class _Level:
    kind: str
    rows: list[int] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)


def lay_out(tree: PowerTree) -> Layout:
    """Turn a power tree into devices.

    Parameters
    ----------
    tree : PowerTree

    Notes
    -----
    Rows without a budget are none. A row is left out where another of the same domain carries as much of each node:
    a feed with its sibling lost carries more than with both alive, by the same budget. Rows of one kind that share a
    node, as two feeds do, come to be of different levels: the first that fits, in the tree's order.
    """
    found = _levels(tree)
    names = level_names([kind for kind, _ in found])
    devices: list[Device] = []
    for level, (_, rows) in enumerate(found):
        own = _row_devices(tree, level, rows) if rows else _own_budgets(tree, level)
        covered = {node for device in own for node in device.nodes}
        rest = tuple(node for node in range(len(tree)) if node not in covered)
        devices += own
        if rest:
            devices.append(Device(level, no_limit(names[level]), NO_ROW, rest, limited=False))
    return Layout(names, tuple(devices), len(tree))


def no_limit(level: str) -> str:
    """Return the pool of a device without a limit."""
    return pool_name("no.limit", level)


def _levels(tree: PowerTree) -> list[tuple[str, list[int]]]:
    """Kind and rows of each level; nodes' own budgets first, without rows."""
    found: list[_Level] = []
    for row in _binding(tree):
        kind, nodes = tree.row_kind[row], set(_columns(tree, row))
        level = next((each for each in found if each.kind == kind and not each.taken & nodes), None)
        if level is None:
            level = _Level(kind)
            found.append(level)
        level.rows.append(row)
        level.taken |= nodes
    levels = [(each.kind, each.rows) for each in sorted(found, key=lambda each: each.kind)]
    held = any(node.budget_mw < UNLIMITED for node in tree.nodes)
    return [(NODE, []), *levels] if held else levels


def _binding(tree: PowerTree) -> list[int]:
    """Rows that can bind: with a budget and nodes, and not implied by another of the same domain."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, domain in enumerate(tree.row_domain):
        if tree.row_budget_mw[row] < UNLIMITED // tree.scale and _columns(tree, row):
            rows[domain].append(row)
    kept: list[int] = []
    for own in rows.values():
        shares = {row: _shares(tree, row) for row in own}
        for row in own:
            at_least = [other for other in own if other != row and (shares[other] >= shares[row]).all()]
            if not any((shares[other] > shares[row]).any() or other < row for other in at_least):
                kept.append(row)
    return sorted(kept)


def _shares(tree: PowerTree, row: int) -> Ints:
    """Share of each node's watts that a row carries, times the tree's scale, shape (N,)."""
    found = np.zeros(len(tree), dtype=np.int64)
    if tree.weights is not None:
        part = slice(int(tree.weights.indptr[row]), int(tree.weights.indptr[row + 1]))
        found[tree.weights.indices[part]] = tree.weights.data[part]
    return found


def _columns(tree: PowerTree, row: int) -> tuple[int, ...]:
    return tuple(np.flatnonzero(_shares(tree, row)).tolist())


def _row_devices(tree: PowerTree, level: int, rows: Sequence[int]) -> list[Device]:
    pools = [pool_name(tree.row_kind[row], tree.row_domain[row], tree.row_lost[row]) for row in rows]
    return [Device(level, pool, row, _columns(tree, row)) for pool, row in zip(pools, rows, strict=True)]


def _own_budgets(tree: PowerTree, level: int) -> list[Device]:
    held = [(column, node.name) for column, node in enumerate(tree.nodes) if node.budget_mw < UNLIMITED]
    return [Device(level, pool_name("own.budget", name), NO_ROW, (column,)) for column, name in held]


def capacities(tree: PowerTree, layout: Layout, beside_mw: Ints) -> tuple[int | None, ...]:
    """Return the watts that each device offers; None where there is no limit.

    Parameters
    ----------
    tree : PowerTree
        Its base is what nodes draw that is no pod's, measured excess included.
    layout : Layout
    beside_mw : int64 array, shape (L, N)
        What pods of each node draw that they have not claimed from its device of each level.

    Notes
    -----
    A claim is for the pod's whole watts, while a row may carry a share of them only. With one share w over all nodes,
    Σ w pᵢ ≤ B is Σ pᵢ ≤ B / w; with several the greatest counts for all, which is safe.
    """
    return tuple(_watts(tree, device, beside_mw[device.level]) if device.limited else None for device in layout.devices)


def _watts(tree: PowerTree, device: Device, beside_mw: Ints) -> int:
    if device.row == NO_ROW:
        (column,) = device.nodes
        return max(0, int(tree.node_free_mw[column] - beside_mw[column])) // MW
    shares = _shares(tree, device.row)
    left = int(tree.row_free[device.row]) - int(shares @ beside_mw)
    return max(0, left) // (int(shares.max()) * MW)
