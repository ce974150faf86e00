"""What moving a pod costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.pricing import GIB, Pricing, move_cost
from powerplane.models.snapshot import PodTemplate


def template(priority=0, owner="Deployment/app"):
    return PodTemplate("default", owner, (), (0, 0, 0, 1), priority=priority)


NOW = 1_000_000
LONG_AGO = 1


@pytest.mark.parametrize(
    ("priority", "cost"),
    [(0, 1000), (-1, 500), (-(2**31), 500), (9, 2000), (100_000, 6000), (2_000_000_000, 10_301)],
)
def test_each_power_of_ten_of_priority_adds_a_move_and_a_negative_one_halves_it(priority, cost):
    assert move_cost(template(priority), LONG_AGO, NOW) == cost


@pytest.mark.parametrize(("started", "cost"), [(NOW - 599, 2000), (NOW - 600, 1000), (NOW + 5, 2000), (0, 1000)])
def test_a_pod_younger_than_ten_minutes_costs_a_move_more_and_one_of_unknown_age_does_not(started, cost):
    assert move_cost(template(), started, NOW) == cost


@pytest.mark.parametrize(("gib", "cost"), [(0, 1000), (1, 1001), (49, 1049), (50, 1050), (512, 1050)])
def test_memory_breaks_ties_up_to_a_twentieth_of_a_move(gib, cost):
    assert move_cost(template(), LONG_AGO, NOW, gib * GIB) == cost


def test_a_pod_without_a_controller_costs_ten_times_as_much_where_owners_are_recorded():
    assert move_cost(template(owner=""), LONG_AGO, NOW) == 10_000
    assert move_cost(template(owner=""), LONG_AGO, NOW, owners_recorded=False) == 1000


@given(st.integers(-(2**31), 2**31 - 2), st.integers(0, 2 * NOW), st.integers(0, 2**45), st.booleans())
def test_every_price_is_a_positive_integer_that_never_falls_with_priority(priority, started, memory, owned):
    costs = [
        move_cost(template(one, "" if owned else "Job/x"), started, NOW, memory) for one in (priority, priority + 1)
    ]
    assert all(isinstance(cost, int) and cost > 0 for cost in costs)
    assert costs[0] <= costs[1]


def test_the_price_list_is_told_with_its_figures():
    told = Pricing(settling=2500, settling_seconds=60, uncontrolled_times=7).assumption
    assert "2.5" in told
    assert "60 s" in told
    assert "7 times" in told
