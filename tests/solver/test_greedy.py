"""The greedy repair: it relieves, and breaks nothing on the way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import breaks_nothing, counts_in, counts_of, milliwatts, problem, random_problem, state_of

from powerplane.solver.greedy import Pool, best_target, candidates, extra_price, hottest, repair

seeds = st.integers(0, 2**32 - 1)


def repaired(case):
    state = state_of(case)
    repair(state, lambda: False)
    return state


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_repair_breaks_nothing_that_held_moves_no_pinned_pod_and_leaves_no_more_overload(seed):
    case = random_problem(seed)
    found, state = state_of(case), repaired(case)
    counts = counts_in(state)
    assert breaks_nothing(case, counts)
    assert (counts[~case.movable] == counts_of(case)[~case.movable]).all()
    assert (counts.sum(axis=1) == counts_of(case).sum(axis=1)).all()
    assert state.distress_mw() <= found.distress_mw()


def test_repair_brings_a_rack_under_its_budget():
    state = repaired(problem([[4, 0, 0]], [200, 150, 150]))
    assert (state.distress_mw(), state.cost) == (0, 2000)
    assert state.cells == [{0: 2}, {0: 1}, {0: 1}]


def test_repair_relieves_a_node_that_promised_too_much():
    state = repaired(problem([[4, 0]], offered=[3, 3]))
    assert (state.distress_mw(), state.cells) == (0, [{0: 3}, {0: 1}])


def test_repair_relieves_a_nodes_own_budget():
    state = repaired(problem([[4, 0]], node_budget_mw=milliwatts([250, None])))
    assert (state.distress_mw(), state.cells) == (0, [{0: 3}, {0: 1}])


@pytest.mark.parametrize("frugal", [False, True])
def test_repair_goes_on_with_others_when_the_worst_rack_cannot_be_relieved(frugal):
    # Rack 0 is furthest over its budget and holds pinned pods only; rack 1 can be relieved into rack 2.
    case = problem([[6, 0, 0], [0, 4, 0]], [110, 200, None], movable=np.array([False, True]))
    found, state = state_of(case), state_of(case)
    repair(state, lambda: False, frugal=frugal)
    assert (found.row_excess()[:2] > 0).all()
    assert found.row_excess()[0] > found.row_excess()[1]
    assert state.row_excess()[0] == found.row_excess()[0]
    assert state.row_excess()[1] == 0


def test_repair_does_nothing_when_the_time_is_up():
    state = state_of(problem([[4, 0]], [200, None]))
    repair(state, lambda: True)
    assert state.delta == {}


def test_repair_ends_where_nothing_can_go():
    state = repaired(problem([[4, 0]], [200, None], offered=[4, 0]))
    assert state.delta == {}


def test_capacity_comes_before_a_nodes_budget_and_that_before_a_rows():
    case = problem([[4, 4, 4]], [200, None, None], offered=[8, 8, 3], node_budget_mw=milliwatts([None, 250, None]))
    full = hottest(state_of(case))
    assert (full.nodes.tolist(), full.resource, full.excess) == ([2], 0, 1000)
    own = hottest(state_of(replace(case, allocatable=np.full((3, 2), 8_000_000))))
    assert (own.nodes.tolist(), own.resource, own.row, own.excess) == ([1], -1, -1, 50_000)
    row = hottest(state_of(problem([[4, 4, 4]], [200, None, None])))
    assert (row.nodes.tolist(), row.row, row.excess) == ([0], 0, 100_000)
    assert hottest(state_of(problem([[4, 4, 4]]))) is None


def test_of_pods_that_suffice_alone_the_cheapest_goes_first():
    case = problem([[1, 0], [1, 0], [1, 0]], [200, None], cores=[2, 2, 1], move_cost=np.array([1500, 1200, 1000]))
    state = state_of(case)
    assert candidates(state, hottest(state))[0] == (1, 0)


def test_a_pod_that_came_by_the_plan_moves_on_for_nothing():
    state = state_of(problem([[2, 0, 0]]))
    state.move(0, 0, 1)
    assert extra_price(state, np.array([0, 0]), np.array([0, 1])).tolist() == [1000, 0]


def test_the_target_is_the_one_whose_tightest_budget_is_used_up_least():
    state = state_of(problem([[1, 0, 0, 0]], [None, 160, 400, 149]))
    assert best_target(state, 0, 0) == 2
    assert best_target(state, 0, 0, nodes=np.array([1, 3])) == 1
    assert best_target(state, 0, 0, nodes=np.array([0, 3])) is None


def test_the_pool_looks_beyond_its_nodes_when_they_can_take_nothing():
    """The roomiest 256 nodes let the pod not in; the one that does has the least room."""
    nodes = 300
    found = np.zeros((1, nodes), dtype=int)
    found[0, 0] = 2
    allowed = np.zeros((1, nodes), dtype=bool)
    allowed[0, nodes - 1] = True
    case = problem(found, [150, *[None] * (nodes - 2), 151], allowed=allowed)
    assert Pool(state_of(case)).target(0, 0) == nodes - 1
