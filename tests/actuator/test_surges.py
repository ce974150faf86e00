"""Moves whose successors come first: no fewer pods are ready at any moment, and whatever fails is given back."""

import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.published import ended, holds, until
from tests.actuator.replica import Replica
from tests.actuator.test_moves import left, turn

from powerplane.models.marks import DETACHED_ANNOTATION

REPLICAS = 3


def surging(unavailable=99):
    cluster = ModelCluster()
    owner = cluster.add_owner("web", "ReplicaSet", REPLICAS, ["n0"], unavailable=unavailable, surges=True)
    pods = cluster.of(owner)
    cluster.publish("p", [cluster.move(pod, "n2") for pod in pods])
    return cluster, owner, pods


def detached(cluster):
    return [p for p in cluster.pods.values() if DETACHED_ANNOTATION in p["metadata"].get("annotations", {})]


def ready(cluster, owner):
    return sum(cluster.is_ready(pod["metadata"]["uid"]) for pod in cluster.labelled(owner))


def watched(cluster, owner, replica, turns=60):
    """Turn until all is over, and return the fewest pods that were ready at once."""
    fewest = ready(cluster, owner)
    for _ in range(turns):
        turn(cluster, replica)
        fewest = min(fewest, ready(cluster, owner))
        if not left(cluster):
            break
    return fewest


def test_never_fewer_pods_are_ready_than_before_and_every_pod_lands_on_its_target():
    cluster, owner, pods = surging()
    assert watched(cluster, owner, Replica(cluster, 1)) == REPLICAS
    assert not left(cluster)
    assert not cluster.judge.wrongs
    assert cluster.status("p")["phase"] == "Done"
    assert {p["spec"]["nodeName"] for p in cluster.pods.values()} == {"n2"}
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}


def test_a_budget_that_lets_no_pod_be_missing_lets_each_be_moved():
    cluster, owner, _pods = surging(unavailable=0)
    assert watched(cluster, owner, Replica(cluster, 1)) == REPLICAS
    assert cluster.status("p")["phase"] == "Done"
    assert not cluster.judge.wrongs


def test_pods_of_an_owner_that_does_not_ask_for_it_are_evicted_first():
    cluster, owner, _pods = surging()
    for pod in cluster.pods.values():
        pod["metadata"]["annotations"].clear()
    assert watched(cluster, owner, Replica(cluster, 1)) < REPLICAS
    assert cluster.status("p")["phase"] == "Done"


def test_while_a_roll_out_is_in_progress_pods_are_moved_without_a_surge():
    cluster, _owner, _pods = surging()
    cluster.rolls_out = True
    assert ended(cluster, Replica(cluster, 1)) == ("Done", {("Done", "")})


def test_a_replacement_that_never_becomes_ready_gives_the_pod_back_and_evicts_nobody():
    cluster, _owner, pods = surging()
    cluster.run = lambda: None
    phase, reasons = ended(cluster, Replica(cluster, 1), turns=300)
    assert (phase, reasons) == ("Failed", {("RolledBack", "NotReady")})
    assert not cluster.judge.evicted
    assert set(cluster.pods) == {pod["metadata"]["uid"] for pod in pods}


def test_a_replacement_that_lands_elsewhere_gives_the_pod_back():
    cluster, _owner, pods = surging()
    replica = Replica(cluster, 1)
    until(cluster, replica, "Surging")
    cluster.set_node("n2", cordoned=True)
    phase, reasons = ended(cluster, replica, turns=200)
    assert phase == "Failed"
    assert {step for step, _ in reasons} <= {"RolledBack", "Failed"}
    assert set(cluster.pods) == {pod["metadata"]["uid"] for pod in pods}


@pytest.mark.parametrize("what", ["stop", "delete", "expire"])
def test_what_ends_a_plan_in_the_middle_gives_every_pod_back(what):
    cluster, owner, pods = surging()
    replica = Replica(cluster, 1)
    until(cluster, replica, "Surging")
    for _ in range(50):
        if detached(cluster):
            break
        replica.deliver()
        replica.look()
        if replica.line:
            replica.step()
    assert detached(cluster)
    if what == "stop":
        cluster.stop = "a test"
    elif what == "delete":
        for pod in holds(cluster):
            cluster.drop(pod["metadata"]["uid"])
        cluster.delete_plan("p")
    else:
        cluster.now_s += 7200
    assert watched(cluster, owner, replica) == REPLICAS
    assert not left(cluster)
    assert not cluster.judge.evicted
    assert set(cluster.pods) == {pod["metadata"]["uid"] for pod in pods}


def test_whoever_takes_over_in_the_middle_of_a_surge_ends_it_as_one_that_was_not_killed():
    cluster, owner, pods = surging()
    replica = Replica(cluster, 1)
    for token in range(2, 40):
        replica.deliver()
        replica.look()
        if replica.line:
            replica.step()
        replica.leads = False
        replica = Replica(cluster, token)
        cluster.control()
        cluster.schedule()
        cluster.run()
        cluster.now_s += 1.0
        assert ready(cluster, owner) >= REPLICAS
    assert watched(cluster, owner, replica) >= REPLICAS
    assert not left(cluster)
    assert not cluster.judge.wrongs
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}


def test_a_pod_that_somebody_took_out_and_no_plan_moves_is_given_back():
    cluster, _owner, pods = surging()
    cluster.delete_plan("p")
    pod = pods[0]
    del pod["metadata"]["labels"]["pod-template-hash"]
    pod["metadata"]["annotations"][DETACHED_ANNOTATION] = "web-5d8f/owner-web/5d8f"
    pod["metadata"]["ownerReferences"] = []
    cluster.put(pod)
    turn(cluster, Replica(cluster, 1))
    assert not detached(cluster)
    assert pod["metadata"]["labels"]["pod-template-hash"] == "5d8f"
