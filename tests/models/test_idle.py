"""Budgets that no migration can hold."""

import pytest
from tests.models.api_objects import LINE

from powerplane.models.errors import InputError
from powerplane.models.idle import check_idle
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import SHARED, PowerDomain, PowerTopology

NODES = ("n1", "n2")


def check(*domains):
    check_idle(NODES, [(LINE, NO_BUDGET)] * 2, PowerTopology(domains))


def rack(budget_mw, parents=()):
    return PowerDomain("rack-1", "rack", budget_mw, parents=parents, nodes=NODES, feed_load=SHARED)


def test_a_budget_of_exactly_the_idle_draw_can_be_held():
    check(rack(200_000))


def test_a_rack_below_its_idle_draw_is_refused_with_both_figures_and_what_would_help():
    with pytest.raises(InputError) as caught:
        check(rack(199_999))
    assert caught.value.problem == "rack 'rack-1' may draw 199.999 W, but its nodes draw 200 W even when idle"
    assert caught.value.next_step.startswith("raise the budget to at least 200 W")
    assert "no migration can help" in caught.value.next_step


def test_a_domain_above_is_checked_with_all_nodes_below_it():
    with pytest.raises(InputError, match="row 'row-1' may draw 150 W, but its nodes draw 200 W"):
        check(PowerDomain("row-1", "row", 150_000), rack(NO_BUDGET, ("row-1",)))


def test_a_feed_that_could_not_carry_the_idle_draw_alone_is_refused_naming_the_lost_one():
    feeds = (PowerDomain("a", "feed", 150_000), PowerDomain("b", "feed", NO_BUDGET))
    with pytest.raises(InputError, match="feed 'a', with 'b' lost, may draw 150 W, but its nodes draw 200 W"):
        check(*feeds, rack(NO_BUDGET, ("a", "b")))


def test_feeds_that_each_carry_all_of_it_are_fine():
    check(PowerDomain("a", "feed", 200_000), PowerDomain("b", "feed", 200_000), rack(NO_BUDGET, ("a", "b")))
