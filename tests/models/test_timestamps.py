"""Moments as Kubernetes writes them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.errors import InputError
from powerplane.models.timestamps import parse_seconds


def test_moments_are_seconds_since_the_epoch_in_any_zone():
    assert parse_seconds("1970-01-01T00:01:00Z") == 60
    assert parse_seconds("1970-01-01T02:01:00.25+02:00") == 60


@pytest.mark.parametrize("text", ["", "yesterday", "2026-05-01T12:00:00", "2026-13-01T00:00:00Z", "2026-05-01"])
def test_what_is_no_moment_is_refused_by_its_text(text):
    with pytest.raises(InputError) as caught:
        parse_seconds(text)
    assert repr(text) in caught.value.problem


@given(st.text())
def test_no_text_makes_reading_a_moment_fail_otherwise_than_by_refusing_it(text):
    with suppress(InputError):
        parse_seconds(text)
