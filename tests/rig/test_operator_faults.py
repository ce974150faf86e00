"""More faults while `powerplane operate` moves pods: each by name, judged by the API server's audit log."""

import time
from typing import Any

import pytest
from tests.rig.operator import CALM_S, HELD_S, Operated, OperatedCluster, Operator
from tests.rig.processes import wait_for

pytestmark = [pytest.mark.rig, pytest.mark.prometheus]

Json = dict[str, Any]


def test_a_stop_in_the_middle_stops_everything_until_it_is_taken_back(
    parts: Operated, racks: OperatedCluster, heaviest: str, operator: Operator
) -> None:
    racks.cut(heaviest)
    parts.wait_begun()
    racks.stop_everything("by hand")
    assert wait_for(racks.quiet, 40, 0.2), parts.said()
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
    assert wait_for(racks.open_plans, 40, 0.02), parts.said()
    recommender.kill()
    assert wait_for(racks.quiet, HELD_S, 0.2), parts.said()
    recommender.start()
    parts.wait_settled()
    parts.sound()
