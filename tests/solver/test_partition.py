"""Watts divided among nodes: held against plain sums in Python and against every placement of small problems."""

import itertools
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.partitions import division, large_division, plain_rows, two_feeds

from powerplane.solver.partition import Division, divide
from powerplane.solver.partition_exact import ExactPlacer
from powerplane.solver.partition_fill import Change

watts = st.integers(0, 200)


@st.composite
def divisions(draw, most_nodes=6, most_demands=3, change=None):
    """Random forests: racks of nodes, rows of racks, two feeds that racks share, each with one of them lost."""
    nodes = draw(st.integers(1, most_nodes))
    rack = [draw(st.integers(0, 2)) for _ in range(nodes)]
    rows, limits = [], []
    for r in range(3):
        rows.append([2 if rack[n] == r else 0 for n in range(nodes)])
        limits.append(2 * draw(st.integers(-50, 400)))
    shared = [draw(st.booleans()) for _ in range(3)]
    for feed in (0, 1):
        limit = 2 * draw(st.integers(0, 600))
        rows.append([1 if shared[rack[n]] else 2 * (rack[n] % 2 == feed) for n in range(nodes)])
        rows.append([2 if shared[rack[n]] else 2 * (rack[n] % 2 == feed) for n in range(nodes)])
        limits += [limit, limit]
    column = st.lists(watts, min_size=nodes, max_size=nodes)
    return division(
        rows,
        limits,
        floor=draw(column),
        cap=[4 * w for w in draw(column)],
        current=draw(column),
        ability=[3 * w for w in draw(column)],
        free=[[draw(st.integers(0, 4)), draw(st.integers(0, 3))] for _ in range(nodes)],
        demands=[
            (draw(st.integers(1, 150)), (draw(st.integers(0, 2)), 1), draw(st.integers(1, 3)), draw(st.integers(0, 1)))
            for _ in range(draw(st.integers(0, most_demands)))
        ],
        allowed=[[draw(st.booleans()) for _ in range(nodes)] for _ in range(most_demands)],
        change=change or Change(draw(st.integers(0, 50)), draw(st.integers(0, 30)), draw(st.booleans())),
    )


def check(problem: Division, target) -> None:
    """Add every row up from nothing."""
    ground = problem.ground
    rows, limits = plain_rows(problem)
    target = [int(w) for w in target]
    floor = [int(w) for w in ground.floor]
    for n, watts_of_node in enumerate(target):
        assert watts_of_node >= floor[n]
        assert watts_of_node <= max(floor[n], int(ground.cap[n]))
    for row, limit in zip(rows, limits, strict=True):
        load = sum(w * t for w, t in zip(row, target, strict=True))
        least = sum(w * f for w, f in zip(row, floor, strict=True))
        assert load <= max(limit, least)


@given(divisions())
@settings(max_examples=80, deadline=None)
def test_no_row_is_exceeded_and_no_floor_or_cap_broken(problem):
    check(problem, divide(problem).target)


@given(divisions())
@settings(max_examples=60, deadline=None)
def test_placed_pods_have_their_watts_and_their_room_on_one_node(problem):
    shares = divide(problem)
    ground = problem.ground
    taken = np.zeros_like(ground.free)
    asked = np.zeros_like(ground.floor)
    for row, node, count in shares.placement.placed:
        demand = problem.demands[row]
        assert ground.allowed[demand.allowed_row, node]
        taken[node] += np.array(demand.requests) * count
        asked[node] += demand.watts * count
    assert ((taken <= ground.free) | (taken == 0)).all()
    assert (shares.target >= ground.floor + asked).all()
    placed = sum(count for _, _, count in shares.placement.placed)
    assert placed + shares.placement.unplaced == sum(demand.count for demand in problem.demands)


def best_by_trying_all(problem: Division) -> int:
    """Most pods that any placement holds; every pod on every node or nowhere."""
    ground = problem.ground
    rows, limits = plain_rows(problem)
    floor = [int(w) for w in ground.floor]
    least = [sum(w * f for w, f in zip(row, floor, strict=True)) for row in rows]
    pods = [demand for demand in problem.demands for _ in range(demand.count)]
    best = 0
    for nodes in itertools.product([None, *range(len(floor))], repeat=len(pods)):
        placed = [(pod, n) for pod, n in zip(pods, nodes, strict=True) if n is not None]
        if len(placed) <= best:
            continue
        used = list(floor)
        free = ground.free.tolist()
        for pod, n in placed:
            used[n] += pod.watts
            free[n] = [left - r for left, r in zip(free[n], pod.requests, strict=True)]
        if (
            all(ground.allowed[pod.allowed_row, n] for pod, n in placed)
            and all(used[n] <= ground.cap[n] for _, n in placed)
            and all(left >= 0 for _, n in placed for left in free[n])
            and all(
                (load := sum(w * u for w, u in zip(row, used, strict=True))) <= limit or load == floor_load
                for row, limit, floor_load in zip(rows, limits, least, strict=True)
            )
        ):
            best = len(placed)
    return best


@given(divisions(most_nodes=3, most_demands=2))
@settings(max_examples=25, deadline=None)
def test_greedy_places_no_more_than_every_placement_tried_and_never_nothing_where_something_fits(problem):
    placed = sum(count for _, _, count in divide(problem).placement.placed)
    best = best_by_trying_all(problem)
    assert placed <= best
    assert placed >= 1 or best == 0


@given(divisions(most_nodes=3, most_demands=2))
@settings(max_examples=25, deadline=None)
def test_the_exact_step_places_as_many_as_any_placement_tried(problem):
    level = tuple(replace(demand, priority=0) for demand in problem.demands)
    problem = replace(problem, demands=level, exact=ExactPlacer(5.0, 0))
    shares = divide(problem)
    check(problem, shares.target)
    assert sum(count for _, _, count in shares.placement.placed) == best_by_trying_all(problem)


@pytest.mark.parametrize("waiting", [0, 300])
def test_five_thousand_nodes_are_divided_well_under_a_second(waiting):
    problem = large_division(waiting=waiting)
    started = time.process_time()
    shares = divide(problem)
    assert time.process_time() - started < 1.0
    assert (problem.ground.rows.slack(shares.target) >= 0).all()
    assert shares.placement.unplaced == 0


@given(divisions())
@settings(max_examples=60, deadline=None)
def test_what_was_just_written_is_not_written_again(problem):
    first = divide(problem)
    again = Division(problem.ground, problem.demands, first.target, problem.ability, problem.change)
    second = divide(again)
    assert second.placement.unplaced <= first.placement.unplaced
    check(again, second.target)
    if not problem.demands and not problem.change.level:
        third = divide(Division(problem.ground, (), second.target, problem.ability, problem.change))
        raised = third.target - second.target
        assert (raised >= 0).all()
        assert ((raised == 0) | (second.target == 0) | (raised < problem.change.least_watts)).all()


def test_a_waiting_pod_goes_where_its_watts_are_listed_already():
    problem = division([[1, 1]], [500], floor=[0, 0], cap=[400, 400], current=[100, 300], demands=[(200, (1, 1), 1, 0)])
    shares = divide(problem)
    assert shares.placement.placed == ((0, 1, 1),)
    assert shares.target.tolist() == [100, 300]


def test_watts_that_no_node_lists_are_given_before_any_node_gives():
    problem = division([[1, 1]], [500], floor=[0, 0], cap=[400, 400], current=[100, 300], demands=[(350, (1, 1), 1, 0)])
    shares = divide(problem)
    assert shares.placement.placed == ((0, 1, 1),)
    assert shares.target.tolist() == [100, 350]


def test_a_node_gives_what_no_pod_of_it_requests():
    problem = division(
        [[1, 1]], [400], floor=[0, 50], cap=[400, 400], current=[200, 200], demands=[(300, (1, 1), 1, 0)],
        allowed=[[True, False]],
    )  # fmt: skip
    assert divide(problem).target.tolist() == [300, 100]


def test_under_a_broken_row_every_node_falls_to_its_floor():
    problem = division([[1, 1], [1, 0]], [50, 400], floor=[40, 30], cap=[400, 400], current=[200, 200])
    assert divide(problem).target.tolist() == [40, 30]


def test_nodes_without_any_room_are_not_listed_and_others_list_at_least_a_watt():
    problem = division([[1, 1]], [0], floor=[0, 0], cap=[9, 9], current=[0, 0], ability=[9, 9])
    assert divide(problem).target.tolist() == [0, 0]
    problem = division([[1, 1]], [2], floor=[0, 0], cap=[9, 9], current=[0, 0], ability=[0, 0])
    assert divide(problem).target.tolist() == [1, 1]


def test_each_feed_holds_when_the_other_is_lost():
    problem = two_feeds(nodes=4, feed_watts=600, ability=[500] * 4)
    target = divide(problem).target
    check(problem, target)
    assert Fraction(int(target.sum()), 600) > Fraction(65, 100)


def test_the_rest_goes_to_those_who_can_use_it():
    problem = division(
        [[1] * 3], [1000], floor=[0] * 3, cap=[900] * 3, current=[0] * 3, ability=[600, 300, 0],
        change=Change(least_watts=1, reserve_percent=0),
    )  # fmt: skip
    target = divide(problem).target
    assert target[0] > 590
    assert target[1] > 295
    assert target[2] == 1


def test_a_cap_that_fell_is_followed_but_for_what_pods_request():
    problem = division([[1, 1]], [900], floor=[0, 300], cap=[100, 100], current=[400, 400])
    assert divide(problem).target.tolist() == [100, 300]


def test_higher_priority_is_placed_first_though_fewer_pods_then_fit():
    problem = division(
        [[1]], [100], floor=[0], cap=[100], current=[0], demands=[(30, (0, 1), 3, 0), (90, (0, 1), 1, 5)]
    )
    assert divide(problem).placement.placed == ((1, 0, 1),)
