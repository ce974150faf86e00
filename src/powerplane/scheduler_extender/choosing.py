"""Which of the nodes with room a pod is offered, and how good each is.

Every node that is offered is charged until it is known which was taken. Where there is room for many pods, all are
offered. Where only the nodes are small, some that are on offer to nobody else are, so that several pods on their way
do not meet. Where the domains are tight as well, any choice would charge what nobody draws, and the next pod would be
refused for it: then the one node that the pod fills best is offered, which is charged exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.power_tree import UNLIMITED, Ints
from powerplane.scheduler_extender.ledger import Ledger

AMPLE = 32
"""There is ample room where this many pods of the kind would fit: about as many as are on their way at once."""

FEW = 4
"""Nodes that an offer has at least, where it has more than one."""

TOP = 10
"""Highest score of an extender (MaxExtenderPriority)."""

ROOM_WEIGHT, FRAGMENT_WEIGHT, WATTS_WEIGHT = 0.5, 0.3, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Nodes that a pod may be on: columns, and its draw on each, in milliwatts."""

    nodes: Ints
    mw: Ints


def choose(ledger: Ledger, candidates: Ints, demand_mw: Ints) -> Offer:
    """Choose what to offer of some nodes that all have room.

    Parameters
    ----------
    ledger : Ledger
    candidates : int64 array, shape (C,), not empty
    demand_mw : int64 array, shape (N,)
    """
    need = demand_mw[candidates]
    ample = candidates[ledger.room_mw[candidates] >= AMPLE * need]
    if len(ample):
        return Offer(ample, demand_mw[ample])
    chosen = _some(ledger, candidates, demand_mw)
    if not len(chosen):
        chosen = _one(ledger, candidates, demand_mw)
    return Offer(chosen, demand_mw[chosen])


def _some(ledger: Ledger, candidates: Ints, demand_mw: Ints) -> Ints:
    """The best part of the nodes that are on offer to nobody, under domains with ample room; empty if too few."""
    tree = ledger.tree
    roomy = tree.group_room(ledger.row_free)[tree.group[candidates]] >= AMPLE * demand_mw[candidates]
    free = candidates[roomy & (ledger.held_mw[candidates] == 0)]
    count = len(free) // AMPLE
    if count < FEW:
        return np.zeros(0, dtype=np.int64)
    best: Ints = free[np.argpartition(-values(ledger, demand_mw)[free], count - 1)[:count]]
    return best


def _one(ledger: Ledger, candidates: Ints, demand_mw: Ints) -> Ints:
    """The node that the pod fills best, of those that are on offer to nobody if there are any."""
    free = candidates[ledger.held_mw[candidates] == 0]
    nodes = free if len(free) else candidates
    best = int(tightness(ledger, nodes, demand_mw).argmax())
    return nodes[best : best + 1]


def tightness(ledger: Ledger, nodes: Ints, demand_mw: Ints) -> NDArray[np.float64]:
    """How little would be stranded on each node: 1 where the pod fills it, less the more is left, shape (C,)."""
    room = ledger.room_mw[nodes]
    left = room - demand_mw[nodes]
    fit: NDArray[np.float64] = 1.0 - left / np.maximum(room, 1)
    return fit


def scores(ledger: Ledger, demand_mw: Ints) -> NDArray[np.int64]:
    """Score of every node for a pod, 0 to 10, shape (N,); see ``values``."""
    result: NDArray[np.int64] = np.clip(np.rint(TOP * values(ledger, demand_mw)), 0, TOP).astype(np.int64)
    return result


def values(ledger: Ledger, demand_mw: Ints) -> NDArray[np.float64]:
    """How good every node is for a pod, 0 to 1, shape (N,).

    Parameters
    ----------
    ledger : Ledger
        The pod's own hold is on it; that is the same on each node that it was offered.
    demand_mw : int64 array, shape (N,)

    Notes
    -----
    A weighted mean of three terms from 0 to 1: how much of the tightest budget above the node stays free (the pod goes
    where there is headroom), how little of the node's room would be stranded as less than another such pod needs, and
    how few watts the pod brings there beside the other nodes (node types differ). Proportional, not by rank, so that
    equal nodes score equal however many there are.
    """
    room = ledger.room_mw + np.where(ledger.held_mw > 0, demand_mw, 0)
    # A node without any budget is no better than the roomiest that has one.
    limited = room[room < UNLIMITED // 2]
    left = np.maximum(np.minimum(room, limited.max(initial=1)) - demand_mw, 0)
    most = max(int(left.max(initial=0)), 1)
    need = np.maximum(demand_mw, 1)
    stranded = np.where(left < need, left / need, 0.0)
    dearest = max(int(demand_mw.max(initial=0)), 1)
    value: NDArray[np.float64] = (
        ROOM_WEIGHT * (left / most)
        + FRAGMENT_WEIGHT * (1.0 - stranded)
        + WATTS_WEIGHT * (1.0 - (demand_mw - demand_mw.min(initial=dearest)) / dearest)
    )
    return value
