"""Refused pods, and when to have the scheduler try them again.

The scheduler does not try a pod that an extender refused again until something happens to a node or a pod, or five
minutes have passed. A node's annotation is such an event. It is told once for each growth of room, so that a pod that
other rules keep out is not tried for ever.
"""

import numpy as np

from powerplane.adapters.node_rates import Draw
from powerplane.models.power_tree import Ints
from powerplane.scheduler_extender.ledger import Ledger


class Waking:
    """Who was refused, and the least room of each node since somebody was woken last.

    Parameters
    ----------
    remembered_s : float
        How long a refused pod is remembered.
    """

    def __init__(self, remembered_s: float) -> None:
        self._remembered_s = remembered_s
        self._refused: dict[str, tuple[Draw, float]] = {}
        self._least_room: Ints | None = None

    def __len__(self) -> int:
        return len(self._refused)

    def refuse(self, uid: str, demand: Draw, room_mw: Ints, now_s: float) -> None:
        """Remember a pod that was refused while the nodes had this room."""
        self._refused[uid] = (demand, now_s)
        before = self._least_room
        if before is None or len(before) != len(room_mw):
            self._least_room = room_mw.copy()
        else:
            self._least_room = np.minimum(before, room_mw)

    def forget(self, uid: str) -> None:
        """Forget a pod: it has passed, or is gone."""
        self._refused.pop(uid, None)

    def age(self, now_s: float) -> None:
        """Forget what was refused too long ago."""
        for uid in [uid for uid, (_, at_s) in self._refused.items() if at_s + self._remembered_s <= now_s]:
            del self._refused[uid]

    def use(self, count: int) -> None:
        """Take note of another tree; with other nodes every room counts as grown."""
        if self._least_room is not None and len(self._least_room) != count:
            self._least_room = np.zeros(count, dtype=np.int64)

    def node(self, ledger: Ledger) -> str | None:
        """Name of a node whose room has grown, and is enough for a refused pod; None where there is none."""
        room, before = ledger.room_mw, self._least_room
        if not self._refused or before is None or not len(room):
            return None
        least = min(int(ledger.demand_mw(demand).min()) for demand in {demand for demand, _ in self._refused.values()})
        grown = np.where((room > before) & (room >= least), room, -1)
        best = int(grown.argmax())
        if grown[best] < 0:
            return None
        self._least_room = room.copy()
        return ledger.tree.nodes[best].name
