"""Waves over the model: each begins once the one before is done and measured."""

import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.published import MEASURED, ended, published, reasons
from tests.actuator.replica import Replica
from tests.actuator.test_moves import left, turn

from powerplane.actuator.facts import Measurement


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


@pytest.mark.parametrize("lost", [True, False])
def test_a_rack_that_is_still_over_is_no_fault_of_the_moves_that_were_done_where_others_were_not(lost):
    cluster = ModelCluster()
    owners = [cluster.add_owner(name, "ReplicaSet", 1, ["n0"], unavailable=99) for name in ("web", "db")]
    web, db = cluster.pods.values()
    cluster.publish("p", [cluster.move(web, "n2"), cluster.move(db, "n3")], domains=rack())
    cluster.set_node("n3", ready=not lost)
    replica = Replica(cluster, 1, terms=MEASURED)
    for _ in range(60):
        replica.measured = {"r1": Measurement(1100.0, cluster.now_s)}
        turn(cluster, replica, seconds=3.0)
    assert reasons(cluster) == {("Done", ""), *([("Failed", "TargetLost")] if lost else [])}
    assert confirmed(cluster) == ("False", "StillOver")
    assert [replica.recall.backs_off(("default", each.uid)) for each in owners] == [not lost, not lost]


def test_a_rack_that_is_still_over_half_way_is_no_reason_to_stop():
    cluster = measured_plan(1100.0)
    assert reasons(cluster) == {("Done", "")}
    assert confirmed(cluster) == ("False", "StillOver")
