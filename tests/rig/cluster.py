"""What tests put into a rig, and how they empty it again."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import urllib3
from tests.rig import processes
from tests.rig.api import MERGE
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, scheduler_config

WATTS = "powerplane.dev/watts"
GROUP = "powerplane.dev"
WORKLOADS = (
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/api/v1/namespaces/{}/persistentvolumeclaims",
)
KEPT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
OWN = "powerplane-system"
"""Emptied, and kept: a namespace takes 5 s to go, in which the controller manager waits for other API servers."""

OWN_CONTENT = (
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "/apis/events.k8s.io/v1/namespaces/{}/events",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/resourcequotas",
)
AT_ONCE: dict[str, Any] = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
EMPTY_S = 120.0


def node(
    name: str, labels: Mapping[str, str] | None = None, *, ready: bool = True, **allocatable: str | int
) -> dict[str, Any]:
    """A node that is ready from the start; 32 cores, 128 GiB and 110 pods where nothing else is said."""
    offers = {"cpu": "32", "memory": "128Gi", "pods": "110"} | {
        key.replace("watts", WATTS): str(value) for key, value in allocatable.items()
    }
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    condition = {"type": "Ready", "status": "True", "reason": "Rig", "message": "", "lastHeartbeatTime": now}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "status": {
            "capacity": offers,
            "allocatable": offers,
            "phase": "Running",
            "conditions": [condition | {"lastTransitionTime": now}] if ready else [],
        },
    }


def pod(
    name: str,
    *,
    namespace: str = "default",
    watts: int | None = None,
    cpu: str = "100m",
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A bare pod with one container; ``watts`` as a request of the extended resource."""
    requests = {"cpu": cpu} | ({WATTS: str(watts)} if watts is not None else {})
    limits = {WATTS: str(watts)} if watts is not None else {}
    container = {"name": "main", "image": "none", "resources": {"requests": requests, "limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def make_nodes(rig: Rig, nodes: Iterable[Mapping[str, Any]]) -> None:
    """Create nodes, and wait until their not-ready taint, where one came, is off again."""
    made = [dict(each) for each in nodes]
    rig.api.post_all("/api/v1/nodes", made)
    names = {each["metadata"]["name"] for each in made}

    def clean() -> bool:
        return not any(
            each["spec"].get("taints") for each in rig.api.items("/api/v1/nodes") if each["metadata"]["name"] in names
        )

    if not any(each.get("spec", {}).get("taints") for each in made):
        assert wait_for(clean, EMPTY_S, 0.5), "nodes keep their not-ready taints"


def make_pods(rig: Rig, pods: Iterable[Mapping[str, Any]], at_once: int = 16) -> None:
    """Create pods, many at once, each in the namespace that it names."""
    by_namespace: dict[str, list[Mapping[str, Any]]] = {}
    for each in pods:
        by_namespace.setdefault(each["metadata"]["namespace"], []).append(each)
    for namespace, bodies in by_namespace.items():
        rig.api.post_all(f"/api/v1/namespaces/{namespace}/pods", bodies, at_once)


def bound(rig: Rig, namespace: str = "default") -> dict[str, str]:
    """Node of each bound pod, by name."""
    pods = rig.api.items(f"/api/v1/namespaces/{namespace}/pods")
    return {each["metadata"]["name"]: each["spec"]["nodeName"] for each in pods if each["spec"].get("nodeName")}


def delete_pods(rig: Rig) -> None:
    """Delete all pods, with whoever looks after their claims still there; pods that wait keep the scheduler busy."""

    def gone() -> bool:
        # The API server cuts a call off after a minute, which thousands of pods may take on a busy machine.
        with suppress(urllib3.exceptions.ProtocolError):
            rig.api.call("DELETE", "/api/v1/namespaces/default/pods", AT_ONCE)
        return not rig.api.items("/api/v1/namespaces/default/pods?limit=1")

    assert wait_for(gone, 180, 0.5)


def refresh(rig: Rig) -> Rig:
    """Make a rig as it was at its start: every part runs, it is empty, and its scheduler has no extender."""
    if rig.interrupted and "kube-controller-manager" in rig.pids:
        rig.kill("kube-controller-manager")
        rig.interrupted = False
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kwok"):
        # The controller manager ends by itself where the API server is killed before it has found it.
        if name not in rig.pids or not processes.alive(rig.pids[name], name):
            rig.revive(name)
    clear(rig)
    name = "kube-scheduler"
    if name not in rig.pids or not processes.alive(rig.pids[name], name) or rig.reconfigured:
        rig.restart_scheduler(scheduler_config())
        rig.reconfigured = False
    return rig


def clear(rig: Rig) -> None:
    """Remove workloads, pods, nodes, volumes, our objects, our definitions, and namespaces of tests."""
    namespaces = [each["metadata"]["name"] for each in rig.api.items("/api/v1/namespaces")]
    for namespace in namespaces:
        for path in WORKLOADS:
            rig.api.call("DELETE", path.format(namespace), AT_ONCE)
    for resource in _our_resources(rig, namespaces):
        rig.api.call("DELETE", resource, AT_ONCE)
    assert wait_for(lambda: _empty_of_pods(rig), EMPTY_S, 0.3), "pods do not go"
    for path in ("/api/v1/nodes", "/api/v1/persistentvolumes", "/apis/scheduling.k8s.io/v1/priorityclasses"):
        if path.endswith("priorityclasses"):
            _drop_own_classes(rig, path)
        else:
            rig.api.call("DELETE", path, AT_ONCE)
    for namespace in set(namespaces) - {*KEPT_NAMESPACES, OWN}:
        rig.api.call("DELETE", f"/api/v1/namespaces/{namespace}")
    if OWN in namespaces:
        _empty_own(rig)
    assert wait_for(lambda: _own_namespace_alone(rig), EMPTY_S, 0.1), "namespaces do not go"


def _empty_own(rig: Rig) -> None:
    """Leave our namespace as one that has just been made."""
    for path in OWN_CONTENT:
        rig.api.call("DELETE", path.format(OWN), AT_ONCE)
    rig.api.call("PATCH", f"/api/v1/namespaces/{OWN}", {"metadata": {"labels": None, "annotations": None}}, MERGE)


def _own_namespace_alone(rig: Rig) -> bool:
    """Whether of tests' namespaces none but ours is left, and that one not on its way out."""
    left = [each["metadata"] for each in rig.api.items("/api/v1/namespaces")]
    return all(
        each["name"] in KEPT_NAMESPACES or (each["name"] == OWN and "deletionTimestamp" not in each) for each in left
    )


def _our_resources(rig: Rig, namespaces: Iterable[str]) -> list[str]:
    """Paths of all lists of our group that the server serves now; objects of all namespaces cannot go in one call."""
    root = f"/apis/{GROUP}/v1alpha1"
    found = rig.api.call("GET", root)
    kinds = [each for each in found.body.get("resources", ()) if "/" not in each["name"]] if found.ok else []
    whole = [f"{root}/{each['name']}" for each in kinds if not each["namespaced"]]
    apart = [f"{root}/namespaces/{one}/{each['name']}" for each in kinds if each["namespaced"] for one in namespaces]
    return whole + apart


def _empty_of_pods(rig: Rig) -> bool:
    left = rig.api.items("/api/v1/pods")
    for namespace in {each["metadata"]["namespace"] for each in left}:
        rig.api.call("DELETE", f"/api/v1/namespaces/{namespace}/pods", AT_ONCE)
    return not left


def _drop_own_classes(rig: Rig, path: str) -> None:
    for each in rig.api.items(path):
        if not each["metadata"]["name"].startswith("system-"):
            rig.api.call("DELETE", f"{path}/{each['metadata']['name']}")
