"""What pods have in common, from telemetry."""

import numpy as np
import pytest

from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.sharing import COMMON_PRIOR, FACTORS, LEVEL_PRIOR, LoadSharing

STEP_S = 300.0
NOW = 1_700_000_000.0 // DAY_S * DAY_S


def learn(use, workload, days=8):
    """Rounds of use(step, moment) -> (P,), as a sharing and the pods' variance."""
    sharing = LoadSharing()
    seen = []
    for step in range(int(days * DAY_S / STEP_S)):
        at = NOW + step * STEP_S
        seen.append(use(step, at))
        sharing.add(workload, seen[-1], at)
    late = np.array(seen)[-int(DAY_S / STEP_S) * 2 :]
    variance = np.array([late[:, workload == row].var() for row in range(int(workload.max()) + 1)])
    return sharing.shares(variance, np.full(len(variance), float(days))), variance


def test_pods_that_vary_apart_are_told_from_those_that_vary_in_step():
    rng = np.random.default_rng(0)
    workload = np.repeat([0, 1], 20)

    def use(step, at):
        apart = 100 + 5 * rng.standard_normal(20)
        in_step = 100 + 5 * rng.standard_normal() + np.zeros(20)
        return np.concatenate([apart, in_step])

    shares, variance = learn(use, workload)
    assert shares.own[0] ** 2 / variance[0] > 0.9
    assert shares.own[1] ** 2 / variance[1] < 0.1
    assert shares.correlation[0] < 0.1
    assert shares.correlation[1] > 0.9
    # The one that varies in step is most of the whole load, with which it is then said to move.
    assert (shares.common[1] ** 2).sum() / variance[1] > 0.8


def test_workloads_of_two_time_zones_have_loadings_of_opposite_sign():
    rng = np.random.default_rng(1)
    workload = np.repeat(np.arange(8), 5)
    sign = np.where(np.arange(8) < 4, 1.0, -1.0)

    def use(step, at):
        day = np.cos(2 * np.pi * at / DAY_S)
        return (100 + 20 * sign * day)[workload] + rng.standard_normal(40)

    shares, variance = learn(use, workload)
    together = shares.common[:4].sum(axis=0), shares.common[4:].sum(axis=0)
    assert float(together[0] @ together[1]) < -0.8 * np.linalg.norm(together[0]) * np.linalg.norm(together[1])
    # All of them together hardly move, and are said to hardly move.
    assert np.linalg.norm(5 * shares.common.sum(axis=0)) < 0.15 * 5 * np.sqrt(variance).sum()


def test_the_parts_add_up_to_the_variance_that_was_told():
    rng = np.random.default_rng(2)
    workload = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6])

    def use(step, at):
        return np.abs(50 + 10 * rng.standard_normal(6)[workload] + 4 * rng.standard_normal(21))

    shares, variance = learn(use, workload, days=2)
    assert shares.variance == pytest.approx(variance)


def test_the_whole_load_varies_as_it_was_seen_to():
    rng = np.random.default_rng(3)
    workload = np.repeat(np.arange(30), 4)
    level = {"now": np.zeros(30)}
    whole = []

    def use(step, at):
        common = np.cos(2 * np.pi * at / DAY_S - 1)
        level["now"] = 0.9 * level["now"] + 0.4 * rng.standard_normal(30)
        pods = (20 + 5 * common + level["now"])[workload] + 3 * rng.standard_normal(120)
        whole.append(pods.sum())
        return pods

    shares, _ = learn(use, workload, days=10)
    foretold = np.linalg.norm(shares.common[workload].sum(axis=0))
    assert foretold == pytest.approx(np.std(whole[-576:]), rel=0.12)


def test_without_data_the_prior_counts():
    sharing = LoadSharing()
    sharing.grow(2)
    shares = sharing.shares(np.array([4.0, np.nan]), np.array([0.0, 0.0]))
    assert shares.common[0].tolist() == [np.sqrt(COMMON_PRIOR * 4)] + [0.0] * (FACTORS - 1)
    assert shares.level[0] == pytest.approx(np.sqrt(LEVEL_PRIOR * 4))
    assert shares.variance[0] == pytest.approx(4)
    assert np.isnan(shares.variance[1])


def test_after_a_restart_the_prior_counts_until_something_was_watched():
    sharing = LoadSharing()
    rng = np.random.default_rng(5)
    for step in range(3):
        sharing.add(np.zeros(10, dtype=np.int64), 10 + rng.standard_normal(10), NOW + step * 60)
    shares = sharing.shares(np.array([4.0]), np.array([8.0]))
    assert shares.level[0] ** 2 == pytest.approx(LEVEL_PRIOR * 4, rel=0.1)
    assert shares.variance[0] == pytest.approx(4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -5.0])
def test_a_bad_sample_leaves_the_sums_as_if_its_pod_had_not_been_there(bad):
    one, other = LoadSharing(), LoadSharing()
    rng = np.random.default_rng(4)
    for step in range(50):
        values = 10 + rng.standard_normal(6)
        workload = np.array([0, 0, 0, 1, 1, 1])
        other.add(workload[[0, 1, 3, 4, 5]], values[[0, 1, 3, 4, 5]], NOW + step)
        values[2] = bad
        one.add(workload, values, NOW + step)
    variance, days = np.full(2, 3.0), np.full(2, 1.0)
    assert one.shares(variance, days).common == pytest.approx(other.shares(variance, days).common)
    assert one.shares(variance, days).own == pytest.approx(other.shares(variance, days).own)


def test_a_round_of_nothing_but_bad_samples_changes_nothing():
    sharing = LoadSharing()
    sharing.add(np.array([0, 1]), np.array([np.nan, np.nan]), NOW)
    sharing.add(np.array([0, 1]), np.array([1.0, 1.0]), np.nan)
    assert sharing.shares(np.ones(2), np.ones(2)).variance == pytest.approx([1, 1])


def test_years_between_rounds_keep_every_part_finite():
    sharing = LoadSharing()
    for year in range(6):
        for step in range(20):
            sharing.add(np.array([0, 0, 1]), np.array([1.0 + step, 2.0, 3.0]), NOW + year * 365 * DAY_S + step * STEP_S)
    shares = sharing.shares(np.ones(2), np.ones(2))
    assert np.isfinite(shares.common).all()
    assert shares.variance == pytest.approx([1, 1])
