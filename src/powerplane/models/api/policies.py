"""Policies together: which of them conflict, what racks may draw under them, and what of them is held.

The rule. For pods, a cluster policy stands before a namespaced one, and among policies of one kind the one of higher
priority before the lower. Two policies of one kind and one priority that can reach the same pod, or name the same
domain, and ask for different things, conflict: both say so, and the lower figure holds. For racks the lowest
``maxPower`` of all policies in mode Initial or Enforce holds whatever the priority, and never more than the domain's
own budget: whoever may write policies cannot raise what a breaker bears.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from powerplane.models.api.capping_policy import (
    ACTING,
    AdmissionChoice,
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCap,
    RackConstraint,
)
from powerplane.models.api.overlap import can_overlap
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.schedule import rack_constraints_at
from powerplane.models.errors import InputError
from powerplane.models.matching import selector_matches
from powerplane.models.objects import LabelSelector
from powerplane.models.quantities import parse_milliwatts
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerTopology

PolicyKey = tuple[str, str]
"""Namespace ("" for a cluster policy) and name."""

Labels = Mapping[str, Mapping[str, str]]
"""Labels by the name of the namespace or domain that carries them."""

EVERYTHING = LabelSelector()

MOST_CONFLICTS = 8
"""Others that are named to a policy: one is enough to act on, and a status must stay small."""


@dataclass(frozen=True, slots=True)
class PolicyConflict:
    """Another policy that asks for something else of the same pods or domain.

    Parameters
    ----------
    other : tuple of str
        Namespace and name of the other policy.
    over : str
        What both reach: "pods", or the name of a domain.
    differs : tuple of str
        Fields in which they differ.
    """

    other: PolicyKey
    over: str
    differs: tuple[str, ...]


def key_of(policy: CappingPolicyObject) -> PolicyKey:
    """Return what a policy is known by."""
    return policy.metadata.namespace, policy.metadata.name


def effective_rack_budgets(
    domains: Iterable[PowerDomainObject],
    policies: Iterable[ClusterPowerCappingPolicyObject],
    now: datetime,
    budgets_mw: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Return what each domain may draw now, policies counted in.

    Parameters
    ----------
    domains : iterable of PowerDomainObject
    policies : iterable of ClusterPowerCappingPolicyObject
        Only those in mode Initial or Enforce count; a ``maxPower`` that cannot be read is left out, and
        ``policy_conditions`` tells of it.
    now : datetime
        With a time zone: schedules are read at this moment.
    budgets_mw : mapping of domain name to int, optional
        Own budgets in milliwatts, for example of the tree in force; read from the specs where it is not given.

    Returns
    -------
    dict of str to int
        Milliwatts; ``NO_BUDGET`` where it may draw anything.

    Raises
    ------
    InputError
        For a domain's own budget that cannot be read; not where ``budgets_mw`` has it.
    """
    objects = tuple(domains)
    labels = {domain.metadata.name: domain.metadata.labels or {} for domain in objects}
    found = {domain.metadata.name: _own_budget(domain, budgets_mw) for domain in objects}
    for policy in policies:
        if policy.spec.mode in ACTING:
            for constraint in rack_constraints_at(policy.spec, now):
                limit = _max_power(constraint)
                for name in domains_of(constraint, labels):
                    found[name] = min(found[name], limit)
    return found


def with_budgets(topology: PowerTopology, budgets_mw: Mapping[str, int]) -> PowerTopology:
    """Return a topology with other budgets; a domain that is not among them keeps its own."""
    domains = tuple(
        replace(domain, budget_mw=min(domain.budget_mw, budgets_mw.get(domain.name, NO_BUDGET)))
        for domain in topology.domains
    )
    return PowerTopology(domains)


def domains_of(constraint: RackConstraint, labels: Labels) -> tuple[str, ...]:
    """Return the names of the existing domains that a constraint is for."""
    if constraint.domain_selector is not None:
        return tuple(name for name, own in labels.items() if selector_matches(constraint.domain_selector, own))
    return tuple(name for name in constraint.domain_names if name in labels)


def find_conflicts(
    policies: Iterable[CappingPolicyObject], domains: Labels
) -> dict[PolicyKey, tuple[PolicyConflict, ...]]:
    """Return the conflicts of every policy that has one, ``MOST_CONFLICTS`` of each at most.

    Parameters
    ----------
    policies : iterable of policies
    domains : mapping of name to labels

    Notes
    -----
    Two selectors reach the same pod when some set of labels meets both, whether or not such a pod is there now: a
    conflict must not wait for the pod that it would hurt.
    """
    groups: dict[tuple[bool, int, str], list[_Asked]] = {}
    for policy in sorted(policies, key=key_of):
        groups.setdefault(_rank(policy), []).append(_Asked.of(policy, domains))
    # A cluster policy and a namespaced one are never of one rank, so only their own kind is looked at.
    found: dict[PolicyKey, list[PolicyConflict]] = {}
    for one, other in (pair for group in groups.values() for pair in combinations(group, 2)):
        for over, differs in _clashes(one, other):
            for mine, theirs in ((one.key, other.key), (other.key, one.key)):
                told = found.setdefault(mine, [])
                if len(told) < MOST_CONFLICTS:
                    told.append(PolicyConflict(theirs, over, differs))
    return {key: tuple(own) for key, own in found.items()}


def conflicts_of(
    policy: CappingPolicyObject, others: Iterable[CappingPolicyObject], domains: Labels
) -> tuple[PolicyConflict, ...]:
    """Return what one policy, as it is to be, asks for otherwise than others; see `find_conflicts`."""
    mine, found = _Asked.of(policy, domains), list[PolicyConflict]()
    for other in sorted(others, key=key_of):
        if key_of(other) != mine.key and _rank(other) == _rank(policy):
            theirs = _Asked.of(other, domains)
            found += [PolicyConflict(theirs.key, over, differs) for over, differs in _clashes(mine, theirs)]
    return tuple(found[:MOST_CONFLICTS])


def _rank(policy: CappingPolicyObject) -> tuple[bool, int, str]:
    """Policies of one rank may conflict: of one kind, one priority and, where they have one, one namespace."""
    return isinstance(policy, ClusterPowerCappingPolicyObject), policy.spec.priority, policy.metadata.namespace


@dataclass(frozen=True, slots=True)
class _Asked:
    """A policy in a form in which two are compared quickly."""

    key: PolicyKey
    policy: CappingPolicyObject
    pods: dict[str, object] | None
    racks: dict[str, frozenset[object]]

    @classmethod
    def of(cls, policy: CappingPolicyObject, domains: Labels) -> "_Asked":
        pods = _pod_terms(policy) if caps_pods(policy) else None
        return cls(key_of(policy), policy, pods, _rack_terms(policy, domains))


def _clashes(one: _Asked, other: _Asked) -> Iterator[tuple[str, tuple[str, ...]]]:
    mine, theirs = one.pods, other.pods
    if mine and theirs and mine != theirs and _same_pods(one.policy, other.policy):
        yield "pods", tuple(field for field in mine if mine[field] != theirs[field])
    for name in sorted(one.racks.keys() & other.racks.keys()):
        if one.racks[name] != other.racks[name]:
            yield name, ("rackConstraints",)
        elif one.policy.spec.mode != other.policy.spec.mode:
            yield name, ("mode",)


def caps_pods(policy: CappingPolicyObject) -> bool:
    """Whether a policy asks for anything of pods, or only of racks."""
    spec = policy.spec
    timed = any(entry.cap is not None for entry in spec.schedule)
    return spec.cap is not None or spec.performance_power_ratio is not None or timed


def _same_pods(one: CappingPolicyObject, other: CappingPolicyObject) -> bool:
    """Whether two policies of one rank can reach the same pod; those of one namespace share that already."""
    return can_overlap(one.spec.selector or EVERYTHING, other.spec.selector or EVERYTHING) and can_overlap(
        _namespaces(one), _namespaces(other)
    )


def _namespaces(policy: CappingPolicyObject) -> LabelSelector:
    across = policy.spec.namespace_selector if isinstance(policy.spec, ClusterPowerCappingPolicySpec) else None
    return across or EVERYTHING


def _pod_terms(policy: CappingPolicyObject) -> dict[str, object]:
    """What a policy asks of pods, in a form in which 2kW and 2000W are the same."""
    spec = policy.spec
    timed = [(e.days, e.start, e.end, e.time_zone, _cap_terms(e.cap)) for e in spec.schedule if e.cap is not None]
    return {
        "cap": _cap_terms(spec.cap),
        "schedule": tuple(timed),
        "performancePowerRatio": spec.performance_power_ratio,
        "levers": spec.levers,
        "mode": spec.mode,
        "admission": spec.admission or AdmissionChoice(),
    }


def _cap_terms(cap: PowerCap | None) -> object:
    return cap and (_milliwatts(cap.watts), cap.percent_of_peak, cap.percent_of_average, cap.window)


def _rack_terms(policy: CappingPolicyObject, domains: Labels) -> dict[str, frozenset[object]]:
    """By domain: whatever the policy asks of it, and when."""
    found: dict[str, set[object]] = {}
    timed = [((e.days, e.start, e.end, e.time_zone), one) for e in policy.spec.schedule for one in e.rack_constraints]
    for when, constraint in [*((None, one) for one in policy.spec.rack_constraints), *timed]:
        for name in domains_of(constraint, domains):
            found.setdefault(name, set()).add((when, _milliwatts(constraint.max_power), constraint.max_temperature))
    return {name: frozenset(terms) for name, terms in found.items()}


def _own_budget(domain: PowerDomainObject, budgets_mw: Mapping[str, int] | None) -> int:
    if budgets_mw is not None and domain.metadata.name in budgets_mw:
        return budgets_mw[domain.metadata.name]
    return parse_milliwatts(domain.spec.budget) if domain.spec.budget else NO_BUDGET


def _max_power(constraint: RackConstraint) -> int:
    limit = _milliwatts(constraint.max_power)
    return limit if isinstance(limit, int) else NO_BUDGET


def _milliwatts(text: str) -> int | str:
    """Milliwatts; the text itself where it is none, so that two unreadable figures still compare."""
    try:
        return parse_milliwatts(text) if text else ""
    except InputError:
        return text
