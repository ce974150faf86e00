"""Moves over the model, one fault each: how they end, and what is left of them."""

import pytest
from tests.actuator.model_cluster import CORES
from tests.actuator.published import ended, holds, published, reasons, until, until_evicted
from tests.actuator.replica import Replica
from tests.actuator.test_moves import settle, turn


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "Job"])
def test_pods_of_every_controller_land_on_their_targets(kind):
    cluster, _, _ = published(kind=kind, unavailable=1)
    assert ended(cluster, Replica(cluster, 1)) == ("Done", {("Done", "")})
    assert {pod["spec"]["nodeName"] for pod in cluster.pods.values()} == {"n2"}


@pytest.mark.parametrize("step", ["Reserving", "Reserved", "Evicting", "Evicted", "Steering", "Bound"])
@pytest.mark.parametrize("acts", [0, 1, 2])
def test_a_crash_at_any_step_ends_as_if_there_had_been_none(step, acts):
    cluster, _, pods = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    # Everything at once leaves some steps unwritten: the world is shown to the replica late, so that it sees each.
    if step == "Bound":
        cluster.run = lambda: None
    try:
        until(cluster, replica, step)
    except AssertionError:
        assert step in ("Reserved", "Evicted"), step  # both are gone through within one look
    for _ in range(acts):
        if replica.line:
            replica.step()
    replica.leads = False
    cluster.__dict__.pop("run", None)
    assert ended(cluster, Replica(cluster, 2)) == ("Done", {("Done", "")})
    assert cluster.judge.evicted == {pods[0]["metadata"]["uid"]: 1}
    assert [pod["spec"]["nodeName"] for pod in cluster.pods.values()] == ["n2"]


def test_moves_of_one_owner_at_the_same_time_have_a_successor_each():
    cluster, _, _ = published(replicas=4, waves=(0,) * 4)
    assert ended(cluster, Replica(cluster, 1)) == ("Done", {("Done", "")})
    assert {pod["spec"]["nodeName"] for pod in cluster.pods.values()} == {"n2"}
    assert {each["successorUid"] for each in cluster.status("p")["moves"]} == set(cluster.pods)


@pytest.mark.parametrize("room", [2, 3])
def test_of_two_that_come_to_a_node_without_room_to_spare_neither_is_in_the_others_way(room):
    cluster, _, pods = published()
    cluster.add_owner("other", "ReplicaSet", CORES - room, ["n2"])
    replica = Replica(cluster, 1)
    for _ in range(200):
        replica.deliver()
        replica.look()
        if len(replica.line) == 2 and all(len(errand.acts) == 3 for errand, _ in replica.line):
            # One is let go while the other is nominated and its placeholder still stands.
            for place in (1, 1, 0, 1):
                replica.step(place)
                cluster.schedule()
        replica.drain()
        cluster.control()
        cluster.schedule()
        cluster.run()
        cluster.end_leaving()
        cluster.control()
        cluster.now_s += 0.5
    assert reasons(cluster) == {("Done", "")}
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}


def test_whoever_takes_over_does_nothing_before_its_token_is_on_the_plan():
    cluster, _, _ = published()
    old, new = Replica(cluster, 1), None
    until(cluster, old, "Reserving")
    new = Replica(cluster, 2)
    new.look()
    assert cluster.status("p")["token"] == 2
    assert not new.line
    new.look()
    assert new.line


def test_an_evicted_pod_that_never_ends_is_not_waited_for_for_ever():
    cluster, _, _ = published(kind="StatefulSet", replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    cluster.end_leaving = lambda: None
    settle(cluster, replica, turns=300, seconds=5.0)
    assert reasons(cluster) == {("Failed", "StillLeaving")}
    assert not holds(cluster)


def test_one_that_was_deposed_writes_nothing_any_more():
    cluster, _, _ = published()
    old, new = Replica(cluster, 1), Replica(cluster, 2)
    old.deliver()
    old.look()
    new.deliver()
    new.look()
    old.leads = True  # it does not know yet
    before = cluster.status("p")
    old.look()
    assert cluster.status("p") == before
    assert before["token"] == 2
    old.deliver()
    assert not old.look(), "a higher token stands there"


def test_a_disruption_budget_that_never_allows_rolls_back_and_says_so():
    cluster, _, _ = published(unavailable=0)
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("RolledBack", "DisruptionBudget")})
    assert not cluster.judge.evicted


def test_a_disruption_budget_of_one_moves_one_after_the_other():
    cluster, _, _ = published(replicas=4, waves=(0,) * 4, unavailable=1)
    assert ended(cluster, Replica(cluster, 1)) == ("Done", {("Done", "")})


def test_two_budgets_over_one_pod_are_told_and_not_asked_again():
    cluster, _, _ = published()
    asked = []
    body = b'{"message": "This pod has more than one PodDisruptionBudget"}'
    cluster.evict = lambda act: asked.append(act.uid) or (500, body)
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("RolledBack", "SeveralBudgets")})
    assert len(asked) == 2


def test_a_server_that_forbids_everything_as_it_starts_is_asked_again():
    cluster, _, _ = published()
    evict, asked = cluster.evict, []
    cluster.evict = lambda act: asked.append(act.uid) or ((403, b"{}") if len(asked) <= 4 else evict(act))
    assert ended(cluster, Replica(cluster, 1)) == ("Done", {("Done", "")})


def test_one_that_goes_on_forbidding_evictions_is_believed_well_before_a_disruption_budget_would_be():
    cluster, _, _ = published()
    cluster.evict = lambda _act: (403, b"{}")
    began_s = cluster.now_s
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("RolledBack", "Refused")})
    assert cluster.now_s - began_s < 60
    assert not cluster.judge.evicted


def test_a_target_that_is_full_is_waited_for_and_then_given_up():
    cluster, _, _ = published()
    cluster.add_owner("other", "ReplicaSet", CORES, ["n2"])
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("Failed", "TargetFull")})
    assert not cluster.judge.evicted


def test_a_target_with_room_for_one_is_promised_to_one():
    cluster, _, _ = published()
    cluster.add_owner("other", "ReplicaSet", CORES - 1, ["n2"])
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("Done", ""), ("Failed", "TargetFull")})
    assert sum(cluster.judge.evicted.values()) == 1


@pytest.mark.parametrize("change", [{"ready": False}, {"cordoned": True}])
def test_a_target_that_is_lost_before_the_eviction_rolls_back(change):
    cluster, _, _ = published()
    replica = Replica(cluster, 1)
    until(cluster, replica, "Reserving")
    replica.drain()
    cluster.set_node("n2", **change)
    assert ended(cluster, replica) == ("Failed", {("RolledBack", "TargetLost")})
    assert not cluster.judge.evicted


@pytest.mark.parametrize("late", [False, True])
def test_an_eviction_that_is_taken_back_is_not_done_any_more(late):
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until(cluster, replica, "Evicting")
    if late:
        replica.look()
        assert replica.line, "the eviction is on its way"
        # Its answer is that nothing is known: the line is held, and the target goes.
    cluster.set_node("n2", ready=False)
    replica.deliver()
    line, replica.line = replica.line, []
    replica.look()
    assert reasons(cluster) == {("RolledBack", "TargetLost")}
    replica.line += line
    replica.drain()
    assert not cluster.judge.evicted


def test_a_target_that_is_lost_after_the_eviction_lets_the_successor_go_elsewhere():
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    cluster.set_node("n2", ready=False)
    assert ended(cluster, replica) == ("Failed", {("Done", "LandedElsewhere")})


def test_a_replacement_that_never_becomes_ready_fails_and_its_workload_is_left_alone():
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    cluster.run = lambda: None
    assert ended(cluster, replica, turns=120) == ("Failed", {("Failed", "NotReady")})
    (pod,) = cluster.pods.values()
    cluster.publish("again", [cluster.move(pod, "n3")])
    settle(cluster, replica)
    assert reasons(cluster, "again") == {("Skipped", "BackedOff")}


def test_an_owner_that_is_scaled_to_zero_meanwhile_makes_no_successor_and_that_is_well():
    cluster, owner, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    owner.replicas = 0
    assert ended(cluster, replica) == ("Done", {("Done", "NoSuccessor")})
    assert not cluster.pods


@pytest.mark.parametrize("late_s", [50, 150])
def test_a_job_that_takes_its_time_to_make_a_pod_again_is_waited_for(late_s):
    cluster, _, _ = published(kind="Job", replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until_evicted(cluster, replica)
    cluster.control = lambda: None
    for _ in range(late_s):
        turn(cluster, replica, seconds=1.0)
    del cluster.control
    assert ended(cluster, replica) == ("Done", {("Done", "")})
    assert [pod["spec"]["nodeName"] for pod in cluster.pods.values()] == ["n2"]


def test_a_pod_that_goes_by_itself_before_its_turn_is_passed_over():
    cluster, owner, pods = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until(cluster, replica, "Reserving")
    replica.drain()
    cluster.delete(pods[0])
    assert ended(cluster, replica) == ("Done", {("Skipped", "PodGone")})
    assert not cluster.judge.evicted
    assert len(cluster.of(owner)) == 1


def test_without_the_webhook_a_successor_is_still_found_and_it_is_said_that_it_went_astray():
    cluster, _, _ = published(replicas=1, waves=(0,))
    cluster.webhook = False
    assert ended(cluster, Replica(cluster, 1)) == ("Failed", {("Done", "LandedElsewhere")})


def test_new_pods_of_a_moved_owner_that_come_in_nobodys_place_are_let_go_at_once():
    cluster, owner, _ = published(unavailable=0)
    replica = Replica(cluster, 1)
    until(cluster, replica, "Evicting")
    owner.replicas = 3
    turn(cluster, replica)
    turn(cluster, replica)
    assert all(pod["spec"].get("nodeName") for pod in cluster.of(owner))
