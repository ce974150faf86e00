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
from powerplane.models.alerts.remedy import Share, remedy_for
from powerplane.models.api.capping_policy import (
    ACTING,
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    Lever,
)
from powerplane.models.api.policies import domains_of, effective_rack_budgets, key_of
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.api.schedule import caps_at, rack_constraints_at
from powerplane.models.errors import InputError
from powerplane.models.matching import canonical, selector_matches
from powerplane.models.objects import LabelSelector
from powerplane.models.quantities import parse_milliwatts
from powerplane.models.snapshot import NO_BUDGET

CLEAR_SHARE = 0.02
"""Share of a limit by which a draw must be below it to count as clearly under: more than meters' noise."""

_Kind = tuple[str, frozenset[tuple[str, str]]]
"""A pod's namespace and labels."""


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A bound pod.

    Parameters
    ----------
    namespace, name, node : str
    labels : mapping of str to str
    priority : int
    mw : int
        What it draws by the books.
    fixed : bool
        See ``Share``.
    """

    namespace: str
    name: str
    node: str
    labels: Mapping[str, str]
    priority: int
    mw: int
    fixed: bool = False

    def share(self, part: float = 1.0) -> Share:
        """The pod to a limit on which a part of its draw falls."""
        return Share(f"{self.namespace}/{self.name}", self.priority, int(self.mw * part), self.fixed)


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
    """What a domain may draw, by whom, and what could be done."""

    domain: str
    mw: int
    own_mw: int
    policy: str = ""
    mode: str = ""
    levers: tuple[Lever, ...] = ()


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
    on_node: dict[str, list[SeenPod]] = {}
    for pod in view.pods:
        on_node.setdefault(pod.node, []).append(pod)
    for limit in _limits(view, own, now):
        for finding in _of_domain(limit, view.rows, on_node):
            found[finding.key] = finding
    kinds = _kinds(view.pods)
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
                yield _Limit(name, would[name], own[name], policy_name(policy), policy.spec.mode, policy.spec.levers)
    for name in sorted(own.keys() - named):
        if own[name] < NO_BUDGET:
            yield _Limit(name, own[name], own[name])


def _known(domains: Iterable[PowerDomainObject], own: Mapping[str, int]) -> dict[str, int]:
    """Budgets of all domains: those that stand in no tree have none, and nothing of them is read."""
    return {domain.metadata.name: own.get(domain.metadata.name, NO_BUDGET) for domain in domains}


def _of_domain(limit: _Limit, rows: Rows, on_node: Mapping[str, list[SeenPod]]) -> Iterator[Finding]:
    alive = rows.alive(limit.domain)
    standing = standing_of(alive.least_mw, alive.most_mw, limit.mw)
    yield _finding("DomainOverBudget", limit, alive, standing, on_node)
    blind = alive.blind if standing == "between" and alive.least_mw <= _clear(limit.mw) else 0
    detail = f"{blind} of {len(alive.nodes)} nodes are not measured" if blind else ""
    key = AlertKey("DrawUnknown", limit.domain, limit.policy)
    told: Standing = "over" if blind else "under"
    yield Finding(key, told, "warning", alive.least_mw, limit.mw, limit.mode, alive.level, detail)
    lost = rows.worst_lost(limit.domain)
    if lost is not None:
        # While it is over with all feeds alive, the loss of one is no news, and no reason to resolve either.
        told = "between" if standing == "over" else standing_of(lost.least_mw, lost.most_mw, limit.mw)
        yield _finding("DomainOverIfFeedLost", limit, lost, told, on_node)


def _finding(
    kind: Kind, limit: _Limit, row: DrawRow, standing: Standing, on_node: Mapping[str, list[SeenPod]]
) -> Finding:
    severity: Severity = "critical" if not row.lost and row.least_mw > limit.own_mw else "warning"
    key = AlertKey(kind, limit.domain, limit.policy)
    finding = Finding(key, standing, severity, row.least_mw, limit.mw, limit.mode, row.level, row.lost)
    if standing != "over":
        return finding
    pods = (pod.share(part) for node, part in row.nodes.items() for pod in on_node.get(node, ()))
    return structs.replace(finding, remedy=remedy_for(finding.over_mw, limit.levers, pods))


def _of_pods(
    policy: CappingPolicyObject,
    kinds: Mapping[_Kind, list[SeenPod]],
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
    pods = _chosen(policy, kinds, namespaces)
    draw = sum(pod.mw for pod in pods)
    key = AlertKey("PodsOverCap", policy.metadata.name, policy_name(policy))
    finding = Finding(key, standing_of(draw, draw, limit), "warning", draw, limit, spec.mode)
    if finding.standing != "over":
        return finding
    return structs.replace(finding, remedy=remedy_for(finding.over_mw, spec.levers, (pod.share() for pod in pods)))


def _kinds(pods: Iterable[SeenPod]) -> dict[_Kind, list[SeenPod]]:
    """Pods that no selector tells apart: there are far fewer kinds than pods."""
    found: dict[_Kind, list[SeenPod]] = {}
    for pod in pods:
        found.setdefault((pod.namespace, frozenset(pod.labels.items())), []).append(pod)
    return found


def _chosen(
    policy: CappingPolicyObject, kinds: Mapping[_Kind, list[SeenPod]], namespaces: Mapping[str, Mapping[str, str]]
) -> list[SeenPod]:
    """The pods that a policy is for."""
    spec = policy.spec
    wanted = canonical(spec.selector or LabelSelector())
    if isinstance(spec, ClusterPowerCappingPolicySpec):
        across = canonical(spec.namespace_selector or LabelSelector())
        within = {name for name, labels in namespaces.items() if selector_matches(across, labels)}
    else:
        within = {policy.metadata.namespace}
    of_kinds = (
        pods
        for (namespace, labels), pods in kinds.items()
        if namespace in within and selector_matches(wanted, dict(labels))
    )
    return [pod for pods in of_kinds for pod in pods]


def policy_name(policy: CappingPolicyObject) -> str:
    """Return ``namespace/name``, the first empty for a cluster policy."""
    return "/".join(key_of(policy))


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
