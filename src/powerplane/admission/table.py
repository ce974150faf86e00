"""Everything that an answer is made from, at one moment: immutable, made aside and swapped whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from powerplane.admission.filling import Filler
from powerplane.admission.own_caps import OwnCap
from powerplane.admission.planned import Targets
from powerplane.admission.predicting import Prediction, Predictor
from powerplane.admission.validation.ground import Ground
from powerplane.admission.whereabouts import Whereabouts
from powerplane.models.api.capping_policy import (
    ACTING,
    AdmissionChoice,
    CappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    Lock,
)
from powerplane.models.matching import Selector, canonical, selector_matches
from powerplane.models.objects import LabelSelector, PodSpec
from powerplane.models.requests import Amounts

NAME_LABEL = "kubernetes.io/metadata.name"
EVERYTHING = LabelSelector()
DEFAULT_CHOICE = AdmissionChoice()

Labels = Mapping[str, str]
Ranked = tuple[tuple[Selector, AdmissionChoice], ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Pods that one acting policy is for.

    Parameters
    ----------
    namespace : str
        "" for every one that ``namespaces`` takes.
    namespaces, pods : LabelSelector
    choice : AdmissionChoice
        How they are let in.
    rank : (bool, int)
        Whether it is a cluster policy, and its priority: of several policies for a pod the highest counts.
    """

    namespace: str
    namespaces: LabelSelector
    pods: LabelSelector
    choice: AdmissionChoice = DEFAULT_CHOICE
    rank: tuple[bool, int] = (False, 0)

    def takes(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Say whether a pod is among them."""
        return self.takes_namespace(namespace, namespace_labels) and selector_matches(self.pods, pod_labels)

    def takes_namespace(self, namespace: str, namespace_labels: Labels) -> bool:
        """Say whether pods of a namespace may be among them."""
        if self.namespace and self.namespace != namespace:
            return False
        return selector_matches(self.namespaces, namespace_labels)


@dataclass(frozen=True, slots=True)
class Table:
    """What is known.

    Parameters
    ----------
    namespaces : mapping of name to labels
    reaches : tuple of Reach
    predictor : Predictor
    offered : str
        The lock that the cluster offers, for policies that leave it to us.
    listed : bool
        Whether nodes list watts.
    targets : Targets
        Where plans want the successors of pods that they move.
    room_watts : int or None
        What may come anywhere at the most under all budgets; None where that is not known.
    surges : mapping of (namespace, name) to int
        Watts that Deployments' roll-outs in progress may still bring.
    ground : Ground
        What new objects are held against.
    levels : tuple of str
        At which pods claim, where the lock is claims.
    filler : Filler
        What missing requests are filled from.
    whereabouts : Whereabouts or None
        Rates by where a pod can go; None where the predictor's own count for every pod.
    caps : tuple of OwnCap
        Policies' own caps that new pods may have to wait for; none where nobody would let them go.
    """

    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    reaches: tuple[Reach, ...] = ()
    predictor: Predictor = field(default_factory=Predictor)
    offered: Lock = "Auto"
    listed: bool = False
    targets: Targets = field(default_factory=Targets)
    room_watts: int | None = None
    surges: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ground: Ground = field(default_factory=Ground)
    levels: tuple[str, ...] = ()
    filler: Filler = field(default_factory=Filler)
    whereabouts: Whereabouts | None = None
    caps: tuple[OwnCap, ...] = ()
    _kept: dict[str, Ranked] = field(default_factory=dict, init=False, repr=False, compare=False)

    def foretell(self, owner: str, spec: PodSpec, amounts: Amounts, alike: str = "") -> Prediction:
        """Return a new pod's watts; see ``Predictor.predict``."""
        rates = self.whereabouts.rates_for(spec, amounts) if self.whereabouts is not None else None
        return self.predictor.predict(owner, amounts, alike, rates)

    def labels_of(self, namespace: str) -> Labels:
        """Labels of a namespace; of one that is too new to be known, its name alone."""
        return self.namespaces.get(namespace, {NAME_LABEL: namespace})

    def acts_on(self, namespace: str, pod_labels: Labels) -> bool:
        """Say whether some policy in mode Initial or Enforce is for a pod."""
        labels = self.labels_of(namespace)
        return any(reach.takes(namespace, labels, pod_labels) for reach in self.reaches)

    def choice_for(self, namespace: str, pod_labels: Labels) -> AdmissionChoice | None:
        """How a pod is let in; None where no policy in mode Initial or Enforce is for it."""
        for pods, choice in self._ranked(namespace):
            if selector_matches(pods, pod_labels):
                return choice
        return None

    def _ranked(self, namespace: str) -> Ranked:
        """What policies of a namespace's pods say, the highest first; kept, as every review asks."""
        found = self._kept.get(namespace)
        if found is None:
            labels = self.labels_of(namespace)
            takers = [each for each in self.reaches if each.takes_namespace(namespace, labels)]
            takers.sort(key=lambda each: each.rank, reverse=True)
            found = tuple((canonical(each.pods), each.choice) for each in takers)
            if namespace in self.namespaces:
                self._kept[namespace] = found
        return found

    def lock_for(self, namespace: str, pod_labels: Labels) -> Lock:
        """What holds budgets for a pod; Auto where that is not known."""
        return self.lock_of(self.choice_for(namespace, pod_labels))

    @property
    def claims(self) -> bool:
        """Whether any policy has pods claim."""
        return any(self.lock_of(reach.choice) == "Claims" for reach in self.reaches)

    @property
    def fills(self) -> bool:
        """Whether any policy has requests filled in."""
        return any(reach.choice.fill_requests for reach in self.reaches)

    def lock_of(self, choice: AdmissionChoice | None) -> Lock:
        """What a choice comes to in this cluster."""
        return self.offered if choice is None or choice.lock == "Auto" else choice.lock


def reaches_of(policies: Iterable[CappingPolicyObject]) -> tuple[Reach, ...]:
    """Return what acting policies reach."""
    found = []
    for policy in policies:
        if policy.spec.mode in ACTING:
            across = policy.spec.namespace_selector if isinstance(policy.spec, ClusterPowerCappingPolicySpec) else None
            own = policy.metadata.namespace
            pods, choice = policy.spec.selector or EVERYTHING, policy.spec.admission or DEFAULT_CHOICE
            found.append(Reach(own, across or EVERYTHING, pods, choice, (not own, policy.spec.priority)))
    return tuple(found)
