"""A release as one JSON patch: it holds only for the version in which the pod was seen, and lifts our gate alone.

While a pod is gated its required node affinity may be tightened (KEP-3838), in the same write that lifts the gate: so
nobody can schedule the pod between.
"""

from typing import Any, Protocol

from powerplane.adapters.cluster_writes import Written, pod_path
from powerplane.admission.gates.facts import GRANTED_ANNOTATION, HOSTNAME, PodFact
from powerplane.admission.gates.gating import GATE
from powerplane.admission.gates.release_facts import Outcome, Release
from powerplane.admission.patch import pointer
from powerplane.models.objects import NodeSelectorTerm

Json = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
STALE = (404, 409, 422)
"""Answers after which nothing was written: the pod has gone, or is not as it was seen."""


class PodWrites(Protocol):
    """What is needed of ``adapters.cluster_writes.Writer``."""

    def json_patch(self, path: str, operations: list[Json]) -> Written:
        """Apply a JSON patch."""
        ...


def carry_out(writer: PodWrites, release: Release) -> tuple[Outcome, str]:
    """Send one release; return what became of it, and why where it was not done."""
    pod = release.pod
    written = writer.json_patch(pod_path(pod.namespace, pod.name), release_patch(release))
    if written.ok:
        return "done", ""
    if written.outcome == "failed":
        return "unknown", written.told
    return "stale" if written.status in STALE else "refused", written.told


def release_patch(release: Release) -> list[Json]:
    """Return the operations that let a pod go."""
    pod = release.pod
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": pod.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": pod.version},
        *lift(pod.gate),
    ]
    if pod.annotated:
        path = pointer("metadata", "annotations", GRANTED_ANNOTATION)
        operations.append({"op": "add", "path": path, "value": release.granted})
    else:
        operations.append(
            {"op": "add", "path": "/metadata/annotations", "value": {GRANTED_ANNOTATION: release.granted}}
        )
    return operations + _pin(pod, release.hostnames) if release.hostnames else operations


def lift(gate: int, name: str = GATE) -> list[Json]:
    """Operations that take a gate of ours, seen at some place, away; they fail where another stands there."""
    path = f"/spec/schedulingGates/{gate}"
    return [{"op": "test", "path": path, "value": {"name": name}}, {"op": "remove", "path": path}]


def _pin(pod: PodFact, hostnames: tuple[str, ...]) -> list[Json]:
    """Operations that leave a pod these nodes only, of those that its own rules let it go to."""
    expression = {"key": HOSTNAME, "operator": "In", "values": list(hostnames)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = pod.wish.affinity if pod.wish else None
    if affinity is None:
        return [{"op": "add", "path": "/spec/affinity", "value": {"nodeAffinity": {REQUIRED: terms}}}]
    path = "/spec/affinity/nodeAffinity"
    if affinity.node_affinity is None:
        return [{"op": "add", "path": path, "value": {REQUIRED: terms}}]
    required = affinity.node_affinity.required
    if required is None:
        return [{"op": "add", "path": f"{path}/{REQUIRED}", "value": terms}]
    own = f"{path}/{REQUIRED}/nodeSelectorTerms"
    return [
        _narrow(f"{own}/{place}/matchExpressions", term, expression)
        for place, term in enumerate(required.node_selector_terms)
        # A term without anything in it matches no node, and would match with something in it.
        if term.match_expressions or term.match_fields
    ]


def _narrow(path: str, term: NodeSelectorTerm, expression: Json) -> Json:
    if term.match_expressions:
        return {"op": "add", "path": f"{path}/-", "value": expression}
    return {"op": "add", "path": path, "value": [expression]}
