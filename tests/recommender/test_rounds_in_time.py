"""Rounds over a small cluster as time goes on: stops, other leaders, plans that are open, fail or are not needed."""

import itertools

import msgspec
import pytest
from tests.recommender.crowded import crowded, spec_of
from tests.recommender.world import Cluster, Watching

from powerplane.models.api.placement_plan import PlacementPlanSpec


def test_while_everything_is_stopped_nothing_is_published_and_afterwards_it_is():
    cluster = crowded()
    cluster.namespaces["powerplane-system"] = {"annotations": {"powerplane.dev/stop": "by hand"}}
    watching = Watching(cluster)
    for _ in range(5):
        watching.look(5)
    assert not watching.outside.published
    assert watching.metric("stopped") == 1
    cluster.namespaces["powerplane-system"] = {}
    watching.look(5)
    assert len(watching.outside.published) == 1


@pytest.mark.parametrize("marked", ["powerplane-system", "power"])
def test_a_stop_counts_on_the_namespace_in_which_it_runs_and_on_powerplanes_own(marked):
    cluster = crowded()
    cluster.namespaces[marked] = {"annotations": {"powerplane.dev/stop": "smoke"}}
    watching = Watching(cluster, namespace="power")
    watching.look(5)
    assert not watching.outside.published
    assert watching.metric("stopped") == 1


def test_a_replica_that_leads_no_more_publishes_nothing():
    watching = Watching(crowded())
    watching.outside.leading = False
    for _ in range(5):
        watching.look(5)
    assert not watching.outside.published


def test_a_plan_that_only_the_api_server_knows_of_holds_another_back():
    watching = Watching(crowded())
    watching.look()
    (name,) = watching.cluster.plans
    hidden = Watching(watching.cluster)  # as after a restart, before the watch has shown anything
    plan = watching.cluster.plans.pop(name)
    hidden.cluster.now_s += 1
    hidden.watch()
    watching.cluster.plans[name] = plan
    hidden.rounds.once()
    assert not hidden.outside.published


def test_where_plans_cannot_be_listed_none_is_published():
    watching = Watching(crowded())
    watching.outside.refuses = True
    watching.look()
    assert not watching.outside.published


def test_a_plan_that_has_not_begun_is_taken_back_once_its_budget_is_no_longer_broken():
    watching = Watching(crowded())
    watching.look()
    watching.cluster.racks = {**watching.cluster.racks, "r1": 700.0}
    for _ in range(20):
        watching.look(5)
    assert watching.outside.deleted == [watching.outside.published[0]["metadata"]["name"]]


def test_a_running_plan_is_never_taken_back():
    watching = Watching(crowded())
    watching.look()
    watching.carry_out(phase="Running")
    watching.cluster.racks = {**watching.cluster.racks, "r1": 700.0}
    for _ in range(40):
        watching.look(5)
    assert not watching.outside.deleted


def test_a_plan_whose_pods_are_gone_is_taken_back_and_made_anew():
    watching = Watching(crowded())
    watching.look()
    gone = spec_of(watching).moves[0].pod
    del watching.cluster.pods[gone]
    watching.cluster.run("web", "r1-n0", 1)
    for _ in range(14):
        watching.look(5)
    assert len(watching.outside.deleted) == 1
    assert len(watching.outside.published) == 2
    assert all(move["pod"] != gone for move in watching.outside.published[1]["spec"]["moves"])


def test_trees_whose_plans_fail_are_left_alone_longer_and_longer():
    watching = Watching(crowded())
    at_s = []
    for _ in range(150):
        watching.look(5)
        if len(watching.outside.published) > len(at_s):
            at_s.append(watching.cluster.now_s)
            watching.carry_out(watching.outside.published[-1]["metadata"]["name"], phase="Failed")
    gaps = [later - sooner for sooner, later in itertools.pairwise(at_s)]
    assert len(gaps) >= 3
    assert gaps[0] >= 60
    assert gaps[1] >= 110
    assert gaps[2] >= 230


def two_trees() -> Cluster:
    """r1 of feed a is over its budget, and has r2 to go to; feed b is full, so that nothing goes there."""
    cluster = Cluster({"r1": 500.0, "r2": 700.0, "r3": None, "r4": None}, feeds={"a": None, "b": None})
    cluster.parents = {"r1": ("a",), "r2": ("a",), "r3": ("b",), "r4": ("b",)}
    cluster.run("web", "r1-n0", 10)
    cluster.run("db", "r1-n1", 10)
    for rack in ("r3", "r4"):
        for node in ("n0", "n1"):
            cluster.run("api", f"{rack}-{node}", 16)
    cluster.enforce()
    return cluster


def test_another_tree_is_planned_for_while_the_first_is_busy_and_its_nodes_are_not_touched():
    cluster = two_trees()
    watching = Watching(cluster)
    watching.look()
    assert spec_of(watching).trees == ("a",)
    for name in [name for name, pod in cluster.pods.items() if pod["spec"]["nodeName"] == "r4-n1"]:
        del cluster.pods[name]
    cluster.racks = {**cluster.racks, "r3": 780.0}
    watching.look(5)
    second = msgspec.convert(watching.outside.published[1]["spec"], PlacementPlanSpec)
    assert second.trees == ("b",)
    assert len(second.moves) == 3  # 840 W of 780 W
    assert {move.to for move in second.moves} == {"r4-n1"}


def test_a_feed_over_its_budget_is_one_tree():
    cluster = Cluster({"r1": None, "r2": None, "r3": None}, feeds={"a": 1000.0, "b": 2000.0})
    cluster.parents = {"r1": ("a",), "r2": ("a",), "r3": ("b",)}
    cluster.run("web", "r1-n0", 15)
    cluster.run("web", "r2-n0", 15)
    cluster.run("web", "r2-n1", 10)
    cluster.enforce()
    watching = Watching(cluster)
    watching.look()
    spec = spec_of(watching)
    assert spec.trees == ("a", "b")
    assert len(spec.moves) == 10  # 1200 W of 1000 W
    assert all(move.to.startswith("r3") for move in spec.moves)


def test_a_draw_that_rises_steadily_has_its_plan_before_the_budget_is_broken():
    cluster = crowded(budget=640.0)
    watching = Watching(cluster)
    start_s = cluster.now_s
    # 600 W, and 10 W more a minute: over in four minutes.
    cluster.tell = lambda _, watts: watts + (cluster.now_s - start_s) / 60 * 5
    while cluster.now_s < start_s + 230 and not watching.outside.published:
        watching.look(5)
    assert watching.outside.published
    assert cluster.now_s < start_s + 200
    assert "by its trend" in spec_of(watching).reason
