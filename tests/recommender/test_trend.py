"""Where draws are heading: a steady rise is told, noise, steps and gaps are not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from powerplane.recommender.trend import FEWEST, Record, sure_watts

AT_S = np.arange(60) * 5.0


def rising(watts_per_s: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    return (
        1000 + watts_per_s * AT_S + np.random.default_rng(seed).normal(0, noise, len(AT_S))
        if noise
        else (1000 + watts_per_s * AT_S)
    )


@given(st.floats(-2, 2), st.floats(1, 600))
def test_a_line_without_noise_is_followed_exactly(slope, lead_s):
    (found,) = sure_watts(AT_S, rising(slope)[None, :], lead_s)
    assert np.isclose(found, 1000 + slope * (AT_S[-1] + lead_s), rtol=1e-6, atol=1e-3)


@given(st.integers(0, 10_000))
def test_noise_around_a_constant_is_never_believed_to_rise_by_more_than_it_swings(seed):
    (found,) = sure_watts(AT_S, rising(0.0, 10.0, seed)[None, :], 180.0)
    assert found < 1000 + 30


@given(st.integers(5, 55), st.floats(10, 500))
def test_a_step_that_is_over_is_no_trend(at, height):
    watts = np.where(np.arange(60) < at, 1000.0, 1000.0 + height)
    (found,) = sure_watts(AT_S, watts[None, :], 180.0)
    assert found <= 1000 + height + 1e-6, found


def test_too_few_looks_tell_nothing():
    assert np.isnan(sure_watts(AT_S[: FEWEST - 1], rising(1.0)[None, : FEWEST - 1], 60.0)).all()


def test_a_row_that_cannot_be_believed_now_tells_nothing():
    watts = rising(1.0).copy()
    watts[-1] = np.nan
    assert np.isnan(sure_watts(AT_S, watts[None, :], 60.0)).all()


def test_a_record_keeps_its_time_and_begins_anew_with_other_rows():
    record = Record(keep_s=100.0)
    for at_s in AT_S:
        record.add(at_s, np.array([1000.0 + at_s]))
    assert np.isclose(record.surely_by(60.0), 1000 + AT_S[-1] + 60)
    record.add(AT_S[-1], np.array([5.0]))  # no newer
    assert np.isclose(record.surely_by(60.0), 1000 + AT_S[-1] + 60)
    record.add(AT_S[-1] + 5, np.array([1.0, 2.0]))
    assert np.isnan(record.surely_by(60.0)).all()
