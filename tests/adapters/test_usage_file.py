"""usage.csv: exact, and refused by line."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.usage_file import parse_usage
from powerplane.models.errors import InputError
from powerplane.models.usage import UsageRow

HEADER = "namespace,pod,cpu_cores,accelerator_watts\n"


def rows(text):
    return list(parse_usage(text.encode()))


def test_rows_are_exact_and_rounded_up():
    assert rows(HEADER + "shop,web,0.1234567,1.0001\n") == [UsageRow("shop", "web", 123_457, 1001, "usage.csv line 2")]


def test_an_empty_accelerator_field_means_not_measured():
    assert rows(HEADER + "shop,web,1,\n")[0].accelerator_mw is None


def test_quotes_blank_lines_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    found = rows("\ufeff" + HEADER.replace("\n", "\r\n") + '\r\n"shop","web",1,0\r\n')
    assert [(row.namespace, row.pod) for row in found] == [("shop", "web")]


def test_a_header_alone_is_no_rows():
    assert rows(HEADER) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "usage.csv begins with ''"),
        ("pod,cpu\n", "usage.csv begins with 'pod,cpu'"),
        (HEADER + "a,b,1\n", "usage.csv line 2 has 3 fields, not 4"),
        (HEADER + "a,b,1,0\na,c,NaN,0\n", "usage.csv line 3, pod a/c: cpu_cores: 'NaN' is not a finite number"),
        (HEADER + "a,b,inf,0\n", "usage.csv line 2, pod a/b: cpu_cores: 'inf' is not a finite number"),
        (HEADER + "a,b,-1,0\n", "usage.csv line 2, pod a/b: cpu_cores: '-1' is negative"),
        (HEADER + "a,b,,0\n", "usage.csv line 2, pod a/b: cpu_cores: '' is not a finite number"),
        (HEADER + "a,b,1,-1\n", "usage.csv line 2, pod a/b: accelerator_watts: '-1' is negative"),
        (HEADER + "a,b,1,Infinity\n", "usage.csv line 2, pod a/b: accelerator_watts: 'Infinity' is not a finite"),
        (HEADER + 'a,"b,1,0\n', "usage.csv line 2 is not CSV"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text, problem):
    with pytest.raises(InputError) as caught:
        rows(text)
    assert problem in caught.value.problem


def test_bytes_that_are_no_text_are_refused_with_their_place():
    with pytest.raises(InputError, match="is not UTF-8 text") as caught:
        list(parse_usage(HEADER.encode() + b"\xff"))
    assert "byte 42" in caught.value.problem


@given(st.one_of(st.binary(), st.text().map(lambda text: (HEADER + text).encode())))
def test_no_bytes_make_reading_fail_otherwise_than_by_refusing_them(data):
    with suppress(InputError):
        list(parse_usage(data))
