"""Whether the watts came true."""

from powerplane.actuator.confirming import ConfirmTerms, confirm
from powerplane.actuator.facts import Measurement, PlannedDomain

TERMS = ConfirmTerms(fresh_s=60, wait_s=180, settle_s=5, doubt_s=10, tolerance=0.01)
RACK = PlannedDomain("r1", budget_watts=1000, before_watts=1200, after_watts=900)


def judged(watts=900.0, taken_s=110.0, clock_s=112.0, domains=(RACK,), budget=0.0, terms=TERMS):
    measured = {} if watts is None else {"r1": Measurement(watts, taken_s, budget)}
    return confirm(domains, measured, 100.0, clock_s, terms).verdict


def test_a_domain_within_its_budget_holds():
    assert judged() == "held"


def test_a_domain_above_its_budget_and_not_above_what_it_drew_is_still_over():
    assert judged(1100) == "over"


def test_a_domain_that_draws_what_was_foretold_and_may_draw_less_by_now_is_no_fault_of_the_moves():
    target = PlannedDomain("r1", budget_watts=1000, before_watts=800, after_watts=950)
    assert judged(950, budget=900, domains=(target,)) == "lowered"
    assert judged(790, budget=700, domains=(target,)) == "over"
    assert judged(990, budget=900, domains=(target,)) == "worse"


def test_the_worst_of_several_domains_counts():
    measured = {"a": Measurement(1100.0, 110.0), "b": Measurement(1300.0, 110.0)}
    domains = [PlannedDomain(name, 1000, 1200, 900) for name in "ab"]
    found = confirm(domains, measured, 100.0, 112.0, TERMS)
    assert (found.verdict, found.domain) == ("worse", "b")


def test_a_domain_that_draws_more_than_before_and_than_it_may_is_worse():
    assert judged(1300) == "worse"


def test_a_sensors_error_breaks_no_budget():
    assert judged(1009) == "held"


def test_what_was_measured_before_the_wave_ended_is_waited_past():
    assert judged(taken_s=99) == "wait"
    assert judged(taken_s=104) == "wait", "sensors lag"


def test_a_bad_measurement_is_believed_later_than_a_good_one_as_sensors_tell_means_of_the_past():
    for watts in (1100, 1300):
        assert judged(900, taken_s=106, clock_s=107) == "held"
        assert judged(watts, taken_s=106, clock_s=107) == "wait"
        assert judged(watts, taken_s=109, clock_s=140) == "wait"
    assert (judged(1100, taken_s=110), judged(1300, taken_s=110)) == ("over", "worse")


def test_what_is_over_still_holds_no_wave_up_that_follows():
    measured = {"r1": Measurement(1100.0, 106.0)}
    assert confirm([RACK], measured, 100.0, 107.0, TERMS, last=False).verdict == "over"
    worse = {"r1": Measurement(1300.0, 106.0)}
    assert confirm([RACK], worse, 100.0, 107.0, TERMS, last=False).verdict == "wait"


def test_a_measurement_that_has_grown_old_is_none():
    assert judged(taken_s=106, clock_s=170) == "wait"


def test_without_any_measurement_in_time_nothing_is_known():
    assert judged(None) == "wait"
    assert judged(None, clock_s=281) == "blind"
    assert judged(taken_s=90, clock_s=281) == "blind"


def test_the_budget_in_force_stands_before_the_plans():
    assert judged(950, budget=940) == "over"


def test_a_domain_without_a_budget_is_not_waited_for():
    assert judged(None, domains=(PlannedDomain("row", after_watts=5000),)) == "held"


def test_by_books_nothing_is_waited_for():
    assert judged(None, terms=ConfirmTerms(by_books=True)) == "held"
