"""Which pods may be moved, and by whose leave: policies in mode Enforce that name a lever for it; no others.

Among the policies that allow it, a cluster policy stands before a namespaced one and a higher priority before a lower,
as everywhere. A policy that allows nothing does not take back what another allows: whoever may write it could otherwise
hold a rack over its breaker.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from powerplane.models.api.capping_policy import (
    CappingPolicyObject,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    Lever,
    Mode,
)
from powerplane.models.api.policies import EVERYTHING, PolicyKey, key_of
from powerplane.models.marks import OWN_NAMESPACE
from powerplane.models.matching import NAMESPACE_NAME, Selector, canonical, selector_matches
from powerplane.models.snapshot import PodTemplate, Snapshot

MOVING: tuple[Lever, ...] = ("migrate", "evict")
"""Levers that take a pod off its node."""

RELIEVING: tuple[Lever, ...] = ("throttle", *MOVING)
"""Levers that take watts off a rack."""

NO_LEAVE = "no policy allows moving it"
"""Why such a pod stays where it is."""

IGNORE_LABEL, IGNORE = "powerplane.dev/admission", "ignore"
"""Of a namespace whose pods are left as they are."""


@dataclass(frozen=True, slots=True)
class Leave:
    """What lets a plan move a pod.

    Parameters
    ----------
    policy : PolicyKey
    lever : Lever
        The first that the policy names, of those that were asked about: "migrate" or "evict", of moves.
    """

    policy: PolicyKey
    lever: Lever


class Allowing:
    """Says who may be moved.

    Parameters
    ----------
    policies : iterable of policies
    modes : iterable of Mode
        Modes whose policies count.
    levers : tuple of Lever
        Levers that count.
    """

    def __init__(
        self,
        policies: Iterable[CappingPolicyObject],
        modes: Iterable[Mode] = ("Enforce",),
        levers: tuple[Lever, ...] = MOVING,
    ) -> None:
        counting = frozenset(modes)
        acting = [each for each in policies if each.spec.mode in counting and _lever(each, levers) is not None]
        acting.sort(key=_rank)
        self._rules = tuple(
            (each, Leave(key_of(each), lever), canonical(each.spec.selector or EVERYTHING), _namespaces(each))
            for each in acting
            if (lever := _lever(each, levers)) is not None
        )

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, namespace: str, namespace_labels: Mapping[str, str], labels: Mapping[str, str]) -> Leave | None:
        """Return who lets a pod be moved; None where nobody does.

        Parameters
        ----------
        namespace : str
        namespace_labels, labels : mapping
            Of the namespace and of the pod.
        """
        if namespace == OWN_NAMESPACE or namespace_labels.get(IGNORE_LABEL) == IGNORE:
            return None
        for policy, leave, pods, namespaces in self._rules:
            if policy.metadata.namespace not in {"", namespace} or not selector_matches(namespaces, namespace_labels):
                continue
            if selector_matches(pods, labels):
                return leave
        return None

    def of_templates(self, snapshot: Snapshot) -> tuple[Leave | None, ...]:
        """Return who lets the pods of each template be moved."""
        return tuple(self._of_template(each, snapshot.namespace_labels) for each in snapshot.templates)

    def _of_template(self, template: PodTemplate, namespaces: Mapping[str, Mapping[str, str]]) -> Leave | None:
        labels = namespaces.get(template.namespace) or {NAMESPACE_NAME: template.namespace}
        return self.of(template.namespace, labels, dict(template.labels))


def only_allowed(snapshot: Snapshot, leaves: Iterable[Leave | None]) -> Snapshot:
    """Return the snapshot with every pod pinned that nobody lets be moved.

    Parameters
    ----------
    snapshot : Snapshot
    leaves : iterable of Leave or None
        One a template.
    """
    templates = tuple(
        replace(each, unmovable=each.unmovable or NO_LEAVE) if leave is None else each
        for each, leave in zip(snapshot.templates, leaves, strict=True)
    )
    return replace(snapshot, templates=templates)


def _lever(policy: CappingPolicyObject, levers: tuple[Lever, ...]) -> Lever | None:
    return next((lever for lever in policy.spec.levers if lever in levers), None)


def _rank(policy: CappingPolicyObject) -> tuple[bool, int, PolicyKey]:
    return not isinstance(policy, ClusterPowerCappingPolicyObject), -policy.spec.priority, key_of(policy)


def _namespaces(policy: CappingPolicyObject) -> Selector:
    across = policy.spec.namespace_selector if isinstance(policy.spec, ClusterPowerCappingPolicySpec) else None
    return canonical(across or EVERYTHING)
