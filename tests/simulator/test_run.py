import dataclasses
import pickle

import numpy as np
import pytest

from powerplane.models.errors import InputError
from powerplane.models.plan import Plan
from powerplane.simulator.history import Run
from powerplane.simulator.power import wire
from powerplane.simulator.run import simulate
from powerplane.simulator.scenario import Pace, Scenario
from powerplane.simulator.story import heat_wave_story


@pytest.fixture(scope="module")
def alone(story: Scenario) -> Run:
    return simulate(story)


@pytest.fixture(scope="module")
def evacuated(story: Scenario, evacuation: Plan) -> Run:
    return simulate(story, evacuation)


def test_left_alone_the_surviving_feed_trips_and_its_row_goes_dark(story: Scenario, alone: Run) -> None:
    tripped = alone.tripped["feed-b"]
    assert story.lost_at_s < tripped < story.ends_s
    i = alone.domains.index("row-1")
    assert not alone.dark[: tripped - 1, i].any()
    assert alone.dark[tripped:, i].all()
    assert (alone.domain_mw[tripped:, i] == 0).all()
    assert alone.lost_pods > 500
    assert alone.dark_minutes("row-2") == 0


def test_the_breaker_trips_when_its_heat_is_full_and_not_before(story: Scenario, alone: Run) -> None:
    heat = alone.heat[:, alone.domains.index("feed-b")]
    tripped = alone.tripped["feed-b"]
    assert heat[tripped - 1] == pytest.approx(1)
    assert (heat[: tripped - 1] < 1).all()


def test_kubernetes_alone_brings_some_pods_back_and_the_rest_wait(story: Scenario, alone: Run) -> None:
    given_up = alone.tripped["feed-b"] + story.pace.not_ready_s
    assert alone.down[given_up - 1] == alone.lost_pods
    ready = given_up + story.pace.start_s[1]
    assert 0 < alone.down[ready] < alone.lost_pods
    assert alone.down[-1] == alone.down[ready]


def test_a_row_or_feed_carries_exactly_the_watts_of_its_nodes(story: Scenario, evacuated: Run, alone: Run) -> None:
    names = story.snapshot.node_names
    for run in (alone, evacuated):
        mine = np.array([name.startswith("row-1") for name in names])
        both = run.domain_mw[:, [run.domains.index(feed) for feed in ("feed-a", "feed-b")]].sum(axis=1)
        nodes = run.node_mw[:, mine].sum(axis=1)
        assert (run.domain_mw[:, run.domains.index("row-1")] == nodes).all()
        assert (np.abs(both - nodes) <= 2).all()  # each feed's milliwatts are rounded up


def test_before_the_loss_each_domain_draws_its_share_of_its_nodes(story: Scenario, alone: Run) -> None:
    wiring = wire(story.snapshot.topology, story.snapshot.node_names)
    draws = alone.node_mw[: story.lost_at_s] @ wiring.weights.toarray().T
    assert (-(-draws // wiring.scale) == alone.domain_mw[: story.lost_at_s]).all()


def test_the_same_seed_gives_the_same_run_byte_for_byte(evacuation: Plan, evacuated: Run) -> None:
    again = simulate(heat_wave_story(seed=0), evacuation)
    assert pickle.dumps(again.frames()) == pickle.dumps(evacuated.frames())
    for field in dataclasses.fields(Run):
        first, second = getattr(evacuated, field.name), getattr(again, field.name)
        same = first.tobytes() == second.tobytes() if isinstance(first, np.ndarray) else first == second
        assert same, field.name


def test_another_seed_gives_another_run(alone: Run) -> None:
    assert simulate(heat_wave_story(seed=1)).tripped != alone.tripped


def test_moving_enough_pods_away_keeps_the_breaker_closed(evacuated: Run, evacuation: Plan, story: Scenario) -> None:
    assert evacuated.tripped == {}
    assert evacuated.lost_pods == 0
    assert evacuated.moved == len(evacuation.moves)
    assert evacuated.waves == max(move.wave for move in evacuation.moves)
    assert 0 < evacuated.peak_heat("feed-b") < 1
    targets = {move.uid: move.target for move in evacuation.moves}
    for uid, node in zip(story.snapshot.pods.uids, evacuated.node.tolist(), strict=True):
        if uid in targets:
            assert story.snapshot.node_names[node] == targets[uid]


def test_a_plan_that_comes_too_late_is_given_up_once_the_row_is_dark(story: Scenario, evacuation: Plan) -> None:
    late = dataclasses.replace(story, pace=dataclasses.replace(Pace(), notice_s=480))
    run = simulate(late, evacuation)
    assert "feed-b" in run.tripped
    assert run.moved < len(evacuation.moves)
    assert run.lost_pods > 0


def test_pods_on_the_move_are_never_counted_as_lost(evacuated: Run) -> None:
    assert evacuated.moving.max() <= Pace().at_once
    assert evacuated.moving_pod_minutes > 0
    assert evacuated.lost_pod_minutes == 0


def test_a_plan_for_another_cluster_is_refused_by_pod(story: Scenario, evacuation: Plan) -> None:
    with pytest.raises(InputError, match="which this cluster does not have"):
        simulate(heat_wave_story(seed=7), evacuation)


def test_frames_tell_draw_budget_and_darkness(alone: Run, story: Scenario) -> None:
    frames = [frame for frame in alone.frames(every_s=60) if frame.domain == "feed-a"]
    assert [frame.seconds for frame in frames] == list(range(0, story.ends_s, 60))
    assert [frame.dark for frame in frames] == [frame.seconds >= story.lost_at_s for frame in frames]
    assert frames[0].budget_watts > frames[-1].budget_watts
