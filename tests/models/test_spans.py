"""Names of traces, as they go from one program to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.spans import TraceParent, derived_span_id, derived_trace_id, read_traceparent


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_place_in_a_trace_is_read_as_it_was_written(trace_id, span_id, sampled):
    parent = TraceParent(trace_id, span_id, sampled)
    assert read_traceparent(parent.text()) == parent


def test_the_example_of_the_recommendation_is_read():
    found = read_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    assert found == TraceParent(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, sampled=True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ],
)
def test_what_is_no_place_in_a_trace_is_none(text):
    assert read_traceparent(text) is None


NAMES = st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), min_size=1, max_size=4)


@given(NAMES, NAMES)
def test_the_same_names_have_the_same_id_and_others_another(one, other):
    assert (derived_trace_id(*one) == derived_trace_id(*other)) is (one == other)
    assert 0 < derived_span_id(7, *one) < 2**64
    assert derived_span_id(7, *one) != derived_span_id(8, *one)
