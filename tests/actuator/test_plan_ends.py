"""Plans over the model that are stopped, paused, void or held back: nothing more is begun, nothing is left."""

from dataclasses import replace

import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.published import ended, holds, published, reasons, until, until_evicted
from tests.actuator.replica import BOOKS, Replica
from tests.actuator.test_moves import left, settle, turn

from powerplane.actuator.evicting import read_answer
from powerplane.actuator.limits import Limits


def test_after_a_stop_nothing_is_begun_and_what_was_reserved_is_given_back():
    cluster, owner, _ = published(unavailable=1)
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    cluster.stop = "a test"
    evicted = sum(cluster.judge.evicted.values())
    phase, _ = ended(cluster, replica)
    assert phase == "Stopped"
    assert sum(cluster.judge.evicted.values()) == evicted == 1
    assert not holds(cluster)
    assert len(cluster.of(owner)) == 2
    cluster.stop = ""
    settle(cluster, replica, turns=5)
    assert cluster.status("p")["phase"] == "Stopped", "what was stopped is not taken up again"


def test_a_stop_that_comes_between_a_decision_and_its_act_is_kept():
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until(cluster, replica, "Evicting")
    replica.look()
    cluster.stop = "a test"
    replica.drain()
    assert not cluster.judge.evicted


def test_while_leases_are_stale_nothing_is_begun_and_afterwards_it_goes_on():
    cluster, _, _ = published()
    replica = Replica(cluster, 1)
    cluster.pause = "nobody renews the Lease powerplane-webhook"
    for _ in range(5):
        turn(cluster, replica)
    assert not holds(cluster)
    assert not cluster.judge.evicted
    told = {each["type"]: each for each in cluster.status("p")["conditions"]}["Progressing"]
    assert (told["status"], told["message"]) == ("Unknown", cluster.pause)
    cluster.pause = ""
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_leases_that_grow_stale_half_way_leave_what_was_evicted_to_its_end():
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    cluster.pause = "the webhook is silent"
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_a_plan_that_expires_begins_nothing_more():
    cluster, _, _ = published(unavailable=0, lasts_s=20)
    assert ended(cluster, Replica(cluster, 1)) == ("Expired", {("RolledBack", "Expired")})
    late, _, _ = published(lasts_s=-1)
    assert ended(late, Replica(late, 1)) == ("Expired", {("Skipped", "Expired")})


def test_a_plan_that_is_deleted_half_way_leaves_nothing_behind():
    cluster, owner, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    cluster.control()
    cluster.delete_plan("p")
    settle(cluster, replica)
    assert not left(cluster)
    assert not cluster.judge.wrongs
    assert len(cluster.of(owner)) == 1


def test_plans_of_one_tree_go_one_after_the_other_and_of_two_at_once():
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 3, ["n0"])
    one, two, three = cluster.pods.values()
    for name, pod, tree in (("a", one, "t1"), ("b", two, "t1"), ("c", three, "t2")):
        cluster.publish(name, [cluster.move(pod, "n2")], trees=[tree])
    replica = Replica(cluster, 1)
    turn(cluster, replica)
    assert [cluster.status(name)["phase"] for name in "abc"] == ["Running", "Pending", "Running"]
    settle(cluster, replica)
    assert [cluster.status(name)["phase"] for name in "abc"] == ["Done"] * 3


def test_one_pod_in_two_plans_is_moved_once():
    cluster, _, pods = published(replicas=1, waves=(0,), trees=["t1"])
    cluster.publish("q", [cluster.move(pods[0], "n3")], trees=["t2"])
    settle(cluster, Replica(cluster, 1))
    assert not left(cluster)
    assert not cluster.judge.wrongs
    assert cluster.judge.evicted == {pods[0]["metadata"]["uid"]: 1}
    assert reasons(cluster) == {("Done", "")}
    assert reasons(cluster, "q") == {("Skipped", "PodGone")}


def test_a_kill_takes_the_pod_away_and_holds_no_place():
    cluster, _, pods = published(replicas=1, waves=(0,))
    cluster.delete_plan("p")
    cluster.publish("p", [cluster.move(pods[0], "n2", lever="evict")])
    replica = Replica(cluster, 1)
    assert ended(cluster, replica) == ("Done", {("Done", "")})
    assert cluster.judge.evicted == {pods[0]["metadata"]["uid"]: 1}
    assert not any(type(act).__name__ == "Hold" for act, _ in replica.watcher.outcomes)


def test_a_lever_that_is_not_built_does_nothing():
    cluster, _, pods = published(replicas=1, waves=(0,))
    cluster.delete_plan("p")
    cluster.publish("p", [cluster.move(pods[0], "n0", lever="of-a-later-version")])
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("Skipped", "NoSuchLever")})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda pod: pod["metadata"].pop("ownerReferences"), "NoOwner"),
        (lambda pod: pod["metadata"].update(annotations={"powerplane.dev/do-not-disrupt": "true"}), "DoNotDisrupt"),
        (lambda pod: pod["metadata"]["ownerReferences"][0].update(kind="DaemonSet"), "DoNotDisrupt"),
        (lambda pod: pod["spec"].update(nodeName="n1"), "NotAsPlanned"),
    ],
)
def test_a_pod_that_nobody_would_make_again_or_that_is_not_as_planned_stays(change, reason):
    cluster, _, pods = published(replicas=1, waves=(0,))
    change(pods[0])
    cluster.put(pods[0])
    cluster.control = lambda: None
    replica = Replica(cluster, 1)
    settle(cluster, replica)
    assert reasons(cluster) == {("Skipped", reason)}
    assert not cluster.judge.evicted


def test_limits_hold_at_every_moment():
    cluster, _, _ = published(replicas=4, waves=(0,) * 4)
    replica = Replica(cluster, 1, limits=Limits(per_workload=1))
    most = 0
    for _ in range(80):
        turn(cluster, replica)
        under_way = [e for e in cluster.status("p").get("moves", []) if e["step"] not in ("Ready", "Done")]
        most = max(most, len(under_way), len(holds(cluster)))
        if not left(cluster):
            break
    assert cluster.status("p")["phase"] == "Done"
    assert most == 1


def test_the_hours_budget_holds_evictions_back():
    cluster, _, _ = published()
    replica = Replica(cluster, 1, terms=replace(BOOKS, hold_s=10_000.0))
    replica.hour._most = 1
    for _ in range(20):
        turn(cluster, replica, seconds=10)
    assert sum(cluster.judge.evicted.values()) == 1
    cluster.now_s += 3600
    cluster.plans["p"]["spec"]["expiresAt"] = "2030-01-01T00:00:00Z"
    cluster._tell("plans", "MODIFIED", cluster.plans["p"])
    settle(cluster, replica)
    assert sum(cluster.judge.evicted.values()) == 2


def test_an_eviction_whose_answer_was_lost_is_not_done_twice():
    cluster, _, pods = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until(cluster, replica, "Evicting")
    replica.look()
    replica.lost = 2
    replica.drain()
    assert ended(cluster, replica) == ("Done", {("Done", "")})
    assert cluster.judge.evicted == {pods[0]["metadata"]["uid"]: 1}


def test_an_evacuating_machine_is_not_hit_again_and_again():
    cluster, _, _ = published(replicas=1, waves=(0,))
    asked = []
    body = b'{"message": "Eviction triggered evacuation of VMI"}'
    cluster.evict = lambda act: asked.append(act.uid) or (429, body)
    replica = Replica(cluster, 1)
    for _ in range(50):
        turn(cluster, replica)
    assert len(asked) == 1
    assert read_answer(429, body).verdict == "accepted"
