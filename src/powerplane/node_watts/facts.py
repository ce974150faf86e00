"""What is kept of a node and of a pod: a few numbers, taken from the watch and let go of the rest."""

from dataclasses import dataclass
from typing import Any

from powerplane.adapters.node_rates import Devices, told_draw
from powerplane.models.mobility import is_its_nodes_own
from powerplane.models.objects import Narrow, OwnerReference, RawQuantity
from powerplane.models.pod_reading import (
    FINISHED,
    GatedPodSpec,
    SeenCondition,
    Wish,
    offered_units,
    readable_requests,
    room_asked,
    room_offered,
    wish_of,
)
from powerplane.models.pod_watts import WattsNote
from powerplane.models.quantities import MILLI
from powerplane.models.requests import WATTS_RESOURCE, whole_units
from powerplane.models.usage import is_gpu

CLOSED_TAINT = "status-taint.cluster-autoscaler.kubernetes.io/powerplane-moving-watts"
"""Our taint on a node that is about to give watts; cluster-autoscaler does not count nodes by taints of this prefix."""

Taints = tuple[dict[str, Any], ...]


class SeenMeta(Narrow, frozen=True):
    """Who an object is."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    annotations: WattsNote | None = None


class SeenNodeSpec(Narrow, frozen=True):
    """Taints whole, since they are written back whole, and the cordon."""

    unschedulable: bool = False
    taints: Taints | None = None


class SeenNodeStatus(Narrow, frozen=True):
    """What a node has, and what it offers of it."""

    capacity: dict[str, RawQuantity] | None = None
    allocatable: dict[str, RawQuantity] | None = None


class SeenNode(Narrow, frozen=True):
    """A node as the watch brings it."""

    metadata: SeenMeta
    spec: SeenNodeSpec = SeenNodeSpec()
    status: SeenNodeStatus = SeenNodeStatus()


class SeenPodStatus(Narrow, frozen=True):
    """How far the pod is."""

    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[SeenCondition, ...] | None = None


class SeenPod(Narrow, frozen=True):
    """A pod as the watch brings it."""

    metadata: SeenMeta
    spec: GatedPodSpec = GatedPodSpec()
    status: SeenPodStatus = SeenPodStatus()


@dataclass(frozen=True, slots=True)
class NodeFact:
    """A node.

    Parameters
    ----------
    name, version : str
    labels : dict
    taints : tuple of dict
        All of them, ours too.
    unschedulable : bool
        Cordoned, or being deleted.
    allocatable, capacity : int or None
        Watts; None where the key is not there.
    offers : tuple of int
        Allocatable of ``ROOM``: milli-cores, bytes, pods.
    devices : dict of resource to quantity
        Accelerators among what it offers.
    """

    name: str
    version: str
    labels: dict[str, str]
    taints: Taints
    unschedulable: bool
    allocatable: int | None
    capacity: int | None
    offers: tuple[int, ...]
    devices: dict[str, RawQuantity]

    @property
    def closed(self) -> bool:
        """Whether our taint is on it."""
        return any(taint.get("key") == CLOSED_TAINT for taint in self.taints)

    @property
    def foreign_taints(self) -> Taints:
        """Taints that are not ours."""
        return tuple(taint for taint in self.taints if taint.get("key") != CLOSED_TAINT)


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod that holds or wants something.

    Parameters
    ----------
    uid, namespace, name : str
    node, nominated : str
        Where it is bound, where it is expected; "" for nowhere.
    watts : int or None
        Whole watts that it requests; None where it requests none.
    requests : tuple of int
        Of ``ROOM``.
    priority : int
    leaving : bool
        Its deletion has begun.
    refused : bool
        Unbound, free to be scheduled, and the scheduler's last attempt found no node.
    wish : Wish or None
        While it is refused.
    own : bool
        Its node's own: of a DaemonSet, or a static pod.
    mcores : int
        Cores that it requests, where it states no watts, or too few to be believed.
    devices : tuple of (str, int)
        Accelerators, likewise.
    noted : int
        Watts that an annotation states beyond its request: no scheduler counts them, so they are its node's base.
    """

    uid: str
    namespace: str
    name: str
    node: str
    nominated: str
    watts: int | None
    requests: tuple[int, ...]
    priority: int
    leaving: bool
    refused: bool
    wish: Wish | None
    own: bool
    mcores: int
    devices: Devices
    noted: int

    @property
    def silent(self) -> bool:
        """Whether it counts by what else it requests."""
        return (not self.watts and not self.noted) or bool(self.mcores or self.devices)

    @property
    def without_watts(self) -> bool:
        """Whether it runs without watts that it should have been given."""
        return bool(self.node) and self.silent and not self.own

    @property
    def takes_base(self) -> bool:
        """Whether it runs on watts that its node's number has to make room for."""
        return self.without_watts or bool(self.node and self.noted)


def node_fact(node: SeenNode) -> NodeFact:
    """Reduce a node; what cannot be read of it counts as nothing."""
    meta, allocatable, capacity = node.metadata, node.status.allocatable or {}, node.status.capacity or {}
    return NodeFact(
        name=meta.name,
        version=meta.resource_version,
        labels=meta.labels or {},
        taints=node.spec.taints or (),
        unschedulable=node.spec.unschedulable or meta.deletion_timestamp is not None,
        allocatable=_listed(allocatable),
        capacity=_listed(capacity),
        offers=room_offered(allocatable),
        devices={resource: amount for resource, amount in allocatable.items() if is_gpu(resource)},
    )


def pod_fact(pod: SeenPod) -> PodFact | None:
    """Reduce a pod; None for one that holds nothing any more."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    if status.phase in FINISHED:
        return None
    amounts = readable_requests(spec)
    watts = whole_units(WATTS_RESOURCE, amounts[WATTS_RESOURCE]) if WATTS_RESOURCE in amounts else None
    draw = told_draw(amounts, meta.annotations)
    requests = room_asked(amounts)
    free = not spec.node_name and not spec.scheduling_gates and meta.deletion_timestamp is None
    refused = bool(free and watts and any(each.refuses for each in status.conditions or ()))
    return PodFact(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        node=spec.node_name,
        nominated=status.nominated_node_name if not spec.node_name else "",
        watts=watts,
        requests=requests,
        priority=spec.priority or 0,
        leaving=meta.deletion_timestamp is not None,
        refused=refused,
        wish=wish_of(spec, (watts or 0, *requests), spec.priority or 0) if refused else None,
        own=is_its_nodes_own(meta.owner_references),
        mcores=draw.mcores,
        devices=draw.devices,
        noted=(draw.stated_mw or 0) // MILLI - (watts or 0),
    )


def _listed(resources: dict[str, RawQuantity]) -> int | None:
    return offered_units(WATTS_RESOURCE, resources[WATTS_RESOURCE]) if WATTS_RESOURCE in resources else None
