"""Nodes and pods of the trace as lists of Kubernetes objects."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.openb_files import WHOLE_CARD, TraceNodes, TracePods

NAMESPACE = "openb"
GPU_MILLI = "powerplane.dev/gpu-milli"
GPU_PRODUCT = "nvidia.com/gpu.product"
QOS = "openb.powerplane.dev/qos"
BEST_EFFORT_PRIORITY = -10
MOST_PODS = 256
"""Pods to a node: the trace states no limit, and this is the usual highest."""


def node_list(nodes: TraceNodes) -> bytes:
    """Return the nodes as a List."""
    columns = (nodes.names, nodes.cpu_milli.tolist(), nodes.memory_mib.tolist(), nodes.cards.tolist(), nodes.model)
    return _list([_node(*row) for row in zip(*columns, strict=True)])


def pod_list(nodes: TraceNodes, pods: TracePods, place: NDArray[np.int32]) -> bytes:
    """Return the pods as a List.

    Parameters
    ----------
    nodes : TraceNodes
    pods : TracePods
    place : int32 array, shape (P,)
        Node of each pod; -1 for a pod that waits for one.
    """
    return _list([_pod(pods, row, nodes.names[node] if node >= 0 else "") for row, node in enumerate(place.tolist())])


def _node(name: str, cpu_milli: int, memory_mib: int, cards: int, model: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name}
    allocatable = {"cpu": f"{cpu_milli}m", "memory": f"{memory_mib}Mi", "pods": str(MOST_PODS)}
    if cards:
        labels[GPU_PRODUCT] = model
        allocatable[GPU_MILLI] = str(WHOLE_CARD * cards)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": allocatable},
    }


def _pod(pods: TracePods, row: int, node: str) -> dict[str, Any]:
    qos = pods.qos[row]
    spec: dict[str, Any] = {"containers": [{"name": "task", "resources": {"requests": _requests(pods, row)}}]}
    if node:
        spec["nodeName"] = node
    if qos == "BE":
        spec["priority"] = BEST_EFFORT_PRIORITY
    if models := pods.models[row]:
        spec["affinity"] = _on_models(models)
    owner = f"openb-{qos.lower() or 'task'}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pods.names[row],
            "namespace": NAMESPACE,
            "uid": f"uid-{pods.names[row]}",
            "labels": {QOS: qos} if qos else {},
            "ownerReferences": [{"kind": "Job", "name": owner, "uid": f"uid-{owner}", "controller": True}],
        },
        "spec": spec,
        "status": {"phase": "Running" if node else "Pending"},
    }


def _requests(pods: TracePods, row: int) -> dict[str, str]:
    requests = {"cpu": f"{pods.cpu_milli[row]}m", "memory": f"{pods.memory_mib[row]}Mi"}
    cards = int(pods.gpu_milli[row])
    return requests | {GPU_MILLI: str(cards)} if cards else requests


def _on_models(models: tuple[str, ...]) -> dict[str, Any]:
    expression = {"key": GPU_PRODUCT, "operator": "In", "values": list(models)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _list(items: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items})
