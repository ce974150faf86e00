"""A plan that asks for everything at once: whoever wrote it, evictions keep to their limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.replica import Replica
from tests.actuator.test_moves import turn

from powerplane.actuator.limits import HourBudget, Limits

PODS = 8
OWNERS = 3


def stormy(lever, waves):
    """Every pod of every owner is to go at once, by several plans for trees of their own."""
    cluster = ModelCluster(nodes=7)
    for at in range(OWNERS):
        cluster.add_owner(f"web{at}", "ReplicaSet", PODS, [f"n{2 * at}"])
    cluster.now_s += 60.0
    for number, pod in enumerate(list(cluster.pods.values())):
        source = pod["spec"]["nodeName"]
        to = f"n{int(source[1:]) + 1}"
        cluster.publish(f"p{number}", [cluster.move(pod, to, wave=waves, lever=lever)], trees=[f"t{number}"])
    return cluster


def evictions(cluster):
    return sum(cluster.judge.evicted.values())


@pytest.mark.parametrize("lever", ["migrate", "evict"])
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.integers(0, 3))
def test_of_a_hundred_plans_for_everything_an_hour_sees_no_more_evictions_than_it_may(lever, most, waves):
    cluster = stormy(lever, waves)
    replica = Replica(cluster, 1)
    replica.hour = replica.engine._machine._hour = HourBudget(most)
    for _ in range(60):
        turn(cluster, replica, seconds=20.0)
        assert evictions(cluster) <= most
    assert evictions(cluster) == most
    assert not cluster.judge.wrongs


@pytest.mark.parametrize("lever", ["migrate", "evict"])
def test_at_no_moment_more_is_under_way_than_limits_allow(lever):
    limits = Limits(per_node=2, per_workload=2, per_cluster=3)
    cluster = stormy(lever, 0)
    replica = Replica(cluster, 1, limits=limits)
    under_way = ("Reserving", "Reserved", "Evicting", "Evicted", "Steering", "Bound")
    for _ in range(600):
        replica.deliver()
        replica.look()
        moves = [each for name in cluster.plans for each in cluster.status(name).get("moves", [])]
        assert sum(each["step"] in under_way for each in moves) <= limits.per_cluster
        if replica.line:
            replica.step()
        else:
            turn(cluster, replica)
    assert evictions(cluster) == PODS * OWNERS
