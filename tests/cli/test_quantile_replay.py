"""What ``plan --quantile`` makes of a history: corrected by it where there is enough, and said where there is not."""

import numpy as np
import pytest
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.adapters.telemetry.following import Opened
from powerplane.cli.quantile import at_quantile
from powerplane.models.demand import held_back
from powerplane.models.demand.replay import Learnt
from powerplane.models.draws import node_draws_mw, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.telemetry.readings import Entity, SeriesBlock

DAY_S, STEP_S, LEVEL, ROOMY_WATTS = 86_400.0, 300.0, 0.95, 1e6
RACKS = {"r1": ("n1", "n2"), "r2": ("n3", "n4")}
PODS = [(f"{node}-{i}", node) for nodes in RACKS.values() for node in nodes for i in range(6)]
CORES_TO_WATTS = 20.0
"""A node of ten cores draws 100 W idle and 300 W at full use."""


def site():
    nodes = [TinyNode(node, cpu=10) for nodes in RACKS.values() for node in nodes]
    pods = [TinyPod(name, node, use=0.5, owner=f"Deployment/app-{name[1]}") for name, node in PODS]
    return tiny_snapshot(nodes, pods, [rack(name, list(nodes), ROOMY_WATTS) for name, nodes in RACKS.items()])


class Prometheus:
    """Answers with the counters of some pods, as they would be after each step of ``cores``."""

    def __init__(self, cores, pods=PODS):
        self.cores, self.pods = cores, pods

    def history(self, meaning, _start_s, end_s, step_s):
        pods = self.pods if (meaning.source, meaning.kind) == ("cadvisor", "counter") else []
        steps = self.cores.shape[1]
        at = end_s - step_s * np.arange(steps)[::-1]
        return SeriesBlock(
            meaning,
            tuple(Entity(namespace="default", pod=name) for name, _ in pods),
            np.arange(len(pods) + 1) * steps,
            np.tile(at, len(pods)),
            np.cumsum(self.cores[: len(pods)] * step_s, axis=1).ravel(),
        )


def bursts(days, seed=0, every=8):
    """All pods at two cores together now and then, at a fifth of one else: nothing that a normal spread describes."""
    rng = np.random.default_rng(seed)
    steps = round(days * DAY_S / STEP_S)
    high = np.repeat(rng.random(-(-steps // 6)) < 1 / every, 6)[:steps]
    return np.where(high, 1.6, 0.2) * rng.uniform(0.95, 1.05, (len(PODS), steps))


def planned(cores, pods=PODS, days=7.0, level=LEVEL):
    said = []
    held = at_quantile(site(), Opened(Prometheus(cores, pods), (), "http://x"), level, days * DAY_S, said.append)
    return held, said


def limits_watts(held):
    """Draw of now and what is kept back, by rack: what the draw has to stay within."""
    before = site()
    incidence = compile_incidence(before.topology, before.node_names)
    now = dict(zip(incidence.domain, row_draws_mw(incidence, node_draws_mw(before)) / 1000, strict=True))
    return {name: now[name] + ROOMY_WATTS - held.topology.by_name[name].budget_mw / 1000 for name in RACKS}


def windows_within(cores, held):
    """Share of windows of two steps whose highest draw stays within each rack's limit."""
    found = {}
    for name, limit in limits_watts(held).items():
        rows = [row for row, (_, node) in enumerate(PODS) if node in RACKS[name]]
        drawn = 100 * len(RACKS[name]) + CORES_TO_WATTS * cores[rows].sum(axis=0)
        found[name] = float((drawn[: len(drawn) // 2 * 2].reshape(-1, 2).max(axis=1) <= limit + 0.01).mean())
    return found


def test_a_week_of_history_is_played_again_and_its_next_week_stays_within_the_stated_share():
    held, said = planned(bursts(7))
    assert any("again" in each for each in said)
    assert any("played again on this placement" in each for each in held.assumptions)
    within = windows_within(bursts(7, seed=1), held)
    assert all(0.93 <= share <= 1 for share in within.values())


@pytest.mark.parametrize("hours", [1, 6, 30])
@pytest.mark.parametrize("burst", [True, False])
def test_too_little_history_is_said_in_the_plan_and_keeps_no_less_back_than_the_model_alone(hours, burst, monkeypatch):
    cores = bursts(hours / 24, every=8 if burst else 10**9)
    held, _ = planned(cores, days=hours / 24)
    assert any("shorter than" in each and "lowers it nowhere" in each for each in held.assumptions)
    monkeypatch.setattr(held_back, "learn_factors", lambda *_: Learnt({}, {}, 0))
    model = limits_watts(planned(cores, days=hours / 24)[0])
    assert all(limit >= model[name] - 0.01 for name, limit in limits_watts(held).items())


def test_a_week_is_enough_to_be_believed():
    assert not any("lowers it nowhere" in each for each in planned(bursts(7))[0].assumptions)


def test_bursts_that_were_seen_widen_what_is_kept_back():
    calm = np.full((len(PODS), 2016), 0.2) * np.random.default_rng(3).uniform(0.95, 1.05, (len(PODS), 2016))
    quiet, busy = limits_watts(planned(calm)[0]), limits_watts(planned(bursts(7))[0])
    assert all(busy[name] > quiet[name] for name in RACKS)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
def test_a_higher_level_never_keeps_less_back(level):
    lower, higher = (limits_watts(planned(bursts(7), level=each)[0]) for each in (level, level + 0.009))
    assert all(higher[name] >= lower[name] for name in RACKS)


def test_a_rack_whose_pods_have_no_history_leaves_the_other_racks_as_they_are():
    known = [pod for pod in PODS if pod[1] in RACKS["r1"]]
    whole, half = planned(bursts(7))[0], planned(bursts(7), pods=known)[0]
    # Pods of the rack that was not seen share no workload with those that were, and keep their requests back.
    assert limits_watts(half)["r1"] == pytest.approx(limits_watts(whole)["r1"], rel=0.1)
    assert limits_watts(half)["r2"] >= 2 * 100 + CORES_TO_WATTS * 12
    assert any("12 of 24 pods are of workloads without a history" in each for each in half.assumptions)


def test_the_same_history_gives_the_same_budgets():
    first, second = planned(bursts(7))[0], planned(bursts(7))[0]
    assert limits_watts(first) == pytest.approx(limits_watts(second), rel=1e-3)
