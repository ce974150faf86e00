"""Why a pod may not be moved: the rules that Kubernetes' own node drains and autoscalers keep to."""

from powerplane.models.objects import OwnerReference, Pod, Volume
from powerplane.models.requests import claims_devices

MIRROR = "kubernetes.io/config.mirror"
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
DO_NOT_DISRUPT = ("karpenter.sh/do-not-disrupt", "powerplane.dev/do-not-disrupt")


def controller_of(owners: tuple[OwnerReference, ...] | None) -> OwnerReference | None:
    """Return the owner that manages the object, if any does."""
    return next((owner for owner in owners or () if owner.controller), None)


def is_its_nodes_own(owners: tuple[OwnerReference, ...] | None) -> bool:
    """Whether a pod belongs to one node, and runs there whatever anybody says: of a DaemonSet, or a static pod."""
    owner = controller_of(owners)
    return owner is not None and owner.kind in ("DaemonSet", "Node")


def unmovable_reason(pod: Pod, *, waits_for_volume: bool = False) -> str:
    """Return why no plan may move a pod, "" when one may.

    Parameters
    ----------
    pod : Pod
    waits_for_volume : bool
        One of its claims is not bound yet.

    Notes
    -----
    A pod without a controller counts as movable here; who plans is told how many there are.
    """
    annotations = pod.metadata.annotations or {}
    owner = controller_of(pod.metadata.owner_references)
    kind = owner.kind if owner else ""
    safe = annotations.get(SAFE_TO_EVICT, "")
    if MIRROR in annotations or kind == "Node":
        return "mirror pod"
    if kind == "DaemonSet":
        return "DaemonSet"
    if pod.metadata.deletion_timestamp:
        return "terminating"
    if safe == "false" or any(annotations.get(key) == "true" for key in DO_NOT_DISRUPT):
        return "do-not-disrupt"
    if safe != "true" and any(is_local(volume) for volume in pod.spec.volumes or ()):
        return "local storage"
    if claims_devices(pod.spec):
        # Which nodes have such a device, and who holds it, stands in objects that are not read.
        return "claims devices"
    return "waits for its volume" if waits_for_volume else ""


def is_local(volume: Volume) -> bool:
    """Whether a volume's data would stay behind on the node: hostPath, or an emptyDir on disk."""
    if volume.host_path is not None:
        return True
    return volume.empty_dir is not None and volume.empty_dir.get("medium") != "Memory"
