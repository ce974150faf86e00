"""Our answer and kube-scheduler's about the same pods of the same cell, side by side."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.rig.api import MERGE
from tests.rig.cell_values import HOLD, NAMESPACES, OVERHEAD_CLASS, PROBE_CLASS, Cell, Json, Probe
from tests.rig.oracle import Oracle
from tests.rig.processes import wait_for
from tests.rig.rig import Rig

from powerplane.adapters.cluster import snapshot_cluster
from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.models.snapshot import Snapshot
from powerplane.solver.newcomers import Newcomers

SETTLED_S = 60.0
ASKED_S = 120.0
HEARD_S = 1.0
"""For the scheduler's own watches to bring it what was created; what still differs afterwards is asked again."""

POWER = "curves:\n  any: [[0, 100], [1, 300]]\nnodes:\n  default: {curve: any}\n"
"""No budgets: what is compared is Kubernetes' part alone."""


@dataclass(frozen=True)
class Difference:
    """One pod about which the two do not agree."""

    probe: Probe
    ours: frozenset[str]
    theirs: frozenset[str]

    @property
    def extra(self) -> frozenset[str]:
        """Nodes that we allow and the scheduler refuses."""
        return self.ours - self.theirs

    def told(self, cell: Cell) -> str:
        """All that is needed to see it again: the pod, one node, and who said what."""
        name = min(self.extra or self.theirs - self.ours)
        node = next(each for each in cell.nodes if each["metadata"]["name"] == name)
        here = [pod for pod in cell.pods if pod["spec"]["nodeName"] == name]
        said = "we allow, the scheduler refuses" if self.extra else "the scheduler allows, we refuse"
        parts = [
            f"families: {', '.join(self.probe.families)}",
            f"{said} {name}; {len(self.ours ^ self.theirs)} such, ours {len(self.ours)}, theirs {len(self.theirs)}",
            f"pod: {_short(self.probe.body)}",
            f"node: {_short(node)}",
            *(f"bound there: {_short(pod)}" for pod in here),
        ]
        return "\n  ".join(parts)


@dataclass(frozen=True)
class Comparison:
    """A cell's probes: asked, refused by the API server before the scheduler saw them, and those that differ."""

    asked: int
    invalid: int
    nowhere: int
    differences: tuple[Difference, ...]


def compare(rig: Rig, oracle: Oracle, cell: Cell) -> Comparison:
    """Ask both about every probe of a cell that stands in the rig; what differs is asked once more, on its own."""
    first = _ask(rig, oracle, cell.probes)
    again = _ask(rig, oracle, [each.probe for each in first.differences]) if first.differences else first
    return Comparison(first.asked, first.invalid, first.nowhere, again.differences)


def _ask(rig: Rig, oracle: Oracle, probes: Iterable[Probe]) -> Comparison:
    asked: dict[str, Probe] = {}
    invalid = 0
    for probe in probes:
        namespace = probe.body["metadata"]["namespace"]
        answer = rig.api.call("POST", f"/api/v1/namespaces/{namespace}/pods", probe.body)
        if answer.ok:
            asked[answer.body["metadata"]["uid"]] = probe
        else:
            assert answer.status == 422, answer.message
            invalid += 1
    try:
        _await_answers(rig, set(asked))
        ours = _our_answers(rig)
        differences = [
            Difference(probe, ours[uid], theirs)
            for uid, probe in asked.items()
            if ours[uid] != (theirs := oracle.feasible(uid))
        ]
        nowhere = sum(not oracle.feasible(uid) for uid in asked)
        return Comparison(len(asked), invalid, nowhere, tuple(differences))
    finally:
        for probe in asked.values():
            meta = probe.body["metadata"]
            rig.api.delete(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", {"gracePeriodSeconds": 0})


def _await_answers(rig: Rig, uids: set[str]) -> None:
    """Wait until the scheduler has said of each pod that it cannot be placed, which comes after the extender's word."""

    def answered() -> bool:
        tried = {each["metadata"]["uid"] for each in _cell_pods(rig) if _refused(each)}
        return uids <= tried

    assert wait_for(answered, ASKED_S, 0.5), "the scheduler does not come to an answer"


def _refused(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions)


def _cell_pods(rig: Rig) -> Iterator[Json]:
    for namespace in NAMESPACES:
        yield from rig.api.items(f"/api/v1/namespaces/{namespace}/pods")


def _our_answers(rig: Rig) -> dict[str, frozenset[str]]:
    """Nodes for every waiting pod, by UID, from the cluster as a user's command reads it."""
    snapshot = live_snapshot(rig)
    newcomers = Newcomers(snapshot)
    names = np.array(snapshot.node_names)
    waiting = np.flatnonzero(snapshot.pods.node < 0).tolist()
    return {snapshot.pods.uids[row]: frozenset(names[newcomers.accepted(row)].tolist()) for row in waiting}


def live_snapshot(rig: Rig) -> Snapshot:
    """Read the rig's cluster, all nodes in one rack without a budget."""
    nodes = [each["metadata"]["name"] for each in rig.api.items("/api/v1/nodes")]
    with TemporaryDirectory(prefix="powerplane-cell-") as folder:
        topology, power = Path(folder) / "topology.yaml", Path(folder) / "power.yaml"
        topology.write_text(json.dumps({"domains": [{"name": "all", "kind": "rack", "nodes": nodes}]}))
        power.write_text(POWER)
        snapshot_cluster(Path(folder) / "live", rig.kubeconfig, topology=topology, power=power)
        return read_snapshot(Path(folder) / "live")


@contextmanager
def standing(rig: Rig, cell: Cell) -> Iterator[None]:
    """Put a cell's nodes, volumes and bound pods into the rig for as long as the block runs."""
    try:
        _put(rig, cell)
        yield
    finally:
        _remove(rig, cell)


def prepare(rig: Rig) -> None:
    """Create what all cells share."""
    for name, labels in NAMESPACES.items():
        rig.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    never = {"metadata": {"name": PROBE_CLASS}, "value": 1000, "preemptionPolicy": "Never"}
    rig.api.post("/apis/scheduling.k8s.io/v1/priorityclasses", never)
    heavy = {"metadata": {"name": OVERHEAD_CLASS}, "handler": "none", "overhead": {"podFixed": {"cpu": "250m"}}}
    answer = rig.api.call("POST", "/apis/node.k8s.io/v1/runtimeclasses", heavy)
    assert answer.ok or answer.status == 409, answer.message


def _put(rig: Rig, cell: Cell) -> None:
    rig.api.post_all("/api/v1/nodes", cell.nodes)
    rig.api.post_all("/api/v1/persistentvolumes", cell.volumes)
    for claim in cell.claims:
        rig.api.post(f"/api/v1/namespaces/{claim['metadata']['namespace']}/persistentvolumeclaims", claim)
    for namespace in NAMESPACES:
        mine = [pod for pod in cell.pods if pod["metadata"]["namespace"] == namespace]
        for pod, answer in zip(mine, _post_valid(rig, namespace, mine), strict=True):
            if not answer:
                cell.pods.remove(pod)
                cell.going.discard(pod["metadata"]["name"])
                cell.done.discard(pod["metadata"]["name"])
                cell.resized.pop(pod["metadata"]["name"], None)
    assert wait_for(lambda: _settled(rig, cell), SETTLED_S, 0.5), "the cell does not settle"
    for pod in cell.pods:
        path, name = _path(pod), pod["metadata"]["name"]
        if name in cell.done:
            phase = "Failed" if len(name) % 2 else "Succeeded"
            rig.api.patch(f"{path}/status", {"status": {"phase": phase}})
        if name in cell.resized:
            rig.api.patch(f"{path}/status", {"status": {"containerStatuses": [cell.resized[name]]}})
        if name in cell.going:
            rig.api.delete(path, {"gracePeriodSeconds": 0})
    time.sleep(HEARD_S)


def _post_valid(rig: Rig, namespace: str, pods: list[Json]) -> list[bool]:
    """Create bound pods; False for one whose random parts the API server does not take together."""
    answers = [rig.api.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod) for pod in pods]
    assert all(answer.ok or answer.status == 422 for answer in answers), [each.message for each in answers]
    return [answer.ok for answer in answers]


def _settled(rig: Rig, cell: Cell) -> bool:
    """Whether every controller has had its say: taints of readiness and cordons, claims bound, pods running."""
    nodes = rig.api.items("/api/v1/nodes")
    if len(nodes) != len(cell.nodes) or not all(_tainted_as_told(each) for each in nodes):
        return False
    claims = [
        each for name in NAMESPACES for each in rig.api.items(f"/api/v1/namespaces/{name}/persistentvolumeclaims")
    ]
    if any(each["spec"].get("volumeName") and each["status"].get("phase") != "Bound" for each in claims):
        return False
    return all(each["status"]["phase"] != "Pending" for each in _cell_pods(rig))


def _tainted_as_told(node: Json) -> bool:
    keys = {taint["key"] for taint in node["spec"].get("taints", ())}
    cordoned = bool(node["spec"].get("unschedulable"))
    return "node.kubernetes.io/not-ready" not in keys and cordoned == ("node.kubernetes.io/unschedulable" in keys)


def _remove(rig: Rig, cell: Cell) -> None:
    at_once = {"gracePeriodSeconds": 0}
    for pod in cell.pods:
        if HOLD in pod["metadata"].get("finalizers", ()):
            rig.api.call("PATCH", _path(pod), {"metadata": {"finalizers": None}}, MERGE)
    for namespace in NAMESPACES:
        rig.api.delete(f"/api/v1/namespaces/{namespace}/pods", at_once)
        rig.api.delete(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", at_once)
    assert wait_for(lambda: not list(_cell_pods(rig)), SETTLED_S, 0.3), "the cell's pods do not go"
    rig.api.delete("/api/v1/nodes", at_once)
    rig.api.delete("/api/v1/persistentvolumes", at_once)
    gone = ("/api/v1/nodes", "/api/v1/persistentvolumes")
    assert wait_for(lambda: not any(rig.api.items(path) for path in gone), SETTLED_S, 0.3), "the cell does not go"


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _short(body: Json) -> str:
    return json.dumps({"metadata": body["metadata"], "spec": body["spec"], "status": body.get("status", {})})
