"""Text of others, quoted within a line."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.plain import printable


@given(st.text())
def test_nothing_that_steers_or_reorders_is_left_and_the_rest_stays_in_its_place(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(now in (was, "\N{REPLACEMENT CHARACTER}") for was, now in zip(text, shown, strict=True))
    assert printable(shown) == shown
