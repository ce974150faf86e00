"""Histograms that forget."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.demand.buckets import CORES, WATTS, believable
from powerplane.models.demand.confidence import DAY_S, BoundRules
from powerplane.models.demand.histogram import (
    HALF_LIFE_S,
    DecayingHistogram,
    HistogramCheckpoint,
    restored,
)
from powerplane.models.errors import InputError

NOW = 1_700_000_000.0

samples = st.lists(st.tuples(st.floats(0, 900), st.floats(NOW - 5 * DAY_S, NOW + 5 * DAY_S)), min_size=1, max_size=60)


def filled(pairs) -> DecayingHistogram:
    values, times = np.array(pairs, dtype=float).reshape(-1, 2).T
    return DecayingHistogram(CORES).add(values, times)


def same(left: DecayingHistogram, right: DecayingHistogram) -> None:
    assert left.samples == right.samples
    assert (left.first_s, left.last_s) == (right.first_s, right.last_s)
    shares = [0.0, 0.1, 0.5, 0.9, 0.95, 1.0]
    # Where two buckets' edge is reached by rounding alone, either of the two is right.
    for share in shares:
        one, other = left.percentile(share), right.percentile(share)
        assert one == pytest.approx(other, rel=0.06, abs=0.011)
    assert left.mean == pytest.approx(right.mean, rel=1e-9, abs=1e-9)
    assert left.variance == pytest.approx(right.variance, rel=1e-6, abs=1e-6)


@given(samples, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_never_fall_as_the_share_rises(pairs, one, other):
    histogram = filled(pairs)
    low, high = sorted((one, other))
    assert histogram.percentile(low) <= histogram.percentile(high)


@given(samples)
def test_percentiles_err_by_one_bucket_at_most_and_never_downwards(pairs):
    equal = filled([(value, NOW) for value, _ in pairs])
    values = np.sort([value for value, _ in pairs])
    for share in (0.1, 0.5, 0.9, 1.0):
        true = values[max(int(np.ceil(share * len(values) - 1e-9)) - 1, 0)]
        assert true <= equal.percentile(share) <= true * 1.05 + 0.0101


@given(samples, samples)
def test_a_merge_is_the_histogram_of_both_samples(left, right):
    same(filled(left).merge(filled(right)), filled([*left, *right]))


@given(samples, st.integers(0, 59))
def test_samples_may_come_in_any_order_and_in_parts(pairs, cut):
    whole = filled(pairs)
    values, times = np.array(pairs[::-1]).T
    parts = DecayingHistogram(CORES).add(values[:cut], times[:cut]).add(values[cut:], times[cut:])
    same(parts, whole)


def test_a_sample_weighs_half_after_one_half_life():
    # Two old samples of 1 weigh as much as one new one of 100; a third tips the median.
    old = DecayingHistogram(CORES).add(np.array([1.0, 1.0]), np.array([NOW, NOW]))
    new = old.add(np.array([100.0]), np.array([NOW + HALF_LIFE_S]))
    assert new.percentile(0.499) < 1.1
    assert new.percentile(0.501) > 99
    assert new.mean == pytest.approx((2 * 0.5 * 1 + 100) / 2)


@given(samples, st.integers(1, 400))
def test_moving_the_reference_changes_nothing_but_the_scale(pairs, half_lives):
    histogram = filled(pairs)
    later = histogram.add(np.array([5.0]), np.array([NOW + half_lives * HALF_LIFE_S]))
    before = later.moments[0] - float(np.exp2((NOW + half_lives * HALF_LIFE_S - later.reference_s) / HALF_LIFE_S))
    scale = float(np.exp2((histogram.reference_s - later.reference_s) / HALF_LIFE_S))
    assert before == pytest.approx(histogram.moments[0] * scale, rel=1e-6, abs=later.moments[0] * 1e-9)
    assert np.isfinite(later.moments).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, -1e-300])
def test_what_is_no_measurement_is_counted_and_never_becomes_zero(bad):
    histogram = DecayingHistogram(CORES).add(np.array([bad, 4.0]), np.array([NOW, NOW]))
    assert (histogram.samples, histogram.refused) == (1, 1)
    assert histogram.percentile(0.0) > 3.9
    assert histogram.mean == 4
    only = DecayingHistogram(CORES).add(np.array([bad]), np.array([NOW]))
    assert only.samples == 0
    assert np.isnan([only.percentile(0.5), only.mean, only.variance]).all()


def test_a_sample_without_a_time_is_refused():
    assert DecayingHistogram(CORES).add(np.array([1.0]), np.array([np.nan])).refused == 1


def test_an_empty_histogram_knows_nothing_instead_of_zero():
    lower, target, upper = DecayingHistogram(WATTS).bounds()
    assert lower == 0
    assert np.isnan(target)
    assert upper == np.inf


@pytest.mark.parametrize(("days", "times"), [(0.5, 3.0), (1.0, 2.0), (7.0, 1 + 1 / 7)])
def test_upper_bounds_widen_with_little_data_as_the_autoscaler_does(days, times):
    at = NOW + np.linspace(0, days * DAY_S, int(days * 1440) + 1)
    histogram = DecayingHistogram(CORES).add(np.full(len(at), 2.0), at)
    lower, target, upper = histogram.bounds()
    assert upper == pytest.approx(target * times, rel=1e-3)
    assert lower <= target


@given(st.integers(2, 500), st.integers(2, 500))
def test_less_data_of_the_same_kind_never_gives_a_narrower_bound(one, other):
    few, many = sorted((one, other))

    def bounds(count):
        return DecayingHistogram(CORES).add(np.full(count, 2.0), NOW + 60.0 * np.arange(count)).bounds()

    assert bounds(few)[0] <= bounds(many)[0]
    assert bounds(few)[2] >= bounds(many)[2]


def test_few_samples_over_a_long_time_are_little_data():
    sparse = DecayingHistogram(CORES).add(np.full(8, 2.0), NOW + np.arange(8) * DAY_S)
    assert sparse.bounds()[2] > 100 * sparse.bounds()[1]
    assert sparse.bounds(BoundRules(sample_s=DAY_S))[2] < 1.2 * sparse.bounds()[1]


@given(samples)
def test_a_checkpoint_through_json_keeps_percentiles_within_a_bucket(pairs):
    histogram = filled(pairs)
    text = msgspec.json.encode(histogram.checkpoint())
    back = restored(msgspec.json.decode(text, type=HistogramCheckpoint), CORES)
    assert back.mean == pytest.approx(histogram.mean)
    assert back.samples == histogram.samples
    assert len(text) < 8000
    # What a ten-thousandth of the fullest bucket drops moves a share by that much at most.
    drop = 0.5e-4 * len(CORES)
    for share in (0.5, 0.9):
        low, high = histogram.percentile(max(share - drop, 0)), histogram.percentile(min(share + drop, 1))
        assert low - 1e-9 <= back.percentile(share) <= high + 1e-9


def test_an_empty_checkpoint_comes_back_empty():
    back = restored(DecayingHistogram(CORES).checkpoint(), CORES)
    assert back.samples == 0
    assert np.isnan(back.mean)


@pytest.mark.parametrize(
    "change",
    [
        {"buckets": "other"},
        {"weights": {"9999": 1}},
        {"weights": {"-1": 1}},
        {"weights": {"3": -4}},
        {"weights": {}},
        {"total": float("nan")},
        {"half_life_s": 0.0},
        {"half_life_s": -1.0},
        {"variance": -1.0},
        {"last_s": float("inf")},
        {"samples": -1},
        {"samples": 0},
    ],
)
def test_a_checkpoint_that_nothing_can_have_written_is_refused(change):
    good = DecayingHistogram(CORES).add(np.array([1.0, 2.0]), np.array([NOW, NOW])).checkpoint()
    with pytest.raises(InputError):
        restored(msgspec.structs.replace(good, **change), CORES)


def test_histograms_of_different_kinds_are_not_merged():
    with pytest.raises(InputError):
        DecayingHistogram(CORES).merge(DecayingHistogram(WATTS))
    with pytest.raises(InputError):
        DecayingHistogram(CORES).merge(DecayingHistogram(CORES, half_life_s=1.0))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=1))
def test_whatever_is_believed_has_a_bucket_that_holds_it(values):
    array = np.array(values)
    good = array[believable(array)]
    index = CORES.index(good)
    assert ((index >= 0) & (index < len(CORES))).all()
    assert (CORES.starts[index] <= good).all()
    inside = good < CORES.starts[-1]
    assert (good[inside] < CORES.ends[index[inside]]).all()


def test_buckets_are_five_percent_wider_each_and_reach_what_they_promise():
    widths = np.diff(CORES.starts)
    assert np.allclose(widths[1:] / widths[:-1], 1.05)
    assert CORES.starts[-2] <= 1000 <= CORES.starts[-1] * 1.05
    assert WATTS.starts[-1] >= 200_000 / 1.05
