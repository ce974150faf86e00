"""The story's cluster as Kubernetes objects, as a live one would list them."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from powerplane.models.objects import (
    Affinity,
    Container,
    DisruptionBudgetSpec,
    DisruptionBudgetStatus,
    LabelSelector,
    Namespace,
    Node,
    NodeStatus,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodDisruptionBudget,
    PodSpec,
    PodStatus,
    PriorityClass,
    RawQuantity,
    ReplicaSet,
    ResourceRequirements,
)
from powerplane.simulator.workloads import GIB_PER_CORE, PRIORITIES, SERVICES, Service

HOSTNAME, TYPE = "kubernetes.io/hostname", "node.kubernetes.io/instance-type"
AGENT_MILLICORES = 250
STARTED = "2025-07-01T06:00:00Z"
DOWN_AT_ONCE = 0.1
"""Share of a guarded service's pods that may be down at the same time."""


@dataclass(frozen=True, slots=True)
class NodeSize:
    """A node type.

    Parameters
    ----------
    cores : int
    watts : tuple of int
        Draw at 0, 10, 50 and 100 % use, fans at their speed on a cool day included.
    fan_watts : int
        What its fans draw at full speed.
    """

    name: str
    cores: int
    watts: tuple[int, int, int, int]
    fan_watts: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A pod of a service on a node."""

    service: Service
    node: str


class Names:
    """UIDs and pod names, the same for the same seed."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def uid(self) -> str:
        """Return a UID of version 4."""
        return str(UUID(bytes=self._random.bytes(16), version=4))

    def suffix(self, length: int) -> str:
        """Return the random end of a name."""
        return "".join(self._random.choice(list("bcdfghjklmnpqrstvwxz2456789"), length))


def make_node(name: str, size: NodeSize, uid: str) -> Node:
    """Return a node that offers all its cores and 4 GiB with each."""
    offers: dict[str, RawQuantity] = {
        "cpu": str(size.cores),
        "memory": f"{4 * size.cores}Gi",
        "pods": "110",
        "ephemeral-storage": "400Gi",
    }
    meta = ObjectMeta(name=name, uid=uid, labels={HOSTNAME: name, TYPE: size.name})
    return Node(metadata=meta, status=NodeStatus(allocatable=offers))


def make_namespaces() -> tuple[Namespace, ...]:
    """Return the namespaces of all services, and the agents'."""
    names = (*SERVICES, "kube-system")
    return tuple(Namespace(ObjectMeta(name=name, labels={"kubernetes.io/metadata.name": name})) for name in names)


def make_priority_classes() -> tuple[PriorityClass, ...]:
    """Return the priority classes."""
    return tuple(PriorityClass(ObjectMeta(name=name), value) for name, value in PRIORITIES.items())


def make_replica_set(service: Service) -> ReplicaSet:
    """Return the ReplicaSet between a service's Deployment and its pods."""
    owner = OwnerReference(kind="Deployment", name=service.name, controller=True)
    meta = ObjectMeta(name=_replica_set(service), namespace=service.namespace, owner_references=(owner,))
    return ReplicaSet(meta)


def make_disruption_budgets(seats: tuple[Seat, ...]) -> tuple[PodDisruptionBudget, ...]:
    """Return a budget for every guarded service."""
    pods = Counter(seat.service for seat in seats if seat.service.guarded)
    return tuple(
        PodDisruptionBudget(
            ObjectMeta(name=service.name, namespace=service.namespace),
            DisruptionBudgetSpec(LabelSelector(match_labels=service.labels)),
            DisruptionBudgetStatus(disruptions_allowed=max(1, int(DOWN_AT_ONCE * count))),
        )
        for service, count in sorted(pods.items(), key=lambda entry: entry[0].name)
    )


def make_pod(seat: Seat, names: Names) -> Pod:
    """Return a running pod of a service."""
    service = seat.service
    owner = OwnerReference(kind="ReplicaSet", name=_replica_set(service), controller=True)
    meta = ObjectMeta(
        name=f"{_replica_set(service)}-{names.suffix(5)}",
        namespace=service.namespace,
        uid=names.uid(),
        labels=service.labels,
        owner_references=(owner,),
        creation_timestamp=STARTED,
    )
    spec = PodSpec(
        node_name=seat.node,
        node_selector={TYPE: service.node_type} if service.node_type else None,
        affinity=_apart(service) if service.apart else None,
        containers=(_container(f"{service.cores}", f"{GIB_PER_CORE * service.cores}Gi"),),
        priority_class_name=service.priority_class,
    )
    return Pod(meta, spec, PodStatus(phase="Running", start_time=STARTED))


def make_agent(node: str, names: Names) -> Pod:
    """Return the DaemonSet's pod of a node."""
    meta = ObjectMeta(
        name=f"node-agent-{names.suffix(5)}",
        namespace="kube-system",
        uid=names.uid(),
        labels={"app": "node-agent"},
        owner_references=(OwnerReference(kind="DaemonSet", name="node-agent", controller=True),),
        creation_timestamp=STARTED,
    )
    container = _container(f"{AGENT_MILLICORES}m", "256Mi")
    spec = PodSpec(node_name=node, containers=(container,), priority=2_000_001_000)
    return Pod(meta, spec, PodStatus(phase="Running", start_time=STARTED))


def _replica_set(service: Service) -> str:
    return f"{service.name}-7d9c5b6f44"


def _container(cpu: str, memory: str) -> Container:
    return Container(resources=ResourceRequirements(requests={"cpu": cpu, "memory": memory}))


def _apart(service: Service) -> Affinity:
    term = PodAffinityTerm(topology_key=HOSTNAME, label_selector=LabelSelector(match_labels=service.labels))
    return Affinity(pod_anti_affinity=PodAffinity(required=(term,)))
