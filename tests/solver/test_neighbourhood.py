"""Neighbourhoods re-planned by CP-SAT: never worse, and as good as trying everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import best_of, breaks_nothing, counts_in, counts_of, problem, random_problem, state_of

from powerplane.solver.neighbourhood import Effort, replan
from powerplane.solver.run import worth

seeds = st.integers(0, 2**32 - 1)
EFFORT = Effort(5.0, 1, 0)


@given(seeds, st.booleans())
@settings(max_examples=40, deadline=None)
def test_replanning_never_makes_a_state_worse_breaks_nothing_and_says_whether_it_helped(seed, ruled):
    case = random_problem(seed, nodes=4, ruled=ruled)
    state = state_of(case)
    before = worth(state)
    changed = replan(state, np.array([0, 1, 3]), EFFORT)
    counts, found = counts_in(state), counts_of(case)
    assert worth(state) < before if changed else (worth(state) == before and (counts == found).all())
    assert breaks_nothing(case, counts)
    assert (counts[:, 2] == found[:, 2]).all()
    assert (counts.sum(axis=1) == found.sum(axis=1)).all()


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_replanning_every_node_finds_what_trying_all_finds(seed):
    case = random_problem(seed)
    state, best = state_of(case), best_of(case)
    replan(state, np.arange(3), EFFORT)
    assert (state.overload_mw(), state.cost) == (best.overload_mw, best.cost)


def test_a_swap_that_no_single_move_makes_is_found():
    case = problem([[1, 0], [0, 1]], [150, None], cores=[2, 1], offered=[2, 2])
    state = state_of(case)
    assert replan(state, np.array([0, 1]), EFFORT)
    assert state.cells == [{1: 1}, {0: 1}]


def test_pods_moved_in_vain_go_home():
    state = state_of(problem([[2, 0, 0]], [150, None, None]))
    state.move(0, 0, 1)
    state.move(0, 0, 2)
    assert replan(state, np.array([0, 1, 2]), EFFORT)
    assert state.cost == 1000


def test_a_bargain_that_only_the_model_sees_is_taken_back():
    """The model cannot be better than the state, so at the optimum nothing is adopted."""
    state = state_of(problem([[1, 1]], [150, 150]))
    assert not replan(state, np.array([0, 1]), EFFORT)
    assert state.delta == {}


@pytest.mark.parametrize("movable", [True, False])
def test_nodes_without_movable_pods_are_left_alone(movable):
    case = problem([[0, 0, 4]], [None, None, 200], movable=np.array([movable]))
    assert not replan(state_of(case), np.array([0, 1]), EFFORT)
    assert replan(state_of(case), np.array([1, 2]), EFFORT) == movable
