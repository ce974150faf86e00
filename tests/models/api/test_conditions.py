"""Conditions keep the time of their last change, and nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.api.conditions import LONGEST_MESSAGE, Condition, condition, with_condition

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def ready(*, holds, reason="R", generation=1):
    return condition("Ready", holds=holds, reason=reason, message="m", generation=generation)


def test_the_transition_time_stays_while_the_status_does():
    first = with_condition(None, ready(holds=True), OLD)
    again = with_condition(first, ready(holds=True, reason="Other", generation=2), NEW)
    assert again == (Condition("Ready", "True", "Other", "m", OLD, 2),)
    assert with_condition(again, ready(holds=False), NEW)[0].last_transition_time == NEW


def test_others_stay_as_they_are_and_in_their_order():
    others = (Condition("A", "True", last_transition_time=OLD), Condition("Ready", "Unknown"), Condition("B", "False"))
    found = with_condition(others, ready(holds=True), NEW)
    assert [one.type for one in found] == ["A", "Ready", "B"]
    assert (found[0], found[2]) == (others[0], others[2])


def test_a_message_is_cut_to_what_an_object_can_hold():
    told = condition("Ready", holds=True, reason="R", message="x" * 10_000, generation=1).message
    assert len(told) == LONGEST_MESSAGE
    assert told.endswith("…")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans()), max_size=9))
def test_after_any_changes_each_type_is_there_once_with_the_time_of_its_last_flip(changes):
    conditions, flipped, last = (), {}, {}
    for moment, (kind, holds) in enumerate(changes):
        conditions = with_condition(
            conditions, condition(kind, holds=holds, reason="R", message="", generation=moment), str(moment)
        )
        if last.get(kind) != holds:
            flipped[kind], last[kind] = str(moment), holds
    assert {one.type: one.last_transition_time for one in conditions} == flipped
    assert len(conditions) == len(flipped)
