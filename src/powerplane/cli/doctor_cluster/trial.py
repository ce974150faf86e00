"""``powerplane doctor``: a new pod sent for a trial, to see what it is given; nothing is stored."""

from collections.abc import Mapping
from typing import Any

import msgspec

from powerplane.adapters.cluster_http import Request
from powerplane.adapters.cluster_look import ClusterLook
from powerplane.admission.scope import ADMISSION_LABEL, IGNORE
from powerplane.cli.doctor_cluster.seen import Cluster, DoctorPod, Probe
from powerplane.cli.doctor_cluster.standing import SYSTEM, has_watts, table_of, waits
from powerplane.models.errors import InputError
from powerplane.models.matching import selector_matches
from powerplane.models.objects import LabelSelector
from powerplane.models.pod_watts import noted_watts, requested_watts

CORES = "1"


def try_pod(look: ClusterLook, cluster: Cluster) -> Probe:
    """Send a pod that an acting policy is for; in no namespace where there is none."""
    where = place(cluster)
    if where is None:
        return Probe()
    namespace, labels = where
    path = f"/api/v1/namespaces/{namespace}/pods"
    told = look.ask(Request("POST", path, [("dryRun", "All")], trial_pod(labels)))
    if not told.ok:
        return Probe(namespace, told)
    try:
        pod = msgspec.json.decode(told.body, type=DoctorPod)
    except msgspec.MsgspecError:
        return Probe(namespace, told)
    return Probe(namespace, told, given_watts(pod), gated=waits(pod))


def place(cluster: Cluster) -> tuple[str, dict[str, str]] | None:
    """A namespace, and labels of a pod there, that an acting policy is for; None where there is none."""
    table = table_of(cluster)
    for reach in table.reaches:
        labels = labels_for(reach.pods)
        if labels is None:
            continue
        for name, own in sorted(table.namespaces.items()):
            if name not in SYSTEM and own.get(ADMISSION_LABEL) != IGNORE and reach.takes(name, own, labels):
                return name, labels
    return None


def labels_for(selector: LabelSelector) -> dict[str, str] | None:
    """Labels that a selector takes; None where none are found at once."""
    labels = dict(selector.match_labels or {})
    for each in selector.match_expressions or ():
        if each.operator == "In" and each.values:
            labels.setdefault(each.key, each.values[0])
        elif each.operator == "Exists":
            labels.setdefault(each.key, "powerplane")
    return labels if selector_matches(selector, labels) else None


def trial_pod(labels: Mapping[str, str]) -> dict[str, Any]:
    """A small pod that the strictest rules of pod security let in."""
    container = {
        "name": "trial",
        "image": "powerplane.dev/trial",
        "resources": {"requests": {"cpu": CORES, "memory": "16Mi"}, "limits": {"cpu": CORES, "memory": "16Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    metadata = {"generateName": "powerplane-doctor-", "labels": dict(labels)}
    spec = {"containers": [container], "automountServiceAccountToken": False, "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def given_watts(pod: DoctorPod) -> int:
    """Watts that a pod was given, as a request or an annotation; 1 where they are claimed."""
    try:
        requested = requested_watts(pod.spec)
    except InputError:
        requested = 0
    return max(requested, noted_watts(pod.metadata.annotations), int(has_watts(pod)))
