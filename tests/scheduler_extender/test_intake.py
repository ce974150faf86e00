import asyncio
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.watch import Batch
from powerplane.scheduler_extender.intake import AT_ONCE, Intake


def take_all(batches):
    """What the loop keeps after some batches, each given from another thread."""
    kept, order = {}, []

    async def main():
        loop = asyncio.get_running_loop()

        def see(fact):
            kept[fact.key] = fact.value
            order.append(fact.key)

        intake = Intake(
            loop,
            lambda each: each.key,
            see=see,
            lose=lambda key: kept.pop(key, None),
        )
        for batch in batches:
            await asyncio.to_thread(intake.sink, batch)
        while not intake.idle:
            await asyncio.sleep(0)
        return intake

    intake = asyncio.run(main())
    return kept, order, intake


def thing(key, value=0):
    return SimpleNamespace(key=key, value=value)


def test_changes_are_taken_in_their_order():
    batch = Batch(False, tuple(("MODIFIED", thing("a", number)) for number in range(3 * AT_ONCE)))
    kept, order, intake = take_all([batch])
    assert kept == {"a": 3 * AT_ONCE - 1}
    assert intake.taken == len(order) == 3 * AT_ONCE


def test_what_a_new_list_lacks_is_gone_and_told_last():
    kept, _, _ = take_all(
        [
            Batch(True, (("ADDED", thing("a")), ("ADDED", thing("b")))),
            Batch(True, (("ADDED", thing("b", 2)), ("ADDED", thing("c")))),
        ]
    )
    assert kept == {"b": 2, "c": 0}


EVENTS = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(
            st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.sampled_from("abc"), st.integers(0, 9))
        ),
    ),
    max_size=8,
)


@given(EVENTS)
def test_whatever_comes_what_is_kept_is_what_the_last_list_and_changes_say(batches):
    expected, given_batches = {}, []
    for replace, changes in batches:
        listed = [("ADDED", key, value) for _, key, value in changes] if replace else changes
        if replace:
            expected = {}
        for what, key, value in listed:
            if what == "DELETED":
                expected.pop(key, None)
            else:
                expected[key] = value
        given_batches.append(Batch(replace, tuple((what, thing(key, value)) for what, key, value in listed)))
    assert take_all(given_batches)[0] == expected
