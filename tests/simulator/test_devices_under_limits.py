"""Accelerators under power limits: the estimator of them, held against devices that follow another law than its own.

A simulated device slows in two straight lines that meet at its knee; the estimator has clocks, voltage and a host.
"""

from pathlib import Path

import numpy as np
import pytest
from tests.simulator.worlds import study_of

from powerplane.models.catalogue import load_catalogue
from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.watts.gpu_limit import GpuLimitModel, LimitPoint
from powerplane.simulator.limits import NVML
from powerplane.simulator.machines import Machines

CARDS = tuple(card for card in load_catalogue().gpus if card.max_watts > card.idle_watts)
KNOWN, UNSEEN = 5, 25
NOISE = 0.01
CLUSTER = """\
duration: 1h
cluster:
  types:
    gpu: {{cores: 32, memory: 128Gi, curve: [[0, 150], [1, 500]], accelerators: {{model: {model}, count: 1}}}}
  rows: [{{name: row-1, racks: 1, nodes: {{gpu: 1}}, feeds: [feed-a]}}]
workloads: [{{name: train, replicas: 1, requests: {{cpu: 2, memory: 16Gi, accelerators: 1}}, devices: 100%}}]
policies: [none]
"""


def readings(
    card: GpuEnvelope, directory: Path, limits: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> list[LimitPoint]:
    """Watts and speed of one busy device of the simulator at each limit, once it holds."""
    machines = Machines(study_of(CLUSTER.format(model=card.model), directory).spec)
    found = []
    for place, limit in enumerate(limits.tolist()):
        now_s = 100.0 * place
        machines.device_limits.order(np.array([0]), np.array([limit]), now_s, np.array([card.max_watts]), NVML)
        load = machines.load(np.ones(1), np.ones(1), np.zeros(1), np.ones(1, dtype=np.bool_), now_s + 60.0)
        found.append(LimitPoint(limit, float(load.device[0]), float(load.device_speed[0])))
    return found


def errors(card: GpuEnvelope, directory: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Relative errors of throughput and watts at limits that were not seen, from five noisy readings."""
    random = np.random.default_rng(1)
    lowest = card.min_limit_watts or 0.4 * card.max_watts
    seen = [
        LimitPoint(each.limit_watts, *(np.array([each.watts, each.throughput]) * (1 + random.normal(0, NOISE, 2))))
        for each in readings(card, directory, np.linspace(lowest, card.max_watts, KNOWN))
    ]
    model = GpuLimitModel.of_card(card).refined(seen)
    return np.array(
        [
            (model.throughput(each.limit_watts) / each.throughput - 1, model.watts(each.limit_watts) / each.watts - 1)
            for each in readings(card, directory, np.linspace(lowest, card.max_watts, UNSEEN + 2)[1:-1])
        ]
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.model)
def test_a_device_at_unseen_limits_is_predicted_from_five(card: GpuEnvelope, tmp_path: Path) -> None:
    throughput, watts = np.abs(errors(card, tmp_path)).T
    assert watts.max() < 0.05
    assert np.median(throughput) < 0.03
    # At the corner of the device's law, which no card has, a smooth law is a little off.
    assert (throughput < 0.05).mean() > 0.85
    assert throughput.max() < 0.08
