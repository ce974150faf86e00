"""What pods use and draw, by their counters and devices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.models.telemetry.one_node import cards, facts, gpus
from tests.models.telemetry.series import (
    DCGM,
    NOW_S,
    POD_USE,
    answer,
    block,
    counter,
    gauge,
    meaning,
    noisy,
)

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow


def pods_of(*readings: SourceReading, node: NodeFacts | None = None) -> PodReadings:
    return follow(Memory(), readings, [node or facts()], NOW_S)[2]


def use_of(pods: Mapping[str, float]) -> SourceReading:
    return answer(
        block(meaning(POD_USE), [(Entity("n1", "shop", name), counter(cores)) for name, cores in pods.items()])
    )


def column(pods: PodReadings, values: np.ndarray) -> dict[str, float]:
    return dict(zip(pods.pods, values.round(6).tolist(), strict=True))


def test_pods_use_what_their_counters_say() -> None:
    pods = pods_of(use_of({"a": 1.5, "b": 0.25}))
    assert column(pods, pods.cpu_cores) == {"a": 1.5, "b": 0.25}
    assert (pods.namespaces, pods.nodes) == (("shop", "shop"), ("n1", "n1"))


def test_an_idle_pod_uses_nothing_but_a_node_on_which_no_pod_uses_anything_is_frozen() -> None:
    moving = pods_of(use_of({"a": 1.5, "b": 0.0}))
    assert column(moving, moving.cpu_cores) == {"a": 1.5, "b": 0.0}
    frozen = pods_of(use_of({"a": 0.0, "b": 0.0}))
    assert np.isnan(frozen.cpu_cores).all()


def test_devices_are_their_pods_and_what_pods_share_is_shared_out() -> None:
    pods = pods_of(gpus({"GPU-1": 300, "GPU-2": 310}, {"GPU-1": "a", "GPU-2": "a"}), node=cards(2))
    assert column(pods, pods.gpu_watts) == {"a": 610}
    both = [(Entity("n1", "ml", name, "", "", "GPU-1"), gauge(noisy(300))) for name in ("a", "b")]
    pods = pods_of(answer(block(meaning(DCGM), both)), node=cards(1))
    assert column(pods, pods.gpu_watts) == {"a": 150, "b": 150}


@pytest.mark.parametrize("bad", [[math.nan] * 4, [-1.0] * 4, [math.inf] * 4])
def test_a_pod_with_nothing_but_bad_samples_is_not_measured(bad: Sequence[float]) -> None:
    pods = pods_of(answer(block(meaning(POD_USE), [(Entity("n1", "shop", "a"), gauge(bad))])))
    assert np.isnan(pods.cpu_cores).all()


def test_pods_that_use_more_cpu_together_than_their_node_has_are_not_measured() -> None:
    node = replace(facts(), cores=16.0)
    tenfold = pods_of(use_of({"a": 15.0, "b": 2.5, "c": 10.0}), node=node)
    assert np.isnan(tenfold.cpu_cores).all()
    full = pods_of(use_of({"a": 10.0, "b": 6.0, "c": 1.0}), node=node)
    assert column(full, full.cpu_cores) == {"a": 10.0, "b": 6.0, "c": 1.0}


def test_pods_of_a_node_of_which_it_is_not_known_how_much_cpu_it_has_are_measured() -> None:
    pods = pods_of(use_of({"a": 5_000.0}), node=replace(facts(), cores=0.0))
    assert column(pods, pods.cpu_cores) == {"a": 5_000.0}
