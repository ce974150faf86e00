"""Nodes and pods kept in step with the watches, and added up node by node as they come and go."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from powerplane.adapters.node_rates import Devices
from powerplane.adapters.watch import Batch
from powerplane.models.pod_reading import ROOM
from powerplane.node_watts.facts import NodeFact, PodFact, SeenNode, SeenPod, node_fact, pod_fact

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
S = TypeVar("S")


class Shelf(Generic[S, K, T]):
    """Facts of one kind by key, fed by a reflector on its thread and read by the loop.

    Parameters
    ----------
    lock : threading.RLock
        Shared by all shelves of a view, so that one look sees each at one moment.
    key : callable
        What an object is known by.
    fact : callable
        What is kept of it; None for what need not be kept.
    changed : callable
        Called under the lock with what was kept before and what is kept now; either may be None.
    """

    def __init__(
        self,
        lock: threading.RLock,
        key: Callable[[S], K],
        fact: Callable[[S], T | None],
        changed: Callable[[T | None, T | None], None],
    ) -> None:
        self.kept: dict[K, T] = {}
        self._lock = lock
        self._key = key
        self._fact = fact
        self._changed = changed

    def sink(self, batch: Batch[S]) -> None:
        """Take in a batch."""
        told = batch.facts(self._key, self._fact)
        with self._lock:
            for key in batch.gone(told, self.kept):
                self._put(key, None)
            for key, fact in told:
                self._put(key, fact)

    def _put(self, key: K, fact: T | None) -> None:
        before = self.kept.pop(key, None)
        if fact is not None:
            self.kept[key] = fact
        if before is not None or fact is not None:
            self._changed(before, fact)


UNKNOWN = NodeFact(
    name="",
    version="",
    labels={},
    taints=(),
    unschedulable=True,
    allocatable=None,
    capacity=None,
    offers=(0,) * len(ROOM),
    devices={},
)
"""A node that is not there."""


@dataclass(slots=True)
class NodeSums:
    """What pods hold on one node: watts and ``ROOM`` of the bound and of the nominated, and who requests no watts."""

    watts: int = 0
    nominated_watts: int = 0
    leaving_watts: int = 0
    noted_watts: int = 0
    cpu: int = 0
    memory: int = 0
    pods: int = 0
    unstated_cpu: int = 0
    unstated_pods: int = 0
    unstated_devices: dict[Devices, int] = field(default_factory=dict)
    """How many pods that state no watts hold which accelerators."""

    def add(self, pod: PodFact, sign: int) -> None:
        """Count a pod in (1) or out (-1)."""
        cpu, memory, pods = pod.requests
        self.cpu += sign * cpu
        self.memory += sign * memory
        self.pods += sign * pods
        if not pod.node:
            self.nominated_watts += sign * (pod.watts or 0)
            return
        # What is requested the scheduler takes off the node's number, believed or not.
        self.watts += sign * (pod.watts or 0)
        self.leaving_watts += sign * (pod.watts or 0) * pod.leaving
        self.noted_watts += sign * pod.noted
        self.unstated_cpu += sign * pod.mcores
        self.unstated_pods += sign * pod.silent
        if pod.devices:
            count = self.unstated_devices.pop(pod.devices, 0) + sign
            self.unstated_devices |= {pod.devices: count} if count else {}


class Books:
    """All that the watches of nodes and pods told, under one lock."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.lock = threading.RLock()
        self.nodes: Shelf[SeenNode, str, NodeFact] = Shelf(
            self.lock, lambda node: node.metadata.name, node_fact, self._node_changed
        )
        self.pods: Shelf[SeenPod, str, PodFact] = Shelf(
            self.lock, lambda pod: pod.metadata.uid, pod_fact, self._pod_changed
        )
        self.sums: dict[str, NodeSums] = {}
        self.refused: dict[str, PodFact] = {}
        self.without_watts: Counter[str] = Counter()
        """Bound pods that should have watts and state none, by namespace."""
        self.shape = 0
        """Counts changes of what decides where pods may go, and of which nodes there are."""
        self._tell = changed
        self._departed: dict[str, NodeFact] = {}
        self._absent: frozenset[str] = frozenset()

    def everything(self) -> tuple[dict[str, NodeFact], int]:
        """Return all nodes, and the shape.

        A node that is gone stays for as long as pods are bound to it: they draw on (a kubelet that registers anew
        deletes its Node first; the garbage collector of pods comes 40 s later).
        """
        with self.lock:
            nodes = dict(self.nodes.kept)
            absent = frozenset(name for name, sums in self.sums.items() if sums.pods > 0 and name not in nodes)
            if absent != self._absent:
                self.shape += 1
                self._absent = absent
                self._departed = {name: fact for name, fact in self._departed.items() if name in absent}
            for name in absent:
                nodes[name] = replace(self._departed.get(name, UNKNOWN), name=name)
            return nodes, self.shape

    def waiting(self) -> Iterable[PodFact]:
        """Pods that no node took, and that are expected nowhere."""
        return (pod for pod in self.refused.values() if not pod.nominated)

    def _node_changed(self, before: NodeFact | None, now: NodeFact | None) -> None:
        if before is None or now is None or _shape(before) != _shape(now):
            self.shape += 1
        if before is not None and now is None:
            self._departed[before.name] = replace(
                UNKNOWN, labels=before.labels, offers=before.offers, devices=before.devices
            )
        if now is not None and not now.allocatable:
            self._tell()

    def _pod_changed(self, before: PodFact | None, now: PodFact | None) -> None:
        for pod, sign in ((before, -1), (now, 1)):
            if pod is not None and (where := pod.node or pod.nominated):
                self.sums.setdefault(where, NodeSums()).add(pod, sign)
                if before is not None and now is None and not self.sums[where].pods:
                    del self.sums[where]
            if pod is not None and pod.without_watts:
                self.without_watts[pod.namespace] += sign
        if before is not None:
            self.refused.pop(before.uid, None)
        if now is not None and now.refused:
            self.refused[now.uid] = now
        if now is not None and (now.refused or (now.takes_base and not (before and before.takes_base))):
            self._tell()


def _shape(node: NodeFact) -> tuple[object, ...]:
    return (node.labels, node.foreign_taints, node.unschedulable)
