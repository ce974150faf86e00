"""Our own objects, held against each other before they are stored: what their definitions cannot say of one alone.

What is wrong with an object by itself is refused. What is wrong between objects is only warned of: the table may be
some tenths of a second old, and a change of several objects passes through states that no order of writing avoids.
Refusing one of them would leave half of the change in force, where the last tree that was one stays in force whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from powerplane.adapters.strict_json import convert
from powerplane.admission.deciding import LEFT_ALONE, Decision
from powerplane.admission.review import Request, Verdict
from powerplane.admission.table import Table
from powerplane.admission.validation.ground import Ground
from powerplane.models.api.capping_policy import CappingPolicyObject, RackConstraint
from powerplane.models.api.kinds import (
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    KINDS,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
    ApiKind,
)
from powerplane.models.api.neighbours import own_defects, some
from powerplane.models.api.placement_plan import IN_PLACE, PlacementPlanObject
from powerplane.models.api.policies import conflicts_of, domains_of
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.standing import policy_defects

OURS: dict[str, ApiKind] = {kind.name: kind for kind in KINDS}
TOLD_ONLY = ("UnknownTimeZone",)
"""Defects of a policy alone that hang on this process's own data, too."""

Findings = tuple[tuple[str, ...], tuple[str, ...]]
"""What is refused, and what is warned of."""


def judge_object(request: Request, table: Table) -> Decision:
    """Say what is wrong with an object of ours that is to be stored, or odd about one that goes.

    Parameters
    ----------
    request : Request
    table : Table

    Raises
    ------
    MalformedError
        For an object that is none of its kind.
    """
    kind = OURS.get(request.kind.kind)
    if kind is None or request.sub_resource:
        return Decision(LEFT_ALONE, "other_kind")
    if request.operation == "DELETE":
        left = table.ground.neighbours.left_behind(request.name) if kind is POWER_DOMAIN else ()
        return _decided((), left)
    if request.object is None or request.operation not in ("CREATE", "UPDATE"):
        return Decision(LEFT_ALONE, "other_operation")
    if request.old_object is not None and request.old_object.get("spec") == request.object.get("spec"):
        # Labels, finalizers: whoever must write these of an object that has long been stored is not stopped.
        return Decision(LEFT_ALONE, "same_spec")
    made = convert(request.object, kind.struct, f"the {kind.name}")
    judge = _JUDGES.get(kind.name)
    return _decided(*judge(made, table.ground)) if judge else Decision(LEFT_ALONE, "other_kind")


def _decided(refused: Iterable[str], warned: Iterable[str]) -> Decision:
    faults, warnings = tuple(refused), tuple(f"powerplane: {each}" for each in warned)
    if faults:
        return Decision(Verdict(denied="; ".join(faults), warnings=warnings), "denied")
    return Decision(Verdict(warnings=warnings), "warned" if warnings else "kept")


def _domain(domain: PowerDomainObject, ground: Ground) -> Findings:
    name, spec = domain.metadata.name, domain.spec
    faults = tuple(each.message for each in own_defects(spec))
    if faults:
        return faults, ()
    between = [each.message for each in ground.neighbours.defects(name, spec)]
    return (), (*between, *ground.neighbours.oddities(name, spec))


def _policy(policy: CappingPolicyObject, ground: Ground) -> Findings:
    defects = policy_defects(policy.spec)
    faults = tuple(each.message for each in defects if each.reason not in TOLD_ONLY)
    if faults:
        return faults, ()
    told = [each.message for each in defects if each.reason in TOLD_ONLY]
    spec = policy.spec
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    for constraint in constraints:
        told += _missing(constraint, ground)
    for clash in conflicts_of(policy, ground.policies, ground.domain_labels):
        other = "/".join(part for part in clash.other if part)
        told.append(f"policy {other} of the same priority asks otherwise for {clash.over}: {', '.join(clash.differs)}")
    return (), tuple(told)


def _missing(constraint: RackConstraint, ground: Ground) -> list[str]:
    if missing := set(constraint.domain_names) - set(ground.domain_labels):
        return [f"rackConstraints name domains that do not exist: {some(missing)}"]
    if constraint.domain_selector is not None and not domains_of(constraint, ground.domain_labels):
        return ["domainSelector chooses no domain that there is now"]
    return []


def _plan(plan: PlacementPlanObject, ground: Ground) -> Findings:
    moves = plan.spec.moves
    if twice := {uid for uid, times in Counter(move.uid for move in moves).items() if times > 1}:
        return (f"a plan moves a pod once: {some(twice)} twice",), ()
    if still := {move.pod for move in moves if move.source == move.to and move.lever not in IN_PLACE}:
        return (f"these moves lead nowhere, from a node to itself: {some(still)}",), ()
    unknown = {move.to for move in moves if move.to} - set(ground.neighbours.index.labels)
    return (), ((f"targets that are no nodes now: {some(unknown)}",) if unknown else ())


_JUDGES: dict[str, Callable[[Any, Ground], Findings]] = {
    POWER_DOMAIN.name: _domain,
    CAPPING_POLICY.name: _policy,
    CLUSTER_CAPPING_POLICY.name: _policy,
    PLACEMENT_PLAN.name: _plan,
}
