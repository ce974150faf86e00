"""A checked plan as a PlacementPlan: what it moves, by whose leave and why, and how long it is meant."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicyObject
from powerplane.models.api.kinds import (
    API_VERSION,
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
    ApiKind,
)
from powerplane.models.api.placement_plan import (
    LONGEST_REASON,
    MOST_DOMAINS,
    MOST_PUBLISHED,
    PlacementPlanSpec,
    PlannedDomain,
    PlannedMove,
    PlanSolution,
)
from powerplane.models.api.policies import PolicyKey
from powerplane.models.errors import InputError
from powerplane.models.marks import TREE_LABEL
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.models.quantities import parse_quantity
from powerplane.models.requests import WATTS_RESOURCE, whole_units
from powerplane.recommender.allowing import Leave
from powerplane.recommender.trees import Trees

MOST_TREES = 64
MOST_REASONS = 32
LONGEST_LABEL = 63
MOST_OWNERS = 8
WAVE_S, LEAST_S = 180.0, 600.0
"""How long a wave may take, and a plan at the least: after that it expires."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a plan is published with.

    Parameters
    ----------
    pods : mapping
        By UID.
    leaves : mapping
        By the UID of a pod: by whose leave it may be moved.
    policies : mapping
        By their keys.
    trees : Trees
    budgets_mw : mapping
        By domain, as they are in force: a plan may have been made for lower ones.
    asked : mapping
        UID by name of the domains that the plan is for.
    now_s : float
        Unix seconds.
    surging : frozenset of str
        UIDs of pods whose successors may come before they go.
    """

    pods: Mapping[str, Pod]
    leaves: Mapping[str, Leave]
    policies: Mapping[PolicyKey, CappingPolicyObject]
    trees: Trees
    budgets_mw: Mapping[str, int]
    asked: Mapping[str, str]
    now_s: float
    surging: frozenset[str] = frozenset()


def publishable(plan: Plan, reason: str, context: Context, in_place: Sequence[PlannedMove] = ()) -> Json:
    """Return the object that asks for a plan's moves.

    Parameters
    ----------
    plan : Plan
        Checked, with moves.
    reason : str
        Why it was made, for people.
    context : Context
    in_place : sequence of PlannedMove
        What pods are given where they are, before the moves or beside the first of them.

    Raises
    ------
    InputError
        When a move is of a pod that nobody lets be moved, or that is not there any more, and when there are too many:
        a part of a plan has not been checked.
    """
    if (count := len(plan.moves) + len(in_place)) > MOST_PUBLISHED:
        raise InputError(
            f"the plan has {count} moves, and an object holds {MOST_PUBLISHED} with their progress",
            "plan more often",
        )
    ends = [node for move in plan.moves for node in (move.source, move.target)]
    trees = sorted(context.trees.roots([*ends, *(each.source for each in in_place)]))
    if len(trees) > MOST_TREES:
        raise InputError(f"the plan is for {len(trees)} power trees, and an object holds {MOST_TREES}", "name parents")
    waves = max((move.wave for move in plan.moves), default=1)
    spec = PlacementPlanSpec(
        expires_at=rfc3339(context.now_s + max(LEAST_S, WAVE_S * waves)),
        moves=(*in_place, *(_move(each, context) for each in sorted(plan.moves, key=lambda move: move.wave))),
        reason=reason[:LONGEST_REASON],
        trees=tuple(trees),
        snapshot=plan.snapshot,
        solution=PlanSolution(plan.status, plan.cost, plan.bound, plan.gap, round(plan.seconds, 3), plan.seed),
        domains=tuple(_domain(each, context.budgets_mw) for each in changed_domains(plan.domains)),
    )
    uids = {each.uid for each in plan.moves} | {each.uid for each in in_place}
    used = {leave.policy for uid, leave in context.leaves.items() if uid in uids}
    metadata: Json = {"name": plan_name(plan, trees, context.now_s), "ownerReferences": owners(used, context)}
    if trees:
        metadata["labels"] = {TREE_LABEL: trees[0][:LONGEST_LABEL].rstrip("-._")}
    wire = msgspec.to_builtins(spec)
    return {"apiVersion": API_VERSION, "kind": PLACEMENT_PLAN.name, "metadata": metadata, "spec": wire}


def plan_name(plan: Plan, trees: Sequence[str], now_s: float) -> str:
    """Return a name that says when and where, and that no other plan has."""
    moves = "\n".join(f"{move.uid} {move.target} {move.wave}" for move in plan.moves)
    digest = hashlib.sha256(f"{plan.snapshot}\n{moves}".encode()).hexdigest()[:6]
    stem = (trees[0] if trees else "plan")[:40].strip("-.")
    return f"{stem}-{datetime.fromtimestamp(now_s, UTC):%Y%m%d-%H%M%S}-{digest}"


def changed_domains(domains: Iterable[DomainDraw]) -> tuple[DomainDraw, ...]:
    """Domains that a plan changes, those that change most first, as many as an object is to hold."""
    changed = [each for each in domains if each.before_watts != each.after_watts]
    changed.sort(key=lambda each: (-abs(each.before_watts - each.after_watts), each.name))
    return tuple(changed[:MOST_DOMAINS])


def owners(used: Iterable[PolicyKey], context: Context) -> list[Json]:
    """Return references to the policies that let pods be moved, so that a plan goes when none of them is left.

    Notes
    -----
    An object without a namespace can be owned by such objects alone: where none but namespaced policies are used, the
    domains that the plan is for own it.
    """
    found = []
    for key in sorted(used):
        policy = context.policies.get(key)
        if isinstance(policy, ClusterPowerCappingPolicyObject) and policy.metadata.uid:
            found.append(_owner(CLUSTER_CAPPING_POLICY, policy.metadata.name, policy.metadata.uid))
    return found or [_owner(POWER_DOMAIN, name, uid) for name, uid in sorted(context.asked.items())[:MOST_OWNERS]]


def _owner(kind: ApiKind, name: str, uid: str) -> Json:
    return {"apiVersion": API_VERSION, "kind": kind.name, "name": name, "uid": uid}


def policy_title(key: PolicyKey) -> str:
    """A policy's kind, namespace and name as moves and events tell it."""
    namespace, name = key
    return f"{CAPPING_POLICY.name} {namespace}/{name}" if namespace else f"{CLUSTER_CAPPING_POLICY.name} {name}"


def rfc3339(seconds: float) -> str:
    """Unix seconds as the API writes them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def stated_watts(pod: Pod) -> int | None:
    """Watts that a pod's containers request; None where they request none."""
    texts = [
        container.resources.requests[WATTS_RESOURCE]
        for container in pod.spec.containers
        if container.resources and container.resources.requests and WATTS_RESOURCE in container.resources.requests
    ]
    return sum(whole_units(WATTS_RESOURCE, parse_quantity(text)) for text in texts) if texts else None


def _domain(domain: DomainDraw, budgets_mw: Mapping[str, int]) -> PlannedDomain:
    budget_mw = budgets_mw.get(domain.name)
    return PlannedDomain(
        name=domain.name,
        kind=domain.kind,
        budget_watts=None if budget_mw is None else budget_mw // 1000,
        before_watts=round(domain.before_watts),
        after_watts=round(domain.after_watts),
    )


def _move(move: Move, context: Context) -> PlannedMove:
    leave, pod = context.leaves.get(move.uid), context.pods.get(move.uid)
    if leave is None or pod is None:
        why = "nobody lets it be moved" if leave is None else "it is gone"
        raise InputError(f"the plan moves pod {move.namespace}/{move.pod}, and {why}", "plan again")
    owner = controller_of(pod.metadata.owner_references)
    watts = stated_watts(pod)
    return PlannedMove(
        namespace=move.namespace,
        pod=move.pod,
        uid=move.uid,
        source=move.source,
        to=move.target,
        owner_uid=owner.uid if owner is not None else "",
        owner_kind=owner.kind if owner is not None else "",
        owner_name=owner.name if owner is not None else "",
        watts=math.ceil(move.watts) if watts is None else watts,
        wave=move.wave,
        lever=leave.lever,
        because=move.because[:MOST_REASONS],
        policy=policy_title(leave.policy),
        priority=pod.spec.priority or 0,
        surge=move.uid in context.surging and leave.lever == "migrate",
    )
