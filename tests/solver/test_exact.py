"""Small problems solved whole, and parts of them, against trying every placement."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.solver.problems import cell
from tests.solver.tiny import (
    best_of,
    breaks_nothing,
    counts_in,
    counts_of,
    overload_mw,
    problem,
    random_problem,
    rule,
    state_of,
)

from powerplane.solver.exact import apply_counts, hold_exactly, is_small, replan_exactly, solve_whole

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_solved_whole_neither_bound_is_above_what_the_best_placement_reaches(seed):
    case = random_problem(seed)
    best = best_of(case)
    whole = solve_whole(state_of(case), broken=True, seconds=10, seed=0)
    assert whole.overload_bound_mw <= best.overload_mw
    if best.overload_mw <= whole.overload_bound_mw:
        assert whole.cost_bound <= best.cost


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_holding_exactly_holds_every_budget_at_no_less_than_the_least_cost(seed):
    case = random_problem(seed)
    state, best = state_of(case), best_of(case)
    counts = hold_exactly(state, seconds=10, seed=0)
    if counts is None:
        return
    after = apply_counts(state, counts)
    assert best.overload_mw == 0
    assert breaks_nothing(case, counts_in(after))
    assert after.overload_mw() == overload_mw(case, counts_in(after)) == 0
    assert after.cost >= best.cost


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_replanned_counts_keep_every_pod_and_only_touch_their_nodes(seed):
    case = random_problem(seed, nodes=4, ruled=True)
    state = state_of(case)
    nodes = np.array([0, 2, 3])
    counts = replan_exactly(state, nodes, seconds=5, seed=0)
    if counts is None:
        return
    after, found = counts_in(apply_counts(state, counts)), counts_of(case)
    assert (after.sum(axis=1) == found.sum(axis=1)).all()
    assert (after[:, 1] == found[:, 1]).all()
    assert (after[~case.movable] == found[~case.movable]).all()
    ruled = {c for each in case.rules for c in (*each.carriers.tolist(), *each.targets.tolist())}
    assert (after[sorted(ruled)] == found[sorted(ruled)]).all()
    assert not ((after > found) & ~case.allowed[case.allowed_set]).any()


def test_known_answers_come_out_whole():
    state = state_of(problem([[4, 0, 0]], [200, 150, 150]))
    whole = solve_whole(state, broken=False, seconds=10, seed=0)
    assert (whole.overload_bound_mw, whole.cost_bound) == (0, 2000)
    assert apply_counts(state, whole.counts).cells == [{0: 2}, {0: 1}, {0: 1}]


def test_where_budgets_must_stay_broken_the_least_overload_comes_first():
    state = state_of(problem([[4, 0]], [150, 200]))
    whole = solve_whole(state, broken=True, seconds=10, seed=0)
    assert 49_998 <= whole.overload_bound_mw <= 50_000  # floats are believed to a milliwatt
    assert whole.cost_bound == 2000


def test_a_row_that_holds_goes_on_to_hold_where_its_domain_is_over_in_another():
    """The pod would bring the first row under its budget, and the second over its own: none may."""
    rows = {"row_weights": sparse.csr_array(np.array([[1, 0], [0, 1]])), "row_lost": ("", "other")}
    case = problem([[2, 0]], row_budget_mw=np.array([150_000, 120_000]), row_domain=("feed", "feed"), **rows)
    state = state_of(case)
    assert solve_whole(state, broken=True, seconds=10, seed=0).counts == {(0, 0): 2, (0, 1): 0}
    assert replan_exactly(state, np.array([0, 1]), seconds=5, seed=0) == {(0, 0): 2, (0, 1): 0}


def test_pods_of_a_rule_are_left_where_they_are():
    apart = rule("anti-affinity", [0], [0], [0, 1])
    state = state_of(problem([[1, 0], [3, 0]], [200, None], rules=(apart,)))
    counts = replan_exactly(state, np.array([0, 1]), seconds=5, seed=0)
    assert apply_counts(state, counts).cells == [{0: 1, 1: 1}, {1: 2}]


def test_applying_counts_leaves_the_base_alone():
    state = state_of(problem([[2, 0]]))
    assert apply_counts(state, {(0, 0): 1, (0, 1): 1}).cost == 1000
    assert (state.cells, state.cost) == ([{0: 2}, {}], 0)


def test_small_is_measured_by_classes_and_nodes():
    assert is_small(state_of(problem([[2, 0]])))
    assert not is_small(state_of(cell(3000, 60, 0, classes=100)))
