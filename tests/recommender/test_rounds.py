"""Rounds over a small cluster: when a plan is published, what it says, and all the times when none may be."""

import itertools
import math

import msgspec
import pytest
from tests.recommender.world import Cluster, Watching, stamp

from powerplane.adapters.cluster_writes import Written
from powerplane.models.api.placement_plan import PlacementPlanSpec
from powerplane.models.api.power_domain import PowerDomainStatus
from powerplane.models.errors import InputError
from powerplane.recommender.solving_worker import Answer
from powerplane.solver.check import check


def crowded(budget: float = 500.0, **more) -> Cluster:
    """Rack r1 draws 600 W, of which two nodes' idle is 200; r2 draws 240 W, and has room."""
    cluster = Cluster({"r1": budget, "r2": 700.0}, **more)
    cluster.run("web", "r1-n0", 10)
    cluster.run("db", "r1-n1", 10)
    cluster.run("web", "r2-n0", 2)
    cluster.enforce()
    return cluster


def spec_of(watching: Watching) -> PlacementPlanSpec:
    (body,) = watching.outside.published
    return msgspec.convert(body["spec"], PlacementPlanSpec)


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


def test_a_budget_below_what_nodes_draw_idle_is_told_and_what_helps_is_done():
    watching = Watching(crowded(budget=150.0))
    watching.look()
    spec = spec_of(watching)
    assert len(spec.moves) == 20
    assert "stay above budgets" in spec.reason


def test_metrics_tell_draw_budget_and_headroom_by_domain():
    watching = Watching(crowded())
    watching.look()
    assert watching.metric("domain_draw_watts", domain="r1", kind="rack") == pytest.approx(600, abs=1)
    assert watching.metric("domain_budget_watts", domain="r1", kind="rack") == 500
    assert watching.metric("domain_headroom_watts", domain="r1", kind="rack") == pytest.approx(-100, abs=1)
    assert watching.metric("plans_total", outcome="published") == 1
    for step in ("load", "telemetry", "violations", "snapshot", "solve", "publish"):
        assert watching.metric("step_seconds_count", step=step) >= 1, step


def statuses(watching: Watching, kind: str, name: str) -> list[dict]:
    path = f"/apis/powerplane.dev/v1alpha1/{kind}/{name}"
    return [status for where, status in watching.outside.statuses if where == path]


def test_a_domains_status_says_what_was_measured_how_old_it_is_and_what_was_done():
    watching = Watching(crowded())
    watching.look()
    last = statuses(watching, "powerdomains", "r1")[-1]
    parsed = msgspec.convert({key: value for key, value in last.items() if value is not None}, PowerDomainStatus)
    assert parsed.measured_watts == 600
    assert parsed.source_age_seconds <= 5
    assert parsed.last_action.what == "PlanPublished"
    assert parsed.last_action.plan == next(iter(watching.cluster.plans))


def test_figures_are_written_now_and_then_and_often_while_a_plan_is_under_way():
    calm = Watching(crowded(budget=700.0))
    for _ in range(24):
        calm.look(5)
    assert 3 <= len(statuses(calm, "powerdomains", "r1")) <= 5
    busy = Watching(crowded())
    for _ in range(24):
        busy.look(5)
    assert len(statuses(busy, "powerdomains", "r1")) >= 20


def test_a_policys_status_says_what_its_plans_came_to():
    watching = Watching(crowded())
    watching.look()
    watching.look(5)
    watching.carry_out()
    for _ in range(720):
        watching.look(5)
    last = statuses(watching, "clusterpowercappingpolicies", "hold")[-1]
    assert last["ledger"]["actions"] == 1
    # 100 W less for an hour; the hour begins at the look that saw the plan done.
    assert last["ledger"]["wattHoursHeld"] == pytest.approx(100, rel=0.02)
    assert last["lastAction"]["what"] == "PlanPublished"


def test_a_plan_that_kept_its_word_shows_so_in_the_metrics():
    watching = Watching(crowded())
    watching.look()
    watching.look(5)
    watching.carry_out()
    for _ in range(10):
        watching.look(5)
    assert watching.metric("prediction_error_ratio_count") == 2  # r1 and r2
    assert watching.metric("prediction_error_ratio_sum") < 0.01


def test_what_policies_that_only_recommend_would_do_is_told_and_not_done():
    cluster = crowded(budget=None)
    cluster.enforce(mode="Recommend", rackConstraints=[{"domainNames": ["r1"], "maxPower": "500W"}])
    watching = Watching(cluster)
    for _ in range(30):
        watching.look(5)
    assert not watching.outside.published
    last = statuses(watching, "clusterpowercappingpolicies", "hold")[-1]
    assert (last["recommendation"]["moves"], last["recommendation"]["watts"]) == (5, 100)
    assert last["ledger"]["withheld"] == 1
    assert last["ledger"]["wattHoursMissed"] > 0
    assert "PlanRecommended" in watching.reasons
    assert watching.metric("domain_other_watts", domain="r1", kind="rack") == pytest.approx(500, abs=2)


def test_a_recommendation_that_is_not_needed_any_more_goes():
    cluster = crowded(budget=None)
    cluster.enforce(mode="Recommend", rackConstraints=[{"domainNames": ["r1"], "maxPower": "500W"}])
    watching = Watching(cluster)
    watching.look()
    cluster.enforce(mode="Recommend", rackConstraints=[{"domainNames": ["r1"], "maxPower": "900W"}])
    for _ in range(30):
        watching.look(5)
    assert statuses(watching, "clusterpowercappingpolicies", "hold")[-1]["recommendation"] is None


def test_events_tell_a_thing_once_in_a_while_however_long_it_is_so():
    cluster = crowded()
    cluster.enforce(levers=("throttle",))
    watching = Watching(cluster)
    for _ in range(100):
        watching.look(5)
    assert watching.reasons.count("NoPlanHelps") == 1


def test_a_look_that_is_looked_at_again_shows_nothing_twice():
    cluster = crowded(budget=600.0)
    cluster.tell = lambda _, watts: watts + 1.0
    watching = Watching(cluster)
    watching.look()
    for _ in range(20):
        watching.look(0.1)  # woken again and again
    assert not watching.outside.published


def test_a_plan_by_leave_of_a_namespaced_policy_is_owned_by_the_domain_that_it_is_for():
    cluster = crowded()
    cluster.policies = [
        {
            "metadata": {"name": "own", "namespace": "default", "uid": "uid-own"},
            "spec": {"mode": "Enforce", "levers": ["evict"], "cap": {"watts": "1MW"}},
        }
    ]
    watching = Watching(cluster)
    watching.look()
    (body,) = watching.outside.published
    assert [(each["kind"], each["name"]) for each in body["metadata"]["ownerReferences"]] == [("PowerDomain", "r1")]
    move = spec_of(watching).moves[0]
    assert (move.policy, move.lever) == ("PowerCappingPolicy default/own", "evict")


def test_a_solve_that_fails_is_tried_again_at_the_next_look_and_not_for_ever():
    watching = Watching(crowded())
    solve, failing = watching.solver.solve, [True]
    asked = []

    def fail(*question):
        asked.append(watching.cluster.now_s)
        return Answer(None, "it ended") if failing[0] else solve(*question)

    watching.solver.solve = fail
    for _ in range(12):
        watching.look(5)
    assert asked[2] - asked[0] == 10  # three looks in a row
    assert len(asked) == 3
    failing[0] = False
    for _ in range(6):
        watching.look(5)
    assert len(watching.outside.published) == 1


def test_objects_that_cannot_be_used_are_told_of_and_figures_go_on_being_written(monkeypatch):
    asked = []

    def refuse(*_):
        asked.append(1)
        raise InputError("pod default/odd cannot be read", "mend it")

    monkeypatch.setattr("powerplane.recommender.rounds.snapshot_of", refuse)
    watching = Watching(crowded())
    for _ in range(6):
        watching.look(5)
    assert len(asked) == 3  # looks in a row, then with the period
    assert not watching.outside.published
    assert statuses(watching, "powerdomains", "r1")[-1]["measuredWatts"] == 600


def test_a_plan_that_could_not_be_published_is_tried_again_at_the_next_look():
    watching = Watching(crowded())
    watching.outside.refuses = True
    watching.look()
    assert not watching.outside.published
    watching.outside.refuses = False
    watching.look(5)
    assert len(watching.outside.published) == 1


def test_a_running_plan_whose_time_is_over_still_holds_its_trees_for_a_while():
    watching = Watching(crowded())
    watching.look()
    watching.carry_out(phase="Running")
    watching.look(660)  # past its time
    for _ in range(20):
        watching.look(5)
    assert len(watching.outside.published) == 1
    watching.look(600)
    for _ in range(20):
        watching.look(5)
    assert len(watching.outside.published) == 2


def test_a_server_that_does_not_answer_is_asked_for_one_status_a_look():
    watching = Watching(crowded(budget=700.0))
    asked = []

    def no_answer(path, status):
        asked.append(path)
        return Written(0, b"no answer")

    watching.outside.patch_status = no_answer
    watching.look()
    assert len(asked) == 1


def test_while_stopped_policies_say_so():
    cluster = crowded()
    cluster.namespaces["powerplane-system"] = {"annotations": {"powerplane.dev/stop": "by hand"}}
    watching = Watching(cluster)
    watching.look()
    last = statuses(watching, "clusterpowercappingpolicies", "hold")[-1]
    assert last["lastAction"]["what"] == "Stopped"
    assert "by hand" in last["lastAction"]["why"]


@pytest.mark.parametrize("trouble", ["cut", "nan", "negative"])
def test_once_meters_can_be_believed_again_a_broken_budget_has_its_plan_within_a_few_looks(trouble):
    watching = Watching(crowded())
    cluster = watching.cluster
    cluster.cut = trouble == "cut"
    cluster.tell = lambda _, watts: {"nan": math.nan, "negative": -watts, "cut": watts}[trouble]
    for _ in range(20):
        watching.look(5)
    cluster.cut, cluster.tell = False, lambda _, watts: watts
    for _ in range(4):
        watching.look(5)
    assert len(watching.outside.published) == 1


def test_whoever_takes_over_lets_trees_rest_whose_plan_failed_for_what_is_left_of_their_time():
    first = Watching(crowded())
    first.look()
    name = next(iter(first.cluster.plans))
    first.carry_out(phase="Failed")
    plan = first.cluster.plans[name]
    ended = msgspec.structs.replace(plan.status, finished_at=stamp(first.cluster.now_s))
    first.cluster.plans[name] = msgspec.structs.replace(plan, status=ended)
    first.cluster.now_s += 40
    second = Watching(first.cluster)
    second.look()
    second.look(10)
    assert not second.outside.published
    second.look(15)
    assert len(second.outside.published) == 1


def test_while_a_plan_is_open_meters_are_looked_at_more_often():
    def looks(watching: Watching) -> int:
        before = watching.metric("step_seconds_count", step="forecast")
        asked = []
        read = watching.cluster.read
        watching.cluster.read = lambda *args: asked.append(args) or read(*args)
        for _ in range(30):
            watching.look(1)
        assert watching.metric("step_seconds_count", step="forecast") == before + 30
        return len(asked)

    calm, pressed = Watching(crowded(budget=700.0)), Watching(crowded())
    calm.look()
    pressed.look()
    assert looks(calm) <= 7
    assert looks(pressed) >= 14


def test_a_plan_that_failed_after_most_of_its_moves_is_followed_by_another_as_soon_as_meters_show_what_is_left():
    watching = Watching(crowded())
    watching.look()
    name, plan = next(iter(watching.cluster.plans.items()))
    watching.carry_out(phase="Failed")
    for move in plan.spec.moves[:3]:
        watching.cluster.pods[move.pod]["spec"]["nodeName"] = move.to
    status = msgspec.structs.replace(watching.cluster.plans[name].status, done=3, failed=2)
    watching.cluster.plans[name] = msgspec.structs.replace(plan, status=status)
    began_s = watching.cluster.now_s
    while len(watching.outside.published) < 2:
        watching.look(5)
    assert watching.cluster.now_s - began_s <= 40
    assert len(watching.outside.published[1]["spec"]["moves"]) == 2
