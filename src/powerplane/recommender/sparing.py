"""Who is left alone for a while: workloads whose moves did not help lately, as their actuator leaves them alone, too.

A plan for their pods would be refused move by move, and its trees would rest for nothing. All that is known of it
stands in plans' statuses.
"""

from collections.abc import Iterable, Set
from dataclasses import replace

from powerplane.models.api.placement_plan import MoveProgress, PlacementPlanObject
from powerplane.models.blame import lacking
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.courses import ENDED, ended_s

SPARED_S = 600.0
"""For so long at the least an actuator leaves a workload alone; where it still does after that, it says so again."""

SPARED = "moves of its workload failed lately"
"""Why a pod stays where it is."""

LEFT_ALONE = frozenset(("BackedOff", "SeveralBudgets", "Refused", "DisruptionBudget"))
"""Reasons of moves for which, or after which, an actuator leaves a workload alone."""


SPEAKS_AGAINST = ("Confirmed", "False")
"""Type and status of the condition by which measured watts speak against a plan."""


def spared_owners(plans: Iterable[PlacementPlanObject], now_s: float) -> frozenset[str]:
    """Return the UIDs of controllers whose pods are left alone.

    Parameters
    ----------
    plans : iterable of PlacementPlanObject
    now_s : float
        Unix seconds.
    """
    return frozenset(
        owner
        for plan in plans
        if plan.status is not None and plan.status.phase in ENDED and now_s - ended_s(plan) < SPARED_S
        for owner in _failed(plan)
    )


def spared(snapshot: Snapshot, pods: Iterable[Pod], owners: Set[str]) -> Snapshot:
    """Return the snapshot with the pods of some controllers pinned.

    Parameters
    ----------
    snapshot : Snapshot
    pods : iterable of Pod
        The snapshot's.
    owners : set of str
        UIDs of controllers.
    """
    if not owners:
        return snapshot
    pinned = {pod.metadata.uid for pod in pods if _owner(pod) in owners}
    templates, number, template = list(snapshot.templates), dict[int, int](), snapshot.pods.template.copy()
    for row, uid in enumerate(snapshot.pods.uids):
        if uid not in pinned:
            continue
        old = int(template[row])
        if old not in number:
            number[old] = len(templates)
            templates.append(replace(templates[old], unmovable=templates[old].unmovable or SPARED))
        template[row] = number[old]
    return replace(snapshot, templates=tuple(templates), pods=replace(snapshot.pods, template=template))


def _failed(plan: PlacementPlanObject) -> Iterable[str]:
    ends = {each.uid: each for each in plan.status.moves} if plan.status is not None else {}
    lacking = _lacking(plan)
    for move in plan.spec.moves:
        end = ends.get(move.uid)
        if move.owner_uid and end is not None and (_did_not_help(end) or end.uid in lacking):
            yield move.owner_uid


def _did_not_help(end: MoveProgress) -> bool:
    # One that was rolled back before its pod was touched says something of its target, and nothing of its workload.
    return end.step != "Done" and (end.successor_uid != "" or end.reason in LEFT_ALONE)


def _lacking(plan: PlacementPlanObject) -> frozenset[str]:
    """UIDs of the pods whose moves an actuator blames for too many watts after them, as measured."""
    if plan.status is None:
        return frozenset()
    why = next((each.reason for each in plan.status.conditions if (each.type, each.status) == SPEAKS_AGAINST), "")
    if why not in ("MoreThanForetold", "StillOver"):
        return frozenset()
    touched = frozenset(each.uid for each in plan.status.moves if each.successor_uid)
    return touched & lacking({each.uid: each for each in plan.status.moves}, why)


def _owner(pod: Pod) -> str:
    owner = controller_of(pod.metadata.owner_references)
    return owner.uid if owner is not None else ""
