"""YAML as text: nothing is guessed, nothing is lost, nothing is too deep."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.errors import InputError


def parse(text):
    return parse_yaml(text.encode(), "file.yaml")


def test_scalars_stay_as_they_were_written():
    assert parse("[on, 0.10, 1e3, 2026-05-01, 0x1F, '~', ~, null, '']") == [
        "on", "0.10", "1e3", "2026-05-01", "0x1F", "~", None, None, ""
    ]  # fmt: skip


def test_mappings_sequences_and_aliases_are_built():
    assert parse("a: &x {k: [1, 2]}\nb: *x\nc:") == {"a": {"k": ["1", "2"]}, "b": {"k": ["1", "2"]}, "c": None}


@pytest.mark.parametrize("text", ["", "# only a comment", "---\n"])
def test_an_empty_document_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "file.yaml, line 3: the key 'a' stands twice"),
        ("a: 1\n---\nb: 2", "file.yaml, line 2: a second document begins"),
        ("[a]: 1", "file.yaml, line 1: a key is not plain text"),
        ("a: *x", "file.yaml, line 1: the alias *x has no anchor"),
        ("a: &x [*x]", "file.yaml, line 1: the alias *x has no anchor"),
        ("[" * 100_000, "file.yaml, line 1: nesting is deeper than 32 levels"),
        ("{a: " * 100_000, "file.yaml, line 1: nesting is deeper than 32 levels"),
        ("a: [1, 2", "file.yaml is not YAML"),
        ("a: b: c", "file.yaml is not YAML"),
        ("\x07", "file.yaml is not YAML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text, problem):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert problem in caught.value.problem


def test_aliases_of_aliases_cost_no_more_than_they_are_long():
    bomb = "a: &a [x, x]\n" + "".join(
        f"{right}: &{right} [*{left}, *{left}]\n" for left, right in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert len(parse(bomb)["i"]) == 2


@given(st.one_of(st.binary(), st.text(alphabet="ab: -[]{}&*!|>'\"#%@`~?,\n\t", max_size=60).map(str.encode)))
def test_no_bytes_make_reading_fail_otherwise_than_by_refusing_them(data):
    with suppress(InputError):
        parse_yaml(data, "file.yaml")
