"""Throughput per watt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.demand.efficiency import BLOCK_S, LEAST_INTERVALS, Efficiency, Unknown, efficiency

NOW = 1_700_000_000.0 // BLOCK_S * BLOCK_S


def series(blocks, ratio=2.0, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    at = NOW + 60.0 * np.arange(blocks * 5)
    watts = rng.uniform(500, 1500, len(at))
    return at, ratio * watts * (1 + noise * rng.standard_normal(len(at))), watts


def test_the_ratio_lies_within_its_interval_and_near_the_truth():
    found = efficiency("tokens", *series(60))
    assert isinstance(found, Efficiency)
    assert found.lower <= found.per_watt <= found.upper
    assert found.per_watt == pytest.approx(2, rel=0.02)
    assert (found.intervals, found.left_out) == (60, 0)


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    held = 0
    for seed in range(300):
        found = efficiency("tokens", *series(20, noise=0.5, seed=seed))
        assert isinstance(found, Efficiency)
        held += found.lower <= 2 <= found.upper
    assert 0.93 <= held / 300 <= 0.995


def test_an_hour_of_a_stuck_exporter_does_not_move_it():
    at, rate, watts = series(60)
    rate[:60] *= 50
    found = efficiency("tokens", at, rate, watts)
    assert isinstance(found, Efficiency)
    assert found.per_watt == pytest.approx(2, rel=0.05)


def test_more_data_make_a_narrower_interval():
    few, many = efficiency("t", *series(8)), efficiency("t", *series(200))
    assert isinstance(few, Efficiency)
    assert isinstance(many, Efficiency)
    assert many.upper - many.lower < few.upper - few.lower


NOTHING = np.full(100, np.nan)
EVEN = np.arange(100) % 2 == 0


@pytest.mark.parametrize(
    ("rate", "watts", "samples", "says"),
    [
        (NOTHING, None, 100, "metric has no samples"),
        (np.full(100, -1.0), None, 100, "metric has no samples"),
        (None, NOTHING, 100, "watts are not known"),
        (None, np.zeros(100), 100, "watts are not known"),
        (np.where(EVEN, 9.0, np.nan), np.where(EVEN, np.nan, 9.0), 100, "never known together"),
        (None, None, 0, "metric has no samples"),
        (None, None, 10, "only 2 intervals"),
    ],
)
def test_it_is_refused_by_name_where_metric_or_watts_are_missing(rate, watts, samples, says):
    at, made, drawn = series(20)
    columns = at, made if rate is None else rate, drawn if watts is None else watts
    found = efficiency("vllm:tokens", *(column[:samples] for column in columns))
    assert isinstance(found, Unknown)
    assert says in found.reason
    assert found.metric == "vllm:tokens"
    assert found.next_step


def test_throughput_of_zero_with_watts_known_counts_as_nothing_made():
    at, _, watts = series(20)
    found = efficiency("tokens", at, np.zeros(len(at)), watts)
    assert isinstance(found, Efficiency)
    assert found.per_watt == 0


def test_samples_that_are_not_known_are_left_out_and_counted():
    at, rate, watts = series(20)
    rate[3], watts[7], watts[8] = np.nan, np.nan, 0.0
    found = efficiency("tokens", at, rate, watts)
    assert isinstance(found, Efficiency)
    assert found.left_out == 3
    assert found.per_watt == pytest.approx(2, rel=0.05)


@settings(max_examples=50)
@given(st.integers(LEAST_INTERVALS, 40), st.floats(1e-6, 1e6), st.integers(0, 1000))
def test_units_carry_through(blocks, scale, seed):
    at, rate, watts = series(blocks, seed=seed)
    one, other = efficiency("t", at, rate, watts), efficiency("t", at, rate * scale, watts)
    assert isinstance(one, Efficiency)
    assert isinstance(other, Efficiency)
    assert other.per_watt == pytest.approx(one.per_watt * scale)
    assert other.lower == pytest.approx(one.lower * scale)
