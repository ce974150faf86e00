"""Durations, as the command line reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.cli.options import parse_duration
from powerplane.models.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("2m", 120), ("1h", 3600), ("500ms", 0.5), ("10", 10), ("1.5", 1.5), (".5s", 0.5)],
)
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text, "--deadline") == seconds


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h", ""]))
def test_every_positive_whole_duration_is_read(number: int, unit: str) -> None:
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}[unit]
    assert parse_duration(f"{number}{unit}", "--deadline") == pytest.approx(number * scale)


@given(st.text(max_size=12))
def test_any_text_is_a_positive_time_or_refused_by_name(text: str) -> None:
    read: float | UsageError
    try:
        read = parse_duration(text, "--deadline")
    except UsageError as refusal:
        read = refusal
    if isinstance(read, UsageError):
        assert "--deadline" in read.problem
        assert read.next_step
        assert read.exit_code == 2
    else:
        assert 0 < read < float("inf")
