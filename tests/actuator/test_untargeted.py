"""Evictions without a target, which hold a policy's own cap: nothing is reserved or steered, and failures are told."""

import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.published import ended, holds, reasons
from tests.actuator.replica import Replica
from tests.actuator.test_moves import settle


def published(kind="ReplicaSet", unavailable=99, count=2):
    cluster = ModelCluster()
    cluster.add_owner("web", kind, 4, ["n0"], unavailable=unavailable)
    pods = list(cluster.pods.values())[:count]
    moves = [{**cluster.move(pod, "", lever="evict"), "wave": 1} for pod in pods]
    for move in moves:
        del move["to"]
    cluster.publish("p", moves)
    return cluster, pods


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_each_pod_is_evicted_once_and_no_place_is_held_for_another(kind):
    cluster, pods = published(kind)
    replica = Replica(cluster, 1)
    assert ended(cluster, replica) == ("Done", {("Done", "")})
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}
    assert not holds(cluster)


def test_what_a_disruption_budget_never_allows_is_rolled_back():
    cluster, _ = published(unavailable=0)
    settle(cluster, Replica(cluster, 1), 80, 5.0)
    assert reasons(cluster) == {("RolledBack", "DisruptionBudget")}
    assert not cluster.judge.evicted


def test_whoever_takes_over_evicts_nobody_twice():
    cluster, pods = published()
    first = Replica(cluster, 1)
    for _ in range(4):
        first.deliver()
        first.look()
        if first.line:
            first.step()
    first.leads = False
    assert ended(cluster, Replica(cluster, 2)) == ("Done", {("Done", "")})
    assert cluster.judge.evicted == {pod["metadata"]["uid"]: 1 for pod in pods}
