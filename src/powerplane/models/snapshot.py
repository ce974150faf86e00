"""One moment of a cluster, in columns: what runs where, what it uses, what each node and domain may draw.

A snapshot is built once and never changed. Amounts are integers, so that sums are exact and in any order the
same: CPU requests in milli-cores, memory and storage in bytes, CPU use in micro-cores, watts in milliwatts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.curves import PowerCurve
from powerplane.models.objects import (
    Affinity,
    Node,
    NodeSelector,
    PodDisruptionBudget,
    Toleration,
    TopologySpreadConstraint,
)
from powerplane.models.topology import PowerTopology

NO_BUDGET = np.iinfo(np.int64).max
"""The budget, in milliwatts, of what may draw as much as it likes."""


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """All that pods of one template share: what Kubernetes would look at before it places one.

    Parameters
    ----------
    namespace, owner : str
        Namespace, and ``Kind/name`` of the topmost known owner (a ReplicaSet's Deployment), "" for a bare pod.
    labels : tuple of (key, value)
        Sorted labels.
    requests : tuple of int
        Amount of each of the snapshot's resources, in the snapshot's units; includes overhead and one "pods".
    host_ports : tuple of (protocol, ip, port)
        Sorted; ip is "0.0.0.0" for every address.
    volume_selectors : tuple of NodeSelector
        Where each bound volume of the pod is reachable from; all must hold. One that chooses no node stands for a
        volume that waits, or for a claim of devices, of which nothing is known.
    unmovable : str
        Why no plan may move such a pod (for example "DaemonSet"); "" when one may.
    terminating : bool
        Whether such a pod is on its way out: it holds its node's resources still, but no spread counts it.
    exclusive_claims : tuple of str
        Claims of the namespace that one pod at a time may use.
    worth : int
        What its work per watt adds to the price of moving such a pod, in thousandths of an ordinary move.
    """

    namespace: str
    owner: str
    labels: tuple[tuple[str, str], ...]
    requests: tuple[int, ...]
    priority: int = 0
    node_selector: tuple[tuple[str, str], ...] = ()
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    spread: tuple[TopologySpreadConstraint, ...] = ()
    host_ports: tuple[tuple[str, str, int], ...] = ()
    volume_selectors: tuple[NodeSelector, ...] = ()
    unmovable: str = ""
    terminating: bool = False
    exclusive_claims: tuple[str, ...] = ()
    worth: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PodTable:
    """The pods, one row each, in the order of the source.

    Parameters
    ----------
    namespaces, names, uids : tuple of str
        Shape (P,).
    node : int32 array, shape (P,)
        Row of the node that the pod is bound to; -1 while it waits for one.
    template : int32 array, shape (P,)
        Row of ``Snapshot.templates``.
    use_ucores : int64 array, shape (P,)
        Predicted CPU use in micro-cores, rounded up.
    accelerator_mw : int64 array, shape (P,)
        Predicted accelerator draw in milliwatts, rounded up.
    measured : bool array, shape (P,)
        False where the use was assumed from requests.
    started_s : int64 array, shape (P,)
        Start (or creation) in seconds since the epoch, 0 where unknown.
    """

    namespaces: tuple[str, ...]
    names: tuple[str, ...]
    uids: tuple[str, ...]
    node: NDArray[np.int32]
    template: NDArray[np.int32]
    use_ucores: NDArray[np.int64]
    accelerator_mw: NDArray[np.int64]
    measured: NDArray[np.bool_]
    started_s: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A cluster at one moment.

    Parameters
    ----------
    digest : str
        Names this very state: changes when a node, a pod's UID or its place changes.
    as_of_s : int
        The moment, in seconds since the epoch (the newest timestamp in the source when it states none).
    resources : tuple of str
        Names of the R resources: "cpu" (milli-cores), "memory", "ephemeral-storage" (bytes), "pods", then others.
    nodes : tuple of Node
        N nodes.
    allocatable : int64 array, shape (N, R)
        What each node offers.
    node_curve : tuple of PowerCurve
        Watts of each node over its utilisation; nodes of one type share the object.
    node_budget_mw : int64 array, shape (N,)
        Each node's own budget in milliwatts, ``NO_BUDGET`` where it has none.
    topology : PowerTopology
        Feeds, rows and racks above the nodes.
    templates, pods : see there
    disruption_budgets : tuple of PodDisruptionBudget
    namespace_labels : dict
        Labels by namespace.
    assumptions : tuple of str
        What was assumed where the source was silent, one sentence each.
    """

    digest: str
    as_of_s: int
    resources: tuple[str, ...]
    nodes: tuple[Node, ...]
    allocatable: NDArray[np.int64]
    node_curve: tuple[PowerCurve, ...]
    node_budget_mw: NDArray[np.int64]
    topology: PowerTopology
    templates: tuple[PodTemplate, ...]
    pods: PodTable
    disruption_budgets: tuple[PodDisruptionBudget, ...]
    namespace_labels: dict[str, dict[str, str]]
    assumptions: tuple[str, ...] = ()

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the nodes, in row order."""
        return tuple(node.metadata.name for node in self.nodes)
