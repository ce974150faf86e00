"""The controller's writes as requests: each only for the version in which the node was seen."""

from typing import Any, Protocol

from powerplane.adapters.cluster_writes import Written, node_path
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.node_watts.facts import CLOSED_TAINT, NodeFact
from powerplane.node_watts.seen import Outcome, Write

ELSEWHERE = (404, 409, 422)
"""Answers after which nothing was written: the node has gone, or is not as it was seen."""


class NodeWrites(Protocol):
    """What is needed of ``adapters.cluster_writes.Writer``."""

    def patch_node_status(
        self,
        name: str,
        capacity: dict[str, str | None],
        allocatable: dict[str, str | None] | None = None,
        resource_version: str = "",
    ) -> Written:
        """Set or remove resources."""
        ...

    def merge_patch(self, path: str, body: dict[str, Any]) -> Written:
        """Merge into an object."""
        ...


def carry_out(writer: NodeWrites, write: Write, node: NodeFact | None) -> tuple[Outcome, str]:
    """Send one write; return what became of it, and why where it was not done.

    Capacity and allocatable are written together: a kubelet copies the one over the other (kubelet
    nodestatus/setters.go), so that allocatable alone would not last.

    Parameters
    ----------
    writer : NodeWrites
    write : Write
    node : NodeFact or None
        As seen in ``write.version``: its taints are written back whole.
    """
    if write.kind == "watts":
        watts = {WATTS_RESOURCE: str(write.watts) if write.watts else None}
        written = writer.patch_node_status(write.node, watts, None, write.version)
    elif node is None or node.version != write.version:
        return "refused", "the node has changed"
    else:
        taints = [*node.foreign_taints, *([{"key": CLOSED_TAINT, "effect": "NoSchedule"}] * (write.kind == "close"))]
        body = {"metadata": {"resourceVersion": write.version}, "spec": {"taints": taints or None}}
        written = writer.merge_patch(node_path(write.node), body)
    return outcome_of(written), written.told


def outcome_of(written: Written) -> Outcome:
    """Judge an answer: refused only where it is sure that nothing was written."""
    if written.ok:
        return "done"
    sure = written.status in ELSEWHERE or 400 <= written.status < 500
    return "refused" if sure else "unknown"
