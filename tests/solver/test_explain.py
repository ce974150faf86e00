"""Why each move: what is named breaks when that move alone is undone."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from tests.solver.tiny import (
    CONVEX,
    counts_of,
    excesses_mw,
    free_of,
    milliwatts,
    problem,
    random_problem,
)

from powerplane.solver.explain import reasons
from powerplane.solver.result import Flow
from powerplane.solver.solve import solve


def carried_out(case, flows):
    counts = counts_of(case)
    for flow in flows:
        counts[flow.pod_class, flow.source] -= flow.count
        counts[flow.pod_class, flow.target] += flow.count
    return counts


def broken(case, before, after):
    """Name, by sums of our own, what a placement breaks, or breaks further, than another."""
    own, rows = (b - a for a, b in zip(excesses_mw(case, before), excesses_mw(case, after), strict=True))
    short = np.minimum(0, free_of(case, after)) < np.minimum(0, free_of(case, before))
    names = {case.row_domain[k] for k in np.flatnonzero(rows > 0)}
    names |= {f"node {case.node_names[n]}" for n in np.flatnonzero(own > 0)}
    return names | {
        f"room on {case.node_names[n]} ({case.resource_names[r]})" for n, r in zip(*np.nonzero(short), strict=True)
    }


@pytest.mark.parametrize("seed", range(12))
def test_in_a_minimal_plan_every_move_has_a_reason_and_undoing_it_breaks_what_it_says(seed):
    case = random_problem(seed, nodes=4)
    result = solve(case, seconds=2, seed=0, clock=time.monotonic, workers=1)
    if result.status != "optimal":
        return
    done = carried_out(case, result.flows)
    for flow, why in zip(result.flows, reasons(case, result.flows), strict=True):
        undone = done.copy()
        undone[flow.pod_class, flow.target] -= 1
        undone[flow.pod_class, flow.source] += 1
        told = {name.removesuffix(" (other lost)") for name in why}
        assert told
        assert told == broken(case, done, undone)


def test_a_racks_budget_a_nodes_budget_and_room_are_each_named():
    case = problem([[4, 0]], [250, None], node_budget_mw=milliwatts([250, None]), offered=[3, 4])
    assert reasons(case, (Flow(0, 0, 1, 1, 1),)) == [("r0", "node n0", "room on n0 (cpu)")]


def test_a_row_that_only_a_lost_feed_breaks_names_the_feed_and_one_that_breaks_anyway_does_not():
    rows = {"row_weights": sparse.csr_array(np.array([[1, 0], [2, 0]])), "row_scale": 2}
    case = problem([[4, 0]], row_domain=("feed-a", "feed-a"), row_lost=("", "feed-b"), **rows)
    flows = (Flow(0, 0, 1, 1, 1),)
    only_lost = replace(case, row_budget_mw=milliwatts([200, 250]))
    assert reasons(only_lost, flows) == [("feed-a (feed-b lost)",)]
    anyway = replace(case, row_budget_mw=milliwatts([125, 250]))
    assert reasons(anyway, flows) == [("feed-a",)]


def test_a_parked_pod_is_told_from_one_that_arrives():
    case = problem([[1, 0, 0]], [120, None, None])
    assert reasons(case, (Flow(0, 0, 1, 1, 1), Flow(0, 1, 2, 1, 2))) == [("a way round for c0",), ("drain of n1",)]


def test_a_move_that_empties_a_node_and_nothing_else_is_its_drain():
    case = problem([[1, 1]])
    assert reasons(case, (Flow(0, 0, 1, 1, 1),)) == [("drain of n0",)]


def test_a_move_that_nothing_asks_for_has_no_reason():
    assert reasons(problem([[2, 1]]), (Flow(0, 0, 1, 1, 1),)) == [()]


def test_what_stays_broken_is_named_where_undoing_makes_it_worse():
    case = problem([[4, 0]], [100, None], curve=CONVEX)
    assert reasons(case, (Flow(0, 0, 1, 1, 1),)) == [("r0",)]
