"""Where one more pod may go, family by family, and all of them together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.rules_held import rules_held
from tests.solver.tiny import counts_in, excesses_mw, free_of, problem, random_problem, rule, state_of

from powerplane.solver.feasible import (
    counted_zones,
    emptiest,
    finds_company,
    node_allowed,
    not_repelled,
    repels_nobody,
    requests_fit,
    skew_holds,
    targets,
)

seeds = st.integers(0, 2**32 - 1)
ALL = np.arange(3)


def test_requests_fit_where_enough_is_left_of_everything_asked_for():
    state = state_of(problem([[3, 2, 0]], offered=[3, 3, 3]))
    assert requests_fit(state, 0, ALL).tolist() == [False, True, True]


def test_a_resource_that_is_not_asked_for_may_be_short():
    case = problem([[1, 0, 0], [0, 0, 1]], requests=np.array([[2000, 0], [0, 1_000_000]]), offered=[1, 1, 2])
    assert requests_fit(state_of(case), 1, ALL).tolist() == [True, True, True]


def test_newcomers_are_let_in_by_their_set():
    sets = np.array([[True, True, False], [False, True, True]])
    state = state_of(problem([[1, 0, 0], [1, 0, 0]], allowed=sets, allowed_set=np.array([1, 0])))
    assert node_allowed(state, 0, ALL).tolist() == [False, True, True]
    assert node_allowed(state, 1, ALL).tolist() == [True, True, False]


def test_anti_affinity_works_both_ways_and_not_beyond_its_key():
    apart = rule("anti-affinity", [0], [1], [0, 1, -1])
    state = state_of(problem([[0, 1, 0], [1, 0, 1]], rules=(apart,)))
    assert repels_nobody(state, 0, ALL).tolist() == [False, True, True]
    assert not_repelled(state, 0, ALL).tolist() == [True, False, True]
    assert targets(state, 0)[0].tolist() == [False, True, True]
    assert targets(state, 1)[0].tolist() == [True, False, True]


def test_affinity_asks_for_company_unless_the_pod_is_the_first_of_its_own():
    near = rule("affinity", [0], [1], [0, 1, -1])
    state = state_of(problem([[0, 0, 0], [1, 0, 1]], rules=(near,)))
    assert finds_company(state, 0, ALL, own=False).tolist() == [True, False, False]
    alone = state_of(problem([[0, 0, 0]], rules=(rule("affinity", [0], [0], [0, 1, -1]),)))
    assert finds_company(alone, 0, ALL, own=True).tolist() == [True, True, False]
    assert finds_company(alone, 0, ALL, own=False).tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("own", "skew", "welcome"), [(True, 1, [0, 1, 1]), (True, 2, [1, 1, 1]), (False, 1, [1, 1, 1])]
)
def test_spread_counts_the_newcomer_where_it_is_a_target(own, skew, welcome):
    state = state_of(problem([[1, 0, 0]], rules=(rule("spread", [0], [0], [0, 1, 2], max_skew=skew),)))
    assert skew_holds(state, 0, ALL, own=own).tolist() == [bool(w) for w in welcome]


def test_only_counted_zones_give_the_minimum_and_too_few_of_them_give_none():
    counted = rule("spread", [0], [0], [0, 1, 2], counted=[True, True, False], max_skew=1)
    assert counted_zones(counted).tolist() == [0, 1]
    assert emptiest(counted, np.array([3, 2, 0])) == 2
    few = rule("spread", [0], [0], [0, 1, 2], counted=[True, True, False], max_skew=1, min_zones=3)
    assert emptiest(few, np.array([3, 2, 0])) == 0


def test_no_target_lacks_watts_in_any_budget_above_it():
    state = state_of(problem([[1, 0, 0]], [None, 149, 150]))
    mask, rise, room = targets(state, 0)
    assert mask.tolist() == [True, False, True]
    assert rise.tolist() == [50_000] * 3
    assert room[1:].tolist() == [49_000, 50_000]


@given(seeds, st.integers(0, 2), st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_accepted_target_breaks_no_limit_and_no_rule_when_the_pod_comes(seed, pod_class, ruled):
    case = random_problem(seed, nodes=4, ruled=ruled)
    state = state_of(case)
    own_was, rows_was = excesses_mw(case, counts_in(state))
    for n in np.flatnonzero(targets(state, pod_class)[0]).tolist():
        state.put(pod_class, n, 1)
        counts = counts_in(state)
        own, rows = excesses_mw(case, counts)
        carried = case.row_weights.toarray()[:, n] > 0
        rises = int(state.fall(np.array([pod_class]), np.array([n]))[0]) > 0
        assert own[n] == 0 or not rises
        assert (rows <= rows_was).all()
        assert (own <= own_was).all()
        assert not (rises and rows[carried].any())
        assert (free_of(case, counts)[n] >= 0).all()
        assert case.allowed[case.allowed_set[pod_class], n]
        assert rules_held(case, counts, pod_class, n)
        state.put(pod_class, n, -1)


@given(seeds, st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_a_refused_target_would_break_something(seed, pod_class):
    case = random_problem(seed, nodes=4, ruled=True)
    state = state_of(case)
    mask, rise, room = targets(state, pod_class)
    for n in np.flatnonzero(~mask).tolist():
        state.put(pod_class, n, 1)
        counts = counts_in(state)
        free = free_of(case, counts)[n]
        assert (
            ((free < 0) & (case.requests[pod_class] > 0)).any()
            or not case.allowed[case.allowed_set[pod_class], n]
            or rise[n] > room[n]
            or not rules_held(case, counts, pod_class, n)
        )
        state.put(pod_class, n, -1)
