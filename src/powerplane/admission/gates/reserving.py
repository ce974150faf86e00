"""Watts that are held back for roll-outs' own pods, while one look goes through the queue."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from powerplane.admission.gates.granting import set_aside
from powerplane.admission.gates.ground import Ground
from powerplane.admission.gates.headroom import Asked, Headroom
from powerplane.admission.gates.surges import Surge


@dataclass(slots=True)
class _Reserve:
    """One roll-out's."""

    asked: Asked
    pods: int
    before: tuple[int, ...]
    columns: list[int] = field(default_factory=list)


class Reserves:
    """What is held back, each pod's in one place, as for a pod that has waited too long to be overtaken.

    Parameters
    ----------
    ground : Ground
    headroom : Headroom
    surges : iterable of Surge
    places : mapping of owner to node names
        Where watts were held back last: a place is kept while it could still come to fit.
    most : int
        Pods of all roll-outs: each costs time at every look.
    """

    def __init__(
        self,
        ground: Ground,
        headroom: Headroom,
        surges: Iterable[Surge],
        places: dict[str, tuple[str, ...]],
        most: int,
    ) -> None:
        self._ground = ground
        self._headroom = headroom
        self._closed = deque(sorted(surges, key=lambda each: (-each.priority, each.owner)))
        self._open: dict[str, _Reserve] = {}
        self._places = places
        self._left = most

    def open(self, priority: int) -> None:
        """Hold back what pods of a priority, and of lower ones, may not take."""
        while self._closed and self._closed[0].priority >= priority:
            surge = self._closed.popleft()
            pods = min(surge.pods, self._left)
            self._left -= pods
            index = self._ground.tree.index
            before = tuple(index.get(name, -1) for name in self._places.get(surge.owner, ()))
            reserve = _Reserve(self._ground.nameable(self._ground.asked(surge.asks)), pods, before)
            self._open[surge.owner] = reserve
            self._hold(reserve)

    def holds(self, owner: str) -> bool:
        """Whether anything is held back for a workload."""
        reserve = self._open.get(owner)
        return reserve is not None and reserve.pods > 0

    def lend(self, owner: str) -> None:
        """Let a pod of a workload be asked as if nothing were held back for it."""
        reserve = self._open[owner]
        for column in reserve.columns:
            self._headroom.refund(column, reserve.asked)
        reserve.before, reserve.columns = tuple(reserve.columns), []

    def back(self, owner: str, *, taken: bool) -> None:
        """Hold back again what was lent, less one pod's where one was let go."""
        reserve = self._open[owner]
        reserve.pods -= int(taken)
        self._hold(reserve)

    def places(self) -> dict[str, tuple[str, ...]]:
        """Return where watts are held back, by owner; of those that were not come to, where they were."""
        nodes = self._ground.tree.nodes
        kept = {each.owner: self._places.get(each.owner, ()) for each in self._closed}
        return kept | {
            owner: tuple(nodes[column].name for column in reserve.columns) for owner, reserve in self._open.items()
        }

    def _hold(self, reserve: _Reserve) -> None:
        for i in range(reserve.pods):
            column = set_aside(self._headroom, reserve.asked, reserve.before[i] if i < len(reserve.before) else -1)
            if column < 0:
                return  # it fits no node even of an empty floor
            self._headroom.charge(np.array([column], dtype=np.int64), reserve.asked)
            reserve.columns.append(column)
