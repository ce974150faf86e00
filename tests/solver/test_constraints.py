"""The constraint families of a neighbourhood, one by one: what each lets through, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from tests.solver.problems import cell
from tests.solver.rules_held import rules_held
from tests.solver.tiny import (
    CONCAVE,
    breaks_nothing,
    counts_of,
    every_placement,
    milliwatts,
    node_mw,
    overload_mw,
    problem,
    random_problem,
    rule,
    state_of,
)

from powerplane.solver.constraints import (
    Model,
    affinity_holds,
    anti_affinity_holds,
    constrain,
    draws_follow_curves,
    node_budgets_hold,
    requests_fit,
    row_budgets_hold,
    spread_holds,
)

seeds = st.integers(0, 2**32 - 1)


def model_of(case, nodes=None):
    return Model.of(state_of(case), np.arange(case.node_count) if nodes is None else np.array(nodes))


def solved(model):
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = 10
    return solver, solver.solve(model.cp)


def accepts(case, counts, *families, nodes=None):
    """Say whether counts (classes × nodes) keep some families of constraints."""
    model = model_of(case, nodes)
    for family in families:
        family(model)
    counts = np.array(counts)
    for (c, n), variable in model.pods.items():
        model.cp.add(variable == int(counts[c, n]))
    return solved(model)[1] in (cp_model.OPTIMAL, cp_model.FEASIBLE)


def power(model):
    draws_follow_curves(model)
    node_budgets_hold(model)
    row_budgets_hold(model)


def test_every_pod_stays_somewhere():
    case = problem([[2, 0]])
    assert accepts(case, [[1, 1]])
    assert not accepts(case, [[1, 0]])
    assert not accepts(case, [[2, 1]])


def test_requests_stay_within_what_is_offered_or_what_they_were():
    case = problem([[3, 0, 0]], offered=[2, 1, 2])
    assert accepts(case, [[3, 0, 0]], requests_fit)
    assert accepts(case, [[1, 1, 1]], requests_fit)
    assert not accepts(case, [[1, 2, 0]], requests_fit)


def test_newcomers_come_only_where_they_are_let_in_and_those_found_may_stay():
    case = problem([[1, 0, 1]], allowed=np.array([[False, True, False]]))
    assert accepts(case, [[1, 0, 1]])
    assert accepts(case, [[0, 2, 0]])
    assert not accepts(case, [[2, 0, 0]])


def test_pods_that_may_not_move_are_no_variables():
    case = problem([[1, 0], [1, 0]], movable=np.array([False, True]))
    assert set(model_of(case).pods) == {(1, 0), (1, 1)}


def test_a_nodes_budget_holds_or_gets_no_worse():
    case = problem([[3, 0]], node_budget_mw=milliwatts([200, 150]))
    assert accepts(case, [[3, 0]], power)
    assert accepts(case, [[2, 1]], power)
    assert not accepts(case, [[1, 2]], power)
    assert not accepts(replace(case, cell_count=np.array([2], dtype=np.int32)), [[0, 2]], power)


def test_a_rows_budget_counts_the_nodes_outside_as_they_are():
    case = problem([[2, 0, 1]], [400], racks=[[1, 2]])
    assert accepts(case, [[1, 1, 1]], power, nodes=[0, 1])
    assert accepts(replace(case, row_budget_mw=milliwatts([300])), [[1, 1, 1]], power, nodes=[0, 1])
    assert not accepts(replace(case, row_budget_mw=milliwatts([299])), [[1, 1, 1]], power, nodes=[0, 1])


def test_a_row_found_over_its_budget_gets_no_worse():
    case = problem([[3, 1]], [200, 140])
    assert accepts(case, [[3, 1]], power)
    assert accepts(case, [[4, 0]], power) is False
    assert accepts(case, [[2, 2]], power) is False


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_a_models_draw_is_never_below_the_curves_and_hardly_above(seed):
    case = random_problem(seed)
    rng = np.random.default_rng(seed)
    use = rng.integers(100_000, 2_000_000, case.class_count)
    case = replace(case, use_ucores=use, requests=np.stack([use // 1000, use], axis=1), movable=np.ones(3, dtype=bool))
    taken = use @ counts_of(case)
    case = replace(case, allocatable=np.stack([np.full(3, 99_000), np.maximum(4_000_000, taken)], axis=1))
    model = model_of(case)
    draws_follow_curves(model)
    for (c, n), variable in model.pods.items():
        model.cp.add(variable == int(counts_of(case)[c, n]))
    model.cp.minimize(sum(model.draws.values()))
    solver, status = solved(model)
    assert status == cp_model.OPTIMAL
    true = node_mw(case, counts_of(case))
    for n, draw in model.draws.items():
        assert true[n] <= solver.value(draw) <= true[n] * 1.01 + 5


@pytest.mark.parametrize("linear", [True, False])
def test_draws_of_a_cell_are_exact_to_a_thousandth(linear):
    case = cell(60, 4, 0, linear=linear, classes=10)
    model = model_of(case)
    draws_follow_curves(model)
    for (c, n), variable in model.pods.items():
        model.cp.add(variable == int(counts_of(case)[c, n]))
    model.cp.minimize(sum(model.draws.values()))
    solver, _ = solved(model)
    true = node_mw(case, counts_of(case))
    for n, draw in model.draws.items():
        assert true[n] <= solver.value(draw) <= true[n] * 1.001 + 5


def rules_of(kind):
    family = {"anti-affinity": anti_affinity_holds, "affinity": affinity_holds, "spread": spread_holds}[kind]
    return lambda model: family(model, 0)


def test_pods_that_keep_apart_do_and_those_found_together_may_stay():
    case = problem([[2, 0, 0]], rules=(rule("anti-affinity", [0], [0], [0, 1, 1]),))
    family = rules_of("anti-affinity")
    assert accepts(case, [[2, 0, 0]], family)
    assert accepts(case, [[1, 1, 0]], family)
    assert not accepts(case, [[0, 1, 1]], family)
    assert not accepts(case, [[0, 2, 0]], family)


def test_a_newcomer_avoids_those_that_name_it_also_outside_the_neighbourhood():
    case = problem([[1, 0, 0], [0, 0, 1]], rules=(rule("anti-affinity", [1], [0], [0, 1, 1]),))
    family = rules_of("anti-affinity")
    assert not accepts(case, [[0, 1, 0], [0, 0, 1]], family, nodes=[0, 1])
    assert accepts(case, [[1, 0, 0], [0, 0, 1]], family, nodes=[0, 1])


def test_a_carrier_of_affinity_follows_its_company():
    case = problem([[2, 0, 0], [1, 1, 0]], rules=(rule("affinity", [0], [1], [0, 1, -1]),))
    family = rules_of("affinity")
    assert accepts(case, [[1, 1, 0], [1, 1, 0]], family)
    assert not accepts(case, [[1, 1, 0], [2, 0, 0]], family)
    assert not accepts(case, [[1, 0, 1], [1, 1, 0]], family)


def test_a_zone_that_takes_a_carrier_stays_within_the_skew():
    case = problem([[4, 0, 0]], rules=(rule("spread", [0], [0], [0, 1, 2], max_skew=1),))
    family = rules_of("spread")
    assert accepts(case, [[4, 0, 0]], family)
    assert accepts(case, [[2, 1, 1]], family)
    assert accepts(case, [[3, 1, 0]], family)
    assert not accepts(case, [[2, 2, 0]], family)


def test_a_newcomer_counts_itself_on_a_node_whose_pods_are_not_counted():
    uncounted = np.array([False, True, True])
    one = replace(rule("spread", [0], [0, 1], [1, 0, 1], max_skew=1), counted=uncounted)
    case = problem([[0, 0, 1], [0, 0, 1]], rules=(one,))
    assert not accepts(case, [[1, 0, 0], [0, 0, 1]], rules_of("spread"))
    assert accepts(replace(case, rules=(replace(one, max_skew=2),)), [[1, 0, 0], [0, 0, 1]], rules_of("spread"))


def test_too_few_zones_count_the_emptiest_as_nothing():
    few = rule("spread", [0], [0], [0, 1, 1], max_skew=1, min_zones=3)
    assert not accepts(problem([[4, 0, 0]], rules=(few,)), [[2, 1, 1]], rules_of("spread"))
    assert accepts(problem([[4, 0, 0]], rules=(replace(few, min_zones=2),)), [[2, 1, 1]], rules_of("spread"))


@given(seeds, st.booleans())
@example(106699, True)
@settings(max_examples=40, deadline=None)
def test_all_families_together_let_through_what_breaks_nothing_and_no_more(seed, ruled):
    case = random_problem(seed, ruled=ruled)
    # Affinity is judged on the way: whether company leaves before or after the newcomer comes, the waves decide.
    case = replace(case, rules=tuple(each for each in case.rules if each.kind != "affinity"))
    rng = np.random.default_rng(seed)
    placements = list(every_placement(case))
    for counts in (placements[i] for i in rng.integers(len(placements), size=6)):
        came = list(zip(*np.nonzero(counts > counts_of(case)), strict=True))
        sound = breaks_nothing(case, counts) and all(rules_held(case, counts, c, n) for c, n in came)
        # Overload beyond what the domain's worst row was found with is refused, so soundness is the whole test.
        assert accepts(case, counts, constrain) == sound


def test_overload_is_counted_once_a_domain_and_node():
    rows = {"row_weights": np.array([[1, 1], [1, 1]]), "row_lost": ("", "other"), "row_domain": ("feed", "feed")}
    case = problem([[2, 2]], curve=CONCAVE, node_budget_mw=milliwatts([200, None]))
    model = model_of(replace(case, row_weights=type(case.row_weights)(rows.pop("row_weights")), **rows))
    power(model)
    assert len(model.overload) == 1
    over = problem([[2, 2]], row_budget_mw=milliwatts([300, 300]), racks=[[0, 1], [0, 1]], row_domain=("f", "f"))
    model = model_of(over)
    power(model)
    assert len(model.overload) == 1
    assert overload_mw(over, counts_of(over)) == 100_000
