"""Surges on a real control plane, under the actuator's own rights: the next pod is ready before the first one goes."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.rig import processes
from tests.rig.acts import RECOMMENDER
from tests.rig.audit_log import read_writes
from tests.rig.cluster import WATTS, make_nodes, node, pod
from tests.rig.extender import install_objects
from tests.rig.objects import apply, written
from tests.rig.operator import COUNTED_S
from tests.rig.planned_cluster import CORES, NODES_IN_RACK, RACKS, WATTS_PER_CORE
from tests.rig.processes import wait_for
from tests.rig.rig import running_rig
from tests.rig.security import applied, as_user, guards_are_up
from tests.rig.surges import DETACHED, HASH, evicted, fewest_ready, taken_out
from tests.rig.test_actuator import OVER_S, PLANS, Process, Site, carried_out
from tests.rig.webhook import Hook, registered

from powerplane.cli.main import run
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = pytest.mark.rig

Json = dict[str, Any]

REPLICAS = 4
LABELS = {"app": "web"}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


def deploy(site: Site, name: str) -> None:
    """A Deployment whose owner lets the next pod come first."""
    requests = {"cpu": "1", WATTS: str(WATTS_PER_CORE)}
    container = {
        "name": "main",
        "image": "none",
        "resources": {"requests": requests, "limits": {WATTS: requests[WATTS]}},
    }
    meta = {"labels": {"app": name}, "annotations": {"powerplane.dev/surge": "true"}}
    spec = {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": meta, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}},
    }
    site.rig.api.post(
        DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    )
    site.cluster.workloads[name] = REPLICAS


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One workload on the first rack, none of whose pods may be missing."""
    with running_rig("surge", audit=True) as rig, ExitStack() as parts:
        install_objects(rig)
        parts.enter_context(applied(rig, "rbac.yaml", "rbac-operator.yaml", "admission-policies.yaml"))
        spec = {"cap": {"watts": "100kW"}, "mode": "Enforce", "levers": ["migrate"], "admission": {"lock": "Partition"}}
        apply(rig, CLUSTER_CAPPING_POLICY.path("all"), written(CLUSTER_CAPPING_POLICY, "all", spec))
        hook = Hook(rig, "surge")
        hook.replica.start()
        parts.callback(hook.replica.stop)
        assert wait_for(hook.ready, 40, 0.1), processes.tail(hook.replica.log)
        parts.enter_context(registered(rig, hook.port))
        made = Site(rig, hook)
        names = [(rack, f"{rack}-n{i}") for rack in RACKS for i in range(NODES_IN_RACK)]
        watts = CORES * WATTS_PER_CORE
        make_nodes(rig, [node(name, {"rack": rack}, cpu=str(CORES), watts=watts) for rack, name in names])
        made.cluster.close(RACKS[1:], True)
        deploy(made, "web")
        made.cluster.wait_placed()
        made.cluster.close(RACKS[1:], False)
        made.cluster.protect("web", 0)
        assert wait_for(lambda: guards_are_up(rig), 20, 0.2)
        yield made


def publish(site: Site, name: str, moves: list[Json]) -> Json:
    """Publish a plan whose moves may surge, as the recommender would."""
    plan = site.cluster.placement_plan(name, {"moves": moves})
    for move in plan["spec"]["moves"]:
        move["surge"] = True
    answer = as_user(site.rig, RECOMMENDER, "POST", PLANS, plan)
    assert answer.ok, answer.message
    return plan


def judge(site: Site) -> None:
    """Every rule of moves, and that nobody was missing at any moment."""
    site.judge()
    assert fewest_ready(read_writes(site.rig.audit_log), LABELS) == REPLICAS
    pods = site.cluster.pods()
    assert not [each for each in pods if DETACHED in (each["metadata"].get("annotations") or {})]
    assert all(HASH in each["metadata"]["labels"] for each in pods)
    assert len(pods) == REPLICAS


@pytest.fixture
def actuator(site: Site) -> Iterator[Process]:
    process = Process(site.rig, f"s{time.monotonic_ns()}").start()
    yield process
    processes.stop(process.pid)


def test_pods_of_which_none_may_be_missing_are_moved_and_none_is_missing(
    site: Site, actuator: Process, figure: Callable[[str], None]
) -> None:
    began_s = time.monotonic()
    plan = publish(site, "first", site.moves("r1", "r2"))
    carried_out(site, plan, actuator)
    figure(f"{len(plan['spec']['moves'])} pods moved by surges in two waves in {time.monotonic() - began_s:.1f} s")
    writes = read_writes(site.rig.audit_log)
    moved = {move["uid"] for move in plan["spec"]["moves"]}
    assert set(taken_out(writes)) == moved == evicted(writes)
    judge(site)


def test_an_actuator_that_is_killed_while_it_surges_leaves_nobody_missing_and_ends_the_plan(site: Site) -> None:
    process = Process(site.rig, "killed").start()
    plan = publish(site, "second", site.moves("r2", "r3"))
    for step in ("Surging", "Evicting"):
        if wait_for(lambda step=step: step in site.steps("second") or site.over("second"), OVER_S, 0.002):
            process.kill()
            process.start()
    carried_out(site, plan, process, OVER_S + COUNTED_S)
    processes.stop(process.pid)
    judge(site)


def test_a_stop_in_the_middle_of_a_surge_gives_the_pods_back_to_their_set(site: Site, actuator: Process) -> None:
    before = {each["metadata"]["uid"] for each in site.cluster.pods()}
    publish(site, "third", site.moves("r3", "r1"))
    out = lambda: len(set(taken_out(read_writes(site.rig.audit_log))) & before)  # noqa: E731  # named for what is waited for
    assert wait_for(out, OVER_S, 0.01)
    site.stop("a test")
    try:
        assert wait_for(lambda: site.over("third"), 20, 0.05), processes.tail(actuator.log, 40)
        assert wait_for(lambda: len(site.cluster.pods()) == REPLICAS, 20, 0.1), processes.tail(actuator.log, 40)
        site.cluster.wait_placed(30)
        stayed = {each["metadata"]["uid"] for each in site.cluster.pods()}
        assert before & stayed, "all had been moved already"
    finally:
        site.stop(None)
    judge(site)


def test_pods_that_are_out_of_their_set_are_given_back_by_hand_with_no_actuator_there(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/api/v1/namespaces/default/pods"
    first = site.cluster.pods()[0]["metadata"]
    (owner,) = first["ownerReferences"]
    told = f"{owner['name']}/{owner['uid']}/{first['labels'][HASH]}"
    out = {"metadata": {"labels": {HASH: None}, "annotations": {DETACHED: told}}}
    site.rig.api.patch(f"{path}/{first['name']}", out)
    assert wait_for(lambda: len(site.cluster.pods()) == REPLICAS + 1, 20, 0.1)
    # Of a ReplicaSet that is gone.
    lone = pod("lone", watts=WATTS_PER_CORE)
    lone["metadata"]["annotations"] = {DETACHED: "gone-abc/uid/abc"}
    site.rig.api.post(path, lone)
    lines = {
        f"default/{first['name']} back to ReplicaSet {owner['name']}",
        "default/lone evicted, as its ReplicaSet gone-abc is gone",
    }
    command = ["release", "--all", "--kubeconfig", str(site.rig.kubeconfig)]
    assert run(command) == 0
    assert lines <= set(capsys.readouterr().out.splitlines())
    assert len(site.cluster.pods()) == REPLICAS + 2
    assert run([*command, "--yes"]) == 0
    assert lines <= set(capsys.readouterr().out.splitlines())
    assert wait_for(lambda: len(site.cluster.pods()) == REPLICAS, 20, 0.1)
    found = site.cluster.pods()
    assert not [each for each in found if DETACHED in (each["metadata"].get("annotations") or {})]
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in found} == {owner["uid"]}


def test_where_a_service_goes_by_the_label_that_would_be_taken_off_nobody_surges(site: Site) -> None:
    (value,) = {each["metadata"]["labels"][HASH] for each in site.cluster.pods()}
    spec = {"selector": {"app": "web", HASH: value}, "ports": [{"port": 80}]}
    site.rig.api.post(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    process = Process(site.rig, "service").start()
    out = set(taken_out(read_writes(site.rig.audit_log)))
    where = sorted({each["spec"]["nodeName"][:2] for each in site.cluster.pods()})[0]
    publish(site, "fourth", site.moves(where, "r2" if where != "r2" else "r1")[:1])
    # No pod may be missing, so without a surge none is moved.
    try:
        assert wait_for(lambda: "Evicting" in site.steps("fourth"), OVER_S, 0.02), processes.tail(process.log, 40)
        assert wait_for(lambda: site.status("fourth")["moves"][0].get("reason") == "DisruptionBudget", 20, 0.1)
        assert set(taken_out(read_writes(site.rig.audit_log))) == out
    finally:
        processes.stop(process.pid)
    assert "Service web goes by" in processes.tail(process.log, 200)
