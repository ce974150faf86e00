"""Pods to alerts: what they draw by the books, and which of them a policy is for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from powerplane.models.alerts.remedy import Share
from powerplane.models.api.capping_policy import CappingPolicyObject, ClusterPowerCappingPolicySpec
from powerplane.models.api.policies import key_of
from powerplane.models.matching import canonical, selector_matches
from powerplane.models.objects import LabelSelector

PodKind = tuple[str, frozenset[tuple[str, str]]]
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


def kinds_of(pods: Iterable[SeenPod]) -> dict[PodKind, list[SeenPod]]:
    """Pods that no selector tells apart: there are far fewer kinds than pods."""
    found: dict[PodKind, list[SeenPod]] = {}
    for pod in pods:
        found.setdefault((pod.namespace, frozenset(pod.labels.items())), []).append(pod)
    return found


def chosen(
    policy: CappingPolicyObject, kinds: Mapping[PodKind, list[SeenPod]], namespaces: Mapping[str, Mapping[str, str]]
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
