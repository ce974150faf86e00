"""The cluster fails while `powerplane operate` moves pods: nodes go, fill up and close, pods do not start, owners go.

Judged by the API server's audit log. How long each took to come right is in the run's summary.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.rig.cluster import bound, make_nodes
from tests.rig.odd_operators import OddOperator
from tests.rig.operator import CORES, IDLE_W, PATHS, PEAK_W, Operated, OperatedCluster, Operator
from tests.rig.operator_objects import workload
from tests.rig.processes import wait_for
from tests.rig.sizes import chosen_size
from tests.rig.trials import Figure, Trial

from powerplane.simulator.sensors.faults import Down

pytestmark = [pytest.mark.rig, pytest.mark.faults, pytest.mark.prometheus]

Json = dict[str, Any]

FEW = f"--most-at-once={chosen_size().few}"
FILLERS = "/api/v1/namespaces/kube-public/pods"
STICKS = "rig.powerplane.dev/sticks"
BEFORE_EVICTION = ("Reserving", "Reserved", "Evicting")
ON_THE_WAY = (*BEFORE_EVICTION, "Evicted", "Steering")


@pytest.fixture
def trial(parts: Operated, racks: OperatedCluster, heaviest: str, figure: Figure) -> Trial:
    return Trial(parts, racks, heaviest, figure)


@pytest.fixture
def operator(parts: Operated, racks: OperatedCluster) -> Operator:
    """One that moves few pods at once, so that there is a middle of a plan."""
    return parts.operator(FEW)


# -- nodes that are lost


def test_a_target_that_is_not_ready_any_more(racks: OperatedCluster, operator: Operator, trial: Trial) -> None:
    trial.endure(not_ready(racks), 30)


def test_a_target_that_is_deleted(parts: Operated, operator: Operator, trial: Trial) -> None:
    trial.endure(deleted(parts, "to"), 30)


def test_a_source_that_is_deleted(parts: Operated, operator: Operator, trial: Trial) -> None:
    trial.endure(deleted(parts, "from"), 60)


# -- targets that take nobody


def test_a_target_that_somebody_fills_past_the_scheduler(
    racks: OperatedCluster, operator: Operator, trial: Trial
) -> None:
    trial.endure(filled(racks, past_the_scheduler=True), 8, whole=True)


def test_a_target_that_pods_of_higher_priority_fill(racks: OperatedCluster, operator: Operator, trial: Trial) -> None:
    trial.endure(filled(racks, past_the_scheduler=False), 8, whole=True)


def test_targets_that_close(racks: OperatedCluster, operator: Operator, trial: Trial) -> None:
    trial.endure(closed(racks), 8)


# -- pods and their owners


def test_successors_that_never_get_ready(racks: OperatedCluster, parts: Operated, trial: Trial) -> None:
    OddOperator(parts, "impatient", FEW, ready_s=6.0, back_off_s=5.0).start()
    trial.endure(nothing_starts(racks), 12, step="Bound", whole=True)


def test_an_owner_that_is_deleted(racks: OperatedCluster, operator: Operator, trial: Trial) -> None:
    trial.endure(owner_gone(racks), 70)


# -- the faults


@contextmanager
def not_ready(racks: OperatedCluster) -> Iterator[None]:
    """The busiest target's kubelet says that it is not ready."""
    (node, _), *_ = under_way(racks, "to", BEFORE_EVICTION).most_common(1)
    path, api = f"/api/v1/nodes/{node}", racks.rig.api
    api.patch(path, {"metadata": {"labels": {STICKS: "true"}}})
    conditions = api.get(path)["status"]["conditions"]
    down = [each | {"status": "False"} if each["type"] == "Ready" else each for each in conditions]
    api.patch(f"{path}/status", {"status": {"conditions": down}})
    try:
        yield
    finally:
        api.patch(path, {"metadata": {"labels": {STICKS: None}}})
        assert wait_for(lambda: not api.get(path)["spec"].get("taints"), 30, 0.2)
        heal(racks, node)


def heal(racks: OperatedCluster, node: str) -> None:
    """Say of a node's pods that they are ready, as its kubelet would once it can."""
    for pod in racks.pods():
        conditions = pod["status"].get("conditions", [])
        if pod["spec"].get("nodeName") == node and pod["status"]["phase"] == "Running":
            up = [each | {"status": "True"} for each in conditions]
            if up != conditions:
                path = f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}/status"
                racks.rig.api.patch(path, {"status": {"conditions": up}})


@contextmanager
def deleted(parts: Operated, end: str) -> Iterator[None]:
    """The node is gone at which most moves that are under way end, or begin; a node like it comes back."""
    racks = parts.cluster
    (node, _), *_ = under_way(racks, end, BEFORE_EVICTION).most_common(1)
    racks.rig.api.delete(f"/api/v1/nodes/{node}")
    try:
        with parts.meters.failing(Down, frozenset({node})):
            yield
    finally:
        every = racks.floor.nodes(cpu=CORES, watts=PEAK_W - IDLE_W)
        make_nodes(racks.rig, [each for each in every if each["metadata"]["name"] == node])


@contextmanager
def filled(racks: OperatedCluster, *, past_the_scheduler: bool) -> Iterator[None]:
    """Pods of somebody else's take all room at all targets that somebody holds a place at."""
    api = racks.rig.api
    important = {"metadata": {"name": "important"}, "value": 1000, "preemptionPolicy": "Never"}
    answer = api.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", important)
    assert answer.ok or answer.status == 409, answer.message
    targets = list(under_way(racks, "to", ON_THE_WAY))
    try:
        within_s = 3.5 * racks.size.few
        assert wait_for(lambda: fill(racks, targets, past_the_scheduler), within_s, 0.5), "a target is not filled"
        yield
    finally:
        for node in targets:
            api.delete(f"{FILLERS}/fills-{node}")


def fill(racks: OperatedCluster, targets: Iterable[str], past_the_scheduler: bool) -> bool:
    """Have a pod take all that is left of each target; again where somebody came before it. Whether all are filled."""
    api = racks.rig.api
    filled = set(bound(racks.rig, "kube-public"))
    left_m = Counter({node: 1000 * CORES for node in targets if f"fills-{node}" not in filled})
    for pod in racks.pods() if left_m else ():
        if (node := pod["spec"].get("nodeName")) in left_m:
            left_m[node] -= millicores(pod)
    for node, left in left_m.items():
        container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": f"{max(left, 0)}m"}}}
        body: Json = {"containers": [container], "terminationGracePeriodSeconds": 0}
        if past_the_scheduler:
            body["nodeName"] = node
        else:
            body |= {"priorityClassName": "important", "nodeSelector": {"kubernetes.io/hostname": node}}
        api.delete(f"{FILLERS}/fills-{node}")
        api.post(FILLERS, {"metadata": {"name": f"fills-{node}"}, "spec": body})
    return not left_m


@contextmanager
def closed(racks: OperatedCluster) -> Iterator[None]:
    """All targets are cordoned."""
    targets = sorted({move["to"] for plan in racks.open_plans() for move in plan["spec"]["moves"]})
    racks.close(targets, True)
    try:
        yield
    finally:
        racks.close(targets, False)


@contextmanager
def nothing_starts(racks: OperatedCluster) -> Iterator[None]:
    """Whatever is bound is not started; some move ends because of it."""
    # One that is killed is not followed for as long as its nodes' Leases last.
    os.kill(racks.rig.pids["kwok"], signal.SIGSTOP)
    try:
        yield
        reasons = {
            move.get("reason") for plan in racks.plans() for move in (plan.get("status") or {}).get("moves") or ()
        }
        assert "NotReady" in reasons, reasons
    finally:
        os.kill(racks.rig.pids["kwok"], signal.SIGCONT)


@contextmanager
def owner_gone(racks: OperatedCluster) -> Iterator[None]:
    """A Deployment is deleted whose pods are being moved; another of its name comes when all is settled."""
    moving = {
        move["ownerUid"]
        for plan in racks.open_plans()
        for move in plan["spec"]["moves"]
        if move["uid"] in steps_of(plan, BEFORE_EVICTION)
    }
    sets = racks.rig.api.items("/apis/apps/v1/namespaces/default/replicasets")
    owners = {each["metadata"]["uid"]: each["metadata"]["ownerReferences"][0]["name"] for each in sets}
    name = sorted(owners[uid] for uid in moving if uid in owners)[0]
    replicas = racks.owners.pop(("Deployment", name))
    (one,) = [pod for pod in racks.pods() if pod["metadata"]["labels"]["app"] == name][:1]
    racks.rig.api.delete(f"{PATHS['Deployment']}/{name}", {"propagationPolicy": "Background"})
    yield
    cpu = one["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    racks.rig.api.post(PATHS["Deployment"], workload("Deployment", name, cpu, replicas))
    racks.owners["Deployment", name] = replicas
    # Room for those that come again: nobody is to move them for it.
    racks.settle_budgets(1.2)
    assert wait_for(racks.whole, 30, 0.2), racks.explain()


# -- what is under way


def steps_of(plan: Json, steps: tuple[str, ...]) -> set[str]:
    """UIDs of the pods whose moves are at one of these steps."""
    moves = (plan.get("status") or {}).get("moves") or ()
    return {move["uid"] for move in moves if move.get("step") in steps}


def under_way(racks: OperatedCluster, end: str, steps: tuple[str, ...]) -> Counter[str]:
    """Nodes at one end of the moves at one of these steps; of all open moves where none is at such a step."""
    plans = racks.open_plans()
    found = [move[end] for plan in plans for move in plan["spec"]["moves"] if move["uid"] in steps_of(plan, steps)]
    return Counter(found or [move[end] for plan in plans for move in plan["spec"]["moves"]])


def millicores(pod: Json) -> int:
    text = str(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"])
    return int(text[:-1]) if text.endswith("m") else 1000 * int(text)
