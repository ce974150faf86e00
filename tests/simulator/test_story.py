import numpy as np
import pytest

from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.simulator.power import predict
from powerplane.simulator.scenario import Scenario
from powerplane.simulator.story import heat_wave_story


def broken(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Domains, and the feeds taken as lost, whose budget the predicted draw breaks."""
    return {(each.domain, each.lost) for each in predict(snapshot) if each.over}


@pytest.mark.parametrize("seed", range(4))
def test_on_a_cool_day_every_budget_holds_also_with_either_feed_lost(seed: int) -> None:
    assert broken(heat_wave_story(seed).snapshot_at(0)) == set()


def test_in_the_heat_the_hot_row_no_longer_survives_a_lost_feed_although_nothing_is_over_yet(story: Scenario) -> None:
    assert broken(story.snapshot_at(story.lost_at_s - 1)) == {("feed-b", "feed-a")}


def test_after_the_loss_the_snapshot_knows_one_feed_and_its_broken_budget(story: Scenario) -> None:
    snapshot = story.snapshot_at(story.lost_at_s)
    assert "feed-a" not in snapshot.topology.by_name
    assert broken(snapshot) == {("feed-b", "")}


def test_the_planned_snapshot_differs_from_the_first_only_in_power(story: Scenario) -> None:
    first, later = story.snapshot, story.snapshot_at(story.lost_at_s)
    assert (first.digest, first.pods, first.nodes) == (later.digest, later.pods, later.nodes)
    rises = {after.idle_mw - before.idle_mw for before, after in zip(first.node_curve, later.node_curve, strict=True)}
    assert min(rises) > 0
    assert max(rises) < 50_000


def test_the_story_has_what_placement_is_about(story: Scenario) -> None:
    templates = story.snapshot.templates
    assert len(story.snapshot.nodes) == 192
    assert len({curve.name for curve in story.snapshot.node_curve}) == 4
    assert 1200 <= len(story.snapshot.pods) <= 1500
    assert len({template.owner for template in templates if template.owner.startswith("Deployment/")}) == 40
    assert sum(template.unmovable == "DaemonSet" for template in templates) == 1
    assert sum(template.affinity is not None for template in templates) == 4
    assert len(story.snapshot.disruption_budgets) == 6
    assert len({template.priority for template in templates}) == 4
    assert (story.snapshot.node_budget_mw < NO_BUDGET).all()
    assert story.snapshot.pods.measured.all()


def test_no_node_starts_with_more_requested_than_it_offers(story: Scenario) -> None:
    snapshot = story.snapshot
    table = np.array([template.requests for template in snapshot.templates])
    taken = np.zeros_like(snapshot.allocatable)
    np.add.at(taken, snapshot.pods.node, table[snapshot.pods.template])
    assert (taken <= snapshot.allocatable).all()
