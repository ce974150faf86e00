"""Which lock holds for each acting policy, and how its pods stand: what several parts of doctor go by."""

from collections.abc import Mapping
from dataclasses import dataclass

from powerplane.admission.gates.gating import GATE
from powerplane.admission.offering import Offer, offer
from powerplane.admission.predicting import Predictor
from powerplane.admission.scope import reason_to_leave
from powerplane.admission.table import Table, reaches_of
from powerplane.cli.doctor_cluster.seen import Cluster, DoctorPod
from powerplane.models.api.capping_policy import ACTING, CappingPolicyObject, Lock
from powerplane.models.errors import InputError
from powerplane.models.objects import Pod, PodSpec
from powerplane.models.pod_reading import FINISHED
from powerplane.models.pod_watts import is_believed, stated_watts
from powerplane.models.requests import pod_requests
from powerplane.models.rights import NAMESPACE

SYSTEM = ("kube-system", NAMESPACE)
"""Namespaces that the webhook is never asked about."""


@dataclass(slots=True)
class PolicyStanding:
    """One policy and its pods.

    Parameters
    ----------
    namespace, name, mode : str
    chosen : Lock
        As its spec says.
    lock : Lock
        What holds for it; Auto for nothing.
    why : str
    pods : int
        That it decides on; a pod of several policies counts to the one of highest rank.
    without : list of str
        Those that came in without watts though it acted already.
    older : int
        Those that were there before it.
    """

    namespace: str
    name: str
    mode: str
    chosen: Lock
    lock: Lock
    why: str
    pods: int
    without: list[str]
    older: int

    @property
    def shown(self) -> str:
        """Its name as people say it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def offered(cluster: Cluster) -> Offer:
    """What the cluster offers to policies that leave the lock to us."""
    return offer(cluster.signs)


def standings(cluster: Cluster) -> list[PolicyStanding]:
    """Look at every policy, and at the pods of those that act."""
    found = offered(cluster)
    made = []
    policies: list[CappingPolicyObject] = [*cluster.cluster_policies.items, *cluster.policies.items]
    for policy in policies:
        choice = policy.spec.admission
        chosen: Lock = choice.lock if choice else "Auto"
        lock, why = (found.lock, found.why) if chosen == "Auto" else (chosen, "its spec says so")
        meta = policy.metadata
        made.append(PolicyStanding(meta.namespace, meta.name, policy.spec.mode, chosen, lock, why, 0, [], 0))
    _count_pods(cluster, policies, made)
    return made


def table_of(cluster: Cluster) -> Table:
    """The table that a webhook would answer from, as far as it can be seen."""
    namespaces = {each.metadata.name: each.metadata.labels or {} for each in cluster.namespaces.items}
    policies: list[CappingPolicyObject] = [*cluster.cluster_policies.items, *cluster.policies.items]
    return Table(namespaces, reaches_of(policies), Predictor(), offered(cluster).lock)


def has_watts(pod: DoctorPod) -> bool:
    """Whether a pod asks for watts that are believed, is annotated with such, or claims them."""
    if pod.spec.resource_claims:
        return True
    try:
        amounts = pod_requests(pod.spec)
        return is_believed(stated_watts(amounts, pod.metadata.annotations), amounts)
    except InputError:
        return False


def waits(pod: DoctorPod) -> bool:
    """Whether a pod stands behind our gate."""
    return any(gate.name == GATE for gate in pod.spec.scheduling_gates or ())


def is_for_us(pod: DoctorPod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether the webhook has a say over a pod when it is created."""
    if pod.metadata.namespace in SYSTEM or pod.status.phase in FINISHED:
        return False
    unbound = Pod(pod.metadata, PodSpec(containers=pod.spec.containers))
    return not reason_to_leave(unbound, namespace_labels)


def _count_pods(cluster: Cluster, policies: list[CappingPolicyObject], made: list[PolicyStanding]) -> None:
    labels = {each.metadata.name: each.metadata.labels or {} for each in cluster.namespaces.items}
    acting = [(policy, own) for policy, own in zip(policies, made, strict=True) if policy.spec.mode in ACTING]
    reaches = [(reaches_of([policy])[0], policy, own) for policy, own in acting]
    for pod in cluster.pods.items:
        where = pod.metadata.namespace
        own_labels = labels.get(where, {})
        if not is_for_us(pod, own_labels):
            continue
        takers = [each for each in reaches if each[0].takes(where, own_labels, pod.metadata.labels or {})]
        if not takers:
            continue
        _, policy, own = max(takers, key=lambda each: each[0].rank)
        own.pods += 1
        if not has_watts(pod):
            # Both moments are the API server's, written alike, so that they sort as text.
            if (pod.metadata.creation_timestamp or "") < (policy.metadata.creation_timestamp or ""):
                own.older += 1
            else:
                own.without.append(f"{where}/{pod.metadata.name}")
