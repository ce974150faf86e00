"""What all moves of one look share: the cluster, what is left of limits, and what is promised and on its way."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from powerplane.actuator.facts import Amounts, Grounds, Move, Plan, PodFact
from powerplane.actuator.limits import HourBudget, Room
from powerplane.actuator.recall import Recall
from powerplane.actuator.steering import Claims
from powerplane.actuator.terms import Terms
from powerplane.actuator.words import Step
from powerplane.actuator.world import World
from powerplane.models.marks import MOVE_GATE

Coming = dict[str, dict[tuple[str, str], PodFact]]
COMING = ("Surging", "Steering")
"""Steps in which a successor may be on its way to its node."""


@dataclass(slots=True)
class Look:
    """What is shared by all moves of one look.

    Parameters
    ----------
    world : World
        Still, while the look lasts.
    grounds : Grounds
    room : Room
    hour : HourBudget
    claims : Claims
    recall : Recall
    terms : Terms
    promised : dict of node to dict of UID to requests
        Places that are to be held and that no placeholder holds yet.
    taken : dict of UID to str
        Pods whose move is under way, and the plan that it is of: what two plans ask for, one does.
    begun : int
        Evictions that this look begins.
    coming : dict of node to dict of (plan, UID) to PodFact
        Successors on their way to a node: nominated, or being so, and not bound.
    """

    world: World
    grounds: Grounds
    room: Room
    hour: HourBudget
    claims: Claims
    recall: Recall
    terms: Terms
    promised: dict[str, dict[str, Amounts]] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    begun: int = 0
    coming: Coming = field(default_factory=dict)


def coming_to(plans: Iterable[Plan], world: World, busy: Container[tuple[str, str]]) -> Coming:
    """Return the successors that are on their way, by target.

    Parameters
    ----------
    plans : iterable of Plan
    world : World
    busy : container of (plan, UID)
        Moves for which something is being done at this moment.
    """
    found: Coming = {}
    for plan in plans:
        for move in plan.moves:
            state = plan.state.moves.get(move.uid)
            pod = world.pod(state.successor_uid) if state is not None and state.step in COMING else None
            if pod is None or pod.node:
                continue
            # One that waits behind a gate of somebody else's is in nobody's way, and nobody in its.
            let_go = not pod.gates
            nominated = MOVE_GATE in pod.gates and pod.nominated == move.target
            if let_go or nominated or (plan.name, move.uid) in busy:
                found.setdefault(move.target, {})[plan.name, move.uid] = pod
    return found


def promised_to(moves: Iterable[tuple[Move, Step]], world: World) -> dict[str, dict[str, Amounts]]:
    """Return what moves that are being reserved are to hold, by target."""
    found: dict[str, dict[str, Amounts]] = {}
    for move, step in moves:
        leaver = world.pod(move.uid) if step == "Reserving" else None
        if leaver is not None:
            found.setdefault(move.target, {})[move.uid] = leaver.requests
    return found
