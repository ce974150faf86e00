"""Whether a policy still lets a pod be moved: the plan says that one did when it was made, and it may have changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powerplane.actuator.facts import Move, PodFact
from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicySpec
from powerplane.models.api.policies import EVERYTHING
from powerplane.models.marks import OWN_NAMESPACE
from powerplane.models.matching import NAMESPACE_NAME, Selector, canonical, selector_matches

Labels = Mapping[str, str]

ENFORCE = "Enforce"
RESTORE = "restore"
"""To give back what a pod had needs nobody's leave."""

IGNORE_LABEL, IGNORE = "powerplane.dev/admission", "ignore"
"""Of a namespace whose pods are left as they are."""


@dataclass(frozen=True, slots=True)
class _Leave:
    namespace: str
    levers: frozenset[str]
    namespaces: Selector
    pods: Selector


class Leaves:
    """What policies let be done, and to whom.

    Parameters
    ----------
    policies : iterable of policies
        Only those in mode Enforce let anything be done.
    namespaces : mapping of name to labels
    """

    def __init__(self, policies: Iterable[CappingPolicyObject], namespaces: Mapping[str, Labels]) -> None:
        self._namespaces = namespaces
        self._leaves = tuple(_leave_of(each) for each in policies if each.spec.mode == ENFORCE and each.spec.levers)

    def forbids(self, move: Move, pod: PodFact) -> str:
        """Why a pod may not be moved by a lever; "" where some policy lets it."""
        if pod.namespace == OWN_NAMESPACE:
            return "OurOwn"
        if move.lever == RESTORE:
            return ""
        labels = {NAMESPACE_NAME: pod.namespace, **self._namespaces.get(pod.namespace, {})}
        if labels.get(IGNORE_LABEL) == IGNORE:
            return "OptedOut"
        own = dict(pod.labels)
        for leave in self._leaves:
            names = move.lever in leave.levers and leave.namespace in {"", pod.namespace}
            if names and selector_matches(leave.namespaces, labels) and selector_matches(leave.pods, own):
                return ""
        return "NoPolicy"


def _leave_of(policy: CappingPolicyObject) -> _Leave:
    spec = policy.spec
    across = spec.namespace_selector if isinstance(spec, ClusterPowerCappingPolicySpec) else None
    return _Leave(
        policy.metadata.namespace,
        frozenset(spec.levers),
        canonical(across or EVERYTHING),
        canonical(spec.selector or EVERYTHING),
    )
