"""Nodes and pods kept in step with the watches: what is held on each node and by each namespace, and who waits."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from powerplane.adapters.node_rates import Devices
from powerplane.adapters.watch import Batch
from powerplane.adapters.watch_kinds import by_name, by_uid
from powerplane.admission.gates.facts import NodeFact, PodFact, SeenPod, node_fact, pod_fact, sent_to
from powerplane.models.objects import Node, NodeSpec, ObjectMeta

MOST_DEPARTED = 4096
"""Nodes that are gone and remembered; the first of them are forgotten first."""


@dataclass(slots=True)
class NodeSums:
    """What pods hold on one node: stated milliwatts, cores and accelerators of those that state none, and ``ROOM``."""

    pods: int = 0
    stated_mw: int = 0
    silent_mcores: int = 0
    silent_devices: Counter[Devices] = field(default_factory=Counter)
    room: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, pod: PodFact, sign: int) -> None:
        """Count a pod in (1) or out (-1)."""
        self.pods += sign
        self.stated_mw += sign * (pod.draw.stated_mw or 0)
        self.silent_mcores += sign * pod.draw.mcores
        if pod.draw.devices:
            self.silent_devices[pod.draw.devices] += sign
        for place, amount in enumerate(pod.requests):
            self.room[place] += sign * amount

    def held(self) -> "Held":
        """What it comes to now."""
        devices = tuple(sorted((each, count) for each, count in self.silent_devices.items() if count))
        return Held(self.pods, self.stated_mw, self.silent_mcores, tuple(self.room), devices)


@dataclass(frozen=True, slots=True)
class Held:
    """What ``NodeSums`` came to at one moment."""

    pods: int
    stated_mw: int
    silent_mcores: int
    room: tuple[int, ...]
    silent_devices: tuple[tuple[Devices, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """All that was told, at one moment.

    Parameters
    ----------
    nodes : dict of name to NodeFact
        Also those that are gone while pods are bound to them (they draw on) or were sent there (a node may be back at
        any moment, as when its kubelet registers anew).
    shape : int
        Another for other nodes, labels or taints.
    sums : dict of node name to Held
    namespace_mw : dict
        Stated milliwatts of the bound pods of each namespace.
    waiting, on_their_way : tuple of PodFact
    gone : frozenset of str
        Nodes among ``nodes`` that are not there any more.
    """

    nodes: dict[str, NodeFact]
    shape: int
    sums: dict[str, Held]
    namespace_mw: dict[str, int]
    waiting: tuple[PodFact, ...]
    on_their_way: tuple[PodFact, ...]
    gone: frozenset[str] = frozenset()


class GateBooks:
    """What the watches of nodes and pods told, under one lock.

    Parameters
    ----------
    changed : callable
        Called when something changed that may let somebody go.
    bound : callable
        Called with each pod that was let go and is now bound.
    """

    def __init__(
        self, changed: Callable[[], None] = lambda: None, bound: Callable[[PodFact], None] = lambda _: None
    ) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._bound = bound
        self._nodes: dict[str, NodeFact] = {}
        self._departed: dict[str, NodeFact] = {}
        self._pods: dict[str, PodFact] = {}
        self._sums: dict[str, NodeSums] = {}
        self._namespaces: Counter[str] = Counter()
        self._waiting: dict[str, PodFact] = {}
        self._on_their_way: dict[str, PodFact] = {}
        self._shape = 0
        self._owners: dict[str, Counter[tuple[int, int]]] = {}

    def moment(self, named: frozenset[str] = frozenset()) -> Moment:
        """Return everything, at one moment.

        Parameters
        ----------
        named : frozenset of str
            Nodes that are wanted even where they are gone.
        """
        with self._lock:
            gone = frozenset(name for name, sums in self._sums.items() if sums.pods > 0 and name not in self._nodes)
            gone |= self._awaited(named)
            nodes = dict(self._nodes)
            for name in gone:
                nodes[name] = self._departed.get(name) or _nowhere(name)
            return Moment(
                nodes=nodes,
                shape=self._shape * 1_000_003 + hash(gone),
                sums={name: sums.held() for name, sums in self._sums.items()},
                namespace_mw=dict(self._namespaces),
                waiting=tuple(self._waiting.values()),
                on_their_way=tuple(self._on_their_way.values()),
                gone=gone,
            )

    def _awaited(self, named: frozenset[str]) -> frozenset[str]:
        """Nodes that are gone and that some pod may still be bound to."""
        if not self._departed:
            return frozenset()
        hostnames = {each for pod in self._on_their_way.values() if pod.wish for each in sent_to(pod.wish)}
        return frozenset(name for name, fact in self._departed.items() if name in named or (fact.hostname in hostnames))

    def most_of(self, owner: str) -> tuple[int, int]:
        """The most that any pod of a workload states in milliwatts, and their highest priority; 0 of none."""
        with self._lock:
            known: Iterable[tuple[int, int]] = self._owners.get(owner, ())
            return max((mw for mw, _ in known), default=0), max((priority for _, priority in known), default=0)

    def waiting(self) -> frozenset[str]:
        """UIDs of the pods behind our gate."""
        with self._lock:
            return frozenset(self._waiting)

    def knows(self, uid: str) -> bool:
        """Whether a pod was told of and has not gone."""
        with self._lock:
            return uid in self._pods

    def nodes(self, batch: Batch[Node]) -> None:
        """Take in a batch of nodes."""
        told = batch.facts(by_name, node_fact)
        with self._lock:
            for name in batch.gone(told, self._nodes):
                self._put_node(name, None)
            for name, fact in told:
                self._put_node(name, fact)
        self._changed()

    def pods(self, batch: Batch[SeenPod]) -> None:
        """Take in a batch of pods."""
        told = batch.facts(by_uid, pod_fact)
        with self._lock:
            for uid in batch.gone(told, self._pods):
                self._put_pod(uid, None)
            for uid, fact in told:
                self._put_pod(uid, fact)
        self._changed()

    def _put_node(self, name: str, fact: NodeFact | None) -> None:
        before = self._nodes.pop(name, None)
        if fact is not None:
            self._nodes[name] = fact
            self._departed.pop(name, None)
        elif before is not None:
            self._departed[name] = replace(before, node=_closed(before.node))
            if len(self._departed) > MOST_DEPARTED:
                del self._departed[next(iter(self._departed))]
        if before is None or fact is None or _shape(before) != _shape(fact):
            self._shape += 1

    def _put_pod(self, uid: str, fact: PodFact | None) -> None:
        before = self._pods.pop(uid, None)
        if fact is not None:
            self._pods[uid] = fact
        for pod, sign in ((before, -1), (fact, 1)):
            if pod is not None and pod.owner:
                self._count_owner(pod, sign)
            if pod is not None and pod.node:
                sums = self._sums.setdefault(pod.node, NodeSums())
                sums.add(pod, sign)
                self._namespaces[pod.namespace] += sign * (pod.draw.stated_mw or 0)
        if before is not None and before.node and not self._sums[before.node].pods:
            del self._sums[before.node]
        self._waiting.pop(uid, None)
        self._on_their_way.pop(uid, None)
        if fact is not None and fact.waits:
            self._waiting[uid] = fact
        elif fact is not None and fact.on_its_way:
            self._on_their_way[uid] = fact
        if fact is not None and fact.node and fact.granted and (before is None or not before.node):
            self._bound(fact)

    def _count_owner(self, pod: PodFact, sign: int) -> None:
        known = self._owners.setdefault(pod.owner, Counter())
        key = (pod.draw.stated_mw or 0, pod.priority)
        known[key] += sign
        if not known[key]:
            del known[key]
        if not known:
            del self._owners[pod.owner]


def _closed(node: Node) -> Node:
    """A node that takes nobody any more."""
    return Node(node.metadata, NodeSpec(unschedulable=True))


def _nowhere(name: str) -> NodeFact:
    return NodeFact(Node(ObjectMeta(name=name), NodeSpec(unschedulable=True)), 0, (0, 0, 0))


def _shape(fact: NodeFact) -> tuple[object, ...]:
    """What budgets and rates rest on."""
    return fact.node, fact.mcores, fact.devices
