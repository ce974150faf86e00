"""A generated cell as text: the Lists, usage, curves and topology of a snapshot directory."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.cell_spec import CellSpec
from powerplane.bench.fleet import MACHINES, MIB_PER_CORE, ZONES, Fleet, WorkloadClass
from powerplane.bench.placement import MAX_SKEW

BORN = "2026-01-01T00:00:00Z"
ROLLED_OUT = "2026-01-01T12:00:00Z"
"""When the freshest pods started: the moment of the snapshot, by which all others have settled."""
RACK_LABEL = "topology.powerplane.dev/rack"
ZONE_LABEL = "topology.kubernetes.io/zone"
HOST_LABEL = "kubernetes.io/hostname"
TYPE_LABEL = "node.kubernetes.io/instance-type"
TAINT = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}
RACKS_PER_ROW = 10
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPods:
    """Pods of one class: node row and micro-cores of use of each."""

    workload: WorkloadClass
    node: NDArray[np.int64]
    use_ucores: NDArray[np.int64]


def node_name(row: int) -> str:
    """Name of a node."""
    return f"node-{row:05d}"


def rack_name(row: int) -> str:
    """Name of a rack."""
    return f"rack-{row:03d}"


def uid(seed: int, name: str) -> str:
    """Return an object's UID, the same for the same seed and name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}/{name}"))


def listing(items: Iterable[str]) -> Iterator[str]:
    """Yield the text of a v1 List, item by item."""
    yield '{"apiVersion":"v1","kind":"List","items":['
    separator = ""
    for item in items:
        yield f"{separator}\n{item}"
        separator = ","
    yield "\n]}\n"


def compact(value: Json) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def nodes(spec: CellSpec, fleet: Fleet, seed: int) -> Iterator[str]:
    """Yield the nodes."""
    for row in range(spec.nodes):
        machine = MACHINES[fleet.machine[row]]
        labels = {
            HOST_LABEL: node_name(row),
            TYPE_LABEL: machine.name,
            ZONE_LABEL: ZONES[fleet.zone[row]],
            RACK_LABEL: rack_name(row // spec.rack_size),
        }
        offered = {
            "cpu": str(machine.cores),
            "memory": f"{machine.cores * MIB_PER_CORE}Mi",
            "pods": str(machine.max_pods),
        }
        yield compact(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": _meta(node_name(row), uid(seed, node_name(row)), labels=labels),
                "spec": {"taints": [TAINT]} if fleet.tainted[row] else {},
                "status": {"capacity": offered, "allocatable": offered},
            }
        )


def pods(placed: Iterable[PlacedPods], seed: int) -> Iterator[str]:
    """Yield the pods. All of one class share their text but for name, UID and node, so it is rendered once."""
    for group in placed:
        before, after_name, after_uid, after_node = _pod_text(group.workload, seed)
        for number, node in enumerate(group.node.tolist()):
            name = pod_name(group.workload, number)
            yield f"{before}{name}{after_name}{uid(seed, name)}{after_uid}{node_name(node)}{after_node}"


def usage(placed: Iterable[PlacedPods]) -> Iterator[str]:
    """Yield usage.csv."""
    yield "namespace,pod,cpu_cores,accelerator_watts\n"
    for group in placed:
        for number, use in enumerate(group.use_ucores.tolist()):
            cores = f"{use // 1_000_000}.{use % 1_000_000:06d}"
            yield f"{group.workload.namespace},{pod_name(group.workload, number)},{cores},0\n"


def owners(classes: Iterable[WorkloadClass], seed: int) -> dict[str, list[str]]:
    """Return the owners' objects by the file that they belong in."""
    found: dict[str, list[str]] = {"deployments": [], "replicasets": [], "daemonsets": []}
    for workload in classes:
        top = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet" if workload.daemon else "Deployment",
            "metadata": _meta(workload.name, uid(seed, workload.name), workload.namespace),
            "spec": {"selector": {"matchLabels": {"app": workload.name}}},
        }
        if workload.daemon:
            found["daemonsets"].append(compact(top))
            continue
        top["spec"] = {"replicas": workload.count, "selector": {"matchLabels": {"app": workload.name}}}
        found["deployments"].append(compact(top))
        found["replicasets"].append(compact(_replica_set(workload, seed)))
    return {kind: items for kind, items in found.items() if items}


def disruption_budgets(classes: Iterable[WorkloadClass], seed: int) -> Iterator[str]:
    """Yield the PodDisruptionBudgets: a tenth of the pods, at least one, may be down."""
    for workload in classes:
        if not workload.protected:
            continue
        allowed = max(1, workload.count // 10)
        yield compact(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": _meta(workload.name, uid(seed, f"pdb/{workload.name}"), workload.namespace),
                "spec": {"maxUnavailable": allowed, "selector": {"matchLabels": {"app": workload.name}}},
                "status": {"disruptionsAllowed": allowed, "expectedPods": workload.count},
            }
        )


def power(shape: str) -> str:
    """Return power.yaml (JSON is YAML, and quicker to read)."""
    lines = [f"  {machine.name}: [{_knots(machine.knots(shape))}]" for machine in MACHINES]
    chosen = [f"    - {{label: {{{TYPE_LABEL}: {m.name}}}, curve: {m.name}}}" for m in MACHINES]
    return "\n".join(["curves:", *lines, "nodes:", "  byLabel:", *chosen, ""])


def topology(spec: CellSpec, rack_budgets: list[str], row_budgets: list[str], feed_budget: str) -> str:
    """Return topology.yaml: two feeds that every row draws through, rows of ten racks."""
    lines = ["domains:"]
    lines += [_domain(name=feed, kind="feed", budget=feed_budget) for feed in ("feed-a", "feed-b")]
    for row, budget in enumerate(row_budgets):
        lines.append(
            _domain(name=f"row-{row:02d}", kind="row", parents=["feed-a", "feed-b"], feedLoad="shared", budget=budget)
        )
    for rack, budget in enumerate(rack_budgets):
        first = rack * spec.rack_size
        members = [node_name(row) for row in range(first, min(first + spec.rack_size, spec.nodes))]
        parent = f"row-{rack // RACKS_PER_ROW:02d}"
        lines.append(_domain(name=rack_name(rack), kind="rack", parents=[parent], budget=budget, nodes=members))
    return "\n".join([*lines, ""])


def pod_name(workload: WorkloadClass, number: int) -> str:
    """Name of a class's pod."""
    return f"{workload.name}-{number:05d}"


def _knots(knots: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"[{at}, {watts}]" for at, watts in knots)


def _domain(**fields: Any) -> str:
    return "- " + json.dumps(fields)


def _meta(name: str, its_uid: str, namespace: str = "", labels: Json | None = None) -> Json:
    meta: Json = {"name": name, "uid": its_uid, "creationTimestamp": BORN}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    return meta


def _replica_set(workload: WorkloadClass, seed: int) -> Json:
    meta = _meta(f"{workload.name}-rs", uid(seed, f"{workload.name}-rs"), workload.namespace)
    meta["ownerReferences"] = [_owner("Deployment", workload.name, seed)]
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta}


def _owner(kind: str, name: str, seed: int) -> Json:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(seed, name), "controller": True}


def _pod_text(workload: WorkloadClass, seed: int) -> list[str]:
    kind, owner = ("DaemonSet", workload.name) if workload.daemon else ("ReplicaSet", f"{workload.name}-rs")
    started = ROLLED_OUT if workload.fresh else BORN
    meta = _meta("\0", "\0", workload.namespace, {"app": workload.name}) | {"creationTimestamp": started}
    meta["ownerReferences"] = [_owner(kind, owner, seed)]
    requests = {"cpu": f"{workload.cpu_milli}m", "memory": f"{workload.memory_mib}Mi"}
    spec: Json = {"nodeName": "\0", "containers": [{"name": "main", "resources": {"requests": requests}}]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": spec | _placement_fields(workload),
        "status": {"phase": "Running", "startTime": started},
    }
    return compact(pod).split("\\u0000")


def _placement_fields(workload: WorkloadClass) -> Json:
    fields: Json = {}
    selector = {"matchLabels": {"app": workload.name}}
    affinity: Json = {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    if workload.priority:
        fields["priority"] = workload.priority
    if workload.tolerates:
        fields["tolerations"] = [{"key": TAINT["key"], "operator": "Exists", "effect": TAINT["effect"]}]
    if workload.zones:
        zones = {"key": ZONE_LABEL, "operator": "In", "values": list(workload.zones)}
        affinity["nodeAffinity"] = {required: {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}}
    if workload.alone:
        affinity["podAntiAffinity"] = {required: [{"topologyKey": HOST_LABEL, "labelSelector": selector}]}
    if workload.spread:
        fields["topologySpreadConstraints"] = [
            {
                "maxSkew": MAX_SKEW,
                "topologyKey": ZONE_LABEL,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": selector,
            }
        ]
    return fields | ({"affinity": affinity} if affinity else {})
