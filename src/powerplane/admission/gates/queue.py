"""The order of waiting pods: priority, then the namespace that has the least of its share, then age.

Fair among namespaces as weighted fair queueing is among flows (Demers, Keshav, Shenker 1989), with one difference:
what a namespace holds counts, not what it was served with, since watts are held for as long as a pod runs.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

Key = tuple[Fraction, float, str]


class Queued(Protocol):
    """What the order depends on."""

    @property
    def uid(self) -> str:
        """Breaks ties."""
        ...

    @property
    def namespace(self) -> str:
        """Whose watts it will be."""
        ...

    @property
    def priority(self) -> int:
        """Higher goes first."""
        ...

    @property
    def created_s(self) -> float:
        """Older goes first."""
        ...


P = TypeVar("P", bound=Queued)


class FairQueue(Generic[P]):
    """Waiting pods in order, while what namespaces hold grows with each that is let go.

    Parameters
    ----------
    waiting : iterable of pods
    held_mw : mapping of namespace to int
        What each holds already.
    weights : mapping of namespace to int
        Its quota of watts; a namespace without one counts as the smallest of them (1 where there is none at all).

    Notes
    -----
    Among the pods of the highest priority, the next one is the oldest of the namespace with the smallest
    ``held / weight``; equal namespaces by their oldest pod, then by name.
    """

    def __init__(self, waiting: Iterable[P], held_mw: Mapping[str, int], weights: Mapping[str, int]) -> None:
        self._held = dict(held_mw)
        self._weights = weights
        self._least = min((weight for weight in weights.values() if weight > 0), default=1)
        self._levels: dict[int, dict[str, deque[P]]] = {}
        for pod in sorted(waiting, key=lambda each: (each.created_s, each.uid)):
            self._levels.setdefault(pod.priority, {}).setdefault(pod.namespace, deque()).append(pod)

    def __iter__(self) -> Iterator[P]:
        for priority in sorted(self._levels, reverse=True):
            yield from self._level(self._levels[priority])

    def granted(self, namespace: str, mw: int) -> None:
        """Count watts to a namespace, before the next pod is asked for."""
        self._held[namespace] = self._held.get(namespace, 0) + mw

    def share(self, namespace: str) -> Fraction:
        """What a namespace holds for each unit of its weight."""
        weight = self._weights.get(namespace, 0)
        return Fraction(self._held.get(namespace, 0), weight if weight > 0 else self._least)

    def _level(self, namespaces: dict[str, deque[P]]) -> Iterator[P]:
        heap = [self._key(name, pods) for name, pods in namespaces.items()]
        heapify(heap)
        while heap:
            name = heappop(heap)[2]
            pods = namespaces[name]
            yield pods.popleft()
            if pods:
                heappush(heap, self._key(name, pods))

    def _key(self, namespace: str, pods: deque[P]) -> Key:
        return self.share(namespace), pods[0].created_s, namespace
