"""Evictions that bring a policy's pods back under their cap, as a PlacementPlan."""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.kinds import API_VERSION, PLACEMENT_PLAN
from powerplane.models.api.placement_plan import LONGEST_REASON, PlacementPlanSpec, PlannedMove
from powerplane.models.api.policies import key_of
from powerplane.models.marks import TREE_LABEL
from powerplane.models.mobility import controller_of
from powerplane.models.objects import Pod
from powerplane.models.quantities import MILLI
from powerplane.recommender.publishing import (
    LONGEST_LABEL,
    MOST_TREES,
    Context,
    Json,
    owners,
    policy_title,
    rfc3339,
)
from powerplane.recommender.shedding import Candidate

EVICT = "evict"
EXPIRES_S = 120.0
"""How long such a plan is meant: evictions take seconds, and one that has to wait must not keep its trees for long."""


@dataclass(frozen=True, slots=True, eq=False)
class Shedding:
    """Who is to be evicted by one policy.

    Parameters
    ----------
    policy : CappingPolicyObject
    chosen : tuple of Candidate
    reason : str
        For people.
    trees : frozenset of str
        Roots of the power trees that these pods draw from.
    """

    policy: CappingPolicyObject
    chosen: tuple[Candidate, ...]
    reason: str
    trees: frozenset[str]

    @property
    def title(self) -> str:
        """The policy's kind, namespace and name."""
        return policy_title(key_of(self.policy))

    @property
    def mw(self) -> int:
        """What the chosen draw."""
        return sum(each.mw for each in self.chosen)


def body_of(shedding: Shedding, context: Context) -> Json:
    """Return the object that asks for these evictions.

    Parameters
    ----------
    shedding : Shedding
    context : Context
        Its pods hold every chosen one; the domains that are asked for own a plan that no cluster policy can own.
    """
    trees, now_s = sorted(shedding.trees), context.now_s
    spec = PlacementPlanSpec(
        expires_at=rfc3339(now_s + EXPIRES_S),
        moves=tuple(_eviction(each, context.pods[each.uid], shedding.title) for each in shedding.chosen),
        reason=shedding.reason[:LONGEST_REASON],
        trees=tuple(trees[:MOST_TREES]),
    )
    digest = hashlib.sha256("\n".join(each.uid for each in shedding.chosen).encode()).hexdigest()[:6]
    stem = f"cap-{shedding.policy.metadata.name}"[:40].strip("-.")
    metadata: Json = {
        "name": f"{stem}-{datetime.fromtimestamp(now_s, UTC):%Y%m%d-%H%M%S}-{digest}",
        "ownerReferences": owners((key_of(shedding.policy),), context),
    }
    if trees:
        metadata["labels"] = {TREE_LABEL: trees[0][:LONGEST_LABEL].rstrip("-._")}
    return {
        "apiVersion": API_VERSION,
        "kind": PLACEMENT_PLAN.name,
        "metadata": metadata,
        "spec": msgspec.to_builtins(spec),
    }


def _eviction(each: Candidate, pod: Pod, title: str) -> PlannedMove:
    owner = controller_of(pod.metadata.owner_references)
    return PlannedMove(
        namespace=each.namespace,
        pod=each.name,
        uid=each.uid,
        source=pod.spec.node_name,
        owner_uid=owner.uid if owner is not None else "",
        owner_kind=owner.kind if owner is not None else "",
        owner_name=owner.name if owner is not None else "",
        watts=math.ceil(each.mw / MILLI),
        wave=1,
        lever=EVICT,
        because=(title,),
        policy=title,
        priority=each.priority,
    )
