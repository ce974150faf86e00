"""Placeholders: pods that never run and hold a moving pod's place at its target.

A pod behind a gate that is nominated to a node is counted there by kube-scheduler against pods of its own and of lower
priority (measured; ``NominatedNodeNameForExpectation``, on from Kubernetes 1.35). It asks for what the moving pod asks
for, so it holds neither more nor less; its gate is never lifted, so it never runs and starts no autoscaler. Those that
are there are the record of what is reserved: whoever takes over finds them, and their plan owns them.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from powerplane.actuator.acts import Hold
from powerplane.models.api.kinds import API_VERSION, PLACEMENT_PLAN
from powerplane.models.marks import HOLD_FOR_ANNOTATION, HOLD_GATE, HOLD_LABEL, HOLD_PREFIX, OWN_NAMESPACE

Json = dict[str, Any]

IMAGE: Final = "hold"
"""Never pulled: the pod never has a node."""

LONGEST_LABEL: Final = 63

# What Kubernetes' "restricted" profile of pod security asks for: our namespace takes no other pods.
HARMLESS_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
HARMLESS_CONTAINER: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    containers: list[Json]
    init_containers: list[Json] | None = None
    tolerations: list[Json] | None = None
    resources: Json | None = None
    priority_class_name: str = ""
    scheduler_name: str = ""
    runtime_class_name: str = ""


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class MovingPod(msgspec.Struct, frozen=True):
    """A pod as the API server shows it, as far as a placeholder copies it."""

    metadata: _Meta
    spec: _Spec


def placeholder_name(uid: str, plan_uid: str, attempt: int) -> str:
    """Name of a pod's placeholder: it follows from pod and plan, so that making it twice makes no second."""
    plan = hashlib.sha256(plan_uid.encode()).hexdigest()[:4]
    return f"{HOLD_PREFIX}{uid[:8].lower().strip('-')}-{plan}-{attempt}"


def placeholder_body(act: Hold, pod: MovingPod) -> Json:
    """Return the placeholder as it is posted."""
    spec = pod.spec
    body: Json = {
        "schedulingGates": [{"name": HOLD_GATE}],
        "containers": [_container(each) for each in spec.containers],
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Always",
        "securityContext": HARMLESS_POD,
    }
    if spec.init_containers:
        body["initContainers"] = [_container(each) for each in spec.init_containers]
    stated = {"resources": _requests_of(spec.resources)} if spec.resources else {}
    copied = {
        "tolerations": spec.tolerations,
        "priorityClassName": spec.priority_class_name,
        "schedulerName": spec.scheduler_name,
        "runtimeClassName": spec.runtime_class_name,
    }
    body |= stated | {field: value for field, value in copied.items() if value}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": placeholder_name(act.uid, act.plan_uid, act.attempt),
            "namespace": OWN_NAMESPACE,
            "labels": {HOLD_LABEL: act.plan[:LONGEST_LABEL].rstrip("-.")},
            "annotations": {HOLD_FOR_ANNOTATION: act.uid},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": PLACEMENT_PLAN.name, "name": act.plan, "uid": act.plan_uid}
            ],
        },
        "spec": body,
    }


def _container(container: Mapping[str, Any]) -> Json:
    """A container that asks for the same, and is nothing else."""
    body: Json = {"name": container["name"], "image": IMAGE, "securityContext": HARMLESS_CONTAINER}
    resources = _requests_of(container.get("resources") or {})
    if resources:
        body["resources"] = resources
    if container.get("restartPolicy"):  # a sidecar
        body["restartPolicy"] = container["restartPolicy"]
    return body


def _requests_of(resources: Mapping[str, Any]) -> Json:
    """Requests; limits where Kubernetes wants them equal: of extended resources and huge pages."""
    requests = dict(resources.get("limits") or {}) | dict(resources.get("requests") or {})
    limits = {name: amount for name, amount in requests.items() if "/" in name or name.startswith("hugepages-")}
    return ({"requests": requests} if requests else {}) | ({"limits": limits} if limits else {})
