"""What plans came to, and what would have been without them: from the objects in which the operator says so."""

from collections.abc import Iterable, Iterator

import msgspec

from powerplane.models.api.capping_policy import CappingPolicyObject
from powerplane.models.api.placement_plan import PlacementPlanObject, PlannedDomain
from powerplane.models.api.policies import key_of
from powerplane.recommender.publishing import policy_title

WATCHING = ("Recommend", "Enforce")
"""Modes whose policies have a ledger."""


class PolicyLine(msgspec.Struct, frozen=True, rename="camel"):
    """What the choices by one policy's leave, or by its mode, come to.

    Parameters
    ----------
    policy : str
    mode : str
    since : str or None
        When the recommender began to count.
    actions, withheld : int
        Plans that ran, and plans that did not.
    watt_hours_held, watt_hours_missed : float
        That those took off domains, and that these would have.
    last : str
        The last that was done or held back, in one word.
    last_at : str or None
    why : str
    """

    policy: str
    mode: str
    since: str | None
    actions: int
    withheld: int
    watt_hours_held: float
    watt_hours_missed: float
    last: str
    last_at: str | None
    why: str


class DomainLine(msgspec.Struct, frozen=True, rename="camel"):
    """One domain that a plan changed.

    Parameters
    ----------
    plan, phase : str
    domain, kind : str
    budget_watts, before_watts, foretold_watts : int or None
        As the plan has it.
    measured_watts : int or None
        When its last wave was confirmed; None where nobody measured.
    other_watts : int or None
        What would have been measured without the plan, by what it was to take off.
    error_watts : int or None
        Measured less foretold.
    """

    plan: str
    phase: str
    domain: str
    kind: str
    budget_watts: int | None
    before_watts: int
    foretold_watts: int
    measured_watts: int | None
    other_watts: int | None
    error_watts: int | None


class LedgerView(msgspec.Struct, frozen=True, rename="camel"):
    """The whole report.

    Parameters
    ----------
    policies : tuple of PolicyLine
        Those that hold most first.
    plans : tuple of DomainLine
        The newest plan first, as long as it is kept.
    """

    policies: tuple[PolicyLine, ...]
    plans: tuple[DomainLine, ...]


def ledger_view(policies: Iterable[CappingPolicyObject], plans: Iterable[PlacementPlanObject]) -> LedgerView:
    """Return the report of what stands in objects.

    Parameters
    ----------
    policies : iterable of policies
        Of all kinds and namespaces.
    plans : iterable of PlacementPlanObject
    """
    lines = sorted(
        (_policy_line(each) for each in policies if each.spec.mode in WATCHING),
        key=lambda line: (-line.watt_hours_held, -line.watt_hours_missed, line.policy),
    )
    newest = sorted(plans, key=lambda plan: (plan.metadata.creation_timestamp or "", plan.metadata.name), reverse=True)
    return LedgerView(tuple(lines), tuple(line for plan in newest for line in _domain_lines(plan)))


def _policy_line(policy: CappingPolicyObject) -> PolicyLine:
    status = policy.status
    ledger = status.ledger if status is not None else None
    last = status.last_action if status is not None else None
    return PolicyLine(
        policy=policy_title(key_of(policy)),
        mode=policy.spec.mode,
        since=ledger.since if ledger else None,
        actions=ledger.actions if ledger else 0,
        withheld=ledger.withheld if ledger else 0,
        watt_hours_held=ledger.watt_hours_held if ledger else 0.0,
        watt_hours_missed=ledger.watt_hours_missed if ledger else 0.0,
        last=last.what if last else "",
        last_at=last.at if last else None,
        why=last.why if last else "",
    )


def _domain_lines(plan: PlacementPlanObject) -> Iterator[DomainLine]:
    status = plan.status
    measured = {each.name: each.measured_watts for each in status.domains} if status is not None else {}
    for each in plan.spec.domains:
        yield _domain_line(plan.metadata.name, (status.phase if status else "") or "Pending", each, measured)


def _domain_line(plan: str, phase: str, domain: PlannedDomain, measured: dict[str, int]) -> DomainLine:
    found = measured.get(domain.name)
    cut = domain.before_watts - domain.after_watts
    return DomainLine(
        plan=plan,
        phase=phase,
        domain=domain.name,
        kind=domain.kind,
        budget_watts=domain.budget_watts,
        before_watts=domain.before_watts,
        foretold_watts=domain.after_watts,
        measured_watts=found,
        other_watts=None if found is None else max(0, found + cut),
        error_watts=None if found is None else found - domain.after_watts,
    )
