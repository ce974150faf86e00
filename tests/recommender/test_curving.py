"""Curves learned online: what nodes draw in truth is learned where it is known, and planned with where it is nearer."""

import numpy as np
import pytest
from tests.models.snapshots import LINE, TinyNode, TinyPod, tiny_snapshot

from powerplane.models.build import NodePower, PowerAssignment
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.recommender.curving import Curving

NODES = tuple(f"n{number}" for number in range(8))
POWER = PowerAssignment({name: NodePower(LINE) for name in NODES})


def true_watts(share: float) -> float:
    return float(np.interp(share, [0, 0.5, 1], [120, 260, 280]))


def cluster(random, *, measured=True, accelerators=0.0):
    uses = random.uniform(0, 4, len(NODES))
    pods = [
        TinyPod(f"p{row}", name, use=float(use), accelerator_watts=accelerators)
        for row, (name, use) in enumerate(zip(NODES, uses, strict=True))
    ]
    snapshot = tiny_snapshot([TinyNode(name) for name in NODES], pods)
    snapshot.pods.measured[:] = measured
    return snapshot, uses / 4


def readings(shares, watts_of=true_watts, state="measured", noise=0.0, random=None):
    watts = np.array([watts_of(share) for share in shares]) + (random.normal(0, noise, len(shares)) if noise else 0)
    nothing = np.full(len(NODES), np.nan)
    count = len(NODES)
    return NodeReadings(
        0.0,
        NODES,
        watts,
        (state,) * count,
        ("ipmi",) * count,
        np.zeros(count),
        nothing,
        nothing,
        nothing,
        ("",) * count,
    )


def taught(rounds=60, *, watts_of=true_watts, state="measured", noise=1.0, **more) -> Curving:
    random, curving = np.random.default_rng(0), Curving()
    for number in range(rounds):
        snapshot, shares = cluster(random, **more)
        # Loads that stay: each is seen twice, and learned from once the meter shows it.
        for at in (0, 60):
            curving.learn(snapshot, POWER, readings(shares, watts_of, state, noise, random), 120.0 * number + at)
    return curving


def test_what_machines_draw_in_truth_is_learned():
    (curve,) = taught().fitted.values()
    for share in (0.1, 0.3, 0.5, 0.8, 1.0):
        told = np.interp(share, [float(each) for each in curve.utilisation], curve.milliwatts) / 1000
        assert told == pytest.approx(true_watts(share), rel=0.04)


def test_a_stated_curve_that_is_true_stays():
    stated = lambda share: 100 + 200 * share  # noqa: E731  # the curve LINE
    curving = taught(watts_of=stated, noise=5.0)
    for curve in curving.fitted.values():  # none, or one as good
        for share in (0.0, 0.5, 1.0):
            told = np.interp(share, [float(each) for each in curve.utilisation], curve.milliwatts) / 1000
            assert told == pytest.approx(stated(share), rel=0.03)


@pytest.mark.parametrize("more", [{"measured": False}, {"accelerators": 50.0}, {"state": "held"}, {"state": "worst"}])
def test_nothing_is_learned_of_nodes_whose_use_or_draw_is_not_known(more):
    curving = taught(rounds=5, **more)
    assert not curving.fitted
    assert not curving._fits


def test_a_few_samples_and_those_of_one_load_are_not_planned_with():
    assert not taught(rounds=3).fitted
    random, curving = np.random.default_rng(0), Curving()
    for number in range(60):
        snapshot, _ = cluster(random)
        snapshot.pods.use_ucores[:] = 2_000_000
        curving.learn(snapshot, POWER, readings([0.5] * len(NODES)), 60.0 * number)
    assert not curving.fitted


def test_how_wrong_a_learned_curve_is_is_told_by_the_name_of_the_stated_one():
    assert 0 <= taught().errors["line"] < 0.05
