"""Rounding: what the covers and the relaxation say, carried out on whole pods."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.solver.tiny import breaks_nothing, counts_in, counts_of, problem, random_problem, state_of

from powerplane.solver.relaxation import relax
from powerplane.solver.rounding import follow_relaxation


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_rounding_the_relaxation_loses_no_pod_and_breaks_nothing_that_held(seed):
    case = random_problem(seed)
    found = state_of(case)
    counts = counts_in(follow_relaxation(found, relax(found, (), seconds=5)))
    assert (counts.sum(axis=1) == counts_of(case).sum(axis=1)).all()
    assert breaks_nothing(case, counts)


def test_rounding_the_relaxation_moves_what_it_says_to_where_there_are_watts():
    found = state_of(problem([[4, 0, 0]], [200, 150, 150]))
    state = follow_relaxation(found, relax(found, (), seconds=5))
    assert state.overload_mw() == 0
    assert state.cost == 2000
