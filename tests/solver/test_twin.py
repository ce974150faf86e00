"""The twin on problems whose best answer is known by hand."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from powerplane.solver.problem import ONE_MOVE, UNBOUNDED, NodeType, Problem, TopologyRule
from powerplane.solver.solve import solve
from powerplane.solver.twin import solve_twin

LINE = ((0, 100), (4, 300))
CONCAVE = ((0, 100), (1, 250), (4, 300))
CONVEX = ((0, 100), (3, 130), (4, 300))


def problem(found, budgets=None, **changes):
    """Pods of one core each; ``found`` is classes × nodes; each node is its own rack with a budget in watts."""
    found = np.array(found)
    classes, nodes = found.shape
    curve = changes.pop("curve", LINE)
    use = np.array(changes.pop("cores", [1] * classes)) * 1_000_000
    offered = np.array(changes.pop("offered", [4] * nodes))
    node, pod_class = np.nonzero(found.T)
    fields = {
        "node_names": tuple(f"n{n}" for n in range(nodes)),
        "resource_names": ("cpu", "cpu-use"),
        "class_names": tuple(f"c{c}" for c in range(classes)),
        "allocatable": np.stack([offered * 1000, np.maximum(offered, 4) * 1_000_000], axis=1),
        "node_type": np.zeros(nodes, dtype=np.int32),
        "types": (NodeType("t", *(np.array([k[i] for k in curve]) * (1_000_000, 1000)[i] for i in (0, 1))),),
        "node_budget_mw": np.full(nodes, UNBOUNDED),
        "requests": np.stack([use // 1000, use], axis=1),
        "use_ucores": use,
        "accelerator_mw": np.zeros(classes, dtype=np.int64),
        "move_cost": np.full(classes, ONE_MOVE),
        "movable": np.ones(classes, dtype=bool),
        "allowed_set": np.zeros(classes, dtype=np.int32),
        "allowed": np.ones((1, nodes), dtype=bool),
        "cell_node": node.astype(np.int32),
        "cell_class": pod_class.astype(np.int32),
        "cell_count": found.T[node, pod_class].astype(np.int32),
        "row_weights": sparse.csr_array(np.eye(nodes, dtype=np.int64)),
        "row_scale": 1,
        "row_budget_mw": watts(budgets or [None] * nodes),
        "row_domain": tuple(f"r{n}" for n in range(nodes)),
        "row_lost": ("",) * nodes,
    }
    return Problem(**(fields | changes))


def watts(budgets):
    return np.array([UNBOUNDED if budget is None else budget * 1000 for budget in budgets])


def rule(kind, carriers, targets, zone, **more):
    counted = more.pop("counted", [True] * len(zone))
    arrays = (np.array(each, dtype=np.int32) for each in (carriers, targets, zone))
    return TopologyRule(kind, kind, *arrays, max(zone) + 1, np.array(counted), **more)


def solved(*args, **changes):
    return solve_twin(problem(*args, **changes), seconds=20)


def on(result, pod_class=0):
    return result.final_counts[pod_class]


def test_nothing_moves_where_all_budgets_hold():
    result = solved([[2, 1]], [200, 200])
    assert (result.status, result.cost, result.bound, result.overload_mw) == ("optimal", 0, 0, 0)
    assert result.final_counts == {0: {0: 2, 1: 1}}


@pytest.mark.parametrize("solver", ["HiGHS", "CBC"])
def test_as_few_pods_leave_a_rack_as_bring_it_under_its_budget(solver, capfd):
    result = solve_twin(problem([[4, 0, 0]], [200, 150, 150]), seconds=20, solver=solver)
    assert (result.status, result.cost, result.bound) == ("optimal", 2000, 2000)
    assert on(result) == {0: 2, 1: 1, 2: 1}
    assert capfd.readouterr() == ("", "")


def test_the_cheaper_class_is_moved():
    result = solved([[2, 0], [2, 0]], [200, None], move_cost=np.array([1500, 1000]))
    assert (result.cost, on(result, 0), on(result, 1)) == (2000, {0: 2}, {1: 2})


def test_pods_that_must_stay_stay():
    result = solved([[2, 0], [2, 0]], [200, None], movable=np.array([False, True]), move_cost=np.array([1000, 5000]))
    assert (result.cost, on(result, 0)) == (10_000, {0: 2})


def test_newcomers_stand_only_on_allowed_nodes():
    result = solved([[4, 0, 0]], [250, None, None], allowed=np.array([[False, False, True]]))
    assert on(result) == {0: 3, 2: 1}


def test_a_full_node_takes_nothing():
    result = solved([[4, 0, 0]], [250, None, None], offered=[4, 0, 1])
    assert on(result) == {0: 3, 2: 1}


def test_a_node_found_too_full_may_stay_so_but_takes_no_newcomer():
    found = [[0, 3, 0], [4, 0, 0]]
    result = solved(found, [250, None, None], offered=[4, 2, 1], move_cost=np.array([100, 1000]))
    assert (result.cost, on(result, 0), on(result, 1)) == (1000, {1: 3}, {0: 3, 2: 1})


def test_a_node_keeps_its_own_budget():
    result = solved([[4, 0]], node_budget_mw=watts([250, None]))
    assert (result.cost, on(result)) == (1000, {0: 3, 1: 1})


def test_accelerators_draw_beside_the_curve():
    result = solved([[1, 0]], [160, None], accelerator_mw=np.array([20_000]))
    assert (result.status, on(result)) == ("optimal", {1: 1})


def test_on_a_concave_curve_nearly_all_pods_leave():
    """4, 3, 2 and 1 pods draw 300, 283, 267 and 250 W, none 100 W."""
    result = solved([[4, 0]], [240, None], curve=CONCAVE)
    assert (result.status, result.cost, on(result)) == ("optimal", 4000, {1: 4})


def test_on_a_convex_curve_one_pod_is_enough_and_two_nodes_share():
    """4 and 3 pods draw 300 and 130 W; each of two others takes one below 111 W."""
    result = solved([[4, 0, 0]], [120, 111, 111], curve=CONVEX)
    assert (result.status, result.cost) == ("optimal", 2000)
    assert on(result) == {0: 2, 1: 1, 2: 1}


def test_use_beyond_the_last_knot_draws_no_more():
    result = solved([[6, 0]], [300, None], offered=[6, 4])
    assert (result.status, result.cost) == ("optimal", 0)


def test_shares_of_two_nodes_are_added_in_a_row():
    halves = sparse.csr_array(np.array([[1, 1, 0]]))
    row = {"row_weights": halves, "row_scale": 2, "row_domain": ("feed",), "row_lost": ("",)}
    result = solved([[4, 2, 0]], row_budget_mw=watts([200]), **row)
    assert (result.status, result.cost) == ("optimal", 2000)  # half of 300 + 200 W is 250 W; 50 W are two pods' halves


def test_an_overload_that_cannot_be_shed_is_the_least_and_called_infeasible():
    result = solved([[4, 0]], [150, 200])
    assert (result.status, result.overload_mw, on(result)) == ("infeasible", 50_000, {0: 2, 1: 2})
    assert (result.cost, result.bound) == (2000, 2000)


def test_a_domain_counts_by_its_worst_row_alone():
    rows = {
        "row_weights": sparse.csr_array(np.array([[1, 0], [2, 0]])),
        "row_domain": ("feed", "feed"),
        "row_lost": ("", "other"),
    }
    result = solved([[1, 0]], movable=np.array([False]), row_budget_mw=watts([100, 100]), row_scale=2, **rows)
    assert (result.status, result.overload_mw) == ("infeasible", 50_000)


def test_no_budget_that_holds_is_broken_to_relieve_another():
    """Moving a pod would shed 50 W of four and break the neighbour by 1 W."""
    result = solved([[4, 0]], [100, 149])
    assert (result.overload_mw, result.cost) == (200_000, 0)


def test_pods_that_keep_apart_get_a_node_each():
    apart = rule("anti-affinity", [0], [0], [0, 1, 2])
    result = solved([[3, 0, 0]], [150, None, None], rules=(apart,))
    assert (result.status, on(result)) == ("optimal", {0: 1, 1: 1, 2: 1})


def test_a_newcomer_keeps_away_from_what_it_names_and_from_what_names_it():
    for carriers, targets in (([0], [1]), ([1], [0])):
        apart = rule("anti-affinity", carriers, targets, [0, 1, 1, 2])
        result = solved([[4, 0, 0, 0], [0, 1, 0, 0]], [250, None, None, None], rules=(apart,))
        assert on(result) == {0: 3, 3: 1}
        assert on(result, 1) == {1: 1}


def test_pods_found_too_near_may_stay_where_nothing_new_comes():
    apart = rule("anti-affinity", [0], [0], [0, 1])
    assert solved([[4, 0]], rules=(apart,)).cost == 0


def test_a_newcomer_follows_what_its_affinity_names():
    near = rule("affinity", [0], [1], [0, 1, 2, 2])
    result = solved([[4, 0, 0, 0], [0, 0, 0, 1]], [250, None, None, None], rules=(near,), offered=[4, 4, 4, 1])
    assert on(result) == {0: 3, 2: 1}


def test_the_only_pod_of_its_own_kind_may_go_anywhere_but_not_one_of_two():
    near = rule("affinity", [0], [0], [0, 1])
    alone = solved([[1, 0]], [120, None], rules=(near,))
    assert (alone.status, on(alone)) == ("optimal", {1: 1})
    two = solved([[2, 0]], [150, 150], rules=(near,))
    assert (two.status, two.cost, two.overload_mw) == ("infeasible", 0, 50_000)


def test_no_carrier_of_affinity_goes_where_the_topology_key_is_missing():
    near = rule("affinity", [0], [0], [0, -1])
    assert solved([[1, 0]], [120, None], rules=(near,)).status == "infeasible"


def test_a_zone_that_takes_newcomers_stays_within_the_skew():
    spread = rule("spread", [0], [0], [0, 1, 2], max_skew=1)
    result = solved([[3, 0, 0]], [150, None, None], rules=(spread,))
    assert on(result) == {0: 1, 1: 1, 2: 1}


def test_uncounted_zones_are_not_the_emptiest():
    def moved(counted):
        spread = rule("spread", [0], [0], [0, 1, 2], max_skew=1, counted=counted)
        return solved([[4, 0, 0]], [200, None, None], rules=(spread,), offered=[4, 4, 0]).status

    assert moved([True, True, False]) == "optimal"
    assert moved([True, True, True]) == "infeasible"


def test_too_few_zones_count_the_emptiest_as_nothing():
    def moved(least):
        spread = rule("spread", [0], [0], [0, 1], max_skew=1, min_zones=least)
        return solved([[4, 0]], [200, None], rules=(spread,)).status

    assert moved(2) == "optimal"
    assert moved(3) == "infeasible"


def test_the_twin_knows_one_objective():
    with pytest.raises(ValueError, match="not 'energy'"):
        solve_twin(problem([[1]]), objective="energy", seconds=1)


knots = st.lists(st.integers(1, 400), min_size=3, max_size=3).map(sorted)


@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    knots,
    st.lists(st.one_of(st.none(), st.integers(1, 400)), min_size=3, max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_on_one_class_and_any_curve_the_twin_finds_what_trying_all_finds(found, watts_at, budgets):
    curve = tuple(zip((0, 2, 4), watts_at, strict=True))
    case = problem([found], budgets, curve=curve)
    draw = [np.interp(pods, (0, 2, 4), watts_at) for pods in range(5)]
    total, best = sum(found), None
    for first in range(min(4, total) + 1):
        for second in range(max(0, total - first - 4), min(4, total - first) + 1):
            end = (first, second, total - first - second)
            over = [0 if b is None else max(0, draw[e] - b) for e, b in zip(end, budgets, strict=True)]
            was = [0 if b is None else max(0, draw[f] - b) for f, b in zip(found, budgets, strict=True)]
            if any(now > before for now, before in zip(over, was, strict=True)):
                continue
            answer = (sum(over), sum(max(0, f - e) for f, e in zip(found, end, strict=True)))
            best = answer if best is None else min(best, answer)
    result = solve_twin(case, seconds=20)
    assert (result.overload_mw, result.cost) == (round(1000 * best[0]), 1000 * best[1])
    assert result.status == ("infeasible" if best[0] else "optimal")
    assert result.bound == result.cost


@pytest.mark.parametrize("seed", range(6))
def test_two_engines_agree_and_the_solver_neither_beats_them_nor_bounds_them_away(seed):
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 3, (3, 5))
    case = problem(
        found,
        [180, 220, 260, 300, None],
        cores=[1, 2, 1],
        offered=[12] * 5,
        curve=(LINE, CONCAVE, CONVEX)[seed % 3],
        move_cost=np.array([1000, 1700, 1300]),
    )
    twin = solve_twin(case, seconds=20)
    other = solve_twin(case, seconds=20, solver="CBC")
    assert (twin.status, twin.cost, twin.overload_mw) == (other.status, other.cost, other.overload_mw)
    result = solve(case, seconds=2, seed=0, clock=time.monotonic)
    rounded_up_mw = case.node_count
    assert twin.status in ("optimal", "infeasible")
    assert result.overload_bound_mw <= twin.overload_mw + rounded_up_mw <= result.overload_mw + rounded_up_mw
    if twin.status == "optimal":
        assert result.bound <= twin.cost
        assert result.overload_mw or result.cost >= twin.cost
