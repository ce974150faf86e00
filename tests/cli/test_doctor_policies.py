"""The parts of ``powerplane doctor`` about policies and the extender, each from what was read to what is told."""

from typing import Any

from tests.cli.doctor_world import (
    BEFORE,
    LEASES,
    REFUSED,
    cluster,
    found,
    lease,
    node,
    pod,
    policy,
    text,
    trouble,
)

from powerplane.adapters.cluster_look import Found
from powerplane.adapters.lease_look import Lease
from powerplane.cli.doctor_cluster.extender import examine_extender
from powerplane.cli.doctor_cluster.policies import examine_policies
from powerplane.cli.doctor_cluster.seen import DoctorPod
from powerplane.cli.doctor_cluster.standing import standings
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject, PowerCappingPolicyObject
from powerplane.models.objects import Node


def asked(seen: Any) -> Any:
    return examine_extender(seen, standings(seen))


def test_a_scheduler_that_asked_is_told_and_one_that_did_not_matters_where_a_policy_rests_on_it() -> None:
    assert trouble(asked(cluster())) == set()
    silent = found(Lease, lease("powerplane"), *LEASES[1:])
    assert trouble(asked(cluster(leases=silent))) == set()
    stated = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"))
    assert trouble(asked(cluster(leases=silent, cluster_policies=stated))) == {("asked by the scheduler", "fail")}
    no_lock = cluster(nodes=found(Node, node("n1", watts=False)), leases=found(Lease, lease("powerplane")))
    assert trouble(asked(no_lock)) == {("asked by the scheduler", "warn")}


def test_an_extender_that_nobody_runs_is_warned_of_and_stops_policies_that_state_it() -> None:
    for ours in (lease("powerplane", holder=""), lease("powerplane", renewed=BEFORE, written=BEFORE)):
        leases = found(Lease, ours, *LEASES[1:])
        assert trouble(asked(cluster(leases=leases))) == {("answers the scheduler", "warn")}
        stated = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"))
        assert trouble(asked(cluster(leases=leases, cluster_policies=stated))) == {("answers the scheduler", "fail")}
    assert trouble(asked(cluster(leases=Found((), REFUSED)))) == {("answers the scheduler", "warn")}


def policies(seen: Any) -> Any:
    return examine_policies(seen, standings(seen))


def test_each_acting_policy_is_told_its_lock_and_why() -> None:
    report = policies(cluster())
    assert trouble(report) == set()
    assert "all (Initial, 1 pod) is held by Partition: every node that takes pods (2) lists watts" in text(
        report, "lock"
    )


def test_a_policy_that_nothing_holds_for_and_one_whose_lock_is_not_there_stop_enforcement() -> None:
    bare = cluster(nodes=found(Node, node("n1", watts=False)), leases=found(Lease, lease("powerplane")))
    assert trouble(policies(bare)) == {("lock", "fail")}
    assert "powerplane node-watts run" in text(policies(bare), "lock")
    for lock in ("Claims", "Gate", "Extender"):
        stated = found(ClusterPowerCappingPolicyObject, policy("p", lock=lock))
        report = policies(cluster(cluster_policies=stated, leases=found(Lease)))
        assert trouble(report) == {("lock", "fail")}
        assert f"asks for {lock}" in text(report, "lock")


def test_locks_that_differ_are_warned_of_where_no_account_sees_the_pods_of_all() -> None:
    mixed = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"), policy("q", lock="Gate"))
    assert trouble(policies(cluster(cluster_policies=mixed))) == set()
    bare = found(Node, node("n1"), node("n2", watts=False))
    report = policies(cluster(cluster_policies=mixed, nodes=bare))
    assert trouble(report) == {("lock", "warn")}
    assert "hold by Extender and Gate" in text(report, "lock")
    passive = found(ClusterPowerCappingPolicyObject, policy("p", lock="Extender"), policy("q", "Observe", lock="Gate"))
    assert trouble(policies(cluster(cluster_policies=passive, nodes=bare))) == set()


def test_a_lock_is_called_missing_only_by_who_can_see() -> None:
    for kind in ("nodes", "leases"):
        report = policies(cluster(**{kind: Found((), REFUSED)}))
        assert trouble(report) == {("lock", "warn")}
        assert "may not be seen" in text(report, "lock")


def test_pods_that_came_in_without_watts_while_a_policy_acted_are_counted_and_older_ones_are_not() -> None:
    older = pod("older", watts=0, at="2025-12-30T00:00:00Z")
    daemon = pod("daemon", watts=0)
    daemon["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "d", "uid": "d", "controller": True}]
    done = pod("done", watts=0) | {"status": {"phase": "Succeeded"}}
    noted = pod("noted", watts=0)
    noted["metadata"]["annotations"] = {"powerplane.dev/predicted-watts": "40"}
    pods = found(DoctorPod, pod("a"), pod("late", watts=0), older, daemon, done, noted)
    report = policies(cluster(pods=pods))
    assert trouble(report) == {("pods without watts", "warn")}
    assert "1 pod came in without watts though all acts on them: shop/late" in text(report, "pods without watts")


def test_a_pod_of_two_policies_counts_to_the_one_that_decides() -> None:
    own = policy("mine", lock="Gate", priority=100)
    own["metadata"]["namespace"] = "shop"
    seen = cluster(policies=found(PowerCappingPolicyObject, own), pods=found(DoctorPod, pod("a", watts=0)))
    by_name = {each.name: each for each in standings(seen)}
    assert (by_name["all"].pods, by_name["mine"].pods) == (1, 0)


def test_pods_that_wait_are_counted_and_stop_enforcement_where_nobody_lets_them_go() -> None:
    held = pod("held", at="2025-12-31T23:00:00Z", nodeName="", schedulingGates=[{"name": "powerplane.dev/power"}])
    report = policies(cluster(pods=found(DoctorPod, held)))
    assert trouble(report) == {("waiting pods", "warn")}
    assert "the oldest, shop/held, for 60 min" in text(report, "waiting pods")
    nobody = policies(cluster(pods=found(DoctorPod, held), leases=found(Lease, *LEASES[:1])))
    assert trouble(nobody) == {("waiting pods", "fail")}
    assert "powerplane release --all" in text(nobody, "waiting pods")


def test_passive_policies_are_told_to_hold_nothing() -> None:
    report = policies(cluster(cluster_policies=found(ClusterPowerCappingPolicyObject, policy("p", "Observe"))))
    assert trouble(report) == set()
    assert "hold nothing" in text(report, "policies")
    assert trouble(policies(cluster(cluster_policies=Found((), REFUSED)))) == {("policies", "warn")}
