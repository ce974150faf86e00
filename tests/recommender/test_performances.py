"""Work per watt in the recommender's rounds: what policies are told of it, and that who works well is moved last."""

from dataclasses import replace

import msgspec
import pytest
from tests.recommender.crowded import spec_of
from tests.recommender.world import Cluster, Watching

from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.api.capping_policy import (
    ClusterPowerCappingPolicyObject,
    PerformancePowerRatio,
    PowerCappingPolicyObject,
)
from powerplane.models.api.capping_status import PolicyPerformance
from powerplane.models.work.metrics import KSERVE, VLLM, metric_of
from powerplane.models.work.rates import PodRates
from powerplane.recommender.performing import NOT_YET
from powerplane.recommender.performing_facts import ratios_in_turn
from powerplane.recommender.performing_told import BELOW
from powerplane.recommender.rounds import Pace, Rounds

REQUESTS = PerformancePowerRatio(target=1.0, metric="requests_total")


class Worked(Watching):
    """The recommender's rounds over pods that work: so much a second, by app."""

    def __init__(self, cluster: Cluster, metric=VLLM, **per_second: float) -> None:
        super().__init__(cluster)
        self.by, self.per_second, self.trouble = metric, per_second, ""
        self.parts = replace(self.parts, work=self.reading)
        self.rounds = Rounds(self.parts, self.rounds._pace, self.rounds._calm)

    def reading(self) -> WorkReading:
        rates = {
            ("default", name): self.per_second[app]
            for name, pod in self.cluster.pods.items()
            if (app := pod["metadata"]["labels"]["app"]) in self.per_second
        }
        if self.trouble:
            return WorkReading(trouble=self.trouble)
        return WorkReading({self.by: PodRates(self.by, rates)})

    def minutes(self, count: int) -> None:
        for _ in range(3 * count):
            self.look(20)

    def said(self, field: str) -> object:
        """What the policy's status said last of a field."""
        path = "/apis/powerplane.dev/v1alpha1/clusterpowercappingpolicies/keep"
        return [status[field] for where, status in self.outside.statuses if where == path and field in status][-1]

    def told(self) -> PolicyPerformance:
        last = self.said("performance")
        return msgspec.convert({key: value for key, value in last.items() if value is not None}, PolicyPerformance)


def serving(mode="Observe", target=1.0, **more) -> Cluster:
    """Two apps of four pods on one rack, each pod of 20 W, and a policy that wants work per watt kept of one."""
    cluster = Cluster({"r1": None, "r2": None})
    cluster.run("chat", "r1-n0", 4)
    cluster.run("code", "r1-n1", 4)
    ratio = {"target": target, **more}
    cluster.enforce("keep", mode, selector={"matchLabels": {"app": "chat"}}, performancePowerRatio=ratio)
    return cluster


def test_a_policy_is_told_what_its_pods_do_with_a_watt():
    watching = Worked(serving(target=1.0), chat=30.0, code=99.0)
    watching.minutes(4)
    told = watching.told()
    assert (told.metric, told.met, told.why) == ("vllm:tokens", True, "")
    assert told.per_second == pytest.approx(120)
    assert told.watts == pytest.approx(80, rel=0.01)
    assert told.per_watt == pytest.approx(1.5, rel=0.01)
    assert told.at is not None
    assert BELOW not in watching.reasons


def test_a_ratio_that_is_not_kept_is_told_once_in_a_while():
    watching = Worked(serving(target=2.0, tolerance=0.1), chat=30.0)
    watching.minutes(6)
    assert watching.told().met is False
    assert watching.reasons.count(BELOW) == 1
    assert "1.5" in next(event.note for event in watching.events if event.reason == BELOW)


def conditions(watching: Worked) -> list[str]:
    return [each["status"] for each in watching.said("conditions") if each["type"] == "PerformanceMet"]


@pytest.mark.parametrize(("target", "status"), [(1.0, "True"), (9.0, "False")])
def test_a_condition_says_whether_a_ratio_is_kept(target, status):
    watching = Worked(serving(target=target), chat=30.0)
    watching.look()
    assert conditions(watching) == ["Unknown"]
    watching.minutes(5)
    assert conditions(watching) == [status]


def test_a_ratio_within_its_tolerance_is_kept():
    watching = Worked(serving(target=1.6, tolerance=0.1), chat=30.0)
    watching.minutes(4)
    assert watching.told().met is True


def test_one_look_is_too_few_to_say_that_a_ratio_is_not_kept():
    watching = Worked(serving(target=9.0), chat=30.0)
    watching.look()
    assert (watching.told().met, watching.told().why) == (None, "too few looks yet")


def test_rounds_that_are_rare_tell_whether_a_ratio_is_kept_as_well():
    watching = Worked(serving(target=1.0), chat=30.0)
    watching.rounds = Rounds(watching.parts, Pace(period_s=300.0), watching.rounds._calm)
    watching.minutes(16)
    assert watching.told().met is True


def test_pods_that_do_nothing_keep_no_ratio_and_break_none():
    watching = Worked(serving(target=9.0), chat=0.0)
    watching.minutes(4)
    told = watching.told()
    assert (told.met, told.why, told.per_second) == (None, "nothing is done", 0)
    assert BELOW not in watching.reasons


def test_a_policys_own_metric_counts_for_it_and_no_other():
    watching = Worked(serving(target=1.0, metric="requests_total"), metric_of(REQUESTS), chat=10.0)
    watching.minutes(4)
    assert (watching.told().metric, watching.told().per_watt) == ("requests_total", pytest.approx(0.5, rel=0.01))
    other = Worked(serving(target=1.0, metric="other_total"), metric_of(REQUESTS), chat=10.0)
    other.minutes(4)
    assert (other.told().per_watt, other.told().why) == (None, NOT_YET)


def test_pods_that_do_not_tell_the_metric_are_told_of():
    watching = Worked(serving(target=1.0, metric="requests_total"), metric_of(REQUESTS), code=10.0)
    watching.minutes(4)
    assert (watching.told().per_watt, watching.told().why) == (None, "no pod of it tells requests_total")


def test_no_namespace_takes_all_the_metrics_that_are_asked_for():
    ratio = {"target": 1.0}
    bodies = [
        *(
            {"metadata": {"name": f"p{i}", "namespace": "a"}, "spec": {"performancePowerRatio": ratio}}
            for i in range(3)
        ),
        {"metadata": {"name": "p", "namespace": "b"}, "spec": {"performancePowerRatio": {"target": 2.0}}},
    ]
    policies = msgspec.convert(bodies, list[PowerCappingPolicyObject])
    whole = msgspec.convert(
        {"metadata": {"name": "z"}, "spec": {"performancePowerRatio": {"target": 3.0}}}, ClusterPowerCappingPolicyObject
    )
    assert [each.target for each in ratios_in_turn([*policies, whole])] == [3.0, 1.0, 2.0, 1.0, 1.0]


def test_a_metric_that_cannot_be_asked_for_is_told():
    watching = Worked(serving(metric="sum(up)"), chat=10.0)
    watching.minutes(1)
    assert watching.told().why == "its metric cannot be asked for"


def test_figures_that_are_old_are_not_told_any_more():
    watching = Worked(serving(), chat=30.0)
    watching.minutes(4)
    watching.trouble = "HTTP 503"
    watching.minutes(6)
    told = watching.told()
    assert (told.per_watt, told.met, told.at, told.why) == (None, None, None, "HTTP 503")


def test_without_watts_nothing_is_known_after_a_while():
    watching = Worked(serving(target=9.0), chat=30.0)
    watching.minutes(4)
    watching.cluster.cut = True
    watching.minutes(7)
    assert (watching.told().per_watt, watching.told().met) == (None, None)


def test_pods_whose_node_is_not_measured_do_not_count():
    cluster = serving(target=1.0)
    cluster.run("chat", "r2-n0", 4)
    cluster.tell = lambda node, watts: float("nan") if node == "r2-n0" else watts
    watching = Worked(cluster, chat=30.0)
    watching.minutes(4)
    assert watching.told().per_second == pytest.approx(120)


def test_a_policy_that_asks_for_no_ratio_any_more_is_told_of_none():
    watching = Worked(serving(), chat=30.0)
    watching.minutes(2)
    watching.cluster.enforce("keep", "Observe")
    watching.cluster.policies[-1]["status"] = {"performance": {"metric": "vllm:tokens"}}
    watching.minutes(2)
    assert watching.said("performance") is None


def test_metrics_tell_of_policies_and_workloads_and_forget_those_that_are_gone():
    watching = Worked(serving(target=1.0), chat=30.0, code=60.0)
    watching.minutes(4)
    policy = {"policy": "ClusterPowerCappingPolicy keep", "metric": "vllm:tokens"}
    assert watching.metric("work_per_watt", **policy) == pytest.approx(1.5, rel=0.01)
    assert watching.metric("work_per_watt_target", **policy) == 1.0
    code = {"workload": "default/ReplicaSet/code-rs", "metric": "vllm:tokens"}
    assert watching.metric("workload_work_per_watt", **code) == pytest.approx(3.0, rel=0.01)
    watching.cluster.pods = {name: pod for name, pod in watching.cluster.pods.items() if "code" not in name}
    watching.minutes(7)
    assert watching.metric("workload_work_per_watt", **code) is None
    assert watching.metric("work_per_watt", **policy) == pytest.approx(1.5, rel=0.01)


def moved(watching: Watching) -> dict[str, int]:
    """How many pods of each app the only plan moves."""
    names = [move.pod.rpartition("-")[0] for move in spec_of(watching).moves]
    return {name: names.count(name) for name in sorted(set(names))}


def crowd(ratio=None, mode="Enforce") -> Cluster:
    """A rack above its budget by what half of its pods draw, which are of two apps alike, and room beside it."""
    cluster = Cluster({"r1": None, "r2": None})
    for app in ("chat", "code"):
        cluster.run(app, "r1-n0", 3)
        cluster.run(app, "r1-n1", 3)
    cluster.enforce("all")
    if ratio is not None:
        cluster.enforce("keep", mode, levers=(), selector={"matchLabels": {"app": "chat"}}, performancePowerRatio=ratio)
    return cluster


def plan_of(cluster: Cluster, metric=VLLM, **per_second: float) -> Worked:
    """Let pods work for some minutes, cut the rack's budget, and look until there is a plan."""
    watching = Worked(cluster, metric, **per_second)
    watching.minutes(4)
    cluster.racks = {"r1": 320.0, "r2": None}
    watching.minutes(1)
    return watching


@pytest.mark.parametrize("app", ["chat", "code"])
def test_of_two_workloads_alike_the_one_that_does_less_with_a_watt_is_moved(app):
    other = {"chat": "code", "code": "chat"}[app]
    watching = plan_of(crowd(), **{app: 40.0, other: 10.0})
    assert moved(watching) == {other: 6}
    assert any("work per watt" in each for each in watching.rounds.last_proposal.plan.assumptions)


def test_pods_whose_ratio_is_at_risk_are_moved_last():
    # By rank alone chat would be moved.
    ratio = {"target": 2.0}
    assert moved(plan_of(crowd(), chat=30.0, code=40.0)) == {"chat": 6}
    assert moved(plan_of(crowd(ratio), chat=30.0, code=40.0)) == {"code": 6}


def test_a_ratio_in_mode_observe_changes_no_plan():
    assert moved(plan_of(crowd({"target": 2.0}, mode="Observe"), chat=30.0, code=40.0)) == {"chat": 6}


def test_workloads_of_different_metrics_are_not_held_against_each_other():
    watching = plan_of(crowd(), KSERVE, chat=30.0, code=0.0)
    assert moved(watching) == {"code": 6}
    plan = watching.rounds.last_proposal.plan
    assert plan.bound <= plan.cost


def test_a_plan_is_no_less_proven_for_the_prices_of_work():
    watching = plan_of(crowd({"target": 2.0}), chat=30.0, code=40.0)
    plan = watching.rounds.last_proposal.plan
    assert (plan.status, plan.cost, plan.bound) == ("optimal", pytest.approx(plan.bound), plan.bound)
