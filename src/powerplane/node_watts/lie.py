"""How the nodes lie in the power tree, and which of them pods that wait may use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from powerplane.models.api.tree import TreeReading
from powerplane.models.eligibility import NodeIndex
from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.objects import Node, NodeSpec, ObjectMeta, Taint
from powerplane.models.pod_reading import ROOM
from powerplane.node_watts.facts import NodeFact, PodFact
from powerplane.node_watts.seen import Mask
from powerplane.solver.partition import Demand
from powerplane.solver.partition_rows import Ints

EXPECTED = 1 << 31
"""Priority of pods that are nominated: above every pod's own."""


@dataclass(frozen=True, slots=True, eq=False)
class Lie:
    """How the nodes lie in the power tree, for as long as neither changes.

    Parameters
    ----------
    names : tuple of str
    reading : TreeReading
    incidence : PowerIncidence or None
        Rows that have a budget at all; None without a tree.
    index : NodeIndex or None
        None without nodes.
    """

    names: tuple[str, ...]
    reading: TreeReading
    incidence: PowerIncidence | None
    index: NodeIndex | None


def lie_of(reading: TreeReading, nodes: Mapping[str, NodeFact]) -> Lie:
    """Compile the tree over the nodes; rows without a budget are left out."""
    names = tuple(sorted(nodes))
    incidence = compile_incidence(reading.topology, names) if reading.topology is not None else None
    return Lie(names, reading, incidence, NodeIndex(tuple(_node(nodes[name]) for name in names)) if names else None)


def _node(node: NodeFact) -> Node:
    taints = tuple(
        Taint(str(taint.get("key", "")), str(taint.get("effect", "")), str(taint.get("value") or ""))
        for taint in node.foreign_taints
    )
    return Node(ObjectMeta(name=node.name, labels=node.labels), NodeSpec(node.unschedulable, taints))


def demands_of(waiting: list[PodFact], lie: Lie, short: Ints) -> tuple[tuple[Demand, ...], Mask]:
    """Return what is to be given watts, and the nodes that each demand may use.

    Parameters
    ----------
    waiting : list of PodFact
        Pods that no node took and that are expected nowhere.
    lie : Lie
    short : int64 array, shape (N,)
        Watts that nodes lack for pods that are nominated to them; they have their room already.

    Returns
    -------
    tuple of Demand, bool array of shape (M, N)
    """
    kinds: dict[str, list[PodFact]] = {}
    for pod in waiting:
        if pod.wish is not None:
            kinds.setdefault(pod.wish.key, []).append(pod)
    demands: list[Demand] = []
    allowed: list[Mask] = []
    for key in sorted(kinds):
        first = kinds[key][0]
        allowed.append(_allowed(first, lie))
        demands.append(Demand(key, first.watts or 0, first.requests, len(kinds[key]), len(demands), first.priority))
    for node in np.flatnonzero(short > 0).tolist():
        only = np.zeros(len(lie.names), dtype=np.bool_)
        only[node] = True
        allowed.append(only)
        key = f"nominated to {lie.names[node]}"
        demands.append(Demand(key, int(short[node]), (0,) * len(ROOM), 1, len(demands), EXPECTED))
    mask = np.array(allowed, dtype=np.bool_) if allowed else np.ones((1, len(lie.names)), dtype=np.bool_)
    return tuple(demands), mask


def _allowed(pod: PodFact, lie: Lie) -> Mask:
    """Nodes that a pod may use by its selector, its affinity to nodes and its tolerations."""
    if lie.index is None or pod.wish is None:
        return np.ones(len(lie.names), dtype=np.bool_)
    affinity = pod.wish.affinity.node_affinity if pod.wish.affinity else None
    return lie.index.chosen(pod.wish.node_selector, affinity) & lie.index.tolerated(pod.wish.tolerations)
