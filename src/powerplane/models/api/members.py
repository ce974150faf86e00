"""Which nodes a selector chooses, found through an index of labels."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from powerplane.models.matching import canonical, selector_matches
from powerplane.models.objects import LabelSelector, Requirement

NodeLabels = tuple[str, Mapping[str, str]]
"""A node: its name and its labels."""

VALUED = ("In", "NotIn")
BARE = ("Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class NodeIndex:
    """Nodes by name and by each of their labels, so that a thousand selectors do not each walk all nodes.

    Parameters
    ----------
    labels : mapping of node name to labels
    by_label : mapping of (key, value) to node names
    """

    labels: Mapping[str, Mapping[str, str]]
    by_label: Mapping[tuple[str, str], tuple[str, ...]]

    @classmethod
    def of(cls, nodes: Iterable[NodeLabels]) -> "NodeIndex":
        """Index nodes; names are sorted, so that whatever is read through the index is the same in any order."""
        labels = dict(sorted(nodes, key=lambda node: node[0]))
        by_label: dict[tuple[str, str], list[str]] = {}
        for name, own in labels.items():
            for pair in own.items():
                by_label.setdefault(pair, []).append(name)
        return cls(labels, {pair: tuple(names) for pair, names in by_label.items()})

    def chosen(self, selector: LabelSelector) -> tuple[str, ...]:
        """Names of the nodes that meet a selector, sorted; the empty selector chooses all."""
        requirements = canonical(selector)
        lists = [self.by_label.get(pair, ()) for pair in (selector.match_labels or {}).items()]
        candidates: Collection[str] = min(lists, key=len) if lists else tuple(self.labels)
        return tuple(name for name in candidates if selector_matches(requirements, self.labels[name]))


def selector_defect(selector: LabelSelector) -> str:
    """What Kubernetes would refuse in a label selector; "" where it would take it."""
    found = (_requirement_defect(one) for one in selector.match_expressions or ())
    return next((defect for defect in found if defect), "")


def _requirement_defect(requirement: Requirement) -> str:
    if requirement.operator not in VALUED + BARE:
        return f"the operator {requirement.operator!r} of {requirement.key!r} is none of {', '.join(VALUED + BARE)}"
    if (requirement.operator in VALUED) != bool(requirement.values):
        needs = "needs values" if requirement.operator in VALUED else "takes no values"
        return f"the operator {requirement.operator} of {requirement.key!r} {needs}"
    return ""
