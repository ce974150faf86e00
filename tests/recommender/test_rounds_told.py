"""Rounds over a small cluster: what is told of them, and what they do when something does not answer."""

import math

import msgspec
import pytest
from tests.recommender.crowded import crowded, spec_of
from tests.recommender.world import Watching, stamp

from powerplane.adapters.cluster_writes import Written
from powerplane.models.api.power_domain import PowerDomainStatus
from powerplane.models.errors import InputError
from powerplane.recommender.solving_worker import Answer


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
    told = [status for where, status in watching.outside.statuses if where == path]
    return [status for status in told if status.keys() != {"conditions"}]


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

    def no_answer(path, status, version):
        del status, version
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
