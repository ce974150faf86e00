"""Energy: nodes emptied whole or not at all, a draw that falls, and a bound that no packing beats."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.problems import cell
from tests.solver.tiny import (
    CONCAVE,
    CURVES,
    LINE,
    breaks_nothing,
    counts_in,
    every_placement,
    free_of,
    node_mw,
    overload_mw,
    problem,
    random_problem,
    state_of,
)

from powerplane.solver.energy import consolidate, dearest_first, emptiest_first, packing_of, weakest_first
from powerplane.solver.energy_bound import draw_bound_mw, envelope
from powerplane.solver.neighbourhood import Effort, repack
from powerplane.solver.solve import solve
from powerplane.solver.tables import compile_curves

seeds = st.integers(0, 2**32 - 1)
ORDERS = (dearest_first, emptiest_first, weakest_first)


def energy_problem(seed):
    """A random problem whose budgets are slack where they are found broken, and whose first class may be ambient."""
    case = random_problem(seed)
    draw = node_mw(case, counts_in(state_of(case)))
    rows = np.maximum(case.row_budget_mw, case.row_weights @ draw // case.row_scale + 1)
    ambient = np.array([seed % 2 == 1, False, False])
    movable = case.movable & ~ambient
    own = np.maximum(case.node_budget_mw, draw)
    return replace(case, row_budget_mw=rows, node_budget_mw=own, ambient=ambient, movable=movable)


def awake_mw(case, counts):
    """What nodes with more than ambient pods on them draw."""
    working = counts[~case.ambient].sum(axis=0) > 0
    return int(node_mw(case, counts)[working].sum())


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_no_placement_draws_less_than_the_bound(seed):
    case = energy_problem(seed)
    bound = draw_bound_mw(state_of(case), seconds=5)
    assert bound <= min(awake_mw(case, k) for k in every_placement(case) if breaks_nothing(case, k))


@given(seeds, st.sampled_from(ORDERS))
@settings(max_examples=80, deadline=None)
def test_consolidation_lowers_the_draw_breaks_nothing_and_empties_what_it_puts_to_sleep(seed, order):
    case = energy_problem(seed)
    packing = packing_of(state_of(case))
    before = packing.draw_mw()
    consolidate(packing, order(packing.state), lambda: False)
    counts = counts_in(packing.state)
    assert breaks_nothing(case, counts)
    assert not counts[~case.ambient][:, ~packing.awake].any()
    assert packing.draw_mw() == node_mw(case, counts)[packing.awake].sum()
    assert packing.draw_mw() < before or not packing.state.delta


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_repacking_some_nodes_never_raises_the_draw_and_breaks_nothing(seed):
    case = energy_problem(seed)
    packing = packing_of(state_of(case))
    before = packing.draw_mw()
    changed = repack(packing, np.arange(3), Effort(1.0, 1, 0))
    assert breaks_nothing(case, counts_in(packing.state))
    assert packing.draw_mw() < before if changed else packing.draw_mw() == before


@pytest.mark.parametrize("seed", range(6))
def test_a_whole_solve_is_between_its_bound_and_the_best_packing_or_reaches_it(seed):
    case = energy_problem(seed)
    result = solve(case, objective="energy", seconds=1, seed=0, clock=time.monotonic, workers=1)
    state = state_of(case)
    for flow in result.flows:
        state.move(flow.pod_class, flow.source, flow.target, flow.count)
    counts = counts_in(state)
    best = min(awake_mw(case, k) for k in every_placement(case) if breaks_nothing(case, k))
    assert breaks_nothing(case, counts)
    assert result.bound <= best <= result.cost == awake_mw(case, counts)
    assert result.cost <= awake_mw(case, counts_in(state_of(case)))
    assert not counts[~case.ambient][:, list(result.sleepable)].any()
    assert (result.status == "optimal") == (result.cost == result.bound)


def test_two_half_empty_nodes_become_one():
    case = problem([[1, 2]], curve=CONCAVE)
    packing = packing_of(state_of(case))
    consolidate(packing, emptiest_first(packing.state), lambda: False)
    assert (packing.state.cells, packing.awake.tolist()) == ([{}, {0: 3}], [False, True])


def test_a_node_with_a_pinned_pod_stays_awake_and_one_with_a_daemon_only_may_sleep():
    found = [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    case = problem(found, movable=np.array([True, False, False]), ambient=np.array([False, False, True]))
    packing = packing_of(state_of(case))
    consolidate(packing, emptiest_first(packing.state), lambda: False)
    assert packing.awake.tolist() == [False, True, False]
    assert packing.state.cells == [{2: 1}, {1: 1, 2: 1, 0: 2}, {2: 1}]


def test_no_rack_is_packed_over_its_budget():
    case = problem([[1, 2]], [None, 210])
    packing = packing_of(state_of(case))
    consolidate(packing, emptiest_first(packing.state), lambda: False)
    assert packing.state.overload_mw() == 0
    assert packing.state.cells == [{0: 3}, {}]


def test_nothing_is_moved_when_the_time_is_up():
    packing = packing_of(state_of(problem([[1, 2]])))
    consolidate(packing, emptiest_first(packing.state), lambda: True)
    assert packing.state.delta == {}


@pytest.mark.parametrize("curve", CURVES)
def test_an_envelope_lies_below_its_curve_and_touches_both_ends(curve):
    lines = envelope(compile_curves(problem([[1]], curve=curve)), 0, 4_000_000)
    for cores, watts in curve:
        assert max(offset + slope * cores for offset, slope in lines) <= watts + 1e-9
    for cores, watts in (curve[0], curve[-1]):
        assert max(offset + slope * cores for offset, slope in lines) == pytest.approx(watts)


def test_use_beyond_a_curves_end_draws_no_more_in_the_bound_either():
    case = problem([[6]], curve=LINE, ambient=np.array([False]))
    assert draw_bound_mw(state_of(case), seconds=5) <= 300_000


@pytest.mark.parametrize("linear", [True, False])
def test_a_cell_is_packed_within_its_budgets_close_to_the_bound(linear):
    case = cell(200, 12, 2, rack_size=4, linear=linear, utilisation=0.35, cut=0.0, slack=0.5, classes=20)
    packing = packing_of(state_of(case))
    consolidate(packing, weakest_first(packing.state), lambda: False)
    counts = counts_in(packing.state)
    assert overload_mw(case, counts) == 0
    assert (free_of(case, counts) >= 0).all()
    bound = draw_bound_mw(packing.state, seconds=5)
    assert bound <= packing.draw_mw() <= 1.25 * bound
