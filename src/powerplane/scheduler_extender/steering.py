"""Planned moves: the pod that comes in place of one that was moved is steered to the node that the plan names.

The watts are held there from the moment that the plan is seen, so that nobody else takes them. The successor is known
by its controller (a StatefulSet's also by its name), once the pod that it follows is on its way out. Steering is soft:
where the target cannot take the successor any more, it goes where any pod may.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.scheduler_extender.facts import MW, PodFact

SeenPods = Callable[[str], PodFact | None]
"""The bound pod of a UID, as the watch showed it last."""

OVER = ("Done", "Failed", "Expired", "Stopped")
"""Phases of a plan that steers nothing any more."""


@dataclass(frozen=True, slots=True)
class Move:
    """A move that a plan asks for.

    Parameters
    ----------
    key : str
        Of its hold: different from every pod's UID.
    namespace, pod, uid : str
        The pod that leaves.
    owner : str
        UID of its controller; "" for a bare pod.
    target : str
    mw : int
    """

    key: str
    namespace: str
    pod: str
    uid: str
    owner: str
    target: str
    mw: int

    @property
    def plan(self) -> str:
        """Name of the plan that it is of."""
        return self.key.removeprefix("move:").rpartition("/")[0]


def moves_of(plan: PlacementPlanObject) -> Iterator[Move]:
    """The moves of a plan; none of one that is over."""
    if plan.status is not None and plan.status.phase in OVER:
        return
    for move in plan.spec.moves:
        if move.uid and move.to:
            key = f"move:{plan.metadata.name}/{move.uid}"
            yield Move(key, move.namespace, move.pod, move.uid, move.owner_uid, move.to, move.watts * MW)


class Steering:
    """The open moves, and who follows whom."""

    def __init__(self) -> None:
        self._moves: dict[str, Move] = {}
        self._plans: dict[str, tuple[str, ...]] = {}
        self._by_owner: dict[tuple[str, str], list[str]] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._successor: dict[str, str] = {}
        self._move_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._moves)

    def take(self, plan: str, moves: Iterable[Move]) -> tuple[tuple[Move, ...], tuple[Move, ...]]:
        """Take a plan's moves in place of those that it had; returns those that are new, and those that are gone."""
        wanted = {move.key: move for move in moves}
        had = self._plans.pop(plan, ())
        gone = tuple(self._drop(key) for key in had if self._moves.get(key) != wanted.get(key))
        new = tuple(move for key, move in wanted.items() if key not in self._moves)
        for move in new:
            self._add(move)
        if wanted:
            self._plans[plan] = tuple(wanted)
        return new, gone

    def open(self, uid: str) -> Move | None:
        """The move that a pod follows already."""
        return self._moves.get(self._move_of.get(uid, ""))

    def candidates(self, namespace: str, name: str, owner: str) -> Iterator[Move]:
        """Moves that a new pod may follow, and that nobody follows yet."""
        keys = list(self._by_owner.get((namespace, owner), ())) if owner else []
        if (named := self._by_name.get((namespace, name))) is not None and (not owner or named in keys):
            keys.insert(0, named)
        for key in keys:
            if key not in self._successor:
                yield self._moves[key]

    def unfollowed(self) -> tuple[Move, ...]:
        """Moves that nobody follows yet."""
        return tuple(move for key, move in self._moves.items() if key not in self._successor)

    def move_for(self, namespace: str, name: str, owner: str, seen: SeenPods) -> Move | None:
        """The move that a new pod follows: the first whose leaver is on its way out."""
        for move in self.candidates(namespace, name, owner):
            leaver = seen(move.uid)
            if leaver is None or leaver.leaving:
                return move
        return None

    def awaits_news(self, namespace: str, name: str, owner: str, seen: SeenPods) -> bool:
        """Whether a pod that the watch has not shown yet may follow a move whose leaver only seems to be there.

        The scheduler asks about a successor within milliseconds; told to come again, it does so within seconds.
        """
        leavers = (seen(move.uid) for move in self.candidates(namespace, name, owner))
        return any(leaver is not None and not leaver.leaving for leaver in leavers)

    def follow(self, uid: str, move: Move) -> None:
        """Let a pod follow a move."""
        self._successor[move.key] = uid
        self._move_of[uid] = move.key

    def leave(self, uid: str) -> Move | None:
        """Let a pod follow its move no more; returns the move, which is open again."""
        key = self._move_of.pop(uid, None)
        if key is None:
            return None
        self._successor.pop(key, None)
        return self._moves.get(key)

    def close(self, uid: str) -> Move | None:
        """End the move that a pod followed: it is where it belongs, or can be there no more."""
        key = self._move_of.get(uid)
        return None if key is None else self._drop(key)

    def _add(self, move: Move) -> None:
        self._moves[move.key] = move
        if move.owner:
            self._by_owner.setdefault((move.namespace, move.owner), []).append(move.key)
        self._by_name[(move.namespace, move.pod)] = move.key

    def _drop(self, key: str) -> Move:
        move = self._moves.pop(key)
        owned = self._by_owner.get((move.namespace, move.owner), [])
        if key in owned:
            owned.remove(key)
            if not owned:
                del self._by_owner[(move.namespace, move.owner)]
        if self._by_name.get((move.namespace, move.pod)) == key:
            del self._by_name[(move.namespace, move.pod)]
        follower = self._successor.pop(key, None)
        if follower is not None:
            self._move_of.pop(follower, None)
        return move
