"""Many histograms at once."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.demand.bank import HistogramBank
from powerplane.models.demand.buckets import CORES
from powerplane.models.demand.histogram import HALF_LIFE_S, DecayingHistogram

NOW = 1_700_000_000.0
amounts = st.one_of(st.floats(0, 500), st.sampled_from([float("nan"), float("inf"), -3.0]))
rounds = st.lists(
    st.tuples(st.integers(0, 5), amounts, st.floats(NOW - 3 * HALF_LIFE_S, NOW + 3 * HALF_LIFE_S)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(rounds, st.integers(0, 60))
def test_each_row_is_the_histogram_of_its_own_samples(entries, cut):
    bank = HistogramBank(CORES)
    for part in (entries[:cut], entries[cut:]):
        if part:
            rows, values, times = (np.array(column) for column in zip(*part, strict=True))
            bank.add(rows.astype(np.int64), values.astype(float), times)
    found, bounds, skewness = bank.percentiles(0.5, 0.95), bank.bounds(), bank.skewness
    for row in range(len(bank)):
        own = [(value, time) for at, value, time in entries if at == row]
        values, times = np.array(own).reshape(-1, 2).T
        alone = DecayingHistogram(CORES).add(values, times)
        single = bank.histogram(row)
        assert (single.samples, single.refused) == (alone.samples, alone.refused)
        assert found[row] == pytest.approx([single.percentile(0.5), single.percentile(0.95)], nan_ok=True)
        assert bounds[row] == pytest.approx(single.bounds(), nan_ok=True)
        assert bank.mean[row] == pytest.approx(alone.mean, nan_ok=True)
        assert bank.variance[row] == pytest.approx(alone.variance, nan_ok=True, rel=1e-6, abs=1e-6)
        assert np.isnan(skewness[row]) == (alone.samples == 0)


def test_skewness_tells_which_side_the_tail_is_on():
    rng = np.random.default_rng(0)
    bank = HistogramBank(CORES)
    right, left, even = rng.exponential(2, 4000), 40 - rng.exponential(2, 4000), rng.normal(20, 2, 4000)
    for row, values in enumerate((right, np.maximum(left, 0), even)):
        bank.add(np.full(4000, row), values, np.full(4000, NOW))
    assert bank.skewness == pytest.approx([2, -2, 0], abs=0.35)


def test_samples_a_year_apart_keep_every_sum_finite():
    bank = HistogramBank(CORES)
    for year in range(12):
        bank.add(np.array([0]), np.array([3.0]), np.array([NOW + year * 365 * 86_400]))
    assert bank.mean.tolist() == [3.0]
    assert bank.percentiles(0.5)[0, 0] == pytest.approx(3, rel=0.05)
    assert bank.histogram(0).samples == 12


def test_rows_that_are_kept_stay_what_they_were_and_the_others_are_gone():
    bank = HistogramBank(CORES)
    bank.add(np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0]), np.full(3, NOW))
    bank.keep(np.array([2, 0]))
    assert bank.mean.tolist() == [3.0, 1.0]
    assert len(bank) == 2


def test_a_checkpoint_put_back_into_a_row_is_that_row_again():
    bank = HistogramBank(CORES)
    bank.add(np.array([0, 0, 0]), np.array([1.0, 2.0, np.nan]), np.array([NOW, NOW + 1, NOW]))
    again = HistogramBank(CORES)
    again.put(4, bank.histogram(0))
    again.put(1, DecayingHistogram(CORES, refused=2))
    assert again.histogram(4).moments == pytest.approx(bank.histogram(0).moments)
    assert again.refused == 3
    assert np.isnan(again.mean[1])


@pytest.mark.slow
def test_a_hundred_thousand_pods_a_round_take_less_than_a_second():
    rng = np.random.default_rng(0)
    bank = HistogramBank(CORES)
    rows, values = rng.integers(0, 10_000, 100_000), rng.exponential(1.0, 100_000)
    bank.add(rows, values, np.full(100_000, NOW))
    began = time.perf_counter()
    bank.add(rows, values, np.full(100_000, NOW + 60))
    bank.bounds()
    assert time.perf_counter() - began < 1.0
