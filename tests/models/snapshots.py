"""Small snapshots made by hand, for tests: name what matters, take the rest as given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from powerplane.models.curves import PowerCurve
from powerplane.models.objects import Node, PodDisruptionBudget
from powerplane.models.snapshot import NO_BUDGET, PodTable, PodTemplate, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology

LINE = PowerCurve("line", (Fraction(0), Fraction(1)), (100_000, 300_000))
"""100 W idle, 300 W at full use."""

BENT = PowerCurve(
    "bent", (Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1)), (80_000, 140_000, 220_000, 300_000)
)

GIB = 1 << 30
RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")
AS_OF_S = 1_000_000


@dataclass(frozen=True)
class TinyNode:
    """A node: ``cpu`` in cores, memory in GiB; ``taints`` as (key, value, effect)."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()
    unschedulable: bool = False
    cpu: float = 4
    memory: int = 16
    pods: int = 110
    curve: PowerCurve = LINE
    budget_watts: float | None = None
    extra: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TinyPod:
    """A pod: requests in cores and GiB; ``spec`` as the API's JSON, for affinity, tolerations and spread.

    ``use`` is in cores, by default the request; ``node`` "" waits for one.
    """

    name: str
    node: str = ""
    namespace: str = "default"
    owner: str = "Deployment/app"
    labels: dict[str, str] = field(default_factory=dict)
    cpu: float = 1
    memory: float = 1
    use: float | None = None
    accelerator_watts: float = 0
    priority: int = 0
    age_s: int = 100_000
    spec: dict[str, Any] = field(default_factory=dict)
    host_ports: tuple[tuple[str, str, int], ...] = ()
    volumes: tuple[dict[str, Any], ...] = ()
    unmovable: str = ""
    extra: dict[str, int] = field(default_factory=dict)


def tiny_snapshot(
    nodes: Sequence[TinyNode],
    pods: Sequence[TinyPod] = (),
    domains: Sequence[PowerDomain] | None = None,
    disruption_budgets: Sequence[dict[str, Any]] = (),
    namespace_labels: dict[str, dict[str, str]] | None = None,
) -> Snapshot:
    """Build a snapshot.

    Parameters
    ----------
    nodes, pods
    domains
        One rack "r1" of all nodes, without a budget, where none are given.
    disruption_budgets
        In the API's JSON.
    namespace_labels
    """
    extra = sorted({name for one in (*nodes, *pods) for name in one.extra})
    # Selectors hold dicts, so templates are compared, not hashed.
    templates: list[PodTemplate] = []
    for pod in pods:
        if (template := _template(pod, extra)) not in templates:
            templates.append(template)
    if domains is None:
        domains = [PowerDomain("r1", "rack", NO_BUDGET, nodes=tuple(node.name for node in nodes))] if nodes else []
    return Snapshot(
        digest="tiny",
        as_of_s=AS_OF_S,
        resources=(*RESOURCES, *extra),
        nodes=tuple(_node(node) for node in nodes),
        allocatable=_array([_offers(node, extra) for node in nodes], len(RESOURCES) + len(extra)),
        node_curve=tuple(node.curve for node in nodes),
        node_budget_mw=np.array(
            [NO_BUDGET if n.budget_watts is None else round(n.budget_watts * 1000) for n in nodes], dtype=np.int64
        ),
        topology=PowerTopology(tuple(domains)),
        templates=tuple(templates),
        pods=_table(nodes, pods, [templates.index(_template(pod, extra)) for pod in pods]),
        disruption_budgets=msgspec.convert(list(disruption_budgets), tuple[PodDisruptionBudget, ...]),
        namespace_labels=namespace_labels or {},
    )


def rack(name: str, nodes: Sequence[str], watts: float | None = None, **more: Any) -> PowerDomain:
    """A rack with a budget in watts, None for none."""
    return PowerDomain(name, "rack", NO_BUDGET if watts is None else round(watts * 1000), nodes=tuple(nodes), **more)


def disruption_budget(
    name: str, selector: dict[str, Any] | None, allowed: int, namespace: str = "default"
) -> dict[str, Any]:
    """A PodDisruptionBudget in the API's JSON."""
    spec = {} if selector is None else {"selector": selector}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
        "status": {"disruptionsAllowed": allowed},
    }


def _template(pod: TinyPod, extra: Sequence[str]) -> PodTemplate:
    parts = {
        "affinity": pod.spec.get("affinity"),
        "tolerations": pod.spec.get("tolerations", ()),
        "spread": pod.spec.get("topologySpreadConstraints", ()),
        "volume_selectors": pod.volumes,
    }
    requests = (round(pod.cpu * 1000), round(pod.memory * GIB), 0, 1, *(pod.extra.get(name, 0) for name in extra))
    fields = {
        "namespace": pod.namespace,
        "owner": pod.owner,
        "labels": sorted(pod.labels.items()),
        "requests": requests,
        "priority": pod.priority,
        "node_selector": sorted(pod.spec.get("nodeSelector", {}).items()),
        "host_ports": sorted(pod.host_ports),
        "unmovable": pod.unmovable,
    }
    return msgspec.convert(fields | parts, PodTemplate)


def _node(node: TinyNode) -> Node:
    taints = [{"key": key, "value": value, "effect": effect} for key, value, effect in node.taints]
    spec = {"unschedulable": node.unschedulable, "taints": taints}
    return msgspec.convert({"metadata": {"name": node.name, "labels": node.labels}, "spec": spec}, Node)


def _offers(node: TinyNode, extra: Sequence[str]) -> list[int]:
    return [round(node.cpu * 1000), node.memory * GIB, 0, node.pods, *(node.extra.get(name, 0) for name in extra)]


def _array(rows: list[list[int]], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(len(rows), width)


def _table(nodes: Sequence[TinyNode], pods: Sequence[TinyPod], templates: list[int]) -> PodTable:
    row = {node.name: i for i, node in enumerate(nodes)}
    use = [round((pod.cpu if pod.use is None else pod.use) * 1_000_000) for pod in pods]
    return PodTable(
        namespaces=tuple(pod.namespace for pod in pods),
        names=tuple(pod.name for pod in pods),
        uids=tuple(f"uid-{pod.namespace}-{pod.name}" for pod in pods),
        node=np.array([row[pod.node] if pod.node else -1 for pod in pods], dtype=np.int32),
        template=np.array(templates, dtype=np.int32),
        use_ucores=np.array(use, dtype=np.int64),
        accelerator_mw=np.array([round(pod.accelerator_watts * 1000) for pod in pods], dtype=np.int64),
        measured=np.array([pod.use is not None for pod in pods], dtype=np.bool_),
        started_s=np.array([AS_OF_S - pod.age_s for pod in pods], dtype=np.int64),
    )
