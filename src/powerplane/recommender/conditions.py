"""Conditions that the recommender tells: whether a cap or a budget is held, whether it is measured, what is enforced.

Others tell other types of the same list (scheduler_extender: Accepted, Conflicted and Ready, and Enforcing of policies
in any mode but Enforce, of whose running pods nothing is asked). A list is written whole, so that each write holds only
for the version of the object that was seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject, PowerCappingPolicySpec
from powerplane.models.api.conditions import ENFORCING, HELD, MEASURED, Condition, condition, with_condition
from powerplane.models.api.kinds import POWER_DOMAIN
from powerplane.models.api.policies import PolicyKey, key_of
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.objects import ObjectMeta
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.allowing import RELIEVING
from powerplane.recommender.own_caps_facts import CapStanding, has_cap
from powerplane.recommender.publishing import rfc3339
from powerplane.recommender.statuses import Patch, policy_path
from powerplane.recommender.violations import why_untold

CAP_LEVERS = ("evict",)
"""Levers by which this version brings the pods of a policy under its cap."""

SOON_S, WORDS_S = 5.0, 60.0
"""Between two writes of one object's conditions: where something is so or not so any more, and where words differ."""

MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds for every policy.

    Parameters
    ----------
    stopped : str or None
        Why everything is to stand still.
    trouble : str
        Why nothing is measured; "" where something is.
    domains : frozenset of str
        That there are.
    more : mapping
        What else is said of policies, by others.
    """

    stopped: str | None
    trouble: str
    domains: frozenset[str]
    more: Mapping[PolicyKey, Iterable[Condition]] = field(default_factory=dict)


@dataclass(slots=True)
class ConditionKeeper:
    """Which conditions are to be written. Not for several threads at once."""

    _written_s: dict[str, float] = field(default_factory=dict)

    def of_domains(
        self, domains: Iterable[PowerDomainObject], readings: Iterable[DomainReading], trouble: str, now_s: float
    ) -> list[Patch]:
        """Return patches of domains' conditions that differ from what is told; of all where nothing is measured."""
        by_name = {each.name: each for each in readings}
        # What was written longer ago than anything is held back says nothing any more.
        self._written_s = {path: at for path, at in self._written_s.items() if 0 <= now_s - at < WORDS_S}
        found = list[Patch]()
        for each in domains:
            name, reading = each.metadata.name, by_name.get(each.metadata.name)
            if reading is not None or trouble:
                old = each.status.conditions if each.status is not None else ()
                said = domain_said(reading, trouble, each.metadata.generation)
                found += self._patch(POWER_DOMAIN.path(name), each.metadata, old, said, now_s)
        return found

    def of_policies(
        self,
        policies: Iterable[CappingPolicyObject],
        standings: Mapping[PolicyKey, CapStanding],
        around: Circumstances,
        now_s: float,
    ) -> list[Patch]:
        """Return patches of policies' conditions that differ from what is told."""
        found = list[Patch]()
        for each in policies:
            old = each.status.conditions if each.status is not None else ()
            said = (*policy_said(each, standings.get(key_of(each)), around), *around.more.get(key_of(each), ()))
            found += self._patch(policy_path(key_of(each)), each.metadata, old, said, now_s)
        return found

    def _patch(
        self,
        path: str,
        meta: ObjectMeta,
        old: tuple[Condition, ...],
        said: Iterable[Condition],
        now_s: float,
    ) -> Iterable[Patch]:
        told = {each.type: each for each in old}
        differing = [each for each in said if not _same(told.get(each.type), each)]
        if not differing:
            return
        turned = any(each.type not in told or told[each.type].status != each.status for each in differing)
        last_s = self._written_s.get(path)
        if last_s is not None and 0 <= now_s - last_s < (SOON_S if turned else WORDS_S):
            return
        self._written_s[path] = now_s
        conditions = old
        for each in differing:
            conditions = with_condition(conditions, each, rfc3339(now_s))
        yield Patch(path, {"conditions": msgspec.to_builtins(conditions)}, meta.resource_version)


def _same(old: Condition | None, new: Condition) -> bool:
    if old is None:
        return False
    kept = (old.status, old.reason, old.message, old.observed_generation)
    return kept == (new.status, new.reason, new.message, new.observed_generation)


def _said(kind: str, holds: bool | None, reason: str, message: str, generation: int) -> Condition:
    """A condition; None: nobody can tell."""
    made = condition(kind, holds=bool(holds), reason=reason, message=message, generation=generation)
    return made if holds is not None else msgspec.structs.replace(made, status="Unknown")


def domain_said(reading: DomainReading | None, trouble: str, generation: int) -> tuple[Condition, Condition]:
    """Return whether a domain's budget is held, and whether it is measured; without a reading, why there is none."""
    if reading is None:
        held = _said(HELD, None, "NotMeasured", trouble, generation)
        return held, _said(MEASURED, False, "NotMeasured", trouble, generation)
    untold = why_untold(reading)
    if reading.budget_mw == NO_BUDGET:
        held = _said(HELD, True, "NoBudget", "it may draw anything", generation)
    elif untold:
        held = _said(HELD, None, "NotMeasured", untold, generation)
    elif reading.is_broken:
        held = _said(HELD, False, "AboveBudget", "it draws more than it may", generation)
    else:
        held = _said(HELD, True, "WithinBudget", "it draws no more than it may", generation)
    if not reading.worst:
        measured = _said(MEASURED, True, "Measured", "every node of it is measured", generation)
    elif reading.worst == reading.nodes:
        measured = _said(MEASURED, False, "NotMeasured", "none of its nodes is measured", generation)
    else:
        told = "nodes of it are not measured and count at their worst case"
        measured = _said(MEASURED, False, "PartlyMeasured", told, generation)
    return held, measured


def policy_said(
    policy: CappingPolicyObject, standing: CapStanding | None, around: Circumstances
) -> tuple[Condition, ...]:
    """Return whether a policy's own cap is held, and, in mode Enforce, whether all that it asks for is acted on."""
    generation, found = policy.metadata.generation, []
    if has_cap(policy):
        found.append(_held(standing, generation))
    if policy.spec.mode == "Enforce":
        holds, reason, told = _enforcing(policy.spec, standing, around)
        found.append(_said(ENFORCING, holds, reason, told, generation))
    return tuple(found)


def _held(standing: CapStanding | None, generation: int) -> Condition:
    if standing is None:
        return _said(HELD, None, "NotLookedAt", "its pods have not been looked at yet", generation)
    if standing.untold:
        return _said(HELD, None, "NotMeasured", standing.untold, generation)
    if standing.cap.mw is None:
        if standing.cap.why:
            return _said(HELD, None, "CapUnknown", standing.cap.why, generation)
        return _said(HELD, True, "NoCapNow", "it caps its pods at other hours", generation)
    if standing.is_held:
        return _said(HELD, True, "WithinCap", "its pods draw no more than they may", generation)
    return _said(HELD, False, "AboveCap", "its pods draw more than they may", generation)


def _enforcing(
    spec: PowerCappingPolicySpec, standing: CapStanding | None, around: Circumstances
) -> tuple[bool, str, str]:
    """Whether everything that a policy in mode Enforce asks for is acted on; True only where all of it is."""
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    caps = spec.cap is not None or any(entry.cap is not None for entry in spec.schedule)
    missing = sorted({name for one in constraints for name in one.domain_names} - around.domains)
    if around.stopped is not None:
        return False, "Stopped", "everything is stopped"
    if missing:
        return False, "UnknownDomain", f"these domains do not exist: {', '.join(missing[:MOST_NAMED])}"
    if around.trouble:
        return False, "NoTelemetry", f"nothing is done without measurements: {around.trouble}"
    lacking = _not_held(spec, caps=caps, racks=any(one.max_power for one in constraints))
    if caps and not set(CAP_LEVERS) & set(spec.levers):
        told = f"its pods may draw too much: of the levers that bring them down ({', '.join(CAP_LEVERS)}) it names none"
        return False, "NoLever", told
    if lacking:
        return False, "PartlyEnforced", f"this version does not hold {', '.join(lacking)}"
    if caps and standing is not None and standing.untold:
        return False, "NoTelemetry", standing.untold
    if caps and standing is not None and standing.cap.why:
        return False, "CapUnknown", standing.cap.why
    return True, "Enforced", "all that it asks for is held, for new pods and for running ones"


def _not_held(spec: PowerCappingPolicySpec, *, caps: bool, racks: bool) -> list[str]:
    built = {*(CAP_LEVERS if caps else ()), *RELIEVING}
    constraints = [*spec.rack_constraints, *(one for entry in spec.schedule for one in entry.rack_constraints)]
    asked = {
        "rackConstraints.maxTemperature": any(one.max_temperature is not None for one in constraints),
        "rackConstraints.maxPower for running pods, which it lets nobody move or hold down": racks
        and not set(RELIEVING) & set(spec.levers),
        "performancePowerRatio": spec.performance_power_ratio is not None,
        "algorithm": spec.algorithm is not None,
        "levers " + ", ".join(each for each in spec.levers if each not in built): bool(set(spec.levers) - built),
    }
    return [what for what, wanted in asked.items() if wanted]
