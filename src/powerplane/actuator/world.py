"""The cluster as the watches told it: pods by owner and by name, placeholders, and the room on nodes."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, TypeVar

from powerplane.actuator.facts import Amounts, NodeFact, PodFact
from powerplane.actuator.seen import SeenPod, node_fact, pod_fact
from powerplane.adapters.watch import Batch
from powerplane.models.marks import MOVE_GATE
from powerplane.models.objects import Node
from powerplane.models.requests import WATTS_RESOURCE

K = TypeVar("K")
EMPTY: Final[Mapping[str, Amounts]] = MappingProxyType({})


class World:
    """Kept in step with the watches of pods and nodes; looked at under its lock.

    Parameters
    ----------
    changed : callable
        Called after each batch.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.RLock()
        self._changed = changed
        self._pods: dict[str, PodFact] = {}
        self._nodes: dict[str, NodeFact] = {}
        self._by_owner: dict[tuple[str, str], dict[str, PodFact]] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._holds: dict[tuple[str, str], dict[str, PodFact]] = {}
        self._gated: dict[str, PodFact] = {}
        self._held: dict[str, dict[str, PodFact]] = {}
        self._detached: dict[str, PodFact] = {}

    @contextmanager
    def still(self) -> Iterator["World"]:
        """While nothing changes."""
        with self._lock:
            yield self

    # -- from the watches

    def pods(self, batch: Batch[SeenPod]) -> None:
        """Take in a batch of pods."""
        told = [(each.metadata.uid, None if what == "DELETED" else pod_fact(each)) for what, each in batch.changes]
        with self._lock:
            if batch.replace:
                there = {uid for uid, _ in told}
                for uid in [uid for uid in self._pods if uid not in there]:
                    self._put(uid, None)
            for uid, fact in told:
                self._put(uid, fact)
        self._changed()

    def nodes(self, batch: Batch[Node]) -> None:
        """Take in a batch of nodes."""
        with self._lock:
            if batch.replace:
                self._nodes.clear()
            for what, each in batch.changes:
                self._nodes.pop(each.metadata.name, None)
                if what != "DELETED":
                    self._nodes[each.metadata.name] = node_fact(each)
        self._changed()

    def _put(self, uid: str, fact: PodFact | None) -> None:
        before = self._pods.pop(uid, None)
        if before is not None:
            self._take_out(before)
        if fact is not None:
            self._pods[uid] = fact
            self._take_in(fact)

    def _take_in(self, pod: PodFact) -> None:
        if pod.owner:
            self._by_owner.setdefault((pod.namespace, pod.owner), {})[pod.uid] = pod
        self._by_name[pod.namespace, pod.name] = pod.uid
        if pod.hold_for:
            self._holds.setdefault((pod.hold_of, pod.hold_for), {})[pod.uid] = pod
        if MOVE_GATE in pod.gates and pod.there:
            self._gated[pod.uid] = pod
        if pod.detached and pod.there:
            self._detached[pod.uid] = pod
        place = _place(pod)
        if place:
            self._held.setdefault(place, {})[pod.uid] = pod

    def _take_out(self, pod: PodFact) -> None:
        _drop(self._by_owner, (pod.namespace, pod.owner), pod.uid)
        if self._by_name.get((pod.namespace, pod.name)) == pod.uid:
            del self._by_name[pod.namespace, pod.name]
        _drop(self._holds, (pod.hold_of, pod.hold_for), pod.uid)
        self._gated.pop(pod.uid, None)
        self._detached.pop(pod.uid, None)
        _drop(self._held, _place(pod), pod.uid)

    # -- what is so

    def pod(self, uid: str) -> PodFact | None:
        """The pod of a UID."""
        return self._pods.get(uid)

    def named(self, namespace: str, name: str) -> PodFact | None:
        """The pod of a name."""
        return self._pods.get(self._by_name.get((namespace, name), ""))

    def owned(self, namespace: str, owner: str) -> Iterable[PodFact]:
        """The pods of a controller, in the order of their making."""
        found = self._by_owner.get((namespace, owner), {}) if owner else {}
        return sorted(found.values(), key=lambda pod: (pod.created_s, pod.name))

    def holds(self, plan: str, uid: str) -> Iterable[PodFact]:
        """Placeholders of a plan for a pod that are not on their way out."""
        return [pod for pod in self._holds.get((plan, uid), {}).values() if pod.there]

    def placeholders(self) -> Iterable[PodFact]:
        """All placeholders that are not on their way out."""
        return [pod for each in self._holds.values() for pod in each.values() if pod.there]

    def count_placeholders(self) -> int:
        """How many placeholders there are."""
        with self._lock:
            return sum(len(each) for each in self._holds.values())

    def on(self, node: str) -> Iterable[PodFact]:
        """All pods that take up room on a node, or are nominated to it."""
        return list(self._held.get(node, {}).values())

    def gated(self) -> Iterable[PodFact]:
        """All pods behind the gate of moves."""
        return list(self._gated.values())

    def detached(self) -> Iterable[PodFact]:
        """All pods that were taken out of their ReplicaSet, and are not on their way out."""
        return list(self._detached.values())

    def node(self, name: str) -> NodeFact | None:
        """The node of a name."""
        return self._nodes.get(name)

    def fits(self, pod: PodFact, node: NodeFact, promised: Mapping[str, Amounts] = EMPTY) -> bool:
        """Whether a node has room for one more pod like this, beside all that are on it or nominated to it.

        Parameters
        ----------
        pod : PodFact
        node : NodeFact
        promised : mapping of UID to requests
            Places that nobody holds yet; those of pods for which a placeholder stands there count once.
        """
        left = dict(node.offers)
        # Where nodes list no watts, the scheduler passes over them, and others hold budgets.
        wants = {name: amount for name, amount in pod.requests if amount and (name != WATTS_RESOURCE or name in left)}
        there = self._held.get(node.name, {}).values()
        held = {each.hold_for for each in there}
        unheld = [amounts for uid, amounts in promised.items() if uid not in held]
        for amounts in (*(each.requests for each in there), *unheld):
            for name, amount in amounts:
                if name in left:
                    left[name] -= amount
        return all(left.get(name, 0) >= amount for name, amount in wants.items())


def _place(pod: PodFact) -> str:
    """Node on which a pod takes up room; one on its way out does so until it is gone."""
    return "" if pod.finished else pod.node or pod.nominated


def _drop(shelf: dict[K, dict[str, PodFact]], key: K, uid: str) -> None:
    kept = shelf.get(key)
    if kept is not None:
        kept.pop(uid, None)
        if not kept:
            del shelf[key]
