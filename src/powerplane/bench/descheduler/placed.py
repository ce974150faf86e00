"""Pods one by one on nodes, as evictions and a default kube-scheduler move them."""

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.ledger import Ints, Ledger, Mask
from powerplane.models.snapshot import Snapshot
from powerplane.solver.formulate import CPU_USE, Formulation

PERCENT = 100
NOWHERE = -1


class Placed:
    """Where each pod is, what nodes have free, and where the scheduler puts a new one.

    An evicted pod's requests stay taken on its node until ``settle``, as they do while it terminates; it draws there
    no longer once it is evicted.

    Attributes
    ----------
    node_of : int64 array, shape (P,)
        Row of each pod's node, ``NOWHERE`` while it waits.
    ledger : Ledger
        The bench's own books of watts.
    """

    def __init__(self, snapshot: Snapshot, formulation: Formulation, rng: np.random.Generator) -> None:
        self.problem = formulation.problem
        self.ledger = Ledger(self.problem)
        self.class_of: Ints = formulation.classes.of_pod.astype(np.int64)
        self.node_of: Ints = snapshot.pods.node.astype(np.int64)
        priority = [snapshot.templates[template].priority for template in formulation.classes.template.tolist()]
        self.priority: Ints = np.array(priority, dtype=np.int64)
        self.cordoned: Mask = np.zeros(self.problem.node_count, dtype=np.bool_)
        self._rng = rng
        names = self.problem.resource_names
        # kube-scheduler knows requests; that predicted use fits is the solver's own rule.
        self._asked: Ints = np.array([row for row, name in enumerate(names) if name != CPU_USE])
        self._scored = [names.index("cpu"), names.index("memory")]
        self._leaving: list[tuple[int, int]] = []

    def on(self, node: int) -> list[int]:
        """Pods of a node that may be evicted: lowest priority first, else in no order (all are Burstable)."""
        pods = np.flatnonzero(self.node_of == node)
        pods = self._rng.permutation(pods[self.problem.movable[self.class_of[pods]]])
        order = np.argsort(self.priority[self.class_of[pods]], kind="stable")
        evictable: list[int] = pods[order].tolist()
        return evictable

    def evict(self, pod: int) -> int:
        """Take a pod off its node, and return the node."""
        pod_class, node = int(self.class_of[pod]), int(self.node_of[pod])
        self.ledger.put(pod_class, node, -1)
        self.ledger.free[node] -= self.problem.requests[pod_class]
        self._leaving.append((pod_class, node))
        self.node_of[pod] = NOWHERE
        return node

    def settle(self) -> None:
        """Let terminated pods give back what they had requested."""
        for pod_class, node in self._leaving:
            self.ledger.free[node] += self.problem.requests[pod_class]
        self._leaving.clear()

    def fits(self, pod_class: int) -> Mask:
        """Nodes that pass the scheduler's filters for a new pod of a class."""
        asked = self.problem.requests[pod_class, self._asked]
        fits: Mask = (self.ledger.free[:, self._asked] >= asked).all(axis=1)
        fits &= self.problem.allowed[self.problem.allowed_set[pod_class]]
        fits &= ~self.cordoned
        fits &= self.ledger.rules.nodes_for_new(pod_class)
        return fits

    def schedule(self, pod: int) -> int:
        """Bind a waiting pod to the node of the best score, by lot where several have it; ``NOWHERE`` if none fits."""
        pod_class = int(self.class_of[pod])
        fits = self.fits(pod_class)
        if not fits.any():
            return NOWHERE
        scores = np.where(fits, self._scores(pod_class), NOWHERE)
        node = int(self._rng.choice(np.flatnonzero(scores == scores.max())))
        self.ledger.put(pod_class, node, 1)
        self.node_of[pod] = node
        return node

    def _scores(self, pod_class: int) -> NDArray[np.int64]:
        """NodeResourcesFit's LeastAllocated plus NodeResourcesBalancedAllocation, CPU and memory, equal weights."""
        offered = self.problem.allocatable[:, self._scored]
        left = np.maximum(0, self.ledger.free[:, self._scored] - self.problem.requests[pod_class, self._scored])
        least = (left * PERCENT // np.maximum(1, offered)).sum(axis=1) // len(self._scored)
        used = 1 - left / np.maximum(1, offered)
        balanced = ((1 - np.abs(used[:, 0] - used[:, 1]) / 2) * PERCENT).astype(np.int64)
        scores: NDArray[np.int64] = least + balanced
        return scores
