"""The part of ``powerplane doctor`` about the operator: silent where no policy rests on it, loud where one does."""

from typing import Any

import pytest
from tests.cli.doctor_world import BEFORE, LEASES, REFUSED, cluster, found, lease, policy, text, trouble

from powerplane.adapters.cluster_look import Found
from powerplane.adapters.lease_look import Lease
from powerplane.cli.doctor_cluster.operator import examine_operator
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.marks import ACTUATOR_LEASE, RECOMMENDER_LEASE, STOP_ANNOTATION
from powerplane.models.objects import Namespace

ENFORCING = found(ClusterPowerCappingPolicyObject, policy("hold", mode="Enforce", levers=["migrate"]))
BOTH = (*LEASES, lease(RECOMMENDER_LEASE, holder="r-1"), lease(ACTUATOR_LEASE, holder="a-1"))


def test_where_no_policy_lets_pods_be_moved_nobody_is_missed() -> None:
    for mode, levers in (
        ("Initial", ["migrate"]),
        ("Recommend", ["evict"]),
        ("Enforce", []),
        ("Enforce", ["capReplicas"]),
    ):
        seen = cluster(
            cluster_policies=found(ClusterPowerCappingPolicyObject, policy("p", mode=mode, levers=levers)),
        )
        assert trouble(examine_operator(seen)) == set()


def test_where_both_live_who_they_are_is_told() -> None:
    report = examine_operator(cluster(cluster_policies=ENFORCING, leases=found(Lease, *BOTH)))
    assert trouble(report) == set()
    assert "r-1 makes plans" in text(report, "makes plans")
    assert "a-1 moves pods" in text(report, "moves pods")


@pytest.mark.parametrize("gone", [RECOMMENDER_LEASE, ACTUATOR_LEASE])
@pytest.mark.parametrize("how", ["no lease", "no holder", "stale"])
def test_whichever_is_gone_stops_enforcement_and_is_told_with_the_policy(gone: str, how: str) -> None:
    others = [each for each in BOTH if each["metadata"]["name"] != gone]
    dead: dict[str, list[Any]] = {
        "no lease": [],
        "no holder": [lease(gone, holder="")],
        "stale": [lease(gone, renewed=BEFORE, written=BEFORE)],
    }
    report = examine_operator(cluster(cluster_policies=ENFORCING, leases=found(Lease, *others, *dead[how])))
    check = {RECOMMENDER_LEASE: "makes plans", ACTUATOR_LEASE: "moves pods"}[gone]
    assert trouble(report) == {(check, "fail")}
    told = text(report, check)
    assert "hold" in told
    assert ("deploy/rbac-operator.yaml" in told) == (how == "no lease")


def test_a_namespaces_own_policy_counts_as_well() -> None:
    body = policy("own", mode="Enforce", levers=["evict"])
    body["metadata"]["namespace"] = "shop"
    report = examine_operator(cluster(policies=found(PowerCappingPolicyObject, body)))
    assert trouble(report) == {("makes plans", "fail"), ("moves pods", "fail")}
    assert "shop/own" in text(report, "makes plans")


@pytest.mark.parametrize(("reason", "told"), [("moving house", "moving house"), ("", "no reason is given")])
def test_that_all_is_stopped_is_told_with_its_reason(reason: str, told: str) -> None:
    own = {"metadata": {"name": "powerplane-system", "annotations": {STOP_ANNOTATION: reason}}}
    report = examine_operator(cluster(namespaces=found(Namespace, own)))
    assert trouble(report) == {("stopped", "warn")}
    assert told in text(report, "stopped")
    assert "powerplane resume" in text(report, "stopped")


def test_the_same_annotation_on_another_namespace_stops_nothing() -> None:
    other = {"metadata": {"name": "shop", "annotations": {STOP_ANNOTATION: "x"}}}
    assert trouble(examine_operator(cluster(namespaces=found(Namespace, other)))) == set()


def test_what_may_not_be_seen_is_told() -> None:
    hidden = cluster(leases=Found((), REFUSED), namespaces=Found((), REFUSED))
    assert trouble(examine_operator(hidden)) == {("makes plans", "warn"), ("moves pods", "warn"), ("stopped", "warn")}
