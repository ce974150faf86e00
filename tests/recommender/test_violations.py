"""Which budgets are broken now and ahead, and of which nothing may be said."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.recommender.violations import Foreseen, find_violations, node_violations

ALARM_AT, LEAD_S = 0.3, 180.0


def reading(draw_mw, budget_mw=1_000_000, *, worst_case_mw=0, worst=0, nodes=10, lost_mw=None, name="r1"):
    lost = "" if lost_mw is None else "b"
    return DomainReading(
        name, "rack", budget_mw, None, draw_mw, worst_case_mw, lost, draw_mw if lost_mw is None else lost_mw,
        nodes, nodes - worst, 0, worst, (), 1.0,
    )  # fmt: skip


def judge(*domains, **ahead):
    return find_violations(domains, ahead, ALARM_AT, LEAD_S)


@given(st.integers(0, 2_000_000), st.integers(1, 2_000_000))
def test_a_domain_is_broken_now_exactly_when_it_draws_more_than_its_budget(draw_mw, budget_mw):
    found = judge(reading(draw_mw, budget_mw)).violations
    assert [each.when for each in found] == (["now"] if draw_mw > budget_mw else [])


@given(st.integers(1, 10), st.integers(0, 2_000_000), st.floats(0, 1))
def test_what_rests_on_worst_cases_is_never_acted_on_however_it_stands(worst, draw_mw, share):
    worst_case_mw = int(draw_mw * share)
    found = judge(reading(draw_mw, worst=worst, worst_case_mw=worst_case_mw))
    if worst == 10 or worst_case_mw > 0.1 * draw_mw:
        assert not found.violations
        assert found.untold["r1"]
    for each in found.violations:
        assert draw_mw - worst_case_mw > each.budget_mw


def test_a_domain_without_a_budget_breaks_nothing():
    assert judge(reading(10**9, NO_BUDGET)) == judge()


def test_a_trend_that_will_surely_pass_the_budget_is_a_violation_ahead():
    (found,) = judge(reading(900_000), r1=Foreseen(sure_mw=1_050_000)).violations
    assert (found.when, found.over_mw) == ("ahead", 50_000)
    assert not judge(reading(900_000), r1=Foreseen(sure_mw=990_000)).violations


def test_a_breach_counts_from_the_alarms_probability_on_and_one_that_is_not_known_does_not():
    assert judge(reading(900_000), r1=Foreseen(probability=0.31, expected_mw=1_010_000)).violations
    assert not judge(reading(900_000), r1=Foreseen(probability=0.29, expected_mw=1_010_000)).violations
    assert not judge(reading(900_000), r1=Foreseen(probability=math.nan)).violations


def test_a_likely_breach_of_which_less_is_expected_is_over_by_something_all_the_same():
    (found,) = judge(reading(900_000), r1=Foreseen(probability=0.5, expected_mw=950_000)).violations
    assert found.over_mw > 0


def test_a_domain_that_would_be_over_without_a_feed_says_so():
    (found,) = judge(reading(600_000, lost_mw=1_200_000)).violations
    assert (found.when, found.over_mw) == ("if lost", 200_000)
    assert "without feed b" in found.why


def test_the_worst_comes_first():
    found = judge(reading(1_010_000, name="a"), reading(1_500_000, name="b"), reading(1_100_000, name="c"))
    assert [each.name for each in found.violations] == ["b", "c", "a"]


def test_nodes_over_their_own_budget_count_by_what_was_measured_alone():
    nothing = np.full(3, np.nan)
    readings = NodeReadings(
        0.0, ("n1", "n2", "n3"), np.array([300.0, 300.0, 200.0]), ("measured", "worst", "held"), ("ipmi", "", "ipmi"),
        np.zeros(3), nothing, nothing, nothing, ("",) * 3,
    )  # fmt: skip
    (found,) = node_violations(readings, {"n1": 250_000, "n2": 250_000, "n3": 250_000})
    assert (found.name, found.kind, found.over_mw) == ("n1", "node", 50_000)
