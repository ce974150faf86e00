"""From objects to columns: what the API says of nodes and pods becomes a Snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from powerplane.models.assumptions import assumptions
from powerplane.models.curves import PowerCurve
from powerplane.models.errors import InputError
from powerplane.models.idle import check_idle
from powerplane.models.nodes import NodeTable, node_table
from powerplane.models.objects import (
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PriorityClass,
    ReplicaSet,
)
from powerplane.models.owners import OwnerBook
from powerplane.models.pods import PodRows, read_pods
from powerplane.models.quantities import LARGEST_MW, MICRO, MILLI, format_watts
from powerplane.models.requests import FIRST_RESOURCES, WATTS_RESOURCE
from powerplane.models.snapshot import NO_BUDGET, PodTable, PodTemplate, Snapshot
from powerplane.models.templates import TemplateBook, extra_resources, with_requests
from powerplane.models.topology import PowerTopology, check_nodes
from powerplane.models.usage import DEVICE_MW, PodUse, UsageRow, pod_use
from powerplane.models.volumes import VolumeBook

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace."""

_LARGEST_SUM = 2**62


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """The objects of a cluster.

    Parameters
    ----------
    nodes : tuple of Node
    pods : iterable of Pod
        Walked once, so that a big list need not stand in memory.
    others : tuples
        Empty where the source has none.
    """

    nodes: tuple[Node, ...]
    pods: Iterable[Pod]
    pod_disruption_budgets: tuple[PodDisruptionBudget, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    replica_sets: tuple[ReplicaSet, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    persistent_volumes: tuple[PersistentVolume, ...] = ()
    persistent_volume_claims: tuple[PersistentVolumeClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class NodePower:
    """What one node draws and may draw.

    Parameters
    ----------
    curve : PowerCurve
    budget_mw : int
        ``NO_BUDGET`` where it may draw anything.
    accelerator_peak_mw : int or None
        Draw of one of its accelerators at full load; None where it is not stated.
    """

    curve: PowerCurve
    budget_mw: int = NO_BUDGET
    accelerator_peak_mw: int | None = None


@dataclass(frozen=True, slots=True)
class PowerAssignment:
    """Power of each node, by the node's name."""

    nodes: Mapping[str, NodePower]


def build_snapshot(
    objects: ClusterObjects,
    topology: PowerTopology,
    power: PowerAssignment,
    usage: Iterable[UsageRow] = (),
    *,
    as_of_s: int | None = None,
) -> Snapshot:
    """Turn a cluster's objects into a snapshot.

    Parameters
    ----------
    objects : ClusterObjects
    topology : PowerTopology
        Must place every node.
    power : PowerAssignment
        Must give every node a curve.
    usage : iterable of UsageRow
        Pods without a row count by their requests, and the snapshot says so.
    as_of_s : int, optional
        The moment; the newest start or creation of a pod where it is not given.

    Raises
    ------
    InputError
        For objects that contradict each other, unusable amounts, nodes without a curve or a place, and budgets below
        what their nodes draw when idle. Each names the object.
    """
    nodes = node_table(objects.nodes)
    check_nodes(topology, nodes.row_of)
    powers = tuple(_power_of(name, power) for name in nodes.row_of)
    check_idle(tuple(nodes.row_of), [(each.curve, each.budget_mw) for each in powers], topology)
    templates = TemplateBook(
        OwnerBook(objects.replica_sets),
        VolumeBook(objects.persistent_volumes, objects.persistent_volume_claims),
        objects.priority_classes,
    )
    rows = read_pods(objects.pods, nodes.row_of, templates)
    drafts = templates.drafts
    resources = FIRST_RESOURCES + tuple(
        resource for resource in extra_resources(drafts, FIRST_RESOURCES) if _is_checked(resource, nodes)
    )
    finished = tuple(with_requests(draft, resources) for draft in drafts)
    _check_requests(rows, finished, resources)
    units = [draft.units for draft in drafts]
    use = pod_use(zip(rows.namespaces, rows.names, strict=True), usage, rows.template, units, _device_mw(powers, rows))
    _check_products(nodes, powers, use)
    return Snapshot(
        digest=_digest(tuple(nodes.row_of), rows),
        as_of_s=as_of_s if as_of_s is not None else int(rows.started_s.max(initial=0)),
        resources=resources,
        nodes=objects.nodes,
        allocatable=nodes.allocatable(resources),
        node_curve=tuple(each.curve for each in powers),
        node_budget_mw=np.array([each.budget_mw for each in powers], dtype=np.int64),
        topology=topology,
        templates=finished,
        pods=PodTable(
            namespaces=rows.namespaces,
            names=rows.names,
            uids=rows.uids,
            node=rows.node,
            template=rows.template,
            use_ucores=use.use_ucores,
            accelerator_mw=use.accelerator_mw,
            measured=use.measured,
            started_s=rows.started_s,
        ),
        disruption_budgets=objects.pod_disruption_budgets,
        namespace_labels=_namespace_labels(objects.namespaces, finished),
        assumptions=(*use.assumptions, *assumptions(drafts, rows.template, namespaces_listed=bool(objects.namespaces))),
    )


def _is_checked(resource: str, nodes: NodeTable) -> bool:
    """Whether the scheduler holds a resource against nodes: watts that none of them offers are the extender's."""
    return resource != WATTS_RESOURCE or any(resource in offer for offer in nodes.offers)


def _power_of(node: str, power: PowerAssignment) -> NodePower:
    found = power.nodes.get(node)
    if found is None:
        raise InputError(
            f"node {node!r} has no power curve",
            "add `nodes: {default: {curve: NAME}}` to power.yaml, or name the node under byLabel or byName",
        )
    return found


def _device_mw(powers: tuple[NodePower, ...], rows: PodRows) -> NDArray[np.int64]:
    """Draw of one accelerator where each pod runs; the highest of all for a pod that still waits for its node."""
    stated = [DEVICE_MW if each.accelerator_peak_mw is None else each.accelerator_peak_mw for each in powers]
    # A waiting pod's row is -1, which picks the last element.
    by_node: NDArray[np.int64] = np.array([*stated, max(stated)], dtype=np.int64)[rows.node]
    return by_node


def _check_requests(rows: PodRows, templates: tuple[PodTemplate, ...], resources: tuple[str, ...]) -> None:
    """Refuse requests whose sum over all pods would not be exact in 64 bits."""
    counts = np.bincount(rows.template, minlength=len(templates)).tolist()
    for column, resource in enumerate(resources):
        total = sum(count * each.requests[column] for count, each in zip(counts, templates, strict=True))
        if total > _LARGEST_SUM:
            raise InputError(
                f"the pods request {total:.3g} of {resource} in all, which is beyond any cluster",
                "correct the quantities of the largest pods",
            )


def _check_products(nodes: NodeTable, powers: tuple[NodePower, ...], use: PodUse) -> None:
    """Refuse powers and uses whose products or sums would not be exact in 64 bits."""
    for (name, offer), power in zip(zip(nodes.row_of, nodes.offers, strict=True), powers, strict=True):
        if offer["cpu"] * (MICRO // MILLI) * power.curve.peak_mw > _LARGEST_SUM:
            raise InputError(
                f"node {name!r} has {offer['cpu'] // MILLI} cores and draws up to {format_watts(power.curve.peak_mw)}, "
                "which is beyond any machine",
                f"correct its allocatable cpu, or the curve {power.curve.name!r}",
            )
    for what, total, most in (
        ("micro-cores", sum(use.use_ucores.tolist()), _LARGEST_SUM),
        ("milliwatts of accelerators", sum(use.accelerator_mw.tolist()), LARGEST_MW),
    ):
        if total > most:
            raise InputError(f"the pods use {total} {what} in all, which is beyond any site", "correct the usage rows")


def _digest(node_names: tuple[str, ...], rows: PodRows) -> str:
    """Name the state by its nodes and by which pod is where, in an order that is no part of it."""
    where = (*node_names, "")  # a waiting pod's row is -1, the last element
    places = sorted(zip(rows.uids, (where[row] for row in rows.node.tolist()), strict=True))
    lines = [*sorted(node_names), "", *(f"{uid}\t{node}" for uid, node in places)]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _namespace_labels(
    namespaces: tuple[Namespace, ...], templates: tuple[PodTemplate, ...]
) -> dict[str, dict[str, str]]:
    labels = {template.namespace: {NAMESPACE_NAME: template.namespace} for template in templates}
    for namespace in namespaces:
        name = namespace.metadata.name
        labels[name] = {NAMESPACE_NAME: name} | (namespace.metadata.labels or {})
    return labels
