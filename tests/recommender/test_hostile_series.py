"""Series that somebody else writes: pods' shares may be anything; what is decided by them stays within bounds."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recommender.crowded import crowded
from tests.recommender.world import SAMPLES, SCRAPE_S, Cluster, Watching

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

USE = next(one for one in MEANINGS if one.metric == "PodMetrics.usage.cpu")
LOOKS = 40


@dataclass
class Poisoned(Cluster):
    """Its nodes' meters are true; what is said of pods is whatever somebody who may write series says."""

    said: dict[str, float] = field(default_factory=dict)
    strangers: dict[tuple[str, str], float] = field(default_factory=dict)

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """The meters, and the series of pods."""
        of_pods = {("default", name): cores for name, cores in self.said.items()} | self.strangers
        entities = tuple(Entity(namespace=namespace, pod=pod) for namespace, pod in of_pods)
        at_s = np.tile(now_s - SCRAPE_S * np.arange(SAMPLES)[::-1], len(entities))
        value = np.repeat(np.array(list(of_pods.values()), np.float64), SAMPLES)
        offsets = np.arange(len(entities) + 1, dtype=np.int64) * SAMPLES
        block = SeriesBlock(USE, entities, offsets, at_s, value)
        return (*super().read(now_s, window_s), SourceReading("metrics-server", now_s, now_s, (block,)))


def tight() -> Poisoned:
    """Rack r1 is 100 W over its budget; r2 has room for 110 W, five pods and a half."""
    sound = crowded()
    made = Poisoned({"r1": 500.0, "r2": 350.0}, pods=sound.pods, policies=sound.policies)
    made.said = dict.fromkeys(made.pods, 1.0)
    return made


def planned(watching: Watching) -> int:
    """Look on until nothing more is planned, doing what each plan asks for; how many pods were moved."""
    moved = 0
    for _ in range(LOOKS):
        watching.look(5)
        for name, plan in list(watching.cluster.plans.items()):
            if plan.status is None or not plan.status.phase:
                moved += len(plan.spec.moves)
                watching.carry_out(name)
    return moved


lies = st.sampled_from([0.0, 1e-9, 0.01, 0.3, 3.0, 16.0, 1e6, 1e300, -1.0, math.nan, math.inf, -math.inf])


def test_true_series_bring_the_rack_under_its_budget_with_the_least_moves():
    cluster = tight()
    assert planned(Watching(cluster)) == 5
    assert cluster.draw("r1") <= 500
    assert cluster.draw("r2") <= 350


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.integers(0, 21), lies, min_size=1), st.dictionaries(st.sampled_from("abc"), lies))
def test_whatever_is_said_of_pods_no_budget_that_held_is_broken_and_moves_are_bounded(told, strangers):
    cluster = tight()
    names = sorted(cluster.pods)
    cluster.said |= {names[at]: cores for at, cores in told.items()}
    cluster.strangers = {("default", f"no-such-{name}"): cores for name, cores in strangers.items()}
    watching = Watching(cluster)
    moved = planned(watching)
    assert cluster.draw("r2") <= 350
    assert cluster.draw("r1") <= 600
    assert moved <= len(cluster.pods)


def test_a_pod_that_is_framed_is_not_taken_for_more_than_its_node_draws():
    cluster = tight()
    cluster.said |= {next(iter(cluster.pods)): 1e6}
    watching = Watching(cluster)
    watching.look(5)
    spec = next(iter(cluster.plans.values())).spec
    assert all(move.watts <= 200 for move in spec.moves)
    (r1,) = [each for each in spec.domains if each.name == "r1"]
    assert r1.before_watts == 600


def all_nodes(**changes):
    """A cluster whose every node changes at once, as when a network is rolled out."""

    class Changed(Cluster):
        def nodes(self):
            return [
                {**node, "spec": changes.get("spec", {}), "status": {**node["status"], **changes.get("status", {})}}
                for node in super().nodes()
            ]

    return Changed


TAINT = {"key": "network.example/agent-not-ready", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": {"taints": [TAINT]}},
        {"spec": {"taints": [{**TAINT, "effect": "NoExecute"}]}},
        {"spec": {"unschedulable": True}},
        {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
    ],
    ids=["NoSchedule", "NoExecute", "cordoned", "not ready"],
)
@pytest.mark.parametrize("budget", [500.0, 700.0], ids=["over", "within"])
def test_when_every_node_changes_at_once_nobody_is_moved(changes, budget):
    sound = crowded()
    cluster = all_nodes(**changes)({"r1": budget, "r2": 700.0}, pods=sound.pods, policies=sound.policies)
    watching = Watching(cluster)
    for _ in range(30):
        watching.look(5)
    assert not watching.outside.published


@pytest.mark.parametrize("racks", [1, 2])
def test_meters_that_all_fail_at_once_in_the_middle_move_nobody(racks):
    cluster = crowded(budget=700.0)
    watching = Watching(cluster)
    for _ in range(5):
        watching.look(5)
    lost = tuple(f"r{at + 1}-" for at in range(racks))
    cluster.tell = lambda name, watts: math.nan if name.startswith(lost) else watts
    for _ in range(60):
        watching.look(5)
    assert not watching.outside.published
