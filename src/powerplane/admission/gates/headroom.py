"""What every budget leaves, while pods are let go one after the other.

A pod that is let go may come to stand on any node that it was sent to, and nobody says on which until it is bound. So
it is charged on each of them: on a node its watts, on a domain the most that any choice would bring. Too much is
charged for a moment; too little never is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.node_rates import Draw, devices_draw_mw
from powerplane.models.power_tree import UNLIMITED, Ints, PowerTree

Mask = NDArray[np.bool_]
MCORES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What one pod takes wherever it comes to stand.

    Parameters
    ----------
    mw : int64 array, shape (N,)
        Its draw on each node.
    room : int64 array, shape (R,)
        Its requests.
    allowed : bool array, shape (N,)
        Nodes that its own rules let it go to.
    """

    mw: Ints
    room: Ints
    allowed: Mask


def draw_mw(tree: PowerTree, draw: Draw) -> Ints:
    """Milliwatts of a pod on each node, shape (N,)."""
    if not draw.silent:
        return np.full(len(tree), draw.stated_mw, dtype=np.int64)
    estimate: Ints = (draw.stated_mw or 0) - (-draw.mcores * tree.per_core_mw // MCORES)
    if draw.devices:
        estimate += np.array([devices_draw_mw(draw.devices, node.device_mw) for node in tree.nodes], dtype=np.int64)
    return estimate


def drawn_mw(tree: PowerTree, draw: Draw, column: int) -> int:
    """Milliwatts of a pod on one node."""
    stated = draw.stated_mw or 0
    if not draw.silent:
        return stated
    cards_mw = devices_draw_mw(draw.devices, tree.nodes[column].device_mw)
    return stated - (-draw.mcores * int(tree.per_core_mw[column]) // MCORES) + cards_mw


class Headroom:
    """What is left on N nodes under K rows.

    Parameters
    ----------
    tree : PowerTree
    used_mw : int64 array, shape (N,)
        What bound pods draw.
    left : int64 array, shape (N, R)
        What bound pods leave of other resources.
    """

    def __init__(self, tree: PowerTree, used_mw: Ints, left: Ints) -> None:
        self.tree = tree
        self.empty_mw = np.minimum(tree.node_free_mw, tree.group_room(tree.row_free)[tree.group])
        self.on_offer = np.zeros(len(tree), dtype=np.int64)
        self._node_free = tree.node_free_mw - used_mw
        self._row_free = tree.row_free.copy()
        if tree.weights is not None:
            limited = self._row_free[:-1] < UNLIMITED
            self._row_free[:-1] -= np.where(limited, tree.weights @ used_mw, 0)
        self._left = left.copy()
        self._room: Ints | None = None

    @property
    def room_mw(self) -> Ints:
        """What one more pod on each node may draw under every budget, shape (N,)."""
        if self._room is None:
            rows = self.tree.group_room(self._row_free)[self.tree.group]
            self._room = np.minimum(self._node_free, rows)
        return self._room

    def fits(self, asked: Asked) -> Mask:
        """Nodes that can take a pod, shape (N,)."""
        return asked.allowed & (self.room_mw >= asked.mw) & (self._left >= asked.room).all(axis=1)

    def could_ever(self, asked: Asked) -> Mask:
        """Nodes that could take a pod if nobody else were there, shape (N,)."""
        could: Mask = asked.allowed & (self.empty_mw >= asked.mw)
        return could

    def charge(self, nodes: Ints, asked: Asked) -> None:
        """Charge a pod on every node that it may be on.

        Parameters
        ----------
        nodes : int64 array, shape (C,)
            Columns.
        asked : Asked
        """
        self._charge(nodes, asked, 1)

    def refund(self, node: int, asked: Asked) -> None:
        """Take back what was charged for a pod on one node."""
        self._charge(np.array([node], dtype=np.int64), asked, -1)

    def _charge(self, nodes: Ints, asked: Asked, sign: int) -> None:
        if not len(nodes):
            return
        tree, mw = self.tree, asked.mw[nodes]
        self._node_free[nodes] -= sign * mw
        self._left[nodes] -= sign * asked.room
        self.on_offer[nodes] += sign
        most = np.zeros(len(tree.group_row), dtype=np.int64)
        np.maximum.at(most, tree.group[nodes], mw)
        groups = np.flatnonzero(most)
        charge = np.zeros(len(tree.row_free), dtype=np.int64)
        np.maximum.at(charge, tree.group_row[groups], tree.group_weight[groups] * most[groups, None])
        self._row_free -= sign * charge
        self._row_free[-1] = tree.row_free[-1]
        self._room = None
