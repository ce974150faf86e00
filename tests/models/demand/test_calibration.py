"""Calibration while it runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.models.demand.calibration import RATE, missed_share, start_calibration
from powerplane.models.demand.together import normal_factor


def run(scores, level=0.95, rate=RATE):
    """Share of the windows within, after all scores of one or more domains, shape (V,) or (V, K)."""
    scores = np.asarray(scores, dtype=float).reshape(len(scores), -1)
    calibration = start_calibration(level, np.zeros(scores.shape[1]), rate)
    within = []
    for row in scores:
        within.append(row <= calibration.factors())
        calibration = calibration.learn(row)
    return np.array(within), calibration


def test_the_first_factor_is_nearly_the_models_own():
    skew = np.array([0.0, 0.6, -0.6])
    first = start_calibration(0.95, skew).factors()
    assert first == pytest.approx(normal_factor(0.95, skew), abs=0.35)
    assert (np.diff(first[[2, 0, 1]]) > 0).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.standard_normal(n),
        lambda rng, n: 3 * rng.standard_normal(n) + 1,
        lambda rng, n: 0.2 * rng.standard_normal(n) - 1,
        lambda rng, n: rng.exponential(1, n) ** 2 - 1,
        lambda rng, n: rng.standard_t(2.5, n),
        lambda rng, n: np.sin(np.arange(n) / 23) + 0.2 * rng.standard_normal(n),
        lambda rng, n: np.where(np.arange(n) > n // 2, 4.0, 0.0) + rng.standard_normal(n),
        lambda rng, n: np.arange(n) / 200 + rng.standard_normal(n),
    ],
    ids=["as stated", "too wide", "too narrow", "skewed", "heavy tails", "by the hour", "a shift", "a trend"],
)
def test_ninety_five_percent_hold_whatever_the_scores_are(draw):
    rng = np.random.default_rng(5)
    within, _ = run(draw(rng, 3000))
    assert 0.93 <= within[500:].mean() <= 0.97


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=300, max_size=300), st.sampled_from([0.02, 0.05]))
def test_no_sequence_of_bounded_scores_keeps_missing(scores, rate):
    # α cannot fall below what a run of misses takes until the tail covers every score of these.
    within, calibration = run(scores, rate=rate)
    deepest = rate * (100 / 0.25 + 2)
    assert within.mean() >= 0.95 - (1 + deepest) / (rate * len(scores))
    assert missed_share(calibration)[0] == pytest.approx(1 - within.mean())


def test_a_domain_that_keeps_missing_gets_more_and_more_but_nothing_infinite():
    _, calibration = run(np.arange(400) * 1.0)
    assert np.isfinite(calibration.factors()).all()
    assert calibration.factors()[0] >= 399


def test_a_window_that_was_not_measured_teaches_nothing():
    calibration = start_calibration(0.95, np.zeros(2)).learn(np.array([1.0, 4.0]))
    same = calibration.learn(np.array([np.nan, np.nan]))
    assert same.alpha.tolist() == calibration.alpha.tolist()
    assert same.windows.tolist() == [1, 1]
    assert same.factors().tolist() == calibration.factors().tolist()
    infinite = calibration.learn(np.array([np.inf, -np.inf]))
    assert infinite.windows.tolist() == [1, 1]


def test_domains_learn_each_from_their_own():
    rng = np.random.default_rng(6)
    _, calibration = run(np.stack([rng.standard_normal(900), 3 * rng.standard_normal(900)], axis=1))
    one, other = calibration.lasting(np.zeros(2))
    assert one == pytest.approx(1.645, abs=0.3)
    assert other == pytest.approx(4.93, abs=0.9)


def test_the_lasting_factor_is_never_below_the_models_and_does_not_follow_the_hour():
    _, calibration = run(np.sin(np.arange(700) / 40) - 1)
    normal = np.array([1.6])
    assert calibration.lasting(normal)[0] == 1.6
    assert calibration.lasting(np.array([-5.0]))[0] == pytest.approx(0, abs=0.1)


def test_no_windows_no_share():
    assert np.isnan(missed_share(start_calibration(0.95, np.zeros(1)))).all()


@pytest.mark.parametrize("level", [0.2, 1.0])
def test_a_level_that_cannot_be_held_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        start_calibration(level, np.zeros(1))
