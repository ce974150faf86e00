"""Waves: whatever order a wave's moves run in, and wherever they stop, everything holds."""

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import (
    CONCAVE,
    breaks_nothing,
    counts_in,
    counts_of,
    every_placement,
    excesses_mw,
    free_of,
    milliwatts,
    problem,
    random_problem,
    rule,
    state_of,
)

from powerplane.solver.problem import DisruptionBudget
from powerplane.solver.waves import order_waves, pair

seeds = st.integers(0, 2**32 - 1)


def never():
    return False


def state_at(found, counts):
    """Carry a placement over to a state."""
    state = found.copy()
    change = counts - counts_in(found)
    for step in (-1, 1):
        for c, n in zip(*np.nonzero(change * step > 0), strict=True):
            state.put(int(c), int(n), int(change[c, n]))
    return state


def some_sound_placement(case, seed):
    ends = [k for k in every_placement(case) if breaks_nothing(case, k)]
    return ends[np.random.default_rng(seed).integers(len(ends))]


def points(counts, moves):
    """Every placement that a wave may pass through: each pod at its source, in flight, or at its target."""
    for places in product((0, 1, 2), repeat=len(moves)):
        now = counts.copy()
        for (c, s, t), place in zip(moves, places, strict=True):
            now[c, s] -= place > 0
            now[c, t] += place == 2
        yield now


def units_by_wave(flows):
    waves = {}
    for flow in flows:
        waves.setdefault(flow.wave, []).extend([(flow.pod_class, flow.source, flow.target)] * flow.count)
    return [waves[w] for w in sorted(waves)]


def holds_as_found(case, counts):
    """Say whether capacities, nodes' budgets and rows hold, or are broken no further than they were found."""
    found = counts_of(case)
    own, rows = excesses_mw(case, counts)
    own_was, rows_was = excesses_mw(case, found)
    short = free_of(case, counts) < np.minimum(0, free_of(case, found))
    return bool((rows <= rows_was).all() and (own <= own_was).all() and not short.any())


@given(seeds, st.booleans())
@settings(max_examples=120, deadline=None)
def test_every_point_of_every_wave_holds_and_the_waves_lead_where_they_say(seed, ruled):
    case = random_problem(seed, nodes=4, ruled=ruled)
    found = state_of(case)
    wanted = state_at(found, some_sound_placement(case, seed))
    flows, reached = order_waves(found, wanted, never)
    counts = counts_of(case)
    waves = units_by_wave(flows)
    assert [flow.wave for flow in flows] == sorted(flow.wave for flow in flows)
    for moves in waves:
        for point in points(counts, moves):
            assert holds_as_found(case, point)
        for c, s, t in moves:
            assert case.movable[c]
            assert case.allowed[case.allowed_set[c], t]
            counts[c, s] -= 1
            counts[c, t] += 1
    assert (counts == counts_in(reached)).all()


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_with_room_for_everything_the_waves_reach_what_is_wanted(seed):
    case = random_problem(seed, nodes=4, odd=False)
    case = replace(case, row_budget_mw=milliwatts([None] * 4), allocatable=np.full((4, 2), 99_000_000))
    found = state_of(case)
    wanted = state_at(found, some_sound_placement(case, seed))
    flows, reached = order_waves(found, wanted, never)
    assert reached.delta == wanted.delta
    assert sum(flow.count for flow in flows) == np.maximum(0, counts_of(case) - counts_in(wanted)).sum()
    assert {flow.wave for flow in flows} <= {1}


@given(seeds, st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_no_wave_disrupts_more_pods_than_a_disruption_budget_allows(seed, allowed):
    case = random_problem(seed, nodes=4)
    budget = DisruptionBudget("pdb", np.array([0, 1], dtype=np.int32), allowed)
    case = replace(case, disruption_budgets=(budget,))
    found = state_of(case)
    flows, _ = order_waves(found, state_at(found, some_sound_placement(case, seed)), never)
    for moves in units_by_wave(flows):
        assert sum(c in (0, 1) for c, _, _ in moves) <= allowed


def test_a_disruption_budget_of_nothing_lets_nothing_go():
    case = problem([[2, 0]], disruption_budgets=(DisruptionBudget("pdb", np.array([0], dtype=np.int32), 0),))
    found = state_of(case)
    flows, reached = order_waves(found, state_at(found, np.array([[0, 2]])), never)
    assert (flows, reached.delta) == ((), {})


def test_a_move_waits_for_the_room_that_another_leaves():
    found = state_of(problem([[1, 0, 0], [0, 1, 0]], offered=[1, 1, 1]))
    flows, _ = order_waves(found, state_at(found, np.array([[0, 1, 0], [0, 0, 1]])), never)
    assert [(f.pod_class, f.target, f.wave) for f in flows] == [(1, 2, 1), (0, 1, 2)]


def test_in_a_circle_one_pod_is_parked_on_a_third_node():
    case = problem([[1, 0, 0], [0, 1, 0]], offered=[1, 1, 1])
    found = state_of(case)
    flows, reached = order_waves(found, state_at(found, np.array([[0, 1, 0], [1, 0, 0]])), never)
    assert reached.cells == [{1: 1}, {0: 1}, {}]
    assert len(flows) == 3
    assert len({flow.pod_class for flow in flows if 2 in (flow.source, flow.target)}) == 1


def test_a_circle_without_a_third_node_is_not_begun():
    found = state_of(problem([[1, 0], [0, 1]], offered=[1, 1]))
    flows, reached = order_waves(found, state_at(found, np.array([[0, 1], [1, 0]])), never)
    assert (flows, reached.delta) == ((), {})


def test_on_a_concave_curve_only_as_many_pods_spread_as_the_rack_has_watts_for():
    """An empty node's first pod adds 150 W, a full one's last sheds 17 W: 140 W to spare allow one such move."""
    case = problem([[4, 0, 0]], [641], racks=[[0, 1, 2]], curve=CONCAVE)
    found = state_of(case)
    flows, reached = order_waves(found, state_at(found, np.array([[2, 1, 1]])), never)
    assert [len(moves) for moves in units_by_wave(flows)] == [1]
    assert reached.load[0] == 634_000


def test_pods_that_keep_apart_never_meet_between_waves():
    apart = rule("anti-affinity", [0, 1], [0, 1], [0, 1, 2])
    found = state_of(problem([[1, 0, 0], [0, 1, 0]], rules=(apart,)))
    flows, reached = order_waves(found, state_at(found, np.array([[0, 1, 0], [0, 0, 1]])), never)
    assert [(f.pod_class, f.wave) for f in flows] == [(1, 1), (0, 2)]
    assert reached.cells == [{}, {0: 1}, {1: 1}]


def test_no_wave_lets_a_newcomer_forget_itself_on_a_node_whose_pods_are_not_counted():
    def waved(max_skew):
        spread = replace(
            rule("spread", [0], [0, 1], [1, 0, 1], max_skew=max_skew), counted=np.array([False, True, True])
        )
        found = state_of(problem([[0, 1, 0], [0, 0, 1]], rules=(spread,)))
        return order_waves(found, state_at(found, np.array([[1, 0, 0], [0, 0, 1]])), never)

    assert not waved(1)[0]
    assert waved(2)[0]


def test_what_is_not_ordered_in_time_is_left_out():
    found = state_of(problem([[2, 0]]))
    assert order_waves(found, state_at(found, np.array([[0, 2]])), lambda: True)[0] == ()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_pairs_lead_from_one_placement_to_the_other_and_never_in_place(seed):
    case = random_problem(seed, nodes=4)
    found = state_of(case)
    wanted = state_at(found, some_sound_placement(case, seed))
    state = found.copy()
    for c, s, t in pair(found, wanted):
        assert s != t
        state.move(c, s, t)
    assert state.cells == wanted.cells
