"""The simulated cluster as a snapshot directory, so that what is scraped of it can be planned on.

What pods use is not among the files: it is what sensors are for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from powerplane.models.curves import PowerCurve
from powerplane.models.objects import (
    Container,
    Node,
    NodeAddress,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    ResourceRequirements,
)
from powerplane.models.snapshot import NO_BUDGET, PodTemplate, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.simulator.exporter.kepler import CONTAINER
from powerplane.simulator.exporter.layout import address_of
from powerplane.simulator.truth import Truth

Writer = Callable[[Snapshot, Truth, Mapping[str, str]], str]


def _nodes(base: Snapshot, _truth: Truth, addresses: Mapping[str, str]) -> str:
    return _list([_addressed(node, row, addresses) for row, node in enumerate(base.nodes)], "Node")


def _addressed(node: Node, row: int, addresses: Mapping[str, str]) -> Node:
    address = NodeAddress("InternalIP", addresses.get(node.metadata.name) or address_of(row))
    status = msgspec.structs.replace(node.status, addresses=node.status.addresses or (address,))
    return msgspec.structs.replace(node, status=status)


def _pods(base: Snapshot, truth: Truth, _addresses: Mapping[str, str]) -> str:
    templates = {(each.namespace, each.owner): each for each in base.templates}
    pods = []
    for row, name in enumerate(truth.pod_name):
        namespace, owner = truth.pod_namespace[row], truth.pod_owner[row]
        template = templates.get((namespace, owner))
        if template is None:
            continue
        place = int(truth.pod_node[row])
        node = truth.nodes[place] if place >= 0 else ""
        pods.append(_pod(template, name, truth.pod_uid[row], node, base.resources))
    return _list(pods, "Pod")


def _pod(template: PodTemplate, name: str, uid: str, node: str, resources: tuple[str, ...]) -> Pod:
    kind, _, owner = template.owner.partition("/")
    owners = (OwnerReference(kind=kind, name=owner, uid=f"{template.namespace}/{owner}", controller=True),)
    requests: dict[str, str | int | float] = {
        resource: f"{amount}m" if resource == "cpu" else str(amount)
        for resource, amount in zip(resources, template.requests, strict=True)
        if amount and resource != "pods"
    }
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace=template.namespace,
            uid=uid,
            labels=dict(template.labels),
            owner_references=owners if owner else None,
        ),
        spec=PodSpec(
            node_name=node,
            node_selector=dict(template.node_selector) or None,
            affinity=template.affinity,
            tolerations=template.tolerations or None,
            containers=(Container(name=CONTAINER, resources=ResourceRequirements(requests=requests)),),
            priority=template.priority or None,
            topology_spread_constraints=template.spread or None,
        ),
        status=PodStatus(phase="Running" if node else "Pending"),
    )


def _budgets(base: Snapshot, _truth: Truth, _addresses: Mapping[str, str]) -> str:
    return _list(base.disruption_budgets, "PodDisruptionBudget")


def _topology(base: Snapshot, _truth: Truth, _addresses: Mapping[str, str]) -> str:
    return _yaml({"domains": [_domain(domain) for domain in base.topology.domains]})


def _domain(domain: PowerDomain) -> dict[str, Any]:
    found: dict[str, Any] = {"name": domain.name, "kind": domain.kind}
    if domain.parents:
        found["parents"] = list(domain.parents)
    if domain.feed_load:
        found["feedLoad"] = domain.feed_load
    if domain.budget_mw != NO_BUDGET:
        found["budget"] = f"{domain.budget_mw} mW"
    if domain.breaker is not None:
        curve = [list(point) for point in domain.breaker.curve]
        found["breaker"] = {"rating": f"{domain.breaker.rating_mw} mW", "curve": curve}
    if domain.nodes:
        found["nodes"] = list(domain.nodes)
    return found


def _power(base: Snapshot, truth: Truth, _addresses: Mapping[str, str]) -> str:
    curves = {curve.name: curve for curve in base.node_curve}
    names: dict[int, str] = {id(curve): curve.name for curve in curves.values()}
    for curve in base.node_curve:
        if id(curve) not in names:
            same = curves[curve.name] == curve
            names[id(curve)] = curve.name if same else f"{curve.name}-{len(names)}"
            curves.setdefault(names[id(curve)], curve)
    peaks: dict[int, float] = {}
    for node, watts in zip(truth.gpu_node.tolist(), truth.gpu_limit_watts.tolist(), strict=True):
        peaks[node] = max(peaks.get(node, 0.0), watts)
    by_name: dict[str, dict[str, str]] = {}
    for row, name in enumerate(base.node_names):
        entry = {"curve": names[id(base.node_curve[row])]}
        if (budget_mw := int(base.node_budget_mw[row])) != NO_BUDGET:
            entry["budget"] = f"{budget_mw} mW"
        if row in peaks:
            entry["acceleratorPeak"] = f"{peaks[row]:g}W"
        by_name[name] = entry
    return _yaml({"curves": {name: _knots(curve) for name, curve in curves.items()}, "nodes": {"byName": by_name}})


def _knots(curve: PowerCurve) -> list[list[float]]:
    pairs = zip(curve.utilisation, curve.milliwatts, strict=True)
    return [[float(share), milliwatts / 1000] for share, milliwatts in pairs]


FILES: Mapping[str, tuple[Writer, str]] = {
    "nodes.json": (_nodes, "application/json"),
    "pods.json": (_pods, "application/json"),
    "poddisruptionbudgets.json": (_budgets, "application/json"),
    "topology.yaml": (_topology, "application/yaml"),
    "power.yaml": (_power, "application/yaml"),
}
"""Writers and media types by file name."""


def places_of(topology: PowerTopology) -> dict[str, dict[str, str]]:
    """Row and rack of each node, under the names that Redfish gives them."""
    found: dict[str, dict[str, str]] = {}
    for domain in topology.domains:
        above = [topology.by_name[parent] for parent in domain.parents]
        place = {each.kind.capitalize(): each.name for each in (domain, *above) if each.kind in ("rack", "row")}
        found |= {node: place for node in domain.nodes if place}
    return found


def _list(items: Sequence[msgspec.Struct], kind: str) -> str:
    encoded = [msgspec.to_builtins(item) | {"kind": kind} for item in items]
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": encoded}).decode()


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=120)
    return text
