"""Everything that an answer is made from, at one moment: immutable, made aside and swapped whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.admission.predicting import Predictor
from powerplane.models.api.capping_policy import ACTING, CappingPolicyObject, ClusterPowerCappingPolicySpec
from powerplane.models.matching import selector_matches
from powerplane.models.objects import LabelSelector

NAME_LABEL = "kubernetes.io/metadata.name"
EVERYTHING = LabelSelector()

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """Pods that one acting policy is for.

    Parameters
    ----------
    namespace : str
        "" for every one that ``namespaces`` takes.
    namespaces, pods : LabelSelector
    """

    namespace: str
    namespaces: LabelSelector
    pods: LabelSelector

    def takes(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Say whether a pod is among them."""
        if self.namespace and self.namespace != namespace:
            return False
        return selector_matches(self.namespaces, namespace_labels) and selector_matches(self.pods, pod_labels)


@dataclass(frozen=True, slots=True)
class Table:
    """What is known.

    Parameters
    ----------
    namespaces : mapping of name to labels
    reaches : tuple of Reach
    predictor : Predictor
    """

    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    reaches: tuple[Reach, ...] = ()
    predictor: Predictor = field(default_factory=Predictor)

    def labels_of(self, namespace: str) -> Labels:
        """Labels of a namespace; of one that is too new to be known, its name alone."""
        return self.namespaces.get(namespace, {NAME_LABEL: namespace})

    def acts_on(self, namespace: str, pod_labels: Labels) -> bool:
        """Say whether some policy in mode Initial or Enforce is for a pod."""
        labels = self.labels_of(namespace)
        return any(reach.takes(namespace, labels, pod_labels) for reach in self.reaches)


def reaches_of(policies: Iterable[CappingPolicyObject]) -> tuple[Reach, ...]:
    """Return what acting policies reach."""
    found = []
    for policy in policies:
        if policy.spec.mode in ACTING:
            across = policy.spec.namespace_selector if isinstance(policy.spec, ClusterPowerCappingPolicySpec) else None
            own = policy.metadata.namespace
            found.append(Reach(own, across or EVERYTHING, policy.spec.selector or EVERYTHING))
    return tuple(found)
