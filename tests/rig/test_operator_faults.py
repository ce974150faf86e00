"""More faults while `powerplane operate` moves pods: each by name, judged by the API server's audit log."""

import time
from typing import Any

import pytest
from tests.rig.operator import CALM_S, HELD_S, Operated, OperatedCluster, Operator

from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY

pytestmark = [pytest.mark.rig, pytest.mark.faults, pytest.mark.prometheus, pytest.mark.usefixtures("course")]

Json = dict[str, Any]


def test_a_stop_in_the_middle_stops_everything_until_it_is_taken_back(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    racks.cut(heaviest)
    parts.wait_begun()
    racks.stop_everything("by hand")
    parts.wait(racks.quiet, 40)
    time.sleep(3)
    during = parts.evictions()
    time.sleep(CALM_S)
    assert parts.evictions() == during
    parts.sound()
    racks.stop_everything(None)
    parts.wait_settled()
    parts.sound()


def test_a_recommender_that_is_killed_leaves_a_plan_that_is_carried_out(
    parts: Operated, racks: OperatedCluster, heaviest: str
) -> None:
    recommender = parts.operator("--only=recommender")
    parts.operator("--only=actuator")
    racks.cut(heaviest)
    parts.wait(racks.open_plans, 40, 0.02)
    recommender.kill()
    parts.wait(racks.quiet, HELD_S)
    recommender.start()
    parts.wait_settled()
    parts.sound()


def test_disruption_budgets_that_allow_nothing_are_kept_and_moves_go_on_once_they_do(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    before = parts.evictions()
    try:
        racks.allow_disruptions(False)
        racks.cut(heaviest)
        time.sleep(CALM_S)
        assert parts.evictions() == before
    finally:
        racks.allow_disruptions(True)
    parts.wait_settled(180)
    parts.sound()


def test_a_policy_that_is_deleted_in_the_middle_leaves_nothing_behind(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    racks.cut(heaviest)
    parts.wait_begun()
    racks.rig.api.delete(CLUSTER_CAPPING_POLICY.path("all"))
    parts.wait(lambda: not racks.plans() and racks.quiet(), 60)
    parts.sound()
    racks.enforce()
    parts.wait_settled()
    parts.sound()


def test_an_owner_that_is_scaled_to_zero_in_the_middle_is_left_at_zero(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    racks.cut(heaviest)
    parts.wait_begun()
    moving = {move["ownerUid"] for plan in racks.open_plans() for move in plan["spec"]["moves"]}
    sets = {each["metadata"]["uid"]: each["metadata"]["ownerReferences"][0]["name"] for each in replica_sets(racks)}
    name = sorted(sets[uid] for uid in moving if uid in sets)[0]
    racks.scale(name, 0)
    parts.wait_settled()
    parts.sound()
    racks.scale(name, racks.size.replicas)
    parts.wait(racks.whole, 60)


def replica_sets(racks: OperatedCluster) -> list[Json]:
    return racks.rig.api.items("/apis/apps/v1/namespaces/default/replicasets")
