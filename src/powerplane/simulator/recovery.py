"""What Kubernetes does by itself once nodes are dark: gives their pods up, and places them where requests fit.

Power plays no part in it, as in kube-scheduler without help. Preemption is left out: it would change which pods are
lost, not how many watts there are.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.simulator.cluster import NOWHERE, Cluster


def recover(cluster: Cluster) -> tuple[int, int]:
    """Place every pod that is on a dark node or waits; return how many found a node, and how many wait on.

    Kubernetes has given up the dark nodes by now. Highest priority first, each to the node whose requests leave the
    most room (the default score), where it serves at once. DaemonSet pods stay with their nodes.
    """
    snapshot = cluster.scenario.snapshot
    waiting = np.flatnonzero(cluster.in_dark() | (cluster.node == NOWHERE))
    mobile = [i for i in waiting if not snapshot.templates[snapshot.pods.template[i]].unmovable]
    cluster.node[mobile] = NOWHERE
    free = _free_requests(cluster)
    mobile.sort(key=lambda i: (-snapshot.templates[snapshot.pods.template[i]].priority, i))
    found = sum(_place(cluster, int(pod), free) for pod in mobile)
    return found, len(mobile) - found


def _place(cluster: Cluster, pod: int, free: NDArray[np.int64]) -> bool:
    snapshot = cluster.scenario.snapshot
    template = snapshot.templates[snapshot.pods.template[pod]]
    requests = np.array(template.requests)
    fits = cluster.wiring.lit & (free >= requests).all(axis=1) & _selected(snapshot, template)
    if template.affinity is not None and template.affinity.pod_anti_affinity is not None:
        fits &= ~_holds_sibling(cluster, template)
    if not fits.any():
        return False
    cpu = snapshot.resources.index("cpu")
    room = np.where(fits, free[:, cpu] / snapshot.allocatable[:, cpu], -1.0)
    target = int(room.argmax())
    cluster.node[pod] = target
    free[target] -= requests
    cluster.serving[pod] = True
    return True


def _free_requests(cluster: Cluster) -> NDArray[np.int64]:
    snapshot = cluster.scenario.snapshot
    table = np.array([template.requests for template in snapshot.templates], dtype=np.int64)
    free = snapshot.allocatable.copy()
    placed = np.flatnonzero(cluster.node != NOWHERE)
    np.subtract.at(free, cluster.node[placed], table[snapshot.pods.template[placed]])
    return free


def _selected(snapshot: Snapshot, template: PodTemplate) -> NDArray[np.bool_]:
    wanted = dict(template.node_selector).items()
    return np.array([wanted <= (node.metadata.labels or {}).items() for node in snapshot.nodes], dtype=bool)


def _holds_sibling(cluster: Cluster, template: PodTemplate) -> NDArray[np.bool_]:
    """Nodes that already hold a pod of the same owner: all that a scenario's anti-affinity ever asks for."""
    snapshot = cluster.scenario.snapshot
    owners = np.array([other.owner == template.owner for other in snapshot.templates])
    siblings = owners[snapshot.pods.template] & (cluster.node != NOWHERE)
    holds = np.zeros(len(snapshot.nodes), dtype=bool)
    holds[cluster.node[siblings]] = True
    return holds
