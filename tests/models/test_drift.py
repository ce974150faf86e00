"""Drift: tightened at once, loosened slowly and only by what is fresh, and the worst when nothing is heard."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.drift import Drift, DriftRules, Sample, effective_base_mw, follow, is_stale

RULES = DriftRules(scrape_s=10.0, loosen_mw_s=100.0, smooth_s=30.0, lag_s=30.0)
BASE, BOUND = 100_000, 50_000


def fed(*measured, drift=None, start=0.0, bound=BOUND):
    """Samples every ten seconds."""
    drift = drift or Drift()
    for i, mw in enumerate(measured):
        at = start + 10.0 * i
        drift = follow(drift, Sample(mw, at), base_mw=BASE, bound_mw=bound, now_s=at, rules=RULES)
    return drift


def test_a_node_that_draws_what_is_expected_has_no_drift():
    assert fed(150_000, 150_000).mw == 0
    assert fed(90_000).mw == 0


def test_what_is_above_counts_at_once_and_falls_slowly():
    up = fed(150_000, 190_000)
    assert up.mw >= 20_000
    down = fed(150_000, 150_000, 150_000, drift=up, start=20.0)
    assert up.mw - 3 * 10 * 100 <= down.mw < up.mw


def test_without_a_newer_sample_nothing_changes_however_long_it_takes():
    up = fed(190_000)
    same = Sample(150_000, 0.0)
    for now in (1.0, 100.0, 10_000.0):
        later = follow(up, same, base_mw=BASE, bound_mw=BOUND, now_s=now, rules=RULES)
        assert later.mw == up.mw
        assert follow(up, None, base_mw=BASE, bound_mw=BOUND, now_s=now, rules=RULES).mw == up.mw


def test_a_pod_that_has_gone_does_not_count_as_drift_while_its_node_still_cools():
    drift = fed(150_000, 150_000)
    after = follow(drift, Sample(150_000, 20.0), base_mw=BASE, bound_mw=0, now_s=20.0, rules=RULES)
    assert after.mw == 0
    late = follow(after, Sample(150_000, 60.0), base_mw=BASE, bound_mw=0, now_s=60.0, rules=RULES)
    assert late.mw == 50_000


def test_samples_from_the_future_or_below_zero_are_not_used():
    drift = fed(150_000)
    for sample in (Sample(900_000, 99.0), Sample(-5, 5.0)):
        assert follow(drift, sample, base_mw=BASE, bound_mw=BOUND, now_s=10.0, rules=RULES).mw == drift.mw


def test_after_three_missed_scrapes_the_node_counts_at_its_peak():
    drift = fed(150_000)
    assert not is_stale(drift, 30.0, RULES)
    assert is_stale(drift, 30.1, RULES)
    known = {"base_mw": BASE, "bound_mw": BOUND, "rules": RULES}
    assert effective_base_mw(drift, peak_mw=400_000, now_s=30.0, **known) == BASE
    assert effective_base_mw(drift, peak_mw=400_000, now_s=31.0, **known) == 350_000
    assert effective_base_mw(drift, peak_mw=None, now_s=31.0, **known) == BASE
    assert effective_base_mw(replace(drift, mw=280_000), peak_mw=400_000, now_s=31.0, **known) == 380_000


def test_a_node_that_was_never_measured_is_never_stale():
    drift = follow(Drift(), None, base_mw=BASE, bound_mw=BOUND, now_s=5.0, rules=RULES)
    assert not is_stale(drift, 1e9, RULES)


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 200_000), st.sampled_from([0.0, 5.0, 10.0, 60.0]))))
def test_drift_is_never_below_zero_and_never_falls_faster_than_it_may(steps):
    drift, now = Drift(), 1.0
    for measured, bound, wait in steps:
        now += wait
        before = drift
        drift = follow(drift, Sample(measured, now), base_mw=BASE, bound_mw=bound, now_s=now, rules=RULES)
        assert drift.mw >= 0
        assert drift.mw >= before.mw - int(RULES.loosen_mw_s * wait) - 1
        assert len(drift.requests) <= len(steps) + 1
