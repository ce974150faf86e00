"""Where new pods go: the filters and scores that kube-scheduler applies by default, without any sense of power.

Filters: requests (NodeResourcesFit), node selector, affinity, taints and volumes (as `models.eligibility` reads them),
required anti-affinity among a template's own pods on one node, power and readiness. Scores, with kube-scheduler's
default weights: least allocated (1), balanced allocation (1), spread over hosts (2). Preemption, host ports, topology
spread that is required and affinity to other pods are left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from powerplane.models.eligibility import NodeIndex
from powerplane.models.matching import selector_matches
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.simulator.pods import NOWHERE

Mask = NDArray[np.bool_]
HOSTNAME = "kubernetes.io/hostname"
SPREAD_WEIGHT = 2.0
FULL = -np.inf
EVERY = slice(None)


class Placer:
    """Books of what is free on each node, and the choice of a node.

    Parameters
    ----------
    base : Snapshot
        Nodes and templates.
    """

    def __init__(self, base: Snapshot) -> None:
        self._templates = base.templates
        self.requests = np.array([t.requests for t in base.templates], dtype=np.int64).reshape(
            len(base.templates), len(base.resources)
        )
        self.free = base.allocatable.astype(np.int64)
        self._total = np.maximum(base.allocatable[:, :2].astype(np.float64), 1.0)
        self.held = np.zeros((len(base.templates), len(base.nodes)), dtype=np.int32)
        self._index = NodeIndex(base.nodes)
        self._eligible: dict[int, Mask] = {}
        self._apart = [_keeps_apart(template) for template in base.templates]
        self._wanted = [np.flatnonzero(row) for row in self.requests]

    def eligible(self, template: int) -> Mask:
        """Nodes that a template's pods may ever land on, shape (N,)."""
        if template not in self._eligible:
            self._eligible[template] = self._index.eligible(self._templates[template])
        return self._eligible[template]

    def take(self, template: int, node: int) -> None:
        """Book a pod on a node."""
        self.free[node] -= self.requests[template]
        self.held[template, node] += 1

    def release(self, template: int, node: int) -> None:
        """Take a pod off the books."""
        self.free[node] += self.requests[template]
        self.held[template, node] -= 1

    def choose(self, template: int, ready: Mask) -> int:
        """Return the node with the best score, ``NOWHERE`` where none fits.

        Parameters
        ----------
        template : int
        ready : bool array, shape (N,)
            Nodes that take pods.
        """
        return next(self.choices(template, ready), NOWHERE)

    def choices(self, template: int, ready: Mask) -> Iterator[int]:
        """Choose nodes for pods of one template, one after another; each is to be booked before the next is asked for.

        Scores are kept from pod to pod: one pod changes its own node's, and all of them only where that node now holds
        more of the template than any other.
        """
        rows = np.flatnonzero(self._fits(template, self.eligible(template) & ready))
        while len(rows):
            most = int(self.held[template, rows].max())
            scores = self._scores(template, rows, most)
            while True:
                best = int(scores.argmax())
                node = int(rows[best])
                yield node
                if self.held[template, node] > most:
                    break
                here = rows[best : best + 1]
                fits = self._fits(template, np.ones(1, dtype=bool), here)[0]
                scores[best] = self._scores(template, here, most)[0] if fits else FULL
                if scores[best] == FULL and scores.max() == FULL:
                    return
            rows = rows[self._fits(template, np.ones(len(rows), dtype=bool), rows)]

    def _fits(self, template: int, among: Mask, rows: NDArray[np.int64] | slice = EVERY) -> Mask:
        """Which of some nodes have room for one more pod."""
        fits = among
        for resource in self._wanted[template].tolist():
            fits = fits & (self.free[rows, resource] >= self.requests[template, resource])
        return fits & (self.held[template, rows] == 0) if self._apart[template] else fits

    def _scores(self, template: int, rows: NDArray[np.int64], most: int) -> NDArray[np.float64]:
        left = (self.free[rows, :2] - self.requests[template, :2]) / self._total[rows]
        cpu, memory = left[:, 0], left[:, 1]
        least, balanced = (cpu + memory) / 2.0, 1.0 - np.abs(cpu - memory) / 2.0
        spread = 1.0 - self.held[template, rows] / most if most else 1.0
        result: NDArray[np.float64] = least + balanced + SPREAD_WEIGHT * spread
        return result


def _keeps_apart(template: PodTemplate) -> bool:
    """Whether no two pods of a template may share a node."""
    affinity = template.affinity
    terms = affinity.pod_anti_affinity.required if affinity and affinity.pod_anti_affinity else None
    labels = dict(template.labels)
    return any(
        term.topology_key == HOSTNAME and (term.label_selector is None or selector_matches(term.label_selector, labels))
        for term in terms or ()
    )
