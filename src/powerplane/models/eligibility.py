"""The nodes that a new pod may land on, by labels, names, taints and volumes: one row of booleans a question."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from powerplane.models.label_index import LabelIndex
from powerplane.models.matching import all_tolerated, field_holds, repelling_taints
from powerplane.models.objects import Node, NodeAffinity, NodeSelector, NodeSelectorTerm, Requirement, Toleration
from powerplane.models.snapshot import PodTemplate

Mask = NDArray[np.bool_]


class NodeIndex:
    """The nodes' labels, names and taints, in columns.

    Parameters
    ----------
    nodes : tuple of Node
        N nodes.
    """

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._labels = LabelIndex([node.metadata.labels or {} for node in nodes])
        self._names = tuple(node.metadata.name for node in nodes)
        taints = [repelling_taints(node) for node in nodes]
        self._taint_sets = list(dict.fromkeys(taints))
        rank = {one: i for i, one in enumerate(self._taint_sets)}
        self._taints = np.array([rank[one] for one in taints], dtype=np.int32)

    def zones(self, key: str) -> tuple[NDArray[np.int32], int]:
        """Zone of each node by a topology key, -1 where it lacks the key; and the number of zones."""
        codes, code = self._labels.column(key)
        return codes, len(code)

    def having(self, keys: Iterable[str]) -> Mask:
        """Nodes that have all of some labels."""
        return self._labels.all_hold(Requirement(key=key, operator="Exists") for key in keys)

    def selected(self, selector: NodeSelector) -> Mask:
        """Nodes that one of a selector's terms matches."""
        result = np.zeros(len(self._names), dtype=np.bool_)
        for term in selector.node_selector_terms:
            result |= self._term(term)
        return result

    def chosen(self, node_selector: tuple[tuple[str, str], ...], affinity: NodeAffinity | None) -> Mask:
        """Nodes that meet a pod's nodeSelector and required node affinity."""
        result = self._labels.all_hold(
            Requirement(key=key, operator="In", values=(value,)) for key, value in node_selector
        )
        return result & self.selected(affinity.required) if affinity and affinity.required else result

    def tolerated(self, tolerations: tuple[Toleration, ...]) -> Mask:
        """Nodes whose taints, the cordon's among them, a pod puts up with."""
        truth = np.array([all_tolerated(tolerations, taints) for taints in self._taint_sets], dtype=np.bool_)
        return truth[self._taints]

    def eligible(self, template: PodTemplate) -> Mask:
        """Nodes that a new pod of a template may land on, by all that does not depend on other pods."""
        result = self.chosen(template.node_selector, node_affinity(template)) & self.tolerated(template.tolerations)
        for volume in template.volume_selectors:
            result &= self.selected(volume)
        return result

    def _term(self, term: NodeSelectorTerm) -> Mask:
        if not term.match_expressions and not term.match_fields:
            return np.zeros(len(self._names), dtype=np.bool_)
        result = self._labels.all_hold(term.match_expressions or ())
        for field in term.match_fields or ():
            result &= np.array([field_holds(field, name) for name in self._names], dtype=np.bool_)
        return result


def node_affinity(template: PodTemplate) -> NodeAffinity | None:
    """A template's node affinity."""
    return template.affinity.node_affinity if template.affinity else None
