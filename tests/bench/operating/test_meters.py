from pathlib import Path

import numpy as np
import pytest
from tests.bench.operating.small import small_study
from tests.simulator.worlds import SMALL, study_of

from powerplane.bench.operating.meters import Meters
from powerplane.simulator.settings import SensorSettings
from powerplane.simulator.world import World


def test_nothing_is_said_before_it_has_arrived(tmp_path: Path) -> None:
    world = World(small_study(tmp_path).spec)
    meters = Meters(world, SensorSettings(delay_s=10.0))
    meters.scrape()
    (told,) = meters.nodes.read(0.0, 300.0)
    assert told.error
    world.step(10.0)
    (told,) = meters.nodes.read(10.0, 300.0)
    assert not told.error


def test_without_noise_the_walls_and_devices_tell_what_is_so(tmp_path: Path) -> None:
    world = World(study_of(SMALL, tmp_path).spec)
    meters = Meters(world, SensorSettings(delay_s=0.0, noise=0.0))
    meters.scrape()
    load = world.moment().load
    nodes, devices, cores = (each.blocks[0] for each in meters.whole.read(0.0, 300.0))
    assert nodes.value == pytest.approx(load.wall)
    assert devices.value == pytest.approx(load.device)
    held = [each for each in devices.entities if each.pod]
    assert len(held) == 6
    assert {each.pod for each in held} <= {each.pod for each in cores.entities}
    assert cores.value.sum() == pytest.approx(world.demand.pod_cores(0.0).sum())


def test_a_node_without_power_falls_silent(tmp_path: Path) -> None:
    world = World(study_of(SMALL, tmp_path).spec)
    meters = Meters(world, SensorSettings(delay_s=0.0))
    world.lose("feed-c")
    meters.scrape()
    (told,) = meters.nodes.read(0.0, 300.0)
    dark = np.flatnonzero(~world.supply.lit)
    assert len(dark) == 8
    assert {each.node for each in told.blocks[0].entities} == set(world.nodes) - {world.nodes[row] for row in dark}


def test_samples_are_of_the_window_that_is_asked_for(tmp_path: Path) -> None:
    world = World(small_study(tmp_path).spec)
    meters = Meters(world, SensorSettings(every_s=15.0, delay_s=0.0))
    for _ in range(100):
        meters.scrape()
        world.step(5.0)
    (told,) = meters.nodes.read(500.0, 60.0)
    block = told.blocks[0]
    assert block.offsets[-1] == 4 * len(world.nodes)
    assert block.at_s.min() >= world.spec.base.as_of_s + 440.0
