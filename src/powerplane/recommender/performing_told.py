"""What is told of work per watt: a policy's status and condition, and an event when its ratio is not kept."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.capping_status import PolicyPerformance
from powerplane.models.api.conditions import PERFORMANCE_MET, Condition, condition
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.plain import printable
from powerplane.recommender.performing import Standing
from powerplane.recommender.publishing import rfc3339

BELOW = "PerformanceBelowTarget"
"""Reason of the event."""

DIGITS = 4
LONGEST_WHY, LONGEST_METRIC = 256, 512


def performance_of(standing: Standing) -> dict[str, Any]:
    """Return a policy's ``status.performance``; figures that are not known are left out, never 0."""
    found = standing.performance
    told = PolicyPerformance(
        metric=printable(standing.metric)[:LONGEST_METRIC],
        per_second=None if found is None else _rounded(found.per_second),
        watts=None if found is None else _rounded(found.watts),
        per_watt=None if found is None else _rounded(found.per_watt),
        target=standing.target,
        met=standing.met,
        at=None if found is None else rfc3339(found.at_s),
        why=printable(standing.why)[:LONGEST_WHY],
    )
    # A merge patch: what is not known any more is taken away.
    return {
        field.encode_name: value if value != "" else None
        for field in msgspec.structs.fields(PolicyPerformance)
        for value in (getattr(told, field.name),)
    }


def met_of(status: Mapping[str, Any]) -> bool | None:
    """Whether a written status says that its policy's ratio is kept."""
    met: bool | None = (status.get("performance") or {}).get("met")
    return met


def conditions_of(
    policies: Iterable[CappingPolicyObject], standings: Mapping[PolicyKey, Standing]
) -> dict[PolicyKey, tuple[Condition, ...]]:
    """Return what is said of each policy: of one that wants no ratio kept any more, that this is not known."""
    found = dict[PolicyKey, tuple[Condition, ...]]()
    for policy in policies:
        key, standing = key_of(policy), standings.get(key_of(policy))
        told = policy.status.conditions if policy.status is not None else ()
        if standing is not None:
            found[key] = (condition_of(standing, policy.metadata.generation),)
        elif any(each.type == PERFORMANCE_MET for each in told):
            found[key] = (_unknown("NoRatio", "no work per watt is to be kept", policy.metadata.generation),)
    return found


def condition_of(standing: Standing, generation: int) -> Condition:
    """Return whether a policy's ratio is kept."""
    if standing.met is None:
        return _unknown("NotKnown", printable(standing.why), generation)
    if standing.met:
        told = "its pods do as much with a watt as they are to"
        return condition(PERFORMANCE_MET, holds=True, reason="AtTarget", message=told, generation=generation)
    return condition(
        PERFORMANCE_MET,
        holds=False,
        reason="BelowTarget",
        message="its pods do less with a watt than they are to",
        generation=generation,
    )


def _unknown(reason: str, message: str, generation: int) -> Condition:
    made = condition(PERFORMANCE_MET, holds=False, reason=reason, message=message, generation=generation)
    return msgspec.structs.replace(made, status="Unknown")


def words_of(standing: Standing) -> str:
    """Say how a ratio that is not kept stands."""
    found = standing.performance
    if found is None:
        return standing.why
    return (
        f"its pods do {found.per_watt:.4f} a watt by {standing.metric}, and are to do {standing.target:.4g}:"
        f" {found.per_second:.1f} a second on {found.watts:.1f} W"
    )


def _rounded(value: float) -> float:
    """To four digits: a status is for people, and more of them would only make it be written more often."""
    return value if value == 0 else round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
