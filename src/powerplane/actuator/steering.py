"""Who comes in place of a pod that was evicted.

Pods of one controller are alike before they have a node, so any new one of it may follow any of its moves: one behind
the gate of moves first, which nobody has given a node yet; else one that came without the gate, as the webhook was not
asked. A StatefulSet's pod comes again under its name.
"""

from collections.abc import Iterable, Iterator

from powerplane.actuator.facts import Move, MoveState, PodFact
from powerplane.actuator.world import World
from powerplane.models.marks import MOVE_GATE

SKEW_S = 5.0
"""How far the server's clock may be behind ours; its times are whole seconds."""

NAMED = ("StatefulSet",)
"""Kinds of controllers whose pods are not alike: each comes again under its name."""


class Claims:
    """Which pods follow a move already.

    Parameters
    ----------
    states : iterable of MoveState
        Of all plans.
    """

    def __init__(self, states: Iterable[MoveState]) -> None:
        self._taken: set[str] = set()
        self._open: set[str] = set()
        for each in states:
            if each.successor_uid:
                self._taken.add(each.successor_uid)
                if not each.ended:
                    self._open.add(each.successor_uid)

    def __contains__(self, uid: object) -> bool:
        return uid in self._taken

    def take(self, uid: str) -> None:
        """Let a pod follow a move."""
        self._taken.add(uid)
        self._open.add(uid)

    def steers(self, uid: str) -> bool:
        """Whether the move that a pod follows goes on."""
        return uid in self._open


def successor_of(move: Move, since_s: float, world: World, claims: Claims) -> PodFact | None:
    """Return the pod that follows a move whose pod is on its way out, or gone.

    Parameters
    ----------
    move : Move
    since_s : float
        When it was to be evicted, or a little before, by the server's clock: who was there before is nobody's
        successor, unless it is gated.
    world : World
    claims : Claims
    """
    found = [pod for pod in _alike(move, world) if pod.uid != move.uid and pod.there and pod.uid not in claims]
    gated = (pod for pod in found if MOVE_GATE in pod.gates)
    late = (pod for pod in found if pod.created_s >= since_s)
    return next(gated, None) or next(late, None)


def _alike(move: Move, world: World) -> Iterator[PodFact]:
    named = world.named(move.namespace, move.pod)
    if named is not None and named.owner == move.owner:
        yield named
    if move.owner_kind not in NAMED:
        for pod in world.owned(move.namespace, move.owner):
            if named is None or pod.uid != named.uid:
                yield pod
