"""Why no plan can be: a set of which nothing can be left out, and what would free it."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import LINE, best_of, problem, random_problem, state_of

from powerplane.solver.conflict import CAPACITY, PLACES, UNMOVABLE, Part, find_conflict, quick_xplain, restrict
from powerplane.solver.relaxation import relax

seeds = st.integers(0, 2**32 - 1)
PARTS = tuple(Part(name) for name in "abcdefgh")


@given(st.sets(st.frozensets(st.sampled_from(PARTS), min_size=1, max_size=4), min_size=1, max_size=5))
def test_the_set_returned_clashes_and_without_any_member_it_does_not(causes):
    def clash(members):
        return any(cause <= set(members) for cause in causes)

    found = quick_xplain(PARTS, clash, lambda: False)
    assert clash(found)
    for without in combinations(found, len(found) - 1):
        assert not clash(without)


@given(st.frozensets(st.sampled_from(PARTS), min_size=1), st.integers(0, 12))
def test_when_the_time_is_up_the_set_still_clashes(cause, questions):
    left = [questions]

    def stop():
        left[0] -= 1
        return left[0] < 0

    found = quick_xplain(PARTS, lambda members: cause <= set(members), stop)
    assert cause <= set(found)


def test_earlier_parts_are_kept_rather():
    two_ways = [{PARTS[0]}, {PARTS[7]}]
    assert quick_xplain(PARTS, lambda m: any(w <= set(m) for w in two_ways), lambda: False) == (PARTS[0],)


def test_budgets_that_leave_the_pods_no_watts_are_named_together():
    conflict = find_conflict(problem([[4, 0, 0]], [200, 150, 100]))
    assert set(conflict.members) == {"budget of r0", "budget of r1", "budget of r2"}
    assert any("raise the budget of r0 by at least 50.0 W" in remedy for remedy in conflict.remedies)


def test_pods_that_may_not_move_are_named():
    conflict = find_conflict(problem([[4, 0]], [200, None], movable=np.array([False])))
    assert set(conflict.members) == {"budget of r0", UNMOVABLE}


def test_taints_are_named():
    conflict = find_conflict(problem([[4, 0]], [200, None], allowed=np.array([[True, False]])))
    assert set(conflict.members) == {"budget of r0", PLACES}


def test_room_is_named():
    conflict = find_conflict(problem([[4, 0]], [200, None], offered=[4, 1]))
    assert set(conflict.members) == {"budget of r0", CAPACITY}


def test_without_a_conflict_there_is_none():
    assert find_conflict(problem([[4, 0]], [200, None])) is None


@pytest.mark.parametrize("watts", [(200, 150), (100, 299), (150, 150)])
def test_the_raise_that_a_remedy_names_frees_the_budgets_and_less_does_not(watts):
    case = problem([[4, 0]], watts, curve=LINE)
    conflict = find_conflict(case)
    raised = [(m[1], float(m[2])) for r in conflict.remedies if (m := re.search(r"of (r\d) by at least (.*) W", r))]
    assert raised
    for name, more in raised:
        row = case.row_domain.index(name)
        for extra, free in ((more + 0.1, True), (more - 1, False)):
            budget = case.row_budget_mw.copy()
            budget[row] += round(extra * 1000)
            assert relax(state_of(replace(case, row_budget_mw=budget)), (), seconds=5).infeasible != free


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_a_conflict_is_only_told_where_no_placement_holds_everything(seed):
    case = random_problem(seed)
    conflict = find_conflict(case)
    if conflict is not None:
        assert best_of(case).overload_mw > 0
        assert len(set(conflict.members)) == len(conflict.members) == len(conflict.remedies)


def test_what_is_left_out_binds_no_longer():
    case = problem([[4, 0]], [200, 150], movable=np.array([False]), allowed=np.array([[True, False]]), offered=[2, 1])
    free = restrict(case, ())
    assert free.movable.all()
    assert free.allowed.all()
    assert (free.allocatable[:, 0] >= 4000).all()
    assert (free.row_budget_mw == np.iinfo(np.int64).max).all()
    same = restrict(case, (Part("x", ("r0", "r1")), Part(CAPACITY), Part(PLACES), Part(UNMOVABLE)))
    for name in ("movable", "allowed", "allocatable", "row_budget_mw"):
        assert (getattr(same, name) == getattr(case, name)).all()
