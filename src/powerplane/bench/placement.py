"""The first placement of a generated cell: pods one by one, as kube-scheduler's LeastAllocated would.

The score of a node is the mean, over CPU and memory, of the part that stays free once the pod is on it
(kube-scheduler, NodeResourcesFit, LeastAllocated with equal weights); ties go to the first node.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.cell_spec import CellSpec
from powerplane.bench.fleet import MACHINES, MIB_PER_CORE, ZONES, Fleet, WorkloadClass
from powerplane.models.errors import UsageError

MAX_SKEW = 5


def place(spec: CellSpec, fleet: Fleet, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return, for each class, the node of each of its pods.

    Pods arrive in random order. Where some then find no room, they arrive in falling order of CPU instead, as
    full clusters are filled in practice.

    Raises
    ------
    UsageError
        When the pods do not fit either way.
    """
    count = np.array([workload.count for workload in fleet.classes])
    arrivals = rng.permutation(np.repeat(np.arange(len(count)), count))
    size = np.array([workload.cpu_milli for workload in fleet.classes])
    daemon = np.array([workload.daemon for workload in fleet.classes])
    arrivals = arrivals[np.argsort(~daemon[arrivals], kind="stable")]
    for order in (arrivals, arrivals[np.lexsort((-size[arrivals], ~daemon[arrivals]))]):
        if (placed := _place_in_order(fleet, order)) is not None:
            return placed
    raise UsageError(
        f"the {spec.pods} pods of {spec.name} do not fit on {spec.nodes} nodes at {spec.utilisation:.0%}",
        "give more nodes, or a lower utilisation",
    )


class _Room:
    """What is still free, and which nodes a class may use."""

    def __init__(self, fleet: Fleet) -> None:
        cores = fleet.cores
        self.fleet = fleet
        self.cpu = cores * 1000
        self.memory = cores * MIB_PER_CORE
        self.slots = np.array([machine.max_pods for machine in MACHINES])[fleet.machine]
        self.per_cpu = 1 / self.cpu
        self.per_memory = 1 / self.memory
        self.score = self.cpu * self.per_cpu + self.memory * self.per_memory
        self.open = [_open_nodes(fleet, workload) for workload in fleet.classes]
        self.zone_counts = np.zeros((len(fleet.classes), len(ZONES)), dtype=np.int64)

    def best(self, row: int, workload: WorkloadClass) -> int:
        """Row of the node that scores best for a pod of a class; -1 where none has room."""
        fits = (self.cpu >= workload.cpu_milli) & (self.memory >= workload.memory_mib) & (self.slots > 0)
        fits &= self.open[row]
        if workload.spread:
            counts = self.zone_counts[row][: self.fleet.zone[-1] + 1]
            fits &= (counts < counts.min() + MAX_SKEW)[self.fleet.zone]
        score = self.score - workload.cpu_milli * self.per_cpu - workload.memory_mib * self.per_memory
        score[~fits] = -np.inf
        node = int(score.argmax())
        return node if fits[node] else -1

    def take(self, row: int, workload: WorkloadClass, node: int) -> None:
        """Put a pod on a node."""
        self.cpu[node] -= workload.cpu_milli
        self.memory[node] -= workload.memory_mib
        self.slots[node] -= 1
        self.score[node] = self.cpu[node] * self.per_cpu[node] + self.memory[node] * self.per_memory[node]
        self.zone_counts[row, self.fleet.zone[node]] += 1
        if workload.alone or workload.daemon:
            self.open[row][node] = False


def _open_nodes(fleet: Fleet, workload: WorkloadClass) -> NDArray[np.bool_]:
    nodes: NDArray[np.bool_] = workload.tolerates | ~fleet.tainted
    if workload.zones:
        nodes &= np.isin(fleet.zone, [ZONES.index(zone) for zone in workload.zones])
    return nodes.copy()


def _place_in_order(fleet: Fleet, order: NDArray[np.int64]) -> list[NDArray[np.int64]] | None:
    room = _Room(fleet)
    placed: list[list[int]] = [[] for _ in fleet.classes]
    for row in order.tolist():
        workload = fleet.classes[row]
        if (node := room.best(row, workload)) < 0:
            return None
        room.take(row, workload, node)
        placed[row].append(node)
    return [np.array(nodes, dtype=np.int64) for nodes in placed]
