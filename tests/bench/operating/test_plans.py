from pathlib import Path

import pytest
from tests.bench.operating.small import RACK, Held, small_study

from powerplane.models.api.kinds import CAPPING_POLICY, POWER_DOMAIN
from powerplane.simulator.world import World

PLAN = {
    "apiVersion": "powerplane.dev/v1alpha1",
    "kind": "PlacementPlan",
    "metadata": {"name": "feed-a-1"},
    "spec": {"expiresAt": "2025-01-01T00:00:00Z", "moves": []},
}


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(World(small_study(tmp_path).spec))


def test_a_plan_is_created_once_and_seen_by_whoever_watches(held: Held) -> None:
    assert held.shelf.publish(PLAN).ok
    assert held.shelf.publish(PLAN).conflict
    (plan,) = held.kept.plans.values()
    assert plan.metadata.uid
    assert held.shelf.delete("feed-a-1").ok
    assert not held.kept.plans


def test_statuses_are_merged_and_null_takes_a_field_away(held: Held) -> None:
    path = POWER_DOMAIN.path(RACK)
    held.shelf.patch_status(f"{path}/status", {"measuredWatts": 500, "sourceAgeSeconds": 3})
    held.shelf.patch_status(path, {"measuredWatts": 510, "sourceAgeSeconds": None})
    status = held.watches.statuses[RACK]
    assert (status.measured_watts, status.source_age_seconds) == (510, None)
    held.shelf.patch_status(CAPPING_POLICY.path("hold", "default"), {"pods": 3})
    assert set(held.watches.statuses) == {RACK}
