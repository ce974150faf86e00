"""Who matches whom: Kubernetes' selectors, affinity terms, taints and tolerations, as pure functions.

The meanings are those of the Kubernetes API reference (meta/v1 LabelSelector, core/v1 NodeSelector, Toleration,
PodAffinityTerm, TopologySpreadConstraint) and of the kube-scheduler, which reads them the same way.
"""

import re
from collections.abc import Iterable, Mapping

from powerplane.models.objects import (
    LabelSelector,
    Node,
    NodeSelector,
    NodeSelectorTerm,
    PodAffinityTerm,
    Requirement,
    Taint,
    Toleration,
)

Selector = frozenset[Requirement] | None
"""Requirements that must all hold, without regard to their order; None matches nothing."""

UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
"""What the node controller puts on a cordoned node."""

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace: its name."""

REPELLING = ("NoSchedule", "NoExecute")
"""Effects that keep a pod off; PreferNoSchedule only scores."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = 1 << 63


def requirement_holds(requirement: Requirement, value: str | None) -> bool:
    """Whether a label's value (None where the object lacks the label) meets a requirement.

    NotIn and DoesNotExist hold for an object without the label; an unknown operator holds for none.
    """
    match requirement.operator:
        case "In":
            return value is not None and value in (requirement.values or ())
        case "NotIn":
            return value is None or value not in (requirement.values or ())
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
    return False


def _compares(requirement: Requirement, value: str | None) -> bool:
    """Gt and Lt, on 64-bit integers; what is not one holds for neither."""
    left = _integer(value)
    right = _integer(requirement.values[0]) if requirement.values and len(requirement.values) == 1 else None
    if left is None or right is None:
        return False
    return left > right if requirement.operator == "Gt" else left < right


def _integer(text: str | None) -> int | None:
    if text is None or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None


def canonical(selector: LabelSelector | None) -> Selector:
    """A selector as a set of requirements: equal for selectors that say the same in another order."""
    if selector is None:
        return None
    pairs = (selector.match_labels or {}).items()
    return frozenset(
        [Requirement(key=key, operator="In", values=(value,)) for key, value in pairs]
        + [_sorted(requirement) for requirement in selector.match_expressions or ()]
    )


def _sorted(requirement: Requirement) -> Requirement:
    values = tuple(sorted(set(requirement.values or ()))) or None
    return Requirement(key=requirement.key, operator=requirement.operator, values=values)


def selector_matches(selector: LabelSelector | Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet a selector: the empty selector matches everything, None nothing."""
    requirements = canonical(selector) if isinstance(selector, LabelSelector) else selector
    if requirements is None:
        return False
    return all(requirement_holds(requirement, labels.get(requirement.key)) for requirement in requirements)


def with_label_keys(
    selector: LabelSelector | None,
    labels: Mapping[str, str],
    match: Iterable[str] | None,
    mismatch: Iterable[str] | None = None,
) -> Selector:
    """A term's selector, narrowed by matchLabelKeys and mismatchLabelKeys.

    Parameters
    ----------
    selector : LabelSelector or None
        None stays None: keys narrow a selector, they do not make one. A key that it names already is passed over: the
        API server writes the keys of a new pod into its selectors, and the pod's labels may have changed since.
    labels : mapping
        Labels of the pod that carries the term; keys that it lacks are passed over.
    match, mismatch : iterables of str
        Keys whose value must be the carrier's, and must not be.
    """
    requirements = canonical(selector)
    if requirements is None:
        return None
    given = labels.keys() - {requirement.key for requirement in requirements}
    same = [Requirement(key=k, operator="In", values=(labels[k],)) for k in match or () if k in given]
    other = [Requirement(key=k, operator="NotIn", values=(labels[k],)) for k in mismatch or () if k in given]
    return requirements | frozenset(same + other)


def term_namespaces(
    term: PodAffinityTerm, own: str, namespace_labels: Mapping[str, Mapping[str, str]], *, wary: bool = False
) -> frozenset[str]:
    """Namespaces in which an affinity term looks for pods.

    Those listed and those whose labels the selector matches; the carrier's own where neither is given.

    Parameters
    ----------
    wary : bool
        Take all namespaces where the selector holds for one without labels (only NotIn and DoesNotExist):
        kube-scheduler 1.36 does so with the terms of the pod that it places.
    """
    if not term.namespaces and term.namespace_selector is None:
        return frozenset((own,))
    chosen = set(term.namespaces or ())
    if term.namespace_selector is not None:
        requirements = canonical(term.namespace_selector)
        all_of_them = wary and selector_matches(requirements, {})
        chosen |= {
            name
            for name, labels in namespace_labels.items()
            if all_of_them or selector_matches(requirements, {NAMESPACE_NAME: name, **labels})
        }
    return frozenset(chosen)


def node_selector_matches(selector: NodeSelector, node: Node) -> bool:
    """Whether one of a node selector's terms matches a node."""
    return any(node_term_matches(term, node) for term in selector.node_selector_terms)


def node_term_matches(term: NodeSelectorTerm, node: Node) -> bool:
    """Whether all expressions of a term hold for a node's labels and fields; an empty term matches no node."""
    if not term.match_expressions and not term.match_fields:
        return False
    labels = node.metadata.labels or {}
    return all(requirement_holds(one, labels.get(one.key)) for one in term.match_expressions or ()) and all(
        field_holds(one, node.metadata.name) for one in term.match_fields or ()
    )


def field_holds(requirement: Requirement, node_name: str) -> bool:
    """Whether a node's field meets a requirement; metadata.name is the only field there is."""
    return requirement.key == "metadata.name" and requirement_holds(requirement, node_name)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether a toleration covers a taint.

    An empty effect covers all effects, an empty key all keys; Equal (the default) compares values, Exists does not.
    """
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def repelling_taints(node: Node) -> frozenset[Taint]:
    """A node's taints that keep intolerant pods off, the cordon's among them."""
    taints = {taint for taint in node.spec.taints or () if taint.effect in REPELLING}
    return frozenset(taints | {UNSCHEDULABLE}) if node.spec.unschedulable else frozenset(taints)


def all_tolerated(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> bool:
    """Whether every taint is covered by some toleration."""
    return all(any(tolerates(toleration, taint) for toleration in tolerations) for taint in taints)
