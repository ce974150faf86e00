"""The relaxation: a bound that no placement beats, and a proof only where there is none to find."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.solver.problems import cell
from tests.solver.tiny import best_of, problem, random_problem, state_of

from powerplane.solver.cover import cover
from powerplane.solver.highs import LinearModel, minimise
from powerplane.solver.relaxation import dual_bound, relax
from powerplane.solver.spots import trouble_spots
from powerplane.solver.twin import solve_twin

seeds = st.integers(0, 2**32 - 1)


def covers_of(state):
    found = [cover(state, spot, seconds=5, seed=0) for spot in trouble_spots(state)]
    return tuple((each.spot.nodes, each.bound) for each in found if each.possible)


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_no_placement_costs_less_than_the_bound_and_none_holds_where_it_says_infeasible(seed):
    case = random_problem(seed)
    state, best = state_of(case), best_of(case)
    fine, coarse = relax(state, covers_of(state), seconds=5), relax(state, (), seconds=5, coarse=True)
    if best.overload_mw == 0:
        assert not fine.infeasible
        assert not coarse.infeasible
        assert coarse.bound <= fine.bound + 1e-3
        assert fine.bound <= best.cost + 1e-3


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_no_placement_overloads_less_than_the_soft_bound(seed):
    case = random_problem(seed)
    state, best = state_of(case), best_of(case)
    fine = relax(state, (), seconds=5, soft=True)
    coarse = relax(state, (), seconds=5, soft=True, coarse=True)
    for relaxed in (fine, coarse):
        assert relaxed.infeasible or relaxed.bound <= best.overload_mw + 1


@pytest.mark.parametrize("seed", range(4))
def test_rules_between_pods_only_raise_what_the_relaxation_bounds(seed):
    case = random_problem(seed + 40, nodes=4, classes=4, ruled=True)
    twin = solve_twin(case, seconds=10)
    relaxed = relax(state_of(case), (), seconds=5)
    if twin.status == "optimal":
        assert not relaxed.infeasible
        assert relaxed.bound <= twin.cost + 1e-3


def random_program(rng):
    model = LinearModel()
    for cost in rng.normal(2, 3, 5).tolist():
        model.column(cost, 0.0, float(rng.integers(1, 6)))
    for _ in range(4):
        values = rng.normal(0, 2, 5)
        middle = float(values @ np.array(model.upper) / 2)
        sides = [(-inf, middle + 1), (middle - 1, inf), (middle - 1, middle + 1)][rng.integers(3)]
        model.row(list(range(5)), values.tolist(), *sides)
    return model.program()


@given(seeds, st.floats(0.001, 100))
@settings(max_examples=100, deadline=None)
def test_the_dual_bound_holds_for_any_duals_however_wrong(seed, error):
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    best = minimise(program, seconds=5)
    assert best.feasible
    assert dual_bound(program, best.row_duals) == pytest.approx(best.objective, abs=1e-5)
    wrong = best.row_duals + rng.normal(0, error, len(best.row_duals))
    assert dual_bound(program, wrong) <= best.objective + 1e-6


def test_a_column_without_an_end_that_falls_gives_no_bound():
    model = LinearModel()
    model.column(1.0, 0.0, inf)
    model.row([0], [1.0], lower=3.0)
    program = model.program()
    assert dual_bound(program, np.array([1.0])) == 3.0
    assert dual_bound(program, np.array([1.5])) == 0.0


def test_what_no_placement_can_hold_is_infeasible():
    state = state_of(problem([[4, 0]], [200, 150]))
    assert relax(state, (), seconds=5).infeasible
    assert relax(state, (), seconds=5, coarse=True).infeasible
    assert relax(state, (), seconds=5, soft=True).bound == pytest.approx(50_000)


def test_pods_that_may_not_move_leave_an_overdrawn_rack_infeasible():
    state = state_of(replace(problem([[4, 0]], [200, None]), movable=np.zeros(1, dtype=bool)))
    assert relax(state, (), seconds=5).infeasible
    assert relax(state, (), seconds=5, coarse=True).infeasible


def test_a_domain_in_two_rows_that_are_added_up_pays_once_for_its_overload():
    """The feed is over by 50 W in both its rows, of which the coarse model sees the sum: 100 W."""
    rows = {"row_weights": sparse.csr_array(np.array([[1, 1], [1, 1]])), "row_lost": ("", "other")}
    case = problem([[2, 2]], row_budget_mw=np.array([350_000, 350_000]), row_domain=("feed", "feed"), **rows)
    for coarse in (True, False):
        assert relax(state_of(case), (), seconds=5, soft=True, coarse=coarse).bound == pytest.approx(50_000)


def test_only_domains_that_may_give_do():
    state = state_of(problem([[4, 0]], [200, 150]))
    alone = relax(state, (), seconds=5, soft=True, give=frozenset({"r1"}))
    assert alone.bound == pytest.approx(50_000)
    assert relax(state, (), seconds=5, overload_cap_mw=49_000).infeasible
    assert not relax(state, (), seconds=5, overload_cap_mw=51_000).infeasible


def test_a_full_budget_has_a_price_and_an_idle_one_none():
    relaxed = relax(state_of(problem([[4, 0]], [200, 400])), (), seconds=5)
    assert relaxed.bound == pytest.approx(2000)
    assert relaxed.row_price == pytest.approx([1000 / 50, 0])  # a watt is a fiftieth of a pod


@pytest.mark.parametrize("linear", [True, False])
def test_merging_quiet_racks_weakens_the_bound_and_never_lifts_it(linear):
    state = state_of(cell(240, 24, 1, rack_size=3, linear=linear, classes=12))
    cuts = covers_of(state)
    bounds = [relax(state, cuts, seconds=10, most_columns=most).bound for most in (100_000, 200, 1)]
    assert bounds[0] >= bounds[1] - 1e-3
    assert bounds[1] >= bounds[2] - 1e-3
    assert bounds[2] > 0


def test_cuts_lift_the_bound_to_what_they_prove():
    case = replace(problem([[4, 0]], [299, None]))
    state = state_of(case)
    assert relax(state, (), seconds=5).bound == pytest.approx(20)
    assert relax(state, covers_of(state), seconds=5).bound == pytest.approx(1000)
