"""Curves learned online: monotone, never negative, near the truth, unmoved by rubbish, and without look ahead."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.models.watts.synthetic import PRIOR, true_watts, walk

from powerplane.models.errors import InputError
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.rules import FitRules
from powerplane.models.watts.samples import NodeSamples

GRID = np.linspace(0, 1, 101)
ODD = st.floats(allow_nan=True, allow_infinity=True, width=64)
FIGURE = st.one_of(st.floats(0, 1e3), st.floats(0, 1), ODD)


def curve_error(fit: NodeFit) -> float:
    return float(np.abs(fit.curve_watts(GRID) / true_watts(GRID) - 1).max())


def test_without_samples_the_curve_is_the_one_it_started_from_at_its_own_ends() -> None:
    curve = NodeFit.start(PRIOR).curve()
    assert curve.idle_mw == pytest.approx(PRIOR.idle_mw, rel=1e-3)
    assert curve.peak_mw == pytest.approx(PRIOR.peak_mw, rel=1e-3)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_converges_to_the_true_curve_and_errs_less_the_more_it_has_seen(seed: int) -> None:
    samples = walk(1600, seed)
    few, many = (NodeFit.start(PRIOR).follow(samples[:count]) for count in (100, 1600))
    assert curve_error(many) < 0.04
    assert curve_error(many) < curve_error(few) + 0.01


def test_loads_not_seen_yet_have_the_shape_of_the_published_curve_at_the_machines_own_height() -> None:
    """A machine that draws half as much again as published, seen at low load only."""
    at = np.array([float(u) for u in PRIOR.utilisation])
    watts = np.array(PRIOR.milliwatts) / 1000 * 1.5
    utilisation = np.random.default_rng(3).uniform(0, 0.4, 400)
    fit = NodeFit.start(PRIOR).follow(
        NodeSamples.of_series(np.arange(400.0), utilisation, np.interp(utilisation, at, watts))
    )
    assert fit.curve_watts(np.array([0.8]))[0] == pytest.approx(np.interp(0.8, at, watts), rel=0.1)


def test_one_sample_in_five_of_rubbish_moves_the_curve_by_little() -> None:
    samples = walk(1500, 4)
    random = np.random.default_rng(5)
    watts = samples.watts.copy()
    rubbish = random.random(1500) < 0.2
    watts[rubbish] = random.choice([0.0, -20.0, np.nan, np.inf, 4_000.0, 9e9], rubbish.sum())
    dirty = NodeSamples(samples.at_s, samples.now, samples.before, watts)
    fit = NodeFit.start(PRIOR).follow(dirty)
    assert np.abs(fit.curve_watts(GRID) / NodeFit.start(PRIOR).follow(samples).curve_watts(GRID) - 1).max() < 0.12
    assert set(fit.refused) == {"not a number", "no watts", "absurd watts"}


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(0, 60), st.just(4)), elements=FIGURE),
    st.sampled_from([None, (1.0, 1.0)]),
)
def test_whatever_comes_the_curve_is_monotone_and_never_negative(table: Any, scale: tuple[float, ...] | None) -> None:
    samples = NodeSamples.of_series(table[:, 0], table[:, 1:3], table[:, 3])
    fit = NodeFit.start(PRIOR, counters=2, full_scale=scale).follow(samples)
    for curve in (fit.curve(), fit.curve(0.95)):
        assert curve.idle_mw >= 0
        assert curve.peak_mw > 0
    assert all(high >= low for low, high in zip(fit.curve().milliwatts, fit.curve(0.95).milliwatts, strict=True))
    steps = np.column_stack([GRID, GRID]) * fit.model.scale
    modelled = fit.model.watts(steps)
    assert np.isfinite(modelled).all()
    assert (np.diff(modelled) >= -1e-9).all()
    assert (fit.watts(steps) >= 0).all()


def test_the_order_in_which_a_batch_comes_does_not_matter() -> None:
    samples = walk(300, 6)
    order = np.random.default_rng(7).permutation(300)
    shuffled = NodeSamples(samples.at_s[order], samples.now[order], samples.before[order], samples.watts[order])
    once, again = (NodeFit.start(PRIOR).follow(each) for each in (samples, shuffled))
    assert once.curve() == again.curve()
    assert once.error == again.error


def test_the_curve_does_not_depend_on_how_the_samples_were_cut_into_batches() -> None:
    samples = walk(300, 8)
    whole = NodeFit.start(PRIOR).follow(samples)
    fit = NodeFit.start(PRIOR)
    for start in range(0, 300, 7):
        fit = fit.follow(samples[start : start + 7])
    assert fit.curve() == whole.curve()


def test_a_prediction_does_not_know_what_it_predicts_nor_what_comes_after() -> None:
    """Changing the last samples changes no error that was stated before them."""
    samples = walk(400, 9)
    watts = samples.watts.copy()
    watts[300:] *= 2
    changed = NodeSamples(samples.at_s, samples.now, samples.before, watts)
    one, other = (NodeFit.start(PRIOR).follow(each).memory.missed for each in (samples, changed))
    assert np.array_equal(one[:300], other[:300])
    assert not np.array_equal(one[300:], other[300:])


def test_the_stated_error_is_that_of_samples_to_come() -> None:
    samples = walk(3000, 10, noise_watts=12.0)
    fit = NodeFit.start(PRIOR).follow(samples[:2000])
    later = samples[2000:]
    truth = np.abs(fit.curve_watts(later.now[:, 0]) - later.watts) / later.watts
    assert fit.error.curve_mape == pytest.approx(truth.mean(), rel=0.25)
    missed = later.watts - fit.curve_watts(later.now[:, 0])
    assert (missed <= fit.error.high_watts).mean() == pytest.approx(0.95, abs=0.03)


def test_a_high_quantile_has_its_share_of_the_samples_below_it_at_every_load() -> None:
    random = np.random.default_rng(11)
    utilisation = random.uniform(0, 1, 4000)
    watts = true_watts(utilisation) + random.exponential(5 + 60 * utilisation)
    fit = NodeFit.start(PRIOR).follow(NodeSamples.of_series(np.arange(4000.0), utilisation, watts))
    curve = fit.curve(0.95)
    high = np.interp(utilisation, [float(u) for u in curve.utilisation], np.array(curve.milliwatts) / 1000)
    for low, top in ((0.05, 0.3), (0.3, 0.6), (0.6, 0.95)):
        within = (utilisation > low) & (utilisation <= top)
        assert (watts[within] <= high[within]).mean() == pytest.approx(0.95, abs=0.03)


def test_what_is_old_is_forgotten_by_its_half_life() -> None:
    old, new = walk(600, 12), walk(600, 13)
    hotter = NodeSamples(new.at_s + 7 * 86400, new.now, new.before, new.watts + 100.0)
    fit = NodeFit.start(PRIOR, rules=FitRules(half_life_s=86400)).follow(old).follow(hotter)
    assert fit.curve_watts(np.array([0.5]))[0] == pytest.approx(360, rel=0.03)
    assert fit.error.samples < 700


def test_more_counters_tell_loads_apart_that_one_cannot() -> None:
    random = np.random.default_rng(14)
    levels = np.repeat(random.uniform(0, 1, 150), 10)
    dense = np.repeat(random.choice([0.2, 1.0], 150), 10)
    watts = 100 + 150 * levels * (0.5 + 0.5 * dense) + random.normal(0, 1, 1500)
    at = np.arange(1500.0)
    one = NodeFit.start(PRIOR).follow(NodeSamples.of_series(at, levels, watts))
    two = NodeFit.start(PRIOR, counters=2, full_scale=None).follow(
        NodeSamples.of_series(at, np.column_stack([levels, levels * dense]), watts)
    )
    assert two.error.mape < 0.5 * one.error.mape


def test_what_is_remembered_is_bounded_and_rare_loads_stay() -> None:
    random = np.random.default_rng(15)
    utilisation = np.where(random.random(3000) < 0.02, 0.9, 0.1)
    samples = NodeSamples.of_series(np.arange(3000.0), utilisation, true_watts(utilisation))
    rules = replace(FitRules(), memory=200, half_life_s=1e9)
    fit = NodeFit.start(PRIOR, rules=rules).follow(samples)
    assert len(fit.memory) <= 200
    kept = fit.memory.samples.now[:, 0]
    assert (kept == 0.9).sum() == (utilisation == 0.9).sum()
    assert fit.memory.counts.sum() == pytest.approx(3000, rel=1e-6)


def test_no_samples_change_nothing_and_other_counters_are_refused() -> None:
    fit = NodeFit.start(PRIOR).follow(walk(50, 17))
    assert fit.follow(walk(50, 17)[:0]).curve() == fit.curve()
    with pytest.raises(InputError, match="2 counters"):
        fit.follow(NodeSamples.of_series([1.0], [[0.1, 0.2]], [100.0]))


def test_a_scale_that_is_no_positive_number_is_refused() -> None:
    with pytest.raises(InputError, match="full scales"):
        NodeFit.start(PRIOR, full_scale=(0.0,))
    with pytest.raises(InputError, match="2 counters"):
        NodeFit.start(PRIOR, counters=2, full_scale=(1.0,))


def test_a_few_samples_from_the_future_do_not_make_all_others_old() -> None:
    samples = walk(600, 16)
    at_s = samples.at_s.copy()
    at_s[::60] = 4e9
    wrong = NodeSamples(at_s, samples.now, samples.before, samples.watts)
    fit = NodeFit.start(PRIOR, rules=FitRules(half_life_s=86400)).follow(wrong)
    assert fit.error.samples > 500
    assert curve_error(fit) < 0.06
