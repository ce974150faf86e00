"""What would have been done about an excess of watts: the first lever that a policy allows, and the pods it falls on.

An estimate by the books, made for a message; no plan is solved, and whether other nodes have room is not looked at.
``powerplane plan`` does both.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop
from typing import Final, NamedTuple

from powerplane.models.alerts.alert import Remedy
from powerplane.models.api.capping_policy import Lever

MOST_NAMED = 5

WHOLE_NODES: Final[frozenset[Lever]] = frozenset(("limitPower", "throttle"))
"""Levers that slow what runs, by as much as is needed: they take no pod away."""


class Share(NamedTuple):
    """A pod to a limit.

    Parameters
    ----------
    name : str
        ``namespace/name``.
    priority : int
    mw : int
        What of its draw falls on the limit.
    fixed : bool
        A pod that cannot be taken away: of a DaemonSet, or of a node itself.
    """

    name: str
    priority: int
    mw: int
    fixed: bool = False


def remedy_for(over_mw: int, levers: Sequence[Lever], pods: Iterable[Share]) -> Remedy:
    """Return what the first lever would take off.

    Pods go by the least priority, then by the most watts; one that turns out not to be needed stays.
    """
    if not levers or over_mw <= 0:
        return Remedy(enough=over_mw <= 0)
    there = [pod for pod in pods if pod.mw > 0]
    if levers[0] in WHOLE_NODES:
        freed = min(over_mw, sum(pod.mw for pod in there))
        return Remedy(levers[0], freed, enough=freed >= over_mw)
    chosen, freed = _chosen(over_mw, [pod for pod in there if not pod.fixed])
    names = tuple(pod.name for pod in chosen[:MOST_NAMED])
    return Remedy(levers[0], freed, names, len(chosen), enough=freed >= over_mw)


def _chosen(over_mw: int, pods: list[Share]) -> tuple[list[Share], int]:
    taken, freed = [], 0
    # A feed has tens of thousands of pods, of which a few are taken: they are not all put in order.
    waiting = [(pod.priority, -pod.mw, pod.name, pod) for pod in pods]
    heapify(waiting)
    while waiting and freed < over_mw:
        pod = heappop(waiting)[-1]
        taken.append(pod)
        freed += pod.mw
    spare: set[str] = set()
    for pod in sorted(taken, key=lambda pod: (-pod.priority, pod.mw, pod.name)):
        if freed - pod.mw >= over_mw:
            spare.add(pod.name)
            freed -= pod.mw
    return [pod for pod in taken if pod.name not in spare], freed
