import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from tests.bench.small_problems import draw_mw, problems

from powerplane.bench.baselines import greedy_repair, refit
from powerplane.bench.energy_baselines import drain, repack
from powerplane.solver.problem import UNBOUNDED


def ticking():
    return itertools.count().__next__


REPAIRS = {
    "greedy": greedy_repair,
    "first-enough": lambda p, **k: refit(p, fit="first", lift="enough", **k),
    "first-all": lambda p, **k: refit(p, fit="first", lift="all", **k),
    "best-enough": lambda p, **k: refit(p, fit="best", lift="enough", **k),
    "best-all": lambda p, **k: refit(p, fit="best", lift="all", **k),
}
ALL = REPAIRS | {"drain": drain, "repack": repack}


def placements(problem, result):
    """Counts before and after, with the flows added up by this test."""
    before = np.zeros((problem.class_count, problem.node_count), dtype=np.int64)
    before[problem.cell_class, problem.cell_node] = problem.cell_count
    after = before.copy()
    for flow in result.flows:
        after[flow.pod_class, flow.source] -= flow.count
        after[flow.pod_class, flow.target] += flow.count
    return before, after


def node_watts(problem, counts):
    return draw_mw(problem.node_type, counts.T @ problem.use_ucores) + counts.T @ problem.accelerator_mw


def excesses(problem, counts):
    watts = node_watts(problem, counts)
    rows = [
        (int(load) - int(budget) * problem.row_scale) if budget != UNBOUNDED else -1
        for load, budget in zip(problem.row_weights @ watts, problem.row_budget_mw, strict=True)
    ]
    nodes = [int(w) - int(b) if b != UNBOUNDED else -1 for w, b in zip(watts, problem.node_budget_mw, strict=True)]
    return rows, nodes


def overload_mw(problem, counts):
    rows, nodes = excesses(problem, counts)
    return sum(max(0, -(-row // problem.row_scale)) for row in rows) + sum(max(0, node) for node in nodes)


def rule_holds(rule, counts):
    carriers, targets = counts[rule.carriers].sum(axis=0), counts[rule.targets].sum(axis=0)
    zones = sorted(set(rule.zone[rule.zone >= 0].tolist()))
    per_zone = [int(targets[rule.zone == zone].sum()) for zone in zones]
    if rule.kind == "spread":
        return max(per_zone) - min(per_zone) <= rule.max_skew and carriers[rule.zone < 0].sum() == 0
    carried = [int(carriers[rule.zone == zone].sum()) for zone in zones]
    return all(
        not carriers_here or targets_here <= 1 for carriers_here, targets_here in zip(carried, per_zone, strict=True)
    )


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_no_baseline_breaks_a_capacity_a_rule_an_allowed_set_or_a_budget_that_held(name, problem):
    result = ALL[name](problem, clock=ticking(), seconds=10**6)
    before, after = placements(problem, result)
    if result.unplaced:
        return  # It says itself that this is no placement.
    assert (after >= 0).all()
    assert (after.sum(axis=1) == before.sum(axis=1)).all()
    assert (after.T @ problem.requests <= problem.allocatable).all()
    gained = np.argwhere(after > before)
    assert all(problem.allowed[problem.allowed_set[c], n] for c, n in gained)
    assert (after[~problem.movable] == before[~problem.movable]).all()
    for held, holds in zip(excesses(problem, before), excesses(problem, after), strict=True):
        assert all(new <= max(0, old) for old, new in zip(held, holds, strict=True))
    assert all(rule_holds(rule, after) for rule in problem.rules if rule_holds(rule, before))


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_a_baseline_tells_its_true_cost_overload_and_draw(name, problem):
    result = ALL[name](problem, clock=ticking(), seconds=10**6)
    if result.unplaced:
        return
    before, after = placements(problem, result)
    assert result.cost == int(np.maximum(0, before - after).sum(axis=1) @ problem.move_cost)
    assert result.moves == int(np.maximum(0, before - after).sum())
    assert result.overload_mw == overload_mw(problem, after)
    watts = node_watts(problem, after)
    assert result.draw_mw == watts.sum()
    assert result.asleep_mw == watts[after.sum(axis=0) > 0].sum()


@pytest.mark.parametrize("name", REPAIRS)
@settings(max_examples=30, deadline=None)
@given(problem=problems(rules=False))
def test_what_holds_already_is_left_alone(name, problem):
    before = np.zeros((problem.class_count, problem.node_count), dtype=np.int64)
    before[problem.cell_class, problem.cell_node] = problem.cell_count
    if overload_mw(problem, before) == 0:
        assert REPAIRS[name](problem, clock=ticking(), seconds=10**6).flows == ()


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_greedy_repair_never_ends_with_more_overload_than_it_found(problem):
    before = np.zeros((problem.class_count, problem.node_count), dtype=np.int64)
    before[problem.cell_class, problem.cell_node] = problem.cell_count
    result = greedy_repair(problem, clock=ticking(), seconds=10**6)
    assert result.overload_mw <= overload_mw(problem, before)
