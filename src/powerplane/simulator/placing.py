"""Where new pods go: the filters and scores that kube-scheduler applies by default, without any sense of power.

Filters: requests (NodeResourcesFit), node selector, affinity, taints and volumes (as `models.eligibility` reads them),
required anti-affinity among a template's own pods on one node, power and readiness. Scores, with kube-scheduler's
default weights: least allocated (1), balanced allocation (1), spread over hosts (2). Preemption, host ports, topology
spread that is required and affinity to other pods are left out.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.models.eligibility import NodeIndex
from powerplane.models.matching import selector_matches
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.simulator.pods import NOWHERE

Mask = NDArray[np.bool_]
HOSTNAME = "kubernetes.io/hostname"
SPREAD_WEIGHT = 2.0


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
        fits = self.eligible(template) & ready
        for resource in self._wanted[template].tolist():
            fits &= self.free[:, resource] >= self.requests[template, resource]
        if self._apart[template]:
            fits &= self.held[template] == 0
        rows = np.flatnonzero(fits)
        if not len(rows):
            return NOWHERE
        left = (self.free[rows, :2] - self.requests[template, :2]) / self._total[rows]
        cpu, memory = left[:, 0], left[:, 1]
        least, balanced = (cpu + memory) / 2.0, 1.0 - np.abs(cpu - memory) / 2.0
        held = self.held[template, rows]
        most = int(held.max())
        spread = 1.0 - held / most if most else 1.0
        return int(rows[(least + balanced + SPREAD_WEIGHT * spread).argmax()])


def _keeps_apart(template: PodTemplate) -> bool:
    """Whether no two pods of a template may share a node."""
    affinity = template.affinity
    terms = affinity.pod_anti_affinity.required if affinity and affinity.pod_anti_affinity else None
    labels = dict(template.labels)
    return any(
        term.topology_key == HOSTNAME and (term.label_selector is None or selector_matches(term.label_selector, labels))
        for term in terms or ()
    )
