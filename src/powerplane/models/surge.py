"""Whether a pod's successor may come before the pod goes, and what is written on the pod meanwhile.

A pod that loses its label ``pod-template-hash`` is let go by its ReplicaSet, which makes another at once; Services and
PodDisruptionBudgets of the Deployment go by its other labels, and keep the pod. Given the label back, the ReplicaSet
takes it in again, and deletes one pod too many, first one that is not ready. Source: Kubernetes, "ReplicaSet: isolating
pods from a ReplicaSet" and pkg/controller/controller_utils.go (ActivePodsWithRanks).
"""

from typing import Final, NamedTuple

from powerplane.models.marks import DETACHED_ANNOTATION, HASH_LABEL, SURGE_ANNOTATION
from powerplane.models.mobility import controller_of
from powerplane.models.objects import ObjectMeta, PodSpec

GANG_KEYS: Final = (
    "scheduling.k8s.io/group-name",
    "scheduling.x-k8s.io/pod-group",
    "pod-group.scheduling.sigs.k8s.io",
    "pod-group.scheduling.sigs.k8s.io/name",
    "kueue.x-k8s.io/pod-group-name",
    "leaderworkerset.sigs.k8s.io/name",
    "ray.io/cluster",
)
"""Labels or annotations by which pods say that they belong together, and are of no use one by one."""

PARTS: Final = 3


class Detached(NamedTuple):
    """The ReplicaSet that a pod was taken out of, and the value of the label that says so.

    Parameters
    ----------
    owner, owner_uid : str
        Name and UID of the ReplicaSet.
    value : str
        Of the label that was taken off.
    """

    owner: str
    owner_uid: str
    value: str

    def told(self) -> str:
        """As the annotation says it."""
        return f"{self.owner}/{self.owner_uid}/{self.value}"


def read_detached(text: str) -> Detached | None:
    """Return what an annotation says; None where it says nothing of the kind."""
    parts = text.split("/")
    return Detached(*parts) if len(parts) == PARTS and all(parts) else None


def detached_from(meta: ObjectMeta) -> Detached | None:
    """Return what a pod was taken out of; None of one that was not, or that has its label again.

    Parameters
    ----------
    meta : ObjectMeta
    """
    text = (meta.annotations or {}).get(DETACHED_ANNOTATION, "")
    return read_detached(text) if HASH_LABEL not in (meta.labels or {}) else None


def why_no_surge(meta: ObjectMeta, spec: PodSpec) -> str:
    """Return why a pod's successor may not come before it goes; "" where it may.

    Parameters
    ----------
    meta : ObjectMeta
    spec : PodSpec
    """
    annotations, labels = meta.annotations or {}, meta.labels or {}
    if annotations.get(SURGE_ANNOTATION) != "true":
        return "its owner does not ask for it"
    owner, value = controller_of(meta.owner_references), labels.get(HASH_LABEL, "")
    if owner is None or owner.kind != "ReplicaSet" or not value or not owner.name.endswith(f"-{value}"):
        return "it is of no Deployment"
    if any(key in annotations or key in labels for key in GANG_KEYS):
        return "it belongs to a group of pods that run together"
    if any(volume.persistent_volume_claim is not None for volume in spec.volumes or ()):
        return "it has a volume, which one pod at a time may be meant to use"
    if spec.resource_claims:
        return "it claims devices"
    return ""
