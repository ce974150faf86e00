"""A state that changes move by move is the placement that it would be if it were counted anew."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import (
    cost_of,
    counts_in,
    node_mw,
    overload_mw,
    problem,
    random_problem,
    rule,
    state_of,
)

seeds = st.integers(0, 2**32 - 1)


def wander(state, seed, moves=8):
    """Move random pods; return what was done."""
    rng = np.random.default_rng(seed)
    done = []
    for _ in range(moves):
        cells = [(c, n) for n, cell in enumerate(state.cells) for c in cell]
        if not cells:
            break
        c, n = cells[rng.integers(len(cells))]
        target = int(rng.integers(len(state.cells)))
        state.move(c, n, target)
        done.append((c, n, target))
    return done


def counted_anew(state):
    """Return the state of a problem that was found as this one has become."""
    case, counts = state.tables.problem, counts_in(state)
    node, pod_class = np.nonzero(counts.T)
    cells = {"cell_node": node, "cell_class": pod_class, "cell_count": counts.T[node, pod_class]}
    return state_of(replace(case, **{name: array.astype(np.int32) for name, array in cells.items()}))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_after_any_moves_a_state_equals_the_same_placement_counted_anew(seed):
    state = state_of(random_problem(seed, ruled=True))
    wander(state, seed)
    fresh = counted_anew(state)
    assert state.cells == fresh.cells
    for name in ("free", "curve_mw", "accelerator_mw", "load"):
        assert (getattr(state, name) == getattr(fresh, name)).all(), name
    for kind in ("carriers", "targets"):
        for mine, anew in zip(getattr(state, kind), getattr(fresh, kind), strict=True):
            assert (mine == anew).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_draw_cost_and_overload_are_what_adding_up_by_hand_gives(seed):
    case = random_problem(seed)
    state = state_of(case)
    wander(state, seed)
    counts = counts_in(state)
    assert (state.node_mw == node_mw(case, counts)).all()
    assert state.cost == cost_of(case, counts)
    assert state.overload_mw() == overload_mw(case, counts)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_moves_taken_back_leave_no_trace(seed):
    state = state_of(random_problem(seed, ruled=True))
    found = state.copy()
    for c, source, target in reversed(wander(state, seed)):
        state.move(c, target, source)
    assert (state.delta, state.cost, state.cells) == ({}, 0, found.cells)
    assert (state.load == found.load).all()
    assert (state.free == found.free).all()


def test_a_copy_changes_apart():
    state = state_of(problem([[2, 0]], rules=(rule("spread", [0], [0], [0, 1], max_skew=1),)))
    twin = state.copy()
    twin.move(0, 0, 1)
    assert (state.cells, state.cost, state.load.tolist()) == ([{0: 2}, {}], 0, [200_000, 100_000])
    assert state.targets[0].tolist() == [2, 0]


def test_more_pods_than_there_are_cannot_be_taken():
    state = state_of(problem([[1, 0]]))
    with pytest.raises(ValueError, match="n0 has no 1 pods of c0 left"):
        state.put(0, 0, -2)


def test_a_pod_that_comes_home_costs_nothing_and_one_that_goes_on_costs_once():
    state = state_of(problem([[1, 0, 0]]))
    state.move(0, 0, 1)
    state.move(0, 1, 2)
    assert state.cost == 1000
    state.move(0, 2, 0)
    assert state.cost == 0


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_rise_and_fall_foretell_the_change_of_draw(seed):
    state = state_of(random_problem(seed))
    wander(state, seed, moves=3)
    pod_class, node, _ = state.movable_cells(np.arange(len(state.cells)))
    fall = state.fall(pod_class, node)
    for c, n, expected in zip(pod_class.tolist(), node.tolist(), fall.tolist(), strict=True):
        before = int(state.node_mw[n])
        state.put(c, n, -1)
        assert before - int(state.node_mw[n]) == expected
        assert int(state.rise(c, np.array([n]))[0]) == expected
        state.put(c, n, 1)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_a_rise_within_a_nodes_room_breaks_no_budget_and_one_beyond_it_does(seed):
    state = state_of(random_problem(seed))
    case, tables = state.tables.problem, state.tables
    for n, room in enumerate(state.node_room().tolist()):
        if room >= 1 << 59:
            continue
        rows, weights = tables.rows.of(n)

        def holds(rise, n=n, rows=rows, weights=weights):
            own = state.node_mw[n] + rise <= tables.node_limit[n]
            return bool(own and (state.load[rows] + weights * rise <= tables.rows.limit[rows]).all())

        assert holds(room), case
        assert not holds(room + 1), case


def test_rows_may_come_back_to_their_ceiling_where_one_is_given():
    state = state_of(problem([[2, 0]], [180, None]))
    assert state.node_room()[0] == -20_000
    assert state.node_room(ceiling=state.load + 5000)[0] == 5000


def test_overcommitment_is_told_apart_from_overload():
    state = state_of(problem([[3, 0]], offered=[2, 2]))
    assert state.overload_mw() == 0
    assert state.distress_mw() == state.overcommitment_mw() == 150_000  # half a node too much, of 300 W at its peak
