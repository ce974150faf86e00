"""What is said of domains and policies: the conditions in their status, in words that are no better than the truth."""

from collections.abc import Collection, Iterable

from powerplane.models.api.capping_policy import (
    ACTING,
    CappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
    PowerCappingPolicySpec,
)
from powerplane.models.api.conditions import ACCEPTED, CONFLICTED, ENFORCING, READY, Condition, condition
from powerplane.models.api.domain_reading import Defect
from powerplane.models.api.members import selector_defect
from powerplane.models.api.policies import PolicyConflict
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.schedule import zone_of
from powerplane.models.api.tree import TreeReading
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_milliwatts


def domain_conditions(domain: PowerDomainObject, reading: TreeReading) -> tuple[Condition, Condition]:
    """Return whether a domain's spec is Accepted, and whether the domain is Ready, which needs its spec in force."""
    name, generation = domain.metadata.name, domain.metadata.generation
    own = reading.defects.get(name, ())
    if own:
        reason, told = own[0].reason, "; ".join(defect.message for defect in own)
    elif reading.defects:
        reason = "OtherDomainDefective"
        told = f"the tree is taken whole or not at all, and these domains are defective: {_some(reading.defects)}"
    else:
        reason, told = "TreeIsWhole", "the specs of all domains make a tree"
    accepted = condition(ACCEPTED, holds=not reading.defects, reason=reason, message=told, generation=generation)
    if reading.in_force == "current":
        ready = (True, "InForce", "this spec is in force")
    elif reading.specs.get(name) == domain.spec:
        ready = (True, "InForce", "this spec is in force with the other last accepted ones")
    elif name in reading.specs:
        ready = (False, "LastAcceptedInForce", "the last accepted spec (status.acceptedSpec) is in force")
    else:
        ready = (False, "NothingInForce", "no spec of this domain is in force")
    return accepted, condition(READY, holds=ready[0], reason=ready[1], message=ready[2], generation=generation)


def policy_conditions(
    policy: CappingPolicyObject, conflicts: Iterable[PolicyConflict], domain_names: Collection[str]
) -> tuple[Condition, ...]:
    """Return whether a policy is Accepted, Conflicted, Enforcing and Ready.

    Parameters
    ----------
    policy : policy
    conflicts : iterable of PolicyConflict
        Its own, from ``find_conflicts``.
    domain_names : collection of str
        Domains that there are.

    Notes
    -----
    Enforcing is True only where everything that the policy asks for is held. This version holds
    ``rackConstraints.maxPower`` for new pods, and nothing else.
    """
    generation, clashes, defects = policy.metadata.generation, tuple(conflicts), policy_defects(policy.spec)
    told = "; ".join(defect.message for defect in defects) or "every figure can be read"
    accepted = condition(
        ACCEPTED,
        holds=not defects,
        reason=defects[0].reason if defects else "Valid",
        message=told,
        generation=generation,
    )
    conflicted = condition(
        CONFLICTED,
        holds=bool(clashes),
        reason="SamePriority" if clashes else "NoConflict",
        message=_conflict_words(policy, clashes),
        generation=generation,
    )
    held, reason, words = _enforcing(policy.spec, domain_names)
    enforcing = condition(ENFORCING, holds=held, reason=reason, message=words, generation=generation)
    worst = accepted if defects else conflicted
    fine = not defects and not clashes
    ready = condition(
        READY,
        holds=fine,
        reason="Read" if fine else worst.reason,
        message="read; Enforcing says what is held" if fine else worst.message,
        generation=generation,
    )
    return accepted, conflicted, enforcing, ready


def policy_defects(spec: PowerCappingPolicySpec) -> tuple[Defect, ...]:
    """Return whatever cannot be read in a policy, which the API server could not see or did not look at."""
    found = [
        Defect("UnknownTimeZone", f"the time zone {entry.time_zone!r} is not known: its limits hold at all hours")
        for entry in spec.schedule
        if zone_of(entry.time_zone) is None
    ]
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    caps = [cap.watts for cap in (spec.cap, *(entry.cap for entry in spec.schedule)) if cap is not None]
    for text in [*caps, *(one.max_power for one in constraints)]:
        try:
            parse_milliwatts(text or "1W")
        except InputError as error:
            found.append(Defect("BadPower", f"{error.problem}: {error.next_step}"))
    across = spec.namespace_selector if isinstance(spec, ClusterPowerCappingPolicySpec) else None
    selectors = [spec.selector, across, *(one.domain_selector for one in constraints)]
    wrong = (selector_defect(selector) for selector in selectors if selector is not None)
    return (*found, *(Defect("BadSelector", each) for each in wrong if each))


def _conflict_words(policy: CappingPolicyObject, clashes: tuple[PolicyConflict, ...]) -> str:
    if not clashes:
        return "no policy of the same priority asks for anything else of the same pods or domains"
    told = [
        f"{'/'.join(part for part in clash.other if part)} (over {clash.over}: {', '.join(clash.differs)})"
        for clash in clashes
    ]
    return f"of the same priority {policy.spec.priority}, and the lower figure holds: {'; '.join(told)}"


def _enforcing(spec: PowerCappingPolicySpec, domain_names: Collection[str]) -> tuple[bool, str, str]:
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    if spec.mode not in ACTING:
        return False, f"Mode{spec.mode}", f"in mode {spec.mode} nothing is held"
    missing = sorted({name for one in constraints for name in one.domain_names} - set(domain_names))
    if missing:
        return False, "UnknownDomain", f"these domains do not exist: {_some(missing)}"
    not_held = _not_held(spec)
    if not any(one.max_power for one in constraints):
        return False, "NotInThisVersion", f"this version does not hold {', '.join(not_held)}"
    if not_held:
        told = f"rackConstraints.maxPower is held for new pods; this version does not hold {', '.join(not_held)}"
        return False, "PartlyEnforced", told
    return True, "NewPods", "rackConstraints.maxPower is held for new pods"


def _not_held(spec: PowerCappingPolicySpec) -> list[str]:
    """What a policy asks for that this version does not do."""
    timed: list[PowerCap | None] = [entry.cap for entry in spec.schedule]
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    asked = {
        "cap": spec.cap is not None or any(timed),
        "rackConstraints.maxTemperature": any(one.max_temperature is not None for one in constraints),
        "performancePowerRatio": spec.performance_power_ratio is not None,
        "levers": bool(spec.levers),
        "algorithm": spec.algorithm is not None,
        "anything of running pods": spec.mode == "Enforce",
    }
    return [what for what, wanted in asked.items() if wanted]


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more
