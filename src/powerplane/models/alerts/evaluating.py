"""How every limit stands that nobody enforces: of passive policies, and of domains that no policy is for.

A node that is measured draws what was measured; one that is not draws something between its idle and its peak. So each
domain has a least and a most draw, and is over its limit only where the least is, and under it only where the most is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from msgspec import structs

from powerplane.models.alerts.alert import AlertKey, Finding, Kind, Severity, Standing
from powerplane.models.alerts.draws import DrawRow, Rows
from powerplane.models.alerts.pods import PodKind, SeenPod, chosen, kinds_of, policy_name
from powerplane.models.api.capping_policy import (
    ACTING,
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
)
from powerplane.models.api.policies import domains_of, effective_rack_budgets
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.schedule import caps_at, rack_constraints_at
from powerplane.models.errors import InputError
from powerplane.models.quantities import parse_milliwatts
from powerplane.models.snapshot import NO_BUDGET

CLEAR_SHARE = 0.02
"""Share of a limit by which a draw must be below it to count as clearly under: more than meters' noise."""


@dataclass(frozen=True, slots=True)
class View:
    """All that is looked at, at one moment.

    Parameters
    ----------
    rows : Rows
        What domains draw.
    domains : tuple of PowerDomainObject
    policies : tuple of policies
        Of both kinds and in any mode.
    pods : tuple of SeenPod
    namespaces : mapping of name to labels
    """

    rows: Rows
    domains: tuple[PowerDomainObject, ...] = ()
    policies: tuple[CappingPolicyObject, ...] = ()
    pods: tuple[SeenPod, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Limit:
    """What a domain may draw, and by whom."""

    domain: str
    mw: int
    own_mw: int
    policy: str = ""
    mode: str = ""


def find(view: View, now: datetime) -> dict[AlertKey, Finding]:
    """Return how each limit stands.

    Parameters
    ----------
    view : View
    now : datetime
        With a time zone: schedules are read at this moment.
    """
    found: dict[AlertKey, Finding] = {}
    own = view.rows.budgets_mw
    for limit in _limits(view, own, now):
        for finding in _of_domain(limit, view.rows):
            found[finding.key] = finding
    kinds = kinds_of(view.pods)
    for policy in view.policies:
        of_pods = _of_pods(policy, kinds, view.namespaces, now)
        if of_pods is not None:
            found[of_pods.key] = of_pods
    return found


def _limits(view: View, own: Mapping[str, int], now: datetime) -> Iterator[_Limit]:
    across = [each for each in view.policies if isinstance(each, ClusterPowerCappingPolicyObject)]
    labels = {domain.metadata.name: domain.metadata.labels or {} for domain in view.domains}
    in_force = effective_rack_budgets(view.domains, across, now, _known(view.domains, own))
    named: set[str] = set()
    for policy in across:
        names = {name for each in rack_constraints_at(policy.spec, now) for name in domains_of(each, labels)}
        named |= names
        if policy.spec.mode in ACTING:
            continue
        # As if it acted: what it would hold is told by the same code that would hold it.
        acting = structs.replace(policy, spec=structs.replace(policy.spec, mode="Enforce"))
        would = effective_rack_budgets(view.domains, [acting], now, in_force)
        for name in sorted(names & own.keys()):
            if would[name] < NO_BUDGET:
                yield _Limit(name, would[name], own[name], policy_name(policy), policy.spec.mode)
    for name in sorted(own.keys() - named):
        if own[name] < NO_BUDGET:
            yield _Limit(name, own[name], own[name])


def _known(domains: Iterable[PowerDomainObject], own: Mapping[str, int]) -> dict[str, int]:
    """Budgets of all domains: those that stand in no tree have none, and nothing of them is read."""
    return {domain.metadata.name: own.get(domain.metadata.name, NO_BUDGET) for domain in domains}


def _of_domain(limit: _Limit, rows: Rows) -> Iterator[Finding]:
    alive = rows.alive(limit.domain)
    standing = standing_of(alive.least_mw, alive.most_mw, limit.mw)
    yield _finding("DomainOverBudget", limit, alive, standing)
    decides = standing == "between" and (alive.most_mw is None or alive.most_mw > limit.mw)
    blind = alive.blind if decides else 0
    detail = f"{blind} of {len(alive.nodes)} nodes are not measured" if blind else ""
    key = AlertKey("DrawUnknown", limit.domain, limit.policy)
    told: Standing = "over" if blind else "under"
    yield Finding(key, told, "warning", alive.least_mw, limit.mw, limit.mode, alive.level, detail)
    lost = rows.worst_lost(limit.domain)
    if lost is not None:
        # While it is over with all feeds alive, the loss of one is no news, and no reason to resolve either.
        told = "between" if standing == "over" else standing_of(lost.least_mw, lost.most_mw, limit.mw)
        yield _finding("DomainOverIfFeedLost", limit, lost, told)


def _finding(kind: Kind, limit: _Limit, row: DrawRow, standing: Standing) -> Finding:
    severity: Severity = "critical" if not row.lost and row.least_mw > limit.own_mw else "warning"
    key = AlertKey(kind, limit.domain, limit.policy)
    return Finding(key, standing, severity, row.least_mw, limit.mw, limit.mode, row.level, row.lost)


def _of_pods(
    policy: CappingPolicyObject,
    kinds: Mapping[PodKind, list[SeenPod]],
    namespaces: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> Finding | None:
    """Of a passive policy that caps its pods by watts; shares of peaks and averages need what the books do not hold."""
    spec = policy.spec
    if spec.mode in ACTING:
        return None
    limits = [limit for cap in caps_at(spec, now) if (limit := _milliwatts(cap.watts)) is not None]
    if not limits:
        return None
    limit = min(limits)
    draw = sum(pod.mw for pod in chosen(policy, kinds, namespaces))
    key = AlertKey("PodsOverCap", policy.metadata.name, policy_name(policy))
    return Finding(key, standing_of(draw, draw, limit), "warning", draw, limit, spec.mode)


def standing_of(least_mw: int, most_mw: int | None, limit_mw: int) -> Standing:
    """Return how a draw stands to a limit; ``most_mw`` is None where there is no telling."""
    if least_mw > limit_mw:
        return "over"
    return "under" if most_mw is not None and most_mw <= _clear(limit_mw) else "between"


def _clear(limit_mw: int) -> int:
    return limit_mw - int(np.ceil(limit_mw * CLEAR_SHARE))


def _milliwatts(text: str) -> int | None:
    try:
        return parse_milliwatts(text) if text else None
    except InputError:
        return None
