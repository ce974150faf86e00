"""Objects of the API made by hand, for tests of the builder: name what matters, take the rest as given."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from powerplane.models.build import ClusterObjects, NodePower, PowerAssignment, build_snapshot
from powerplane.models.curves import PowerCurve
from powerplane.models.objects import Node, Pod, ReplicaSet
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.models.usage import UsageRow

LINE = PowerCurve("line", (Fraction(0), Fraction(1)), (100_000, 300_000))
BORN = "2026-05-01T12:00:00Z"


def node(name: str = "n1", allocatable: dict[str, Any] | None = None, **labels: str) -> Node:
    """A node of 4 cores and 110 pods."""
    offers = {"cpu": "4", "memory": "16Gi", "pods": "110"} if allocatable is None else allocatable
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": offers}}, Node)


def owned_by(kind: str, name: str) -> list[dict[str, Any]]:
    """Owner references of an object that one controller manages."""
    return [{"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


def pod(name: str = "p1", *, on: str = "n1", cpu: Any = None, spec: dict[str, Any] | None = None, **rest: Any) -> Pod:
    """A pod of a Deployment; ``rest`` goes to its metadata, ``phase`` to its status."""
    phase = rest.pop("phase", "Running")
    resources = {} if cpu is None else {"requests": {"cpu": cpu}}
    meta = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "ownerReferences": owned_by("ReplicaSet", "web-1"),
        "creationTimestamp": BORN,
    } | rest
    whole = {"nodeName": on, "containers": [{"resources": resources}]} | (spec or {})
    return msgspec.convert({"metadata": meta, "spec": whole, "status": {"phase": phase}}, Pod)


def replica_set(name: str, deployment: str) -> ReplicaSet:
    """A Deployment's ReplicaSet."""
    meta = {"name": name, "namespace": "default", "ownerReferences": owned_by("Deployment", deployment)}
    return msgspec.convert({"metadata": meta}, ReplicaSet)


def snapshot_of(
    *pods: Pod,
    nodes: Sequence[Node] = (node(),),
    usage: Sequence[UsageRow] = (),
    power: dict[str, NodePower] | None = None,
    topology: PowerTopology | None = None,
    budget_mw: int = NO_BUDGET,
    as_of_s: int | None = None,
    **others: Any,
) -> Snapshot:
    """Build a snapshot of nodes in one rack, on one curve."""
    names = tuple(dict.fromkeys(each.metadata.name for each in nodes))
    return build_snapshot(
        ClusterObjects(nodes=tuple(nodes), pods=pods, **others),
        topology or PowerTopology((PowerDomain("rack-1", "rack", budget_mw, nodes=names or ("n1",)),)),
        PowerAssignment({name: NodePower(LINE) for name in names} if power is None else power),
        usage,
        as_of_s=as_of_s,
    )
