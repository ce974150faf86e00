"""Curves learned from a simulated cluster's sensors are those that the simulator computes with."""

from pathlib import Path

import numpy as np
import pytest
from tests.simulator.scraped import make_world, write_cluster

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.models.catalogue import nearest_server
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.samples import NodeSamples

STEP_S, STEPS = 30.0, 600
SENSOR_NOISE = 0.01


@pytest.mark.slow
def test_each_node_type_of_a_simulated_cluster_is_learned_within_its_sensors_noise(tmp_path: Path) -> None:
    directory = write_cluster(tmp_path / "cell", nodes=16, pods=200)
    world, base = make_world(directory, gpus=False), read_snapshot(directory)
    random = np.random.default_rng(1)
    at_s, use, watts = [], [], []
    for _ in range(STEPS):
        world.step(STEP_S)
        truth = world.truth()
        at_s.append(truth.at_s)
        use.append(truth.busy_cores / truth.cores)
        watts.append(np.round(truth.wall_watts * (1 + random.normal(0, SENSOR_NOISE, len(truth.nodes)))))
    used, drawn = np.array(use), np.array(watts)
    types = {curve.name: curve for curve in base.node_curve}
    assert len(types) > 1
    for name, curve in types.items():
        rows = [row for row, own in enumerate(base.node_curve) if own.name == name]
        parts = [NodeSamples.of_series(at_s, used[:, row], drawn[:, row]) for row in rows]
        fit = NodeFit.start(nearest_server(32, 128).curve).follow(NodeSamples.joined(parts))
        at = np.quantile(used[:, rows], np.linspace(0.05, 0.95, 9))
        truth_watts = np.interp(at, [float(u) for u in curve.utilisation], np.array(curve.milliwatts) / 1000)
        assert fit.curve_watts(at) == pytest.approx(truth_watts, rel=SENSOR_NOISE)
        assert fit.error.curve_mape < 2 * SENSOR_NOISE
