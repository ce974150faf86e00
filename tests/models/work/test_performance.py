"""Work per watt of a group over some minutes, whether a target is met, and what that is worth when pods move."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.pricing import move_cost
from powerplane.models.snapshot import PodTemplate
from powerplane.models.work.performance import LEAST_SAMPLES, SPAN_S, Track, Work, is_met, work_of
from powerplane.models.work.worth import AT_RISK, MOST_RANK, rank_worths, target_worth

NAN = math.nan
AMOUNTS = st.one_of(st.just(NAN), st.floats(0, 1e9))


def track(*samples, every_s=60.0):
    made = Track()
    for place, (per_second, watts) in enumerate(samples):
        made.add(Work(per_second, watts, 1, 1), place * every_s)
    return made


def test_only_pods_of_which_both_are_known_count():
    found = work_of(np.array([10.0, NAN, 20.0]), np.array([100.0, 50.0, NAN]))
    assert found == Work(10.0, 100.0, 1, 3)


def test_watts_of_zero_were_not_measured():
    assert work_of(np.array([10.0]), np.array([0.0])) is None
    assert work_of(np.array([NAN]), np.array([5.0])) is None


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=12))
def test_a_ratio_lies_between_those_of_its_pods(pods):
    rates, watts = (np.array(each) for each in zip(*pods, strict=True))
    found = work_of(rates, watts)
    if found is None:
        return
    single = [rate / watt for rate, watt in pods if rate >= 0 and watt > 0]
    assert math.isfinite(found.per_second / found.watts)
    if all(watt > 0 for rate, watt in pods if not math.isnan(rate)):
        assert min(single) * 0.999999 <= found.per_second / found.watts <= max(single) * 1.000001


def test_minutes_of_few_watts_count_for_little():
    found = track((100.0, 100.0), (0.0, 1.0)).performance(60.0)
    assert found.per_watt == pytest.approx(100 / 101)
    assert (found.per_second, found.watts, found.samples) == (50.0, 50.5, 2)


def test_what_is_old_or_yet_to_come_is_forgotten():
    made = track((10.0, 10.0))
    assert made.performance(SPAN_S - 1) is not None
    assert made.performance(SPAN_S) is None
    later = track((10.0, 10.0), (30.0, 10.0))
    assert later.performance(0.0).per_watt == 1.0


def test_one_moment_counts_once():
    made = track((10.0, 10.0), every_s=0.0)
    made.add(Work(99.0, 1.0, 1, 1), 0.0)
    assert made.performance(1.0).samples == 1


def test_a_target_is_met_to_its_tolerance():
    found = track(*[(9.0, 1.0)] * LEAST_SAMPLES).performance(180.0)
    assert is_met(found, 10.0, 0.1) is True
    assert is_met(found, 10.0, 0.05) is False


def test_whoever_does_nothing_breaks_no_target_and_a_cold_start_neither():
    idle = track(*[(0.0, 50.0)] * 5).performance(300.0)
    assert is_met(idle, 10.0, 0.0) is None
    assert is_met(track((1.0, 50.0)).performance(60.0), 10.0, 0.0) is None


def test_the_best_by_a_metric_is_worth_most_and_the_others_by_its_measure():
    assert rank_worths({"a": 2.0, "b": 1.0, "c": 0.0}) == {"a": MOST_RANK, "b": MOST_RANK // 2, "c": 0}
    assert rank_worths({"a": 0.0}) == {"a": 0}
    assert rank_worths({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e12), max_size=6))
def test_worths_are_within_their_bounds_and_in_order(per_watt):
    found = rank_worths(per_watt)
    assert all(0 <= each <= MOST_RANK for each in found.values())
    for one, other in zip(sorted(per_watt, key=per_watt.get), sorted(per_watt, key=per_watt.get)[1:], strict=False):
        assert found[one] <= found[other]


def test_pods_near_their_target_or_below_are_worth_the_most():
    assert target_worth(5.0, 10.0) == target_worth(10.9, 10.0) == AT_RISK
    assert target_worth(11.1, 10.0) == 0


def test_worth_is_a_price_that_priority_outbids():
    def cost(**more):
        return move_cost(PodTemplate("ns", "Deployment/a", (), (), **more), 0, 0)

    assert cost(worth=AT_RISK) == cost() + AT_RISK == cost(priority=99)
    assert cost(worth=AT_RISK) < cost(priority=1000)
    assert cost(worth=-5000) == cost()
