"""The past on the placement of now: what would have been drawn, and a stated share of it stays within."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.demand.held_back import hold_back
from powerplane.models.demand.history import PodHistory
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.demand.replay import learn_factors, replay_mw
from powerplane.models.demand.spreads import domain_spreads
from powerplane.models.demand.together import normal_factor
from powerplane.models.draws import node_draws_mw
from powerplane.models.topology import PowerDomain

STEP_S = 300.0
DAY = 288


def site(use=0.5):
    """A rack of two nodes, 100 W to 300 W on eight cores each, with four pods each, and an empty one."""
    pods = [TinyPod(f"n{n}-{i}", f"n{n}", use=use) for n in range(2) for i in range(4)]
    domains = [
        PowerDomain("row", "row", 10**7),
        rack("r1", ["n0", "n1"], 1000.0, parents=("row",)),
        rack("r2", ["n2"], 500),
    ]
    return tiny_snapshot([TinyNode(f"n{n}", cpu=8) for n in range(3)], pods, domains)


def history(cores):
    return PodHistory(0.0, STEP_S, np.asarray(cores, dtype=float), np.full(np.shape(cores), np.nan))


def swings(steps, pods=8, seed=0):
    """All pods low, but for one window in five, in which all are high together; a little noise of their own."""
    random = np.random.default_rng(seed)
    high = np.repeat(np.arange(steps // 2) % 5 == 0, 2)
    return np.where(high, 1.5, 0.5) + random.uniform(-0.01, 0.01, (pods, len(high)))


def spreads_of(snapshot, used):
    memory = DemandMemory()
    used.teach(memory, owners(snapshot))
    return domain_spreads(snapshot, memory.demand())


def row_of(spreads, domain):
    return next(
        i
        for i, (name, lost) in enumerate(zip(spreads.domain, spreads.lost, strict=True))
        if (name, lost) == (domain, "")
    )


def test_what_would_have_been_drawn_is_what_the_nodes_curves_say_of_each_step():
    snapshot, used = site(), history(swings(20))
    spreads, drawn = spreads_of(snapshot, used), replay_mw(snapshot, used)
    for step in range(20):
        each = sum(100_000 + 25_000 * used.cores[4 * n : 4 * n + 4, step].sum() for n in range(2))
        assert drawn[row_of(spreads, "r1"), step] == pytest.approx(each, rel=1e-6)
        assert drawn[row_of(spreads, "r2"), step] == pytest.approx(100_000)


def test_a_week_of_history_is_held_in_the_stated_share_of_its_windows_and_not_in_all():
    snapshot, used = site(), history(swings(7 * DAY, seed=1))
    memory = DemandMemory()
    used.teach(memory, owners(snapshot))
    held = hold_back(snapshot, memory.demand(), 0.7, used)
    limit = node_draws_mw(snapshot)[:2].sum() + held.kept_mw["r1"]
    drawn = replay_mw(snapshot, used)[row_of(spreads_of(snapshot, used), "r1")].reshape(-1, 2).max(axis=1)
    assert 0.7 <= (drawn <= limit).mean() <= 0.81
    assert any("played again on this placement" in each for each in held.snapshot.assumptions)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([0.8, 0.95, 0.99]), st.integers(20, 2 * DAY))
def test_the_stated_share_of_what_was_seen_stays_within_whatever_it_was(seed, level, steps):
    random = np.random.default_rng(seed)
    common = random.gamma(0.5, 1.0, steps) * random.uniform(0, 1)
    used = history(np.clip(random.uniform(0, 1, (8, steps)) + common, 0, 2))
    snapshot = site()
    spreads = spreads_of(snapshot, used)
    factor = learn_factors(snapshot, spreads, used, level).factors["r1"]
    row = row_of(spreads, "r1")
    drawn = replay_mw(snapshot, used)[row]
    highest = drawn[len(drawn) % 2 :].reshape(-1, 2).max(axis=1)
    assert (highest <= spreads.mean_mw[row] + factor * spreads.deviation_mw[row] + 1).mean() >= level


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(12, 3 * DAY))
def test_less_than_a_week_never_lowers_the_models_own(seed, steps):
    random = np.random.default_rng(seed)
    used, snapshot = history(random.uniform(0, 1.5, (8, steps))), site()
    spreads = spreads_of(snapshot, used)
    learnt = learn_factors(snapshot, spreads, used, 0.95)
    normal = normal_factor(0.95, spreads.skewness)
    assert learnt.factors
    for domain, factor in learnt.factors.items():
        assert factor >= normal[row_of(spreads, domain)]
    assert learnt.short == len(learnt.factors)


def test_a_last_day_that_drew_more_than_the_week_counts():
    quiet, loud = 0.3 * np.ones((8, 6 * DAY)), 1.2 * np.ones((8, DAY))
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, (8, 7 * DAY))
    used, snapshot = history(np.concatenate([quiet, loud], axis=1) + noise), site()
    spreads = spreads_of(snapshot, used)
    factor = learn_factors(snapshot, spreads, used, 0.8).factors["r1"]
    row = row_of(spreads, "r1")
    limit = spreads.mean_mw[row] + factor * spreads.deviation_mw[row]
    assert (replay_mw(snapshot, used)[row, -DAY:] <= limit).mean() >= 0.8


def test_steps_that_tell_of_too_few_pods_do_not_count_and_one_missing_pod_counts_at_its_mean():
    cores = swings(40)
    cores[0, :] = np.nan
    cores[:, 10:14] = np.nan
    snapshot, used = site(use=0.25), history(cores)
    drawn = replay_mw(snapshot, used)[row_of(spreads_of(snapshot, used), "r1")]
    assert np.isnan(drawn[10:14]).all()
    assert np.isfinite(np.delete(drawn, range(10, 14))).all()
    # The pod that was never seen counts by what the snapshot says of it.
    assert drawn[0] == pytest.approx(200_000 + 25_000 * (0.25 + np.nansum(cores[:, 0])), rel=1e-6)


def test_without_any_figure_nothing_is_learnt():
    snapshot = site()
    learnt = learn_factors(snapshot, spreads_of(snapshot, history(swings(20))), history(np.full((8, 20), np.nan)), 0.95)
    assert (learnt.factors, learnt.windows) == ({}, {})
