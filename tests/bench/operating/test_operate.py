from pathlib import Path

import numpy as np
import pytest
from tests.bench.operating.small import RACK, small_study

from powerplane.bench.operating.operate import Operate
from powerplane.models.api.capping_policy import Lever
from powerplane.recommender.rounds import Pace
from powerplane.simulator.outcomes import Outcome, Recorder
from powerplane.simulator.world import World


def run(directory: Path, minutes: int, levers: tuple[Lever, ...] = ("migrate",)) -> tuple[World, Operate, Outcome]:
    study = small_study(directory)
    world = World(study.spec)
    operate, recorder = Operate(world, study.sensors, Pace(deadline_s=0.3), directory, levers), Recorder(world)
    for _ in range(minutes * 12):
        operate.act()
        recorder.keep(world.step(5.0))
    return world, operate, recorder.outcome("operate", operate.moves)


def test_a_rack_whose_budget_is_cut_is_brought_under_it_by_moves_and_stays_there(tmp_path: Path) -> None:
    world, operate, outcome = run(tmp_path, 10)
    row = world.supply.row[RACK]
    series = outcome.series
    after_cut = series.watts[series.at_s >= 300.0 + 120.0, row]
    assert series.watts[series.at_s < 300.0, row].min() > 560.0
    assert (after_cut <= 560.0).all()
    assert operate.moves == operate.tally.evictions > 0
    assert operate.tally.ended == {"Done": operate.tally.plans}
    assert len(operate.tally.down_s) == operate.moves
    assert world.owners.serving_count() == 16


def test_after_all_plans_every_node_is_booked_for_its_pods_and_nothing_else(tmp_path: Path) -> None:
    world, operate, _ = run(tmp_path, 10)
    assert operate.moves > 0
    pods, placer = world.pods, world.owners.placer
    placed = np.flatnonzero(pods.node >= 0)
    used = np.zeros_like(placer.free)
    np.add.at(used, pods.node[placed], placer.requests[pods.template[placed]])
    assert (placer.free + used == world.spec.base.allocatable).all()
    assert not pods.gated.any()


def test_without_leave_to_move_nothing_is_moved(tmp_path: Path) -> None:
    _, operate, outcome = run(tmp_path, 8, levers=())
    assert (operate.moves, operate.tally.evictions, operate.tally.plans) == (0, 0, 0)
    assert outcome.figures.over_minutes > 1.0
    assert any("NoPlanHelps" in told for told in operate.told)


def test_a_day_of_one_seed_moves_the_same_pods_again(tmp_path: Path) -> None:
    (world, first, _), (again, second, _) = run(tmp_path, 7), run(tmp_path, 7)
    assert first.tally == second.tally
    assert (world.pods.node == again.pods.node).all()


@pytest.mark.slow
def test_over_an_hour_no_pod_is_lost_and_no_budget_stays_broken(tmp_path: Path) -> None:
    world, operate, outcome = run(tmp_path, 60)
    assert world.owners.serving_count() == 16
    assert outcome.figures.over_minutes < 3.0
    assert set(operate.tally.ended) <= {"Done"}
