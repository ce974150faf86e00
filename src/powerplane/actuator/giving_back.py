"""Pods that a surge took out of their ReplicaSet, given back by hand: it needs the API server and nothing of ours.

Each is treated as a roll-back treats it: the ReplicaSet takes it in again, and deletes one pod where it then has one
too many; a pod whose ReplicaSet is gone would have gone with it, and is evicted within its disruption budget.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from powerplane.actuator.acts import Reattach
from powerplane.actuator.surge_hands import SurgeHands
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import KINDS
from powerplane.adapters.cluster_lists import Patience, list_all
from powerplane.adapters.cluster_writes import Writer
from powerplane.models.errors import UnreachableError
from powerplane.models.objects import Narrow, ObjectMeta
from powerplane.models.pod_reading import FINISHED
from powerplane.models.surge import detached_from

PODS = next(kind for kind in KINDS if kind.file == "pods")
PASSES = 5
"""Times that all pods are gone through: a disruption budget may let one go after the other."""

PAUSE_S = 1.0
TIMEOUT_S = 5.0


class _Status(Narrow, frozen=True):
    phase: str = ""


class _Pod(Narrow, frozen=True):
    metadata: ObjectMeta
    status: _Status = _Status()


@dataclass(frozen=True, slots=True)
class Told:
    """A pod that is out of its ReplicaSet, and what is done about it.

    Parameters
    ----------
    back : Reattach
    text : str
        For people: what would be done, or was.
    """

    back: Reattach
    text: str


def list_detached(access: ClusterAccess) -> list[Reattach]:
    """Return every running pod that was taken out of its ReplicaSet and not given back.

    Raises
    ------
    UnreachableError
        When the API server does not answer.
    """
    found = []
    for raw in list_all(access, PODS, Patience()):
        pod = msgspec.json.decode(raw, type=_Pod)
        meta, owner = pod.metadata, detached_from(pod.metadata)
        if owner is not None and not meta.deletion_timestamp and pod.status.phase not in FINISHED:
            found.append(Reattach(meta.namespace, meta.name, meta.uid, owner))
    return found


def foretell(access: ClusterAccess) -> list[Told]:
    """Return what giving all of them back would come to; nothing is changed.

    Raises
    ------
    UnreachableError
        When the API server does not answer.
    """
    hands = _hands(access)
    return [Told(each, f"{_name(each)} {_would(hands, each)}") for each in list_detached(access)]


def give_back(access: ClusterAccess, say: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Give all of them back.

    Parameters
    ----------
    access : ClusterAccess
    say : callable
        Is told of each, in a line, once it is done.
    sleep : callable
        Pauses for some seconds.

    Returns
    -------
    int
        How many were given back, or evicted.

    Raises
    ------
    UnreachableError
        When the API server does not answer, or some pod could not be given back.
    """
    hands, done, told = _hands(access), set[str](), ""
    for attempt in range(PASSES):
        if attempt:
            sleep(PAUSE_S)
        waiting = [each for each in list_detached(access) if each.uid not in done]
        if not waiting:
            return len(done)
        for each in waiting:
            would = _would(hands, each)
            outcome = hands.reattach(each)
            if outcome.result == "done":
                done.add(each.uid)
                say(f"{_name(each)} {would}")
            else:
                told = f"{_name(each)}: {outcome.told or outcome.result}"
    if all(each.uid in done for each in list_detached(access)):
        return len(done)
    raise UnreachableError(f"some pods are still out of their ReplicaSet: {told}", "run it again")


def _would(hands: SurgeHands, back: Reattach) -> str:
    try:
        stands = hands.stands(back.namespace, back.owner)
    except hands.troubles as why_not:
        return f"stays: {why_not}"
    name = back.owner.owner
    return f"back to ReplicaSet {name}" if stands else f"evicted, as its ReplicaSet {name} is gone"


def _hands(access: ClusterAccess) -> SurgeHands:
    return SurgeHands(access, Writer(access, timeout_s=TIMEOUT_S, attempts=3), TIMEOUT_S)


def _name(back: Reattach) -> str:
    return f"{back.namespace}/{back.pod}"
