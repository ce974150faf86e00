"""Which templates a term or constraint names, and which nodes and zones it counts; each matched once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from powerplane.models.objects import (
    Affinity,
    LabelSelector,
    Node,
    PodAffinityTerm,
    Requirement,
    TopologySpreadConstraint,
)
from powerplane.models.snapshot import PodTemplate, Snapshot
from powerplane.solver.check.selectors import affinity_holds, matches_labels, untolerated

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""A label that the API server sets on every namespace."""


class Groups:
    """Answers for all templates of a snapshot, remembered."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.nodes, self.templates = snapshot.nodes, snapshot.templates
        self._alike: dict[str, dict[tuple[tuple[str, str], ...], list[int]]] = defaultdict(dict)
        for row, template in enumerate(self.templates):
            self._alike[template.namespace].setdefault(template.labels, []).append(row)
        names = {*self._alike, *snapshot.namespace_labels}
        self._namespaces = {n: {NAMESPACE_NAME: n, **snapshot.namespace_labels.get(n, {})} for n in names}
        self._named: dict[tuple[int, str, int], tuple[int, ...]] = {}
        self._zones: dict[str, list[str | None]] = {}
        self._counted: dict[str, frozenset[int]] = {}
        self._counted_zones: dict[tuple[frozenset[int], str], frozenset[str]] = {}
        self._repelling: dict[int, list[tuple[int, str]]] | None = None

    def zones(self, key: str) -> list[str | None]:
        """Value of a label on every node; None where it is missing."""
        if key not in self._zones:
            self._zones[key] = [(node.metadata.labels or {}).get(key) for node in self.nodes]
        return self._zones[key]

    def named_by(self, template: int, rule: str, index: int, terms: Sequence[PodAffinityTerm]) -> tuple[int, ...]:
        """Templates whose pods all the terms of a template name."""
        name = template, rule, index
        if name not in self._named:
            own = self.templates[template]
            chosen = [self._named_by_term(own, term, wary=rule == "anti-affinity") for term in terms]
            self._named[name] = tuple(sorted(set.intersection(*chosen)))
        return self._named[name]

    def repelling(self, template: int) -> list[tuple[int, str]]:
        """Templates, with the topology key, whose anti-affinity names a template's pods."""
        if self._repelling is None:
            self._repelling = defaultdict(list)
            for carrier, each in enumerate(self.templates):
                for index, term in enumerate(anti_affinity_terms(each.affinity)):
                    for row in self.named_by(carrier, "anti-affinity", index, [term]):
                        self._repelling[row].append((carrier, term.topology_key))
        return self._repelling.get(template, [])

    def spread_over(self, template: int, index: int, constraint: TopologySpreadConstraint) -> tuple[int, ...]:
        """Templates whose pods a spread constraint counts: of the same namespace, and not on their way out."""
        name = template, "spread", index
        if name not in self._named:
            own = self.templates[template]
            selector = _narrowed(constraint.label_selector, own, constraint.match_label_keys, None)
            # By an empty selector the scheduler counts no pods at all.
            chosen = self._chosen({own.namespace}, selector) if _says_something(selector) else set()
            self._named[name] = tuple(sorted(row for row in chosen if not self.templates[row].terminating))
        return self._named[name]

    def counted(self, template: int, constraint: TopologySpreadConstraint) -> frozenset[int]:
        """Nodes that a spread constraint counts: those with all its template's keys that its policies include."""
        own = self.templates[template]
        keys = [each.topology_key for each in own.spread if each.when_unsatisfiable == "DoNotSchedule"]
        honours = constraint.node_affinity_policy != "Ignore", constraint.node_taints_policy == "Honor"
        affinity = (own.node_selector, own.affinity and own.affinity.node_affinity) if honours[0] else None
        # Selectors hold dictionaries and cannot be hashed; their text can.
        name = repr((sorted(keys), affinity, own.tolerations if honours[1] else None))
        if name not in self._counted:
            nodes = enumerate(self.nodes)
            self._counted[name] = frozenset(row for row, node in nodes if _counts(node, own, keys, honours))
        return self._counted[name]

    def counted_zones(self, template: int, constraint: TopologySpreadConstraint) -> frozenset[str]:
        """Zones of the counted nodes."""
        name = self.counted(template, constraint), constraint.topology_key
        if name not in self._counted_zones:
            zones = self.zones(constraint.topology_key)
            self._counted_zones[name] = frozenset(zone for row in name[0] if (zone := zones[row]) is not None)
        return self._counted_zones[name]

    def _named_by_term(self, own: PodTemplate, term: PodAffinityTerm, *, wary: bool) -> set[int]:
        namespaces = set(term.namespaces or ())
        if term.namespace_selector is not None:
            every = self._namespaces.items()
            # kube-scheduler 1.36 takes a selector that holds for no labels at all for all namespaces.
            whole = wary and matches_labels(term.namespace_selector, {})
            namespaces |= {name for name, labels in every if whole or matches_labels(term.namespace_selector, labels)}
        elif not namespaces:
            namespaces = {own.namespace}
        selector = _narrowed(term.label_selector, own, term.match_label_keys, term.mismatch_label_keys)
        return self._chosen(namespaces, selector)

    def _chosen(self, namespaces: Iterable[str], selector: LabelSelector | None) -> set[int]:
        chosen: set[int] = set()
        for namespace in namespaces:
            for labels, rows in self._alike.get(namespace, {}).items():
                if matches_labels(selector, dict(labels)):
                    chosen.update(rows)
        return chosen


def anti_affinity_terms(affinity: Affinity | None) -> tuple[PodAffinityTerm, ...]:
    """Required anti-affinity terms."""
    rules = affinity.pod_anti_affinity if affinity else None
    return (rules.required or ()) if rules else ()


def affinity_terms(affinity: Affinity | None) -> tuple[PodAffinityTerm, ...]:
    """Required affinity terms."""
    rules = affinity.pod_affinity if affinity else None
    return (rules.required or ()) if rules else ()


def _narrowed(
    selector: LabelSelector | None, own: PodTemplate, same: tuple[str, ...] | None, other: tuple[str, ...] | None
) -> LabelSelector | None:
    """Add the label keys whose values must be, or must not be, the pod's own."""
    if selector is None:
        return None
    # What the selector names already stands: the API server wrote it there when the pod was made.
    named = {*(selector.match_labels or {}), *(each.key for each in selector.match_expressions or ())}
    labels = {key: value for key, value in own.labels if key not in named}
    added = [Requirement(key, "In", (labels[key],)) for key in same or () if key in labels]
    added += [Requirement(key, "NotIn", (labels[key],)) for key in other or () if key in labels]
    return LabelSelector(selector.match_labels, (*(selector.match_expressions or ()), *added))


def _says_something(selector: LabelSelector | None) -> bool:
    return selector is not None and bool(selector.match_labels or selector.match_expressions)


def _counts(node: Node, own: PodTemplate, keys: list[str], honours: tuple[bool, bool]) -> bool:
    labels = node.metadata.labels or {}
    if not all(key in labels for key in keys):
        return False
    if honours[0]:
        chosen = all(labels.get(key) == value for key, value in own.node_selector)
        if not chosen or not affinity_holds(own.affinity, node):
            return False
    return not honours[1] or untolerated(node, own.tolerations) is None
