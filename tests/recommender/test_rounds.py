"""Rounds over a small cluster: when a plan is published, what it says, and when none may be."""

import math

import pytest
from tests.recommender.crowded import crowded, spec_of
from tests.recommender.world import Watching

from powerplane.solver.check import check


def test_a_broken_budget_has_a_plan_at_the_first_look_that_takes_the_rack_under_it():
    watching = Watching(crowded())
    watching.look()
    spec = spec_of(watching)
    assert len(spec.moves) == 5  # 100 W over, 20 W a pod
    assert {move.source[:2] for move in spec.moves} == {"r1"}
    assert {move.to[:2] for move in spec.moves} == {"r2"}
    watching.carry_out()
    assert watching.cluster.draw("r1") <= 500
    assert watching.cluster.draw("r2") <= 700


def test_what_is_published_passed_the_checker_on_the_snapshot_that_was_solved():
    watching = Watching(crowded())
    watching.look()
    (asked,) = watching.solver.asked
    plan = watching.rounds.last_proposal.plan
    assert check(asked.snapshot, plan).ok
    assert {move.uid for move in plan.moves} == {move.uid for move in spec_of(watching).moves}


def test_the_plan_says_why_for_which_trees_by_whose_leave_and_until_when():
    watching = Watching(crowded())
    watching.look()
    (body,) = watching.outside.published
    spec = spec_of(watching)
    assert spec.trees == ("r1", "r2")
    assert body["metadata"]["labels"] == {"powerplane.dev/tree": "r1"}
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ClusterPowerCappingPolicy", "hold", "uid-hold")
    assert "r1 draws 600 W of 500 W" in spec.reason
    (r1,) = [each for each in spec.domains if each.name == "r1"]
    assert (r1.budget_watts, r1.before_watts, r1.after_watts) == (500, 600, 500)
    move = spec.moves[0]
    assert (move.owner_kind, move.watts, move.lever) == ("ReplicaSet", 20, "migrate")
    assert move.policy == "ClusterPowerCappingPolicy hold"
    assert move.because == ("r1",)
    assert spec.solution.status == "optimal"


def test_while_a_plan_is_open_for_a_tree_no_other_is_published_for_it():
    watching = Watching(crowded())
    watching.look()
    for _ in range(30):
        watching.look(5)
    assert len(watching.outside.published) == 1


def test_after_a_plan_is_done_and_its_budget_holds_there_is_no_other():
    watching = Watching(crowded())
    watching.look()
    watching.look(5)
    watching.carry_out()
    for _ in range(40):
        watching.look(5)
    assert len(watching.outside.published) == 1


def test_a_budget_that_is_cut_has_a_plan_within_ten_seconds():
    watching = Watching(crowded(budget=620.0))
    for _ in range(10):
        watching.look(5)
    assert not watching.outside.published
    watching.cluster.racks = {**watching.cluster.racks, "r1": 540.0}
    watching.look(1)  # woken by the watch of domains
    assert len(watching.outside.published) == 1


@pytest.mark.parametrize("trouble", ["cut", "nan", "stale", "negative"])
def test_without_telemetry_that_can_be_believed_there_is_no_plan(trouble):
    watching = Watching(crowded())
    cluster = watching.cluster
    if trouble == "cut":
        cluster.cut = True
    elif trouble == "stale":
        cluster.frozen_s = cluster.now_s - 600
    else:
        cluster.tell = lambda _, watts: math.nan if trouble == "nan" else -watts
    for _ in range(20):
        watching.look(5)
    assert not watching.outside.published
    assert not watching.solver.asked
    assert "NoTelemetry" in watching.reasons


def test_meters_that_tell_ten_times_too_much_bring_no_plan():
    cluster = crowded(budget=700.0)
    cluster.tell = lambda _, watts: 10 * watts
    watching = Watching(cluster)
    for _ in range(20):
        watching.look(5)
    assert not watching.outside.published


def test_a_rack_of_which_half_is_not_measured_is_left_alone():
    cluster = crowded()
    cluster.tell = lambda name, watts: math.nan if name == "r1-n1" else watts
    watching = Watching(cluster)
    for _ in range(20):
        watching.look(5)
    assert not watching.outside.published


@pytest.mark.parametrize("mode", ["Observe", "Recommend", "Initial"])
def test_only_policies_that_enforce_let_pods_be_moved(mode):
    cluster = crowded()
    cluster.enforce(mode=mode)
    watching = Watching(cluster)
    for _ in range(10):
        watching.look(5)
    assert not watching.outside.published


def test_a_policy_without_a_lever_that_moves_lets_nothing_be_moved():
    cluster = crowded()
    cluster.enforce(levers=("throttle",))
    watching = Watching(cluster)
    watching.look()
    assert not watching.outside.published
    assert "NoPlanHelps" in watching.reasons


def test_pods_that_no_policy_reaches_stay_whatever_it_costs():
    cluster = crowded()
    cluster.enforce(selector={"matchLabels": {"app": "db"}})
    watching = Watching(cluster)
    watching.look()
    names = {move.pod for move in spec_of(watching).moves}
    assert names
    assert all(name.startswith("db-") for name in names)


def test_pods_of_an_ignored_namespace_stay():
    cluster = crowded()
    cluster.namespaces["default"] = {"labels": {"powerplane.dev/admission": "ignore"}}
    watching = Watching(cluster)
    watching.look()
    assert not watching.outside.published


def test_an_excess_of_a_few_watts_that_comes_and_goes_brings_no_plan():
    cluster = crowded(budget=600.0)
    watching = Watching(cluster)
    for step in range(60):
        cluster.tell = lambda _, watts, odd=step % 5 in (1, 3): watts + (1.0 if odd else -1.0)
        watching.look(5)
    assert not watching.outside.published


def test_a_small_excess_that_stays_brings_a_plan():
    cluster = crowded(budget=600.0)
    cluster.tell = lambda _, watts: watts + 1.0
    watching = Watching(cluster)
    watching.look()
    assert not watching.outside.published
    for _ in range(4):
        watching.look(5)
    assert len(watching.outside.published) == 1
