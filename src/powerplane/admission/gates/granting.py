"""Where a pod may go now, and where watts are set aside for one that has waited too long to be overtaken."""

from typing import Final

import numpy as np

from powerplane.admission.gates.headroom import Asked, Headroom
from powerplane.models.power_tree import Ints

ROOMY: Final = 32
"""Room for so many such pods on every node that it may go to, and a pod is sent nowhere in particular."""

SPREAD: Final = 8
"""Nodes that a pod is sent to at the most: more give the scheduler more to choose from, and hold more watts."""


def all_roomy(headroom: Headroom, asked: Asked) -> bool:
    """Whether it does not matter to any budget where a pod goes, or the pod draws nothing."""
    mw, room = asked.mw[asked.allowed], headroom.room_mw[asked.allowed]
    return bool(((mw == 0) | (room >= ROOMY * mw)).all())


def choose(headroom: Headroom, asked: Asked) -> Ints:
    """Return the nodes that a pod is sent to: in the group that it fills best, those that the fewest are sent to.

    Nodes of one group draw through the same domains in the same shares, so that the domains are charged exactly.

    Returns
    -------
    int64 array, shape (C,)
        Columns; empty where nothing fits.
    """
    fits = np.flatnonzero(headroom.fits(asked))
    if not len(fits):
        return fits
    group = headroom.tree.group[fits]
    best_of_group = np.full(int(group.max()) + 1, -1, dtype=np.int64)
    np.maximum.at(best_of_group, group, headroom.room_mw[fits] - asked.mw[fits])
    found = np.flatnonzero(best_of_group >= 0)
    nodes = fits[group == found[best_of_group[found].argmin()]]
    # Nodes on offer to fewer pods first, then those with more room; by column where they are alike.
    order = np.lexsort((nodes, -headroom.room_mw[nodes], headroom.on_offer[nodes]))
    chosen: Ints = nodes[order[:SPREAD]].astype(np.int64)
    return chosen


def set_aside(headroom: Headroom, asked: Asked, before: int) -> int:
    """Return the node where watts are kept back for a pod that fits nowhere yet; -1 where it could never fit.

    Parameters
    ----------
    headroom : Headroom
    asked : Asked
    before : int
        Where they were kept back last, -1 for nowhere: the place is kept while it could still come to fit.
    """
    could = headroom.could_ever(asked)
    if before >= 0 and could[before]:
        return before
    places = np.flatnonzero(could)
    return int(places[headroom.room_mw[places].argmax()]) if len(places) else -1
