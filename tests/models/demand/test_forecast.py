"""Forecasts over the next hours, their intervals, and breaches ahead of time."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.demand.ahead import Ahead
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.forecast import STALE_S, History, fit_forecast
from powerplane.models.demand.seasons import fit_seasons

STEP_S = 900.0
DAY = 96
NOW = 1_700_000_000.0 // DAY_S * DAY_S


def times(steps):
    return NOW + STEP_S * np.arange(1 - steps, 1)


def daily(steps, domains=3, noise=10.0, seed=0, ahead=0):
    """Days with a weekend, and noise that lasts an hour; ``ahead`` more steps are the truth that follows."""
    rng = np.random.default_rng(seed)
    at = NOW + STEP_S * np.arange(1 - steps, 1 + ahead)
    base = 1000 + 200 * np.cos(2 * np.pi * at / DAY_S) + 60 * np.cos(2 * np.pi * at / (7 * DAY_S))
    shocks = rng.standard_normal((domains, len(at)))
    for step in range(1, len(at)):
        shocks[:, step] += 0.8 * shocks[:, step - 1]
    return base + noise * shocks


def history(watts) -> History:
    return History(NOW, STEP_S, watts)


def test_seasons_are_found_under_noise_and_gaps():
    watts = daily(21 * DAY, noise=0.5)
    watts[0, 300:700] = np.nan
    seasons = fit_seasons(times(21 * DAY), watts)
    ahead = NOW + STEP_S * np.arange(1, DAY + 1)
    true = 1000 + 200 * np.cos(2 * np.pi * ahead / DAY_S) + 60 * np.cos(2 * np.pi * ahead / (7 * DAY_S))
    assert np.abs(seasons.at(ahead) - true).max() < 8
    assert np.isnan(seasons.left_out[0, 300:700]).all()
    assert np.isfinite(seasons.left_out[1]).all()


def test_what_is_left_out_was_not_fitted():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((1, 14 * DAY))
    seasons = fit_seasons(times(14 * DAY), noise)
    fitted = noise - seasons.at(times(14 * DAY))
    # A fit hides part of the noise that it was made from; of noise that it was not made from it adds some.
    assert fitted.std() < noise.std() < seasons.left_out.std()


def test_a_burst_is_no_season():
    watts = daily(21 * DAY, noise=1.0)
    burst = watts.copy()
    burst[0, 1000:1020] += 600
    at = times(DAY)
    assert (
        np.abs(fit_seasons(times(21 * DAY), burst).at(at)[0] - fit_seasons(times(21 * DAY), watts).at(at)[0]).max() < 6
    )


def test_the_forecast_beats_last_value_and_last_day():
    steps, ahead = 21 * DAY, 16
    ours, value, day = [], [], []
    for seed in range(8):
        watts = daily(steps, seed=seed, ahead=ahead)
        told = fit_forecast(history(watts[:, :steps]), ahead).ahead(history(watts[:, :steps])).watts
        truth = watts[:, steps:]
        ours.append(np.abs(told - truth).mean())
        value.append(np.abs(watts[:, steps - 1 : steps] - truth).mean())
        day.append(np.abs(watts[:, steps - DAY : steps - DAY + ahead] - truth).mean())
    assert np.mean(ours) < 0.7 * min(np.mean(value), np.mean(day))


def test_ninety_percent_of_what_comes_lies_in_the_interval():
    steps, ahead = 21 * DAY, 12
    within = []
    for seed in range(6):
        watts = daily(steps + 5 * DAY, seed=seed, domains=6)
        model = fit_forecast(History(NOW - 5 * DAY * STEP_S, STEP_S, watts[:, :steps]), ahead)
        for now in range(steps, steps + 5 * DAY - ahead, 17):
            last_s = NOW - (steps + 5 * DAY - now) * STEP_S
            low, high = model.ahead(History(last_s, STEP_S, watts[:, now - steps : now])).interval(0.9)
            truth = watts[:, now : now + ahead]
            within.append((truth >= low) & (truth <= high))
    share = np.mean(within, axis=(0, 1))
    assert (share > 0.86).all()
    assert (share < 0.94).all()


def test_with_little_history_the_last_value_stands_and_the_interval_is_wide():
    watts = daily(DAY, domains=1)
    told = fit_forecast(history(watts), 8).ahead(history(watts))
    assert told.watts[0].tolist() == [watts[0, -1]] * 8
    low, high = told.interval(0.8)
    plenty = daily(21 * DAY, domains=1)
    low_21, high_21 = fit_forecast(history(plenty), 8).ahead(history(plenty)).interval(0.8)
    assert ((high - low) > 1.5 * (high_21 - low_21)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_with_next_to_no_history_the_interval_is_everything(count):
    watts = np.full((1, 40), np.nan)
    watts[0, -count:] = 500
    told = fit_forecast(history(watts), 4).ahead(history(watts))
    low, high = told.interval(0.9)
    assert told.watts[0].tolist() == [500] * 4
    assert low[0].tolist() == [0] * 4
    assert high[0].tolist() == [np.inf] * 4


def test_a_domain_never_measured_is_unknown_and_has_no_probability():
    watts = daily(14 * DAY, domains=2)
    watts[1] = np.nan
    told = fit_forecast(history(watts), 4).ahead(history(watts))
    assert np.isnan(told.watts[1]).all()
    assert np.isnan(told.breach(np.array([2000.0, 1.0]))).tolist() == [False, True]
    low, high = told.interval(0.9)
    assert np.isnan(low[1]).all()
    assert np.isnan(high[1]).all()
    assert np.isfinite(high[0]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.6), st.integers(0, 60))
def test_gaps_make_no_forecast_nan_or_zero_and_hide_no_domain(seed, share, late):
    rng = np.random.default_rng(seed)
    watts = daily(10 * DAY, domains=2, seed=seed)
    watts[0, rng.random(10 * DAY) < share] = np.nan
    watts[0, 10 * DAY - late :] = np.nan
    told = fit_forecast(history(watts), 8).ahead(history(watts))
    low, high = told.interval(0.9)
    assert np.isfinite(told.watts).all()
    assert (told.watts > 500).all()
    assert (low <= told.watts).all()
    assert (high >= told.watts).all()


def test_a_sample_that_is_late_makes_the_interval_wider_not_the_forecast_wrong():
    widths = []
    for late in (0, 4, int(STALE_S / STEP_S), 20):
        watts = daily(21 * DAY, domains=6, seed=3)
        watts[:, 21 * DAY - late :] = np.nan
        told = fit_forecast(history(daily(21 * DAY, domains=6, seed=3)), 4).ahead(history(watts))
        low, high = told.interval(0.9)
        widths.append(float((high - low)[:, 0].mean()))
        assert np.abs(told.watts / daily(21 * DAY, domains=6, seed=3, ahead=4)[:, -4:] - 1).max() < 0.15
    assert widths[0] < 0.8 * widths[1]
    assert widths[1] < min(widths[2:])


def test_the_probability_of_a_breach_is_what_comes_of_it():
    steps, ahead = 21 * DAY, 12
    told, came = [], []
    for seed in range(8):
        watts = daily(steps + 3 * DAY, seed=seed, domains=10, noise=25.0)
        budget = np.full(10, 1200.0)
        model = fit_forecast(History(NOW - 3 * DAY * STEP_S, STEP_S, watts[:, :steps]), ahead)
        for now in range(steps, steps + 3 * DAY - ahead, 13):
            last_s = NOW - (steps + 3 * DAY - now) * STEP_S
            told.append(model.ahead(History(last_s, STEP_S, watts[:, now - steps : now])).breach(budget))
            came.append((watts[:, now : now + ahead] > budget[:, None]).any(axis=1))
    said, was = np.concatenate(told), np.concatenate(came)
    assert was.mean() == pytest.approx(said.mean(), abs=0.03)
    tenths = [(said >= low / 10) & (said < (low + 1) / 10) for low in range(10)]
    off = [here.sum() * abs(was[here].mean() - said[here].mean()) for here in tenths if here.any()]
    assert sum(off) / len(said) < 0.03
    assert ((said - was) ** 2).mean() < 0.6 * was.var()


@given(st.floats(0, 3000), st.floats(0, 3000))
@settings(max_examples=30)
def test_a_higher_budget_is_never_more_likely_to_be_passed(one, other):
    rng = np.random.default_rng(0)
    ahead = Ahead(np.arange(4.0), np.full((1, 4), 1000.0), 200 * rng.standard_normal((1, 90, 4)), np.ones(1))
    low, high = sorted((one, other))
    assert ahead.breach(np.array([high]))[0] <= ahead.breach(np.array([low]))[0]
    assert 0 < ahead.breach(np.array([np.inf]))[0] < 0.01


@given(st.floats(0.05, 0.98), st.floats(0.05, 0.98))
@settings(max_examples=30)
def test_a_higher_level_never_has_a_narrower_interval(one, other):
    rng = np.random.default_rng(0)
    ahead = Ahead(np.arange(4.0), np.full((1, 4), 1000.0), 200 * rng.standard_normal((1, 90, 4)), np.ones(1))
    narrow, wide = (ahead.interval(level) for level in sorted((one, other)))
    assert (wide[0] <= narrow[0]).all()
    assert (wide[1] >= narrow[1]).all()


def test_a_lasting_shift_is_followed_within_hours():
    watts = daily(21 * DAY, domains=1, noise=3.0)
    watts[0, -16:] += 150
    told = fit_forecast(history(watts), 8).ahead(history(watts)).watts
    truth = daily(21 * DAY, domains=1, noise=3.0, ahead=8)[:, -8:] + 150
    assert np.abs(told - truth).max() < 75


@pytest.mark.parametrize("shape", [(0, 500), (2, 1), (2, 3), (1, 97)])
def test_any_size_of_history_is_foretold_from(shape):
    watts = np.full(shape, 700.0)
    told = fit_forecast(history(watts), 3).ahead(history(watts))
    low, high = told.interval(0.9)
    assert told.watts == pytest.approx(np.full((shape[0], 3), 700.0))
    assert (low <= 700).all()
    assert (high >= 700).all()
    assert told.breach(np.full(shape[0], 800.0)).shape == (shape[0],)


@pytest.mark.parametrize("step_s", [60.0, 7 * DAY_S])
def test_steps_of_a_minute_and_of_a_week_are_foretold_from(step_s):
    rng = np.random.default_rng(0)
    watts = 500 + rng.standard_normal((1, 3000))
    told = fit_forecast(History(NOW, step_s, watts), 5).ahead(History(NOW, step_s, watts))
    assert told.watts == pytest.approx(np.full((1, 5), 500.0), abs=5)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, -5.0])
def test_what_is_no_measurement_is_a_gap(bad):
    watts = daily(10 * DAY, domains=1)
    with_gap, with_bad = watts.copy(), watts.copy()
    with_gap[0, [50, 400, -1]], with_bad[0, [50, 400, -1]] = np.nan, bad
    one, other = (fit_forecast(history(each), 4).ahead(history(each)) for each in (with_gap, with_bad))
    assert one.watts.tolist() == other.watts.tolist()


def test_a_history_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 steps"):
        history(np.zeros((1, 0)))
    with pytest.raises(ValueError, match="foretells nothing"):
        fit_forecast(history(np.ones((1, 5))), 0)


@pytest.mark.slow
def test_five_hundred_domains_are_foretold_within_a_second():
    watts = daily(21 * DAY, domains=500)
    model = fit_forecast(history(watts), 16)
    began = time.perf_counter()
    ahead = model.ahead(history(watts[:, -2 * DAY :]))
    ahead.interval(0.9)
    ahead.breach(np.full(500, 1200.0))
    assert time.perf_counter() - began < 1.0
