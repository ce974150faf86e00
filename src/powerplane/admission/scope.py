"""Which pods the webhook leaves as they are, and whose pod it is."""

import re
from collections.abc import Mapping

from powerplane.models.mobility import controller_of, is_its_nodes_own
from powerplane.models.objects import ObjectMeta, Pod

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
ADMISSION_LABEL = "powerplane.dev/admission"
"""On a namespace; "ignore": its pods are left as they are. On a pod it would be anybody's to set."""

IGNORE = "ignore"
HASH_LABEL = "pod-template-hash"
_CRON_SUFFIX = re.compile(r"-\d{6,}$")


def reason_to_leave(pod: Pod, namespace_labels: Mapping[str, str] | None) -> str:
    """Say why a new pod is left as it is; "" where it is not.

    Parameters
    ----------
    pod : Pod
        As it is to be created.
    namespace_labels : mapping or None
        Of its namespace; None where that is not known.

    Returns
    -------
    str
        A word for metrics.
    """
    if MIRROR_ANNOTATION in (pod.metadata.annotations or {}):
        return "mirror"
    if pod.spec.node_name:
        return "bound"
    if is_its_nodes_own(pod.metadata.owner_references):
        return "daemon"
    if (namespace_labels or {}).get(ADMISSION_LABEL) == IGNORE:
        return "namespace"
    return ""


def owner_name(meta: ObjectMeta) -> str:
    """Return ``Kind/name`` of the workload that a new pod is of; "" for a bare pod.

    Notes
    -----
    The owner of a pod's own controller is not in the review, and is not asked for: a ReplicaSet of a Deployment has
    its pods' template hash at the end of its name, and a Job of a CronJob the minute at which it was due.
    """
    owner = controller_of(meta.owner_references)
    if owner is None:
        return ""
    template = (meta.labels or {}).get(HASH_LABEL, "")
    if owner.kind == "ReplicaSet" and template and owner.name.endswith(f"-{template}"):
        return f"Deployment/{owner.name.removesuffix(f'-{template}')}"
    if owner.kind == "Job" and _CRON_SUFFIX.search(owner.name):
        return f"CronJob/{_CRON_SUFFIX.sub('', owner.name)}"
    return f"{owner.kind}/{owner.name}"
