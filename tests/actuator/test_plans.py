"""Plans over the model, one fault each: how they end, and what is left of them."""

from dataclasses import replace

import pytest
from tests.actuator.model_cluster import CORES, ModelCluster
from tests.actuator.replica import BOOKS, Replica
from tests.actuator.test_moves import left, settle, turn

from powerplane.actuator.evicting import read_answer
from powerplane.actuator.facts import Measurement
from powerplane.actuator.limits import Limits
from powerplane.actuator.terms import ConfirmTerms, Terms
from powerplane.models.marks import HOLD_FOR_ANNOTATION

MEASURED = Terms(confirm=ConfirmTerms(settle_s=1.0, wait_s=30.0))


def published(to="n2", replicas=2, waves=(0, 0), kind="ReplicaSet", unavailable=99, **spec):
    cluster = ModelCluster()
    owner = cluster.add_owner("web", kind, replicas, ["n0"], unavailable=unavailable)
    pods = list(cluster.pods.values())
    moves = [cluster.move(pod, to, wave=wave) for pod, wave in zip(pods, waves, strict=False)]
    cluster.publish("p", moves, **spec)
    return cluster, owner, pods


def reasons(cluster, name="p"):
    return {(each["step"], each.get("reason", "")) for each in cluster.status(name)["moves"]}


def ended(cluster, replica, turns=80, seconds=5.0):
    settle(cluster, replica, turns, seconds)
    assert not left(cluster), (left(cluster), cluster.status("p"))
    assert not cluster.judge.wrongs
    return cluster.status("p")["phase"], reasons(cluster)


def holds(cluster):
    return [pod for pod in cluster.pods.values() if HOLD_FOR_ANNOTATION in pod["metadata"].get("annotations", {})]


def until(cluster, replica, step, turns=30):
    """Turn the world and the actuator by single acts, until a move is at a step."""
    for _ in range(turns * 10):
        replica.deliver()
        replica.look()
        if any(each["step"] == step for each in cluster.status("p").get("moves", [])):
            return
        if replica.line:
            replica.step()
        else:
            cluster.control()
            cluster.schedule()
            cluster.now_s += 0.5
    raise AssertionError(f"no move came to {step}")


def until_evicted(cluster, replica):
    """Turn until somebody was evicted, and no further."""
    for _ in range(100):
        if cluster.judge.evicted:
            return
        until(cluster, replica, "Evicting")
        replica.look()
        if replica.line:
            replica.step()
    raise AssertionError("nobody was evicted")


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


def test_a_wave_begins_once_the_one_before_is_done():
    cluster, _, _ = published(waves=(0, 1))
    replica = Replica(cluster, 1)
    seen = set()
    for _ in range(60):
        turn(cluster, replica)
        steps = [each["step"] for each in cluster.status("p").get("moves", [])]
        seen.add((cluster.status("p").get("wave"), len(steps)))
        if not left(cluster):
            break
    assert (0, 2) not in seen
    assert cluster.status("p")["phase"] == "Done"


def test_a_wave_that_did_not_end_as_planned_is_the_last():
    cluster, _, _ = published(waves=(0, 1))
    cluster.webhook = False
    assert ended(cluster, Replica(cluster, 1)) == (
        "Failed",
        {("Done", "LandedElsewhere"), ("Skipped", "WaveIncomplete")},
    )


def rack(budget=1000, before=1200):
    return [{"name": "r1", "kind": "rack", "budgetWatts": budget, "beforeWatts": before, "afterWatts": 900}]


def measured_plan(watts, waves=(0, 1), late_s=0.0):
    """A plan whose rack is measured all the while; None for by nobody."""
    cluster, _, _ = published(waves=waves, domains=rack())
    replica = Replica(cluster, 1, terms=MEASURED)
    for _ in range(60):
        if watts is not None:
            replica.measured = {"r1": Measurement(watts, cluster.now_s - late_s)}
        turn(cluster, replica, seconds=3.0)
        if not left(cluster):
            break
    assert not left(cluster), cluster.status("p")
    return cluster


def confirmed(cluster):
    (found,) = [each for each in cluster.status("p")["conditions"] if each["type"] == "Confirmed"]
    return found["status"], found["reason"]


def test_watts_that_come_true_let_the_next_wave_begin_and_are_told():
    cluster = measured_plan(900.0)
    assert cluster.status("p")["phase"] == "Done"
    assert confirmed(cluster) == ("True", "Measured")
    assert [(each["name"], each["measuredWatts"]) for each in cluster.status("p")["domains"]] == [("r1", 900)]


def test_without_telemetry_no_further_wave_begins():
    cluster = measured_plan(None)
    assert cluster.status("p")["phase"] == "Failed"
    assert reasons(cluster) == {("Done", ""), ("Skipped", "NoTelemetry")}
    assert confirmed(cluster) == ("Unknown", "NoTelemetry")


def test_telemetry_that_is_frozen_counts_as_none():
    cluster = measured_plan(900.0, late_s=100.0)
    assert reasons(cluster) == {("Done", ""), ("Skipped", "NoTelemetry")}


def test_the_last_wave_without_telemetry_is_done_and_not_confirmed():
    cluster = measured_plan(None, waves=(0, 0))
    assert cluster.status("p")["phase"] == "Done"
    assert confirmed(cluster) == ("Unknown", "NoTelemetry")


def test_a_rack_that_draws_more_than_before_ends_the_plan():
    cluster = measured_plan(1500.0)
    assert reasons(cluster) == {("Done", ""), ("Skipped", "MoreThanForetold")}
    assert confirmed(cluster) == ("False", "MoreThanForetold")


def test_a_budget_that_is_lowered_half_way_ends_the_plan_and_nobody_is_blamed():
    cluster, _, pods = published(waves=(0, 1), domains=rack(budget=1000, before=800))
    replica = Replica(cluster, 1, terms=MEASURED)
    for _ in range(40):
        replica.measured = {"r1": Measurement(880.0, cluster.now_s, 850.0)}
        turn(cluster, replica, seconds=3.0)
    assert reasons(cluster) == {("Done", ""), ("Skipped", "BudgetLowered")}
    assert confirmed(cluster) == ("False", "BudgetLowered")
    assert not replica.recall.backs_off(("default", pods[0]["metadata"]["ownerReferences"][0]["uid"]))


def test_a_rack_that_is_still_over_half_way_is_no_reason_to_stop():
    cluster = measured_plan(1100.0)
    assert reasons(cluster) == {("Done", "")}
    assert confirmed(cluster) == ("False", "StillOver")


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
    cluster.publish("p", [cluster.move(pods[0], "n0", lever="throttle")])
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
