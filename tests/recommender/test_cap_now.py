import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.api.capping_policy import PowerCap
from powerplane.recommender.cap_now import BINS, CapNow, DrawMean, cap_now, window_s


def test_the_lowest_of_the_caps_holds():
    caps = (PowerCap(watts="2kW"), PowerCap(percent_of_peak=50), PowerCap(percent_of_average=80, window="1h"))
    assert cap_now(caps, 3_000_000, {"1h": 2_500_000.0}) == CapNow(1_500_000)
    assert cap_now(caps, 9_000_000, {"1h": 2_400_000.0}) == CapNow(1_920_000)
    assert cap_now(caps, 9_000_000, {"1h": 9_000_000.0}) == CapNow(2_000_000)


def test_no_cap_is_no_cap_and_one_that_cannot_be_told_says_why():
    assert cap_now((), 0, {}) == CapNow(None)
    unknown = cap_now((PowerCap(percent_of_average=80, window="1h"),), 1000, {"1h": None})
    assert unknown.mw is None
    assert "1h" in unknown.why
    assert cap_now((PowerCap(watts="a lot"),), 1000, {}).why


def test_a_cap_that_can_be_told_holds_beside_one_that_cannot():
    both = (PowerCap(watts="1kW"), PowerCap(percent_of_average=80, window="1h"))
    assert cap_now(both, 0, {"1h": None}).mw == 1_000_000


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("", 0), ("xh", 0)])
def test_windows_are_read(text, seconds):
    assert window_s(text) == seconds


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=60), st.floats(1.0, 200.0))
def test_a_mean_lies_between_the_least_and_the_most_that_was_drawn(draws, step_s):
    mean = DrawMean(3600.0)
    for number, mw in enumerate(draws):
        mean.add(1e9 + number * step_s, mw)
    usual = float(draws[0])
    found = mean.mean_mw(usual)
    assert min(draws) - 1 <= found <= max(draws) + 1


def test_until_the_window_is_seen_what_is_remembered_stands_in():
    mean = DrawMean(3600.0)
    assert mean.mean_mw(None) is None
    for number in range(91):
        mean.add(1e9 + 20.0 * number, 1000)
    assert mean.mean_mw(None) is None
    assert mean.mean_mw(3000.0) == pytest.approx(2000.0, rel=0.02)
    for number in range(91, 200):
        mean.add(1e9 + 20.0 * number, 1000)
    assert mean.mean_mw(None) == pytest.approx(1000.0)


def test_what_is_older_than_the_window_counts_no_more_and_gaps_are_not_made_up():
    mean = DrawMean(1200.0)
    for number in range(60):
        mean.add(1e9 + 20.0 * number, 9000)
    for number in range(60, 140):
        mean.add(1e9 + 20.0 * number, 1000)
    assert mean.mean_mw(None) == pytest.approx(1000.0)
    for number in range(10):
        mean.add(1e9 + 90_000.0 + 20.0 * number, 5000)
    assert mean.mean_mw(None) is None


def test_a_day_takes_no_more_memory_than_an_hour():
    mean = DrawMean(86_400.0)
    for number in range(8000):
        mean.add(1e9 + 15.0 * number, 1000)
    assert len(mean._bins) <= BINS + 1
    assert math.isclose(mean.mean_mw(None) or 0, 1000.0)
