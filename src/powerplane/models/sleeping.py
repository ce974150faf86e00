"""Nodes that are to be emptied so that their owner can let them sleep: who asks, what is marked, and what is undone.

A node is asked for by an annotation. It is then closed for new pods by a taint of ours, and autoscalers and
consolidators are told to leave it alone, as they would delete a node without work: cluster-autoscaler by
``scale-down-disabled`` (its FAQ), Karpenter by ``do-not-disrupt``. What was set by us is written down beside it, so
that nobody else's marks are ever taken away. Nothing here powers a node off.
"""

from collections.abc import Iterable
from math import floor
from typing import Any, Final

from powerplane.models.objects import Node

SLEEP_ANNOTATION: Final = "powerplane.dev/sleep"
"""On a node, set by whoever may: that it is to be emptied, and why, where the value says more than `WANTED`."""

READY_ANNOTATION: Final = "powerplane.dev/asleep-ready"
"""On a node: since when it holds nothing but its own pods, so that it may be powered off."""

MARKS_ANNOTATION: Final = "powerplane.dev/sleep-marks"
"""On a node: which of the marks below are ours."""

WANTED: Final = "wanted"
ASLEEP_TAINT: Final = "powerplane.dev/asleep"
MARKS: Final = ("cluster-autoscaler.kubernetes.io/scale-down-disabled", "karpenter.sh/do-not-disrupt")
"""Annotations that keep others from deleting a node without work."""

DELETING: Final = ("ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "karpenter.sh/disruption")
"""Taints of nodes that others are deleting."""

MOST_SHARE: Final = 0.4
"""Of all nodes: cluster-autoscaler halts once more than 45 % are not ready, and a node that is off is not."""

Json = dict[str, Any]


def is_wanted(node: Node) -> bool:
    """Whether a node is to be emptied."""
    return SLEEP_ANNOTATION in (node.metadata.annotations or {})


def is_closed(node: Node) -> bool:
    """Whether our taint is on a node."""
    return any(taint.key == ASLEEP_TAINT for taint in node.spec.taints or ())


def is_ours(node: Node) -> bool:
    """Whether anything of ours is on a node."""
    annotations = node.metadata.annotations or {}
    return is_closed(node) or MARKS_ANNOTATION in annotations or READY_ANNOTATION in annotations


def why_not(node: Node, nodes: Iterable[Node]) -> str:
    """Return why a node may not be closed now; "" where it may, or is already.

    Parameters
    ----------
    node : Node
    nodes : iterable of Node
        All there are.
    """
    found = list(nodes)
    if is_closed(node):
        return ""
    if any(taint.key in DELETING for taint in node.spec.taints or ()):
        return "others are deleting it"
    closed = sum(is_closed(each) or not _is_ready(each) for each in found)
    most = floor(MOST_SHARE * len(found))
    if closed >= most:
        return f"{closed} of {len(found)} nodes are asleep or not ready, and no more than {most} may be"
    return ""


def closing(node: Node) -> list[Json]:
    """Return the JSON patch that closes a node which is asked for, for the version of it that was seen."""
    annotations = node.metadata.annotations or {}
    ours = [mark for mark in MARKS if mark not in annotations]
    marks = dict.fromkeys(ours, "true") | {MARKS_ANNOTATION: ",".join(ours)}
    taint = {"key": ASLEEP_TAINT, "effect": "NoSchedule"}
    closed = _add("/spec/taints/-", taint) if node.spec.taints else _add("/spec/taints", [taint])
    return [_seen(node), *(_add(_pointer(key), value) for key, value in marks.items()), closed]


def opening(node: Node, *, asked: bool = False) -> list[Json]:
    """Return the JSON patch that takes off a node what is ours, for the version of it that was seen.

    Parameters
    ----------
    node : Node
    asked : bool
        Whether it takes away the wish as well.
    """
    annotations = node.metadata.annotations or {}
    said = annotations.get(MARKS_ANNOTATION, "").split(",")
    gone: list[str] = [mark for mark in MARKS if mark in said and annotations.get(mark) == "true"]
    gone += [key for key in (MARKS_ANNOTATION, READY_ANNOTATION) if key in annotations]
    gone += [SLEEP_ANNOTATION] if asked and SLEEP_ANNOTATION in annotations else []
    # From the last to the first: each that is taken away moves those after it.
    places = [place for place, taint in enumerate(node.spec.taints or ()) if taint.key == ASLEEP_TAINT][::-1]
    opened = [{"op": "remove", "path": f"/spec/taints/{place}"} for place in places]
    return [_seen(node), *({"op": "remove", "path": _pointer(key)} for key in gone), *opened]


def telling(node: Node, since: str | None) -> list[Json]:
    """Return the JSON patch that says since when a node is empty; None for not."""
    path = _pointer(READY_ANNOTATION)
    return [_seen(node), {"op": "remove", "path": path} if since is None else _add(path, since)]


def _seen(node: Node) -> Json:
    """Places in lists are those of this version, and of no other."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": node.metadata.resource_version}


def _add(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}


def _pointer(annotation: str) -> str:
    return f"/metadata/annotations/{annotation.replace('/', '~1')}"


def _is_ready(node: Node) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or ())
