"""Labels, selectors, taints and ports, matched as the Kubernetes API reference defines them."""

from collections.abc import Mapping

from powerplane.models.objects import (
    Affinity,
    LabelSelector,
    Node,
    NodeSelector,
    NodeSelectorTerm,
    Requirement,
    Taint,
    Toleration,
)

ANY_ADDRESS = "0.0.0.0"
CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
HostPort = tuple[str, str, int]


def matches_labels(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses an object; a missing one chooses nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.match_labels or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        holds(requirement, labels) for requirement in selector.match_expressions or ()
    )


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether one expression holds on labels; an unknown operator never does."""
    value = labels.get(requirement.key)
    values = requirement.values or ()
    match requirement.operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement.operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: tuple[str, ...]) -> bool:
    try:
        left, right = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return left > right if operator == "Gt" else left < right


def selects_node(selector: NodeSelector, node: Node) -> bool:
    """Whether one of a node selector's terms holds; a term without expressions holds nowhere."""
    return any(_term_holds(term, node) for term in selector.node_selector_terms)


def affinity_holds(affinity: Affinity | None, node: Node) -> bool:
    """Whether the required node affinity, where there is one, selects a node."""
    node_affinity = affinity.node_affinity if affinity else None
    required = node_affinity.required if node_affinity else None
    return required is None or selects_node(required, node)


def _term_holds(term: NodeSelectorTerm, node: Node) -> bool:
    expressions, fields = term.match_expressions or (), term.match_fields or ()
    if not expressions and not fields:
        return False
    labels = node.metadata.labels or {}
    name = {"metadata.name": node.metadata.name}
    return all(holds(each, labels) for each in expressions) and all(holds(each, name) for each in fields)


def untolerated(node: Node, tolerations: tuple[Toleration, ...]) -> Taint | None:
    """Return the first taint of a node that keeps new pods off it, the cordon among them; None when there is none."""
    taints = [*(node.spec.taints or ()), *([CORDON] if node.spec.unschedulable else [])]
    for taint in taints:
        hard = taint.effect in ("NoSchedule", "NoExecute")
        if hard and not any(_tolerates(toleration, taint) for toleration in tolerations):
            return taint
    return None


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and bool(toleration.key) and toleration.value == taint.value


def ports_conflict(mine: tuple[HostPort, ...], theirs: tuple[HostPort, ...]) -> HostPort | None:
    """Return the first of my ports that someone else's takes; the wildcard address takes every address."""
    for protocol, address, port in mine:
        for other_protocol, other_address, other_port in theirs:
            same = (protocol, port) == (other_protocol, other_port)
            if same and (address == other_address or ANY_ADDRESS in (address, other_address)):
                return protocol, address, port
    return None
