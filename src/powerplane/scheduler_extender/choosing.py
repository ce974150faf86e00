"""Which of the nodes with room a pod is offered, and how good each is.

Every node that is offered is charged until it is known which was taken. Where there is room for many pods, all are
offered. Where only the nodes are small, some that are on offer to nobody else are, so that several pods on their way
do not meet; one of them, once so many are on their way that each must be quick. Where the domains are tight as well,
any choice would charge what nobody draws, and the next pod would be refused for it: then the one node that the pod
fills best is offered, which is charged exactly.
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

CROWD = 8
"""With so many pods on their way an offer has one node: the scheduler then need not score, and asks us once a pod."""

FAR = 2_654_435_761
"""Knuth's multiplier (The Art of Computer Programming 3, 6.4): steps of it spread over any number of places."""

TOP = 10
"""Highest score of an extender (MaxExtenderPriority)."""

ROOM_WEIGHT, FRAGMENT_WEIGHT, WATTS_WEIGHT = 0.5, 0.3, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Nodes that a pod may be on: columns, and its draw on each, in milliwatts."""

    nodes: Ints
    mw: Ints


def choose(ledger: Ledger, candidates: Ints, demand_mw: Ints, turn: int = 0) -> Offer:
    """Choose what to offer of some nodes that all have room.

    Parameters
    ----------
    ledger : Ledger
    candidates : int64 array, shape (C,), not empty
    demand_mw : int64 array, shape (N,)
    turn : int
        Differs from question to question, so that equal nodes come in turn.
    """
    need = demand_mw[candidates]
    ample = candidates[ledger.room_mw[candidates] >= AMPLE * need]
    if len(ample):
        return Offer(ample, demand_mw[ample])
    chosen = _some(ledger, candidates, demand_mw, turn)
    if not len(chosen):
        chosen = _one(ledger, candidates, demand_mw)
    return Offer(chosen, demand_mw[chosen])


def _some(ledger: Ledger, candidates: Ints, demand_mw: Ints, turn: int) -> Ints:
    """The best part of the nodes that are on offer to nobody, under domains with ample room; empty if too few."""
    tree = ledger.tree
    roomy = tree.group_room(ledger.row_free)[tree.group[candidates]] >= AMPLE * demand_mw[candidates]
    free = candidates[roomy & (ledger.held_mw[candidates] == 0)]
    count = len(free) // AMPLE
    if count < FEW:
        return np.zeros(0, dtype=np.int64)
    worth = values(ledger, free, demand_mw[free])
    if len(ledger.holds) >= CROWD:
        return _in_turn(free[worth == worth.max()], turn)
    best: Ints = free[np.argpartition(-worth, count - 1)[:count]]
    return best


def _in_turn(equal: Ints, turn: int) -> Ints:
    """One of some nodes that are equally good: in turn, and far from the last, so that racks fill alike."""
    at = turn * FAR % len(equal)
    one: Ints = equal[at : at + 1]
    return one


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


def scores(ledger: Ledger, nodes: Ints, need_mw: Ints) -> NDArray[np.int64]:
    """Score of some nodes for a pod, 0 to 10, shape (C,); see ``values``."""
    result: NDArray[np.int64] = np.clip(np.rint(TOP * values(ledger, nodes, need_mw)), 0, TOP).astype(np.int64)
    return result


def values(ledger: Ledger, nodes: Ints, need_mw: Ints) -> NDArray[np.float64]:
    """How good some nodes are for a pod, beside each other, 0 to 1, shape (C,).

    Parameters
    ----------
    ledger : Ledger
        The pod's own hold may be on it; that is the same on each node that it was offered.
    nodes : int64 array, shape (C,)
    need_mw : int64 array, shape (C,)
        The pod's draw on each.

    Notes
    -----
    A weighted mean of three terms from 0 to 1: how much of the tightest budget above the node stays free (the pod goes
    where there is headroom), how little of the node's room would be stranded as less than another such pod needs, and
    how few watts the pod brings there beside the other nodes (node types differ). Proportional, not by rank, so that
    equal nodes score equal however many there are.
    """
    if not len(nodes):
        return np.zeros(0, dtype=np.float64)
    room = ledger.room_mw[nodes] + np.where(ledger.held_mw[nodes] > 0, need_mw, 0)
    # A node without any budget is no better than the roomiest that has one.
    limited = room[room < UNLIMITED // 2]
    left = np.maximum(np.minimum(room, limited.max(initial=1)) - need_mw, 0)
    stranded = np.where(left < need_mw, left / np.maximum(need_mw, 1), 0.0)
    dearest = max(int(need_mw.max()), 1)
    value: NDArray[np.float64] = (
        ROOM_WEIGHT * (left / max(int(left.max()), 1))
        + FRAGMENT_WEIGHT * (1.0 - stranded)
        + WATTS_WEIGHT * (1.0 - (need_mw - need_mw.min()) / dearest)
    )
    return value
