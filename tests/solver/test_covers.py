"""Covers: the cheapest pods to take off a trouble spot, by program and by table."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.solver.problems import cell
from tests.solver.tiny import (
    CONCAVE,
    CONVEX,
    CURVES,
    LINE,
    best_of,
    cost_of,
    counts_of,
    excesses_mw,
    free_of,
    milliwatts,
    problem,
    random_problem,
    state_of,
)

from powerplane.solver.cover import cover, relieves
from powerplane.solver.cover_program import cover_by_program
from powerplane.solver.cover_table import cover_by_table, suits
from powerplane.solver.spots import trouble_spots

seeds = st.integers(0, 2**32 - 1)


def under_limits(case, spot, counts):
    """Say, by sums of our own, whether a spot's rows and nodes are under their limits with these pods."""
    own, rows = excesses_mw(case, counts)
    return not (own[spot.nodes].any() or rows[list(spot.rows)].any() or (free_of(case, counts)[spot.nodes] < 0).any())


def cheapest(case, spot):
    """Price of the cheapest pods that relieve a spot when they are taken away, by trying all; None where none do."""
    found = counts_of(case)
    cells = [(c, n) for c, n in zip(*np.nonzero(found), strict=True) if case.movable[c] and n in spot.nodes]
    prices = []
    for gone in product(*(range(found[at] + 1) for at in cells)):
        counts = found.copy()
        for place, count in zip(cells, gone, strict=True):
            counts[place] -= count
        if under_limits(case, spot, counts):
            prices.append(cost_of(case, counts))
    return min(prices, default=None)


def without(case, taken):
    counts = counts_of(case)
    for cell_of, count in taken.items():
        counts[cell_of] -= count
    return counts


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_a_covers_bound_is_at_most_the_cheapest_set_and_its_own_set_relieves_the_spot(seed):
    case = random_problem(seed, nodes=4)
    state = state_of(case)
    for spot in trouble_spots(state):
        least = cheapest(case, spot)
        answer = cover(state, spot, seconds=5, seed=0)
        assert answer.possible or least is None
        if least is None:
            assert not answer.taken or relieves(state, answer)
            continue
        counts = without(case, answer.taken)
        assert under_limits(case, spot, counts)
        assert answer.bound <= least <= cost_of(case, counts)


@given(seeds, st.sampled_from(CURVES))
@settings(max_examples=60, deadline=None)
def test_table_and_program_agree_with_trying_all_whatever_the_curve(seed, curve):
    case = random_problem(seed, nodes=4, curve=curve, odd=False)
    state = state_of(case)
    spots = [spot for spot in trouble_spots(state) if suits(state, spot)]
    assume(spots)
    for spot in spots:
        least = cheapest(case, spot)
        table = cover_by_table(state, spot)
        program = cover_by_program(state, spot, margin_watts=0.0, seconds=5, seed=0)
        assert table.possible == program.possible == (least is not None)
        if least is not None:
            # Prices are whole hundreds, so the table's grid loses nothing.
            assert table.bound == least == cost_of(case, without(case, table.taken))
            assert program.bound <= least
            assert relieves(state, table)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_on_a_real_sized_spot_table_and_program_prove_the_same(linear, seed):
    case = cell(120, 12, seed, rack_size=6, linear=linear, classes=12)
    state = state_of(case)
    spot = trouble_spots(state)[0]
    table = cover_by_table(state, spot)
    program = cover_by_program(state, spot, margin_watts=0.0, seconds=5, seed=0)
    price = cost_of(case, without(case, table.taken))
    assert table.bound <= price <= table.bound * 1.02
    assert program.bound <= price
    assert relieves(state, table)
    assert under_limits(case, spot, without(case, table.taken))
    if linear:
        assert table.bound <= program.bound + len(table.taken)


def test_on_a_concave_curve_one_node_is_emptied_rather_than_two_halved():
    case = problem([[4, 4]], [500], racks=[[0, 1]], curve=CONCAVE)
    state = state_of(case)
    (spot,) = trouble_spots(state)
    found = cover(state, spot, seconds=5, seed=0)
    assert (found.bound, sorted(found.taken.values())) == (4000, [4])


def test_on_a_convex_curve_one_pod_of_each_node_goes():
    case = problem([[4, 4]], [270], racks=[[0, 1]], curve=CONVEX)
    state = state_of(case)
    (spot,) = trouble_spots(state)
    assert cover(state, spot, seconds=5, seed=0).taken == {(0, 0): 1, (0, 1): 1}


def test_a_spot_that_emptying_does_not_relieve_is_impossible():
    state = state_of(problem([[2, 2]], [150], racks=[[0, 1]], curve=LINE))
    (spot,) = trouble_spots(state)
    for found in (
        cover(state, spot, seconds=5, seed=0),
        cover_by_table(state, spot),
        cover_by_program(state, spot, margin_watts=0.0, seconds=5, seed=0),
    ):
        assert (found.possible, found.taken, found.bound) == (False, {}, 0)


def test_accelerators_and_nodes_own_limits_are_left_to_the_program():
    def suited(**changes):
        state = state_of(problem([[4, 1]], [200, None], **changes))
        return [suits(state, spot) for spot in trouble_spots(state)]

    assert suited() == [True]
    assert suited(accelerator_mw=np.array([1])) == [False]
    assert suited(node_budget_mw=milliwatts([150, None])) == [False]
    assert suited(offered=[3, 3]) == [False]


def test_spots_that_share_a_node_are_one_and_others_are_apart():
    racks = [[0, 1], [1, 2], [3, 4], [5]]
    state = state_of(problem([[2, 2, 2, 2, 2, 2]], [100, 100, 100, None], racks=racks, offered=[8, 8, 8, 8, 8, 1]))
    spots = [(spot.rows, spot.nodes.tolist()) for spot in trouble_spots(state)]
    assert sorted(spots) == [((), [5]), ((0, 1), [0, 1, 2]), ((2,), [3, 4])]


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_the_covers_of_all_spots_together_cost_no_more_than_any_plan(seed):
    case = random_problem(seed)
    state = state_of(case)
    best = best_of(case)
    covers = [cover(state, spot, seconds=5, seed=0) for spot in trouble_spots(state)]
    if best.overload_mw == 0:
        assert all(found.possible for found in covers)
        assert sum(found.bound for found in covers) <= best.cost


def test_without_pods_that_may_move_an_overdrawn_spot_is_impossible():
    case = replace(problem([[4, 0]], [200, None]), movable=np.zeros(1, dtype=bool))
    state = state_of(case)
    (spot,) = trouble_spots(state)
    assert not cover(state, spot, seconds=5, seed=0).possible
