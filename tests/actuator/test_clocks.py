"""Clocks that are wrong: what was there before an eviction is nobody's successor, and moves land as planned."""

from dataclasses import replace

import pytest
from tests.actuator.model_cluster import ModelCluster
from tests.actuator.replica import Replica
from tests.actuator.test_moves import settle

HOUR_S = 3600.0


class Skewed(Replica):
    """A replica whose time of day is wrong by so much."""

    skew_s = 0.0

    def grounds(self):
        found = super().grounds()
        return replace(found, now_s=found.now_s + self.skew_s)


@pytest.mark.parametrize("skew_s", [-HOUR_S, -60.0, 60.0])
def test_by_a_clock_that_is_wrong_moves_land_on_their_targets(skew_s):
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 3, ["n0"])
    cluster.now_s += 600
    leaver = next(iter(cluster.pods.values()))
    old = set(cluster.pods)
    cluster.publish("p", [cluster.move(leaver, "n2")])
    replica = Skewed(cluster, token=1)
    replica.skew_s = skew_s
    for _ in range(20):
        # Controllers are slow: the actuator sees that the pod is gone before another has come.
        replica.deliver()
        replica.look()
        replica.drain()
        cluster.end_leaving()
        cluster.now_s += 1.0
    settle(cluster, replica)
    (move,) = cluster.status("p")["moves"]
    assert (move["step"], move.get("reason", ""), move["node"]) == ("Done", "", "n2")
    assert move["successorUid"] not in old


def test_a_plan_of_an_hour_ahead_has_expired_and_nothing_is_evicted():
    cluster = ModelCluster()
    cluster.add_owner("web", "ReplicaSet", 3, ["n0"])
    leaver = next(iter(cluster.pods.values()))
    cluster.publish("p", [cluster.move(leaver, "n2")], lasts_s=600)
    replica = Skewed(cluster, token=1)
    replica.skew_s = HOUR_S
    settle(cluster, replica)
    assert cluster.status("p")["phase"] == "Expired"
    assert not cluster.judge.evicted
