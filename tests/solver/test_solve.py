"""The whole solve: what it says about itself, and that no placement tried by hand contradicts it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from tests.solver.problems import cell
from tests.solver.tiny import (
    CONCAVE,
    best_of,
    breaks_nothing,
    cost_of,
    counts_of,
    excesses_mw,
    free_of,
    milliwatts,
    overload_mw,
    problem,
    random_problem,
    rule,
)

from powerplane.solver.problem import UNBOUNDED
from powerplane.solver.solve import Standing, solve
from powerplane.solver.twin import solve_twin


def solved(case, seconds=2.0, **options):
    return solve(case, seconds=seconds, seed=options.pop("seed", 0), clock=time.monotonic, workers=1, **options)


def carried_out(case, flows):
    """Counts at the end, every flow taken in its turn and none from where no pod is."""
    counts = counts_of(case)
    for flow in sorted(flows, key=lambda flow: flow.wave):
        counts[flow.pod_class, flow.source] -= flow.count
        counts[flow.pod_class, flow.target] += flow.count
        assert (counts >= 0).all()
    return counts


def reachable(case):
    """Every placement that some order of single moves leads to, nothing broken or made worse on the way."""
    start = counts_of(case)
    _, rows_was = excesses_mw(case, start)
    seen, todo = {start.tobytes(): start}, [start]
    while todo:
        now = todo.pop()
        for c, s in zip(*np.nonzero(now * case.movable[:, None]), strict=True):
            for t in np.flatnonzero(case.allowed[case.allowed_set[c]]):
                after = now.copy()
                after[c, s] -= 1
                after[c, t] += 1
                if after.tobytes() in seen:
                    continue
                own, rows = excesses_mw(case, after)
                if (free_of(case, after)[t] >= 0).all() and not own[t] and (rows <= rows_was).all():
                    seen[after.tobytes()] = after
                    todo.append(after)
    return list(seen.values())


@pytest.mark.parametrize("seed", range(24))
def test_the_plan_is_the_best_that_any_order_of_moves_reaches_and_its_bounds_hold(seed):
    case = random_problem(seed + 100)
    result = solved(case)
    counts = carried_out(case, result.flows)
    best = best_of(case)
    assert breaks_nothing(case, counts)
    assert (counts[~case.movable] == counts_of(case)[~case.movable]).all()
    assert result.overload_mw == overload_mw(case, counts) == min(overload_mw(case, k) for k in reachable(case))
    assert result.overload_bound_mw <= best.overload_mw
    if best.overload_mw:
        assert result.status in ("infeasible", "unknown")
    elif not result.overload_mw:
        assert result.status == "optimal"
        # A plan may pay more than the end alone asks for only by parking, which these do not need.
        assert result.bound == result.cost == best.cost == cost_of(case, counts)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_on_small_cells_the_solver_agrees_with_the_twin(seed, linear):
    case = cell(24, 6, seed, rack_size=2, linear=linear, classes=4, cut=0.05, slack=0.25)
    twin, result = solve_twin(case, seconds=10), solved(case)
    assert breaks_nothing(case, carried_out(case, result.flows))
    if twin.status == "optimal":
        assert result.bound <= twin.cost
    if twin.status == "optimal" and not result.overload_mw:
        assert twin.cost <= result.cost <= twin.cost * 1.001
        assert result.status in ("optimal", "feasible")


@pytest.mark.parametrize("seed", range(4))
def test_with_rules_between_pods_bounds_and_costs_stay_on_their_sides_of_the_twins(seed):
    case = random_problem(seed, nodes=4, ruled=True)
    twin, result = solve_twin(case, seconds=10), solved(case, 1.0)
    assert breaks_nothing(case, carried_out(case, result.flows))
    assert result.overload_bound_mw <= twin.overload_mw
    if twin.status == "optimal":
        assert result.bound <= twin.cost
        assert result.overload_mw or result.cost >= twin.cost


def test_optimal_is_said_when_cost_and_bound_meet():
    result = solved(problem([[4, 0, 0]], [200, 150, 150]))
    assert (result.status, result.cost, result.bound, result.gap, result.overload_mw) == ("optimal", 2000, 2000, 0, 0)


def test_nothing_to_do_is_optimal_and_free():
    result = solved(problem([[2, 1]], [200, 200]))
    assert (result.status, result.flows, result.cost, result.gap) == ("optimal", (), 0, 0.0)


def test_infeasible_is_said_with_the_least_overload_proven():
    result = solved(problem([[4, 0]], [150, 200]))
    assert (result.status, result.overload_mw) == ("infeasible", 50_000)
    assert 49_990 <= result.overload_bound_mw <= 50_000


def test_pods_that_may_not_move_are_infeasible_not_unknown():
    result = solved(problem([[4, 0]], [200, None], movable=np.array([False])))
    assert (result.status, result.flows) == ("infeasible", ())


def test_unknown_is_said_where_the_end_exists_but_no_way_leads_there():
    """Two pods would have to change places at once: neither fits beside the other."""
    case = problem([[1, 0], [0, 1]], [150, None], cores=[2, 1], offered=[2, 2])
    result = solved(case)
    assert best_of(case).overload_mw == 0
    assert (result.status, result.flows, result.overload_mw) == ("unknown", (), 50_000)


def test_feasible_is_said_where_time_was_too_short_for_a_proof():
    case = cell(200, 12, 1, rack_size=3, linear=False, classes=20, slack=0.5)
    now = [0.0]

    def let_time_pass(_):
        now[0] = 59.0

    result = solve(case, seconds=60.0, seed=0, clock=lambda: now[0], workers=1, on_progress=let_time_pass)
    assert (result.status, result.overload_mw, result.bound, result.gap) == ("feasible", 0, 0, None)
    assert breaks_nothing(case, carried_out(case, result.flows))


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
@pytest.mark.parametrize("objective", ["disruption", "energy"])
def test_without_time_the_answer_is_still_sound(seconds, objective):
    case = cell(120, 8, 0, rack_size=2, linear=False, classes=12)
    started = time.monotonic()
    result = solved(case, seconds, objective=objective)
    assert time.monotonic() - started < 5
    counts = carried_out(case, result.flows)
    assert breaks_nothing(case, counts)
    assert result.overload_mw == overload_mw(case, counts)
    assert result.bound <= result.cost


def test_the_same_seed_and_ample_time_give_the_same_plan():
    case = cell(40, 6, 3, rack_size=2, classes=6, slack=0.3)
    first, second = (solved(case, 20.0, seed=5) for _ in range(2))
    assert first.status == "optimal"
    assert first.flows == second.flows


def test_a_class_that_is_not_movable_never_moves():
    case = cell(80, 8, 2, rack_size=2, classes=8, slack=0.4)
    pinned = np.arange(8) % 2 == 0
    case = replace(case, movable=~pinned)
    result = solved(case, 1.0)
    assert result.flows
    assert not any(pinned[flow.pod_class] for flow in result.flows)


def test_a_node_that_promised_too_much_is_relieved():
    result = solved(problem([[5, 0]], offered=[3, 3]))
    counts = carried_out(problem([[5, 0]], offered=[3, 3]), result.flows)
    assert (result.status, counts.tolist(), result.cost) == ("optimal", [[3, 2]], 2000)


def test_a_nodes_own_budget_is_held():
    case = problem([[4, 0]], node_budget_mw=milliwatts([250, None]))
    assert (solved(case).status, solved(case).cost) == ("optimal", 1000)


def test_rules_between_pods_are_kept_while_a_rack_is_relieved():
    case = problem([[1, 0, 0], [3, 0, 1]], [200, None, None], rules=(rule("anti-affinity", [0], [1], [0, 1, 2]),))
    result = solved(case)
    counts = carried_out(case, result.flows)
    assert result.status in ("optimal", "feasible")
    assert (result.cost, result.overload_mw) == (2000, 0)
    assert not (counts[0] * counts[1])[1:].any()


@pytest.mark.parametrize("linear", [True, False])
def test_a_larger_cell_is_held_close_to_its_bound(linear):
    case = cell(400, 30, 4, rack_size=5, linear=linear, classes=30, slack=0.3)
    result = solved(case, 3.0)
    counts = carried_out(case, result.flows)
    assert breaks_nothing(case, counts)
    assert (result.overload_mw, result.status in ("optimal", "feasible")) == (0, True)
    assert result.bound <= result.cost <= result.bound * 1.03


def test_progress_is_told_and_the_trail_only_gets_better():
    told = []
    result = solved(problem([[4, 0, 0]], [200, 150, 150], curve=CONCAVE), on_progress=told.append)
    assert all(isinstance(standing, Standing) for standing in told)
    assert told[0].step == "greedy repair"
    worths = [(overload, cost) for _, cost, overload, _ in result.trail]
    assert worths == sorted(worths, reverse=True)


def test_a_problem_without_budgets_asks_for_nothing():
    case = cell(60, 4, 0, classes=5)
    case = replace(case, row_budget_mw=np.full(len(case.row_budget_mw), UNBOUNDED))
    assert solved(case).flows == ()
