"""Pods that stay away from a node which has watts and room for them: some rule that we do not know keeps them off."""

import numpy as np

from powerplane.node_watts.seen import Mask, Seen
from powerplane.solver.partition import Shares

PATIENCE_S = 15.0
"""The scheduler's longest back-off is 10 s."""

BAN_S = 300.0


class Patience:
    """Which nodes kinds of pods have been offered in vain."""

    def __init__(self) -> None:
        self._offers: dict[tuple[str, str], tuple[float, int]] = {}
        self._bans: dict[tuple[str, str], float] = {}

    def willing(self, seen: Seen, now_s: float) -> Mask:
        """Nodes that each row of ``Seen.allowed`` has not been offered in vain, shape (M, N)."""
        self._bans = {offer: until for offer, until in self._bans.items() if until > now_s}
        willing = np.ones_like(seen.allowed)
        if self._bans:
            column = {name: i for i, name in enumerate(seen.names)}
            row_of = {demand.key: demand.allowed_row for demand in seen.demands}
            for key, name in self._bans:
                if key in row_of and name in column:
                    willing[row_of[key], column[name]] = False
        return willing

    def watch(self, seen: Seen, shares: Shares, now_s: float) -> None:
        """Note what is on offer, and ban what has been on offer too long."""
        offers: dict[tuple[str, str], tuple[float, int]] = {}
        for row, node, _ in shares.placement.placed:
            if seen.listed[node] < shares.needed[node]:
                continue
            offer = (seen.demands[row].key, seen.names[node])
            bound = int(seen.bound[node])
            since, before = self._offers.get(offer, (now_s, bound))
            offers[offer] = (since, bound) if before == bound else (now_s, bound)
        for offer, (since, _) in offers.items():
            if now_s - since >= PATIENCE_S:
                self._bans[offer] = now_s + BAN_S
        self._offers = {offer: held for offer, held in offers.items() if offer not in self._bans}
