"""Pages are read as Prometheus reads them, and a bad line costs nothing but itself."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from powerplane.adapters.telemetry.exposition import Sample, parse

NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,8}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9][a-z0-9_]{0,5}", fullmatch=True), st.text(max_size=12), max_size=4
)
VALUES = st.floats(allow_nan=True, allow_infinity=True)


def written(name: str, labels: dict[str, str], value: float, at_ms: int | None) -> str:
    def escape(text: str) -> str:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    inside = ",".join(f'{label}="{escape(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" + ("" if at_ms is None else f" {at_ms}")


def same(one: Sample, other: Sample) -> bool:
    values = one.value == other.value or (math.isnan(one.value) and math.isnan(other.value))
    return values and one[:2] == other[:2] and one.at_s == pytest.approx(other.at_s)


@given(st.lists(st.tuples(NAMES, LABELS, VALUES, st.none() | st.integers(0, 2**41)), max_size=5))
def test_what_is_written_is_read_back(rows: list) -> None:
    page = parse("\n".join(written(*row) for row in rows) + "\n")
    expected = [Sample(name, labels, value, None if at is None else at / 1e3) for name, labels, value, at in rows]
    assert page.malformed.total() == 0
    assert len(page.samples) == len(expected)
    assert all(map(same, page.samples, expected))


@given(st.lists(st.tuples(NAMES, LABELS, VALUES, st.none() | st.integers(0, 2**41)), max_size=4))
def test_it_agrees_with_prometheus_own_client_on_good_pages(rows: list) -> None:
    text = "\n".join(written(*row) for row in rows) + "\n"
    theirs = [
        Sample(s.name, s.labels, float(s.value), None if s.timestamp is None else float(s.timestamp))
        for family in text_string_to_metric_families(text)
        for s in family.samples
    ]
    mine = parse(text).samples
    assert len(mine) == len(theirs)
    assert all(any(same(one, other) for other in theirs) for one in mine)


@given(st.text(max_size=200))
def test_no_text_whatever_breaks_it(text: str) -> None:
    page = parse(text)
    assert len(page.samples) + page.malformed.total() <= text.count("\n") + 1


@given(st.text(alphabet='ab{}"\\=, \t1#', max_size=30))
def test_a_bad_line_takes_nothing_else_with_it(line: str) -> None:
    page = parse(f"before 1\n{line}\nafter 2\n")
    assert page.samples[0] == Sample("before", {}, 1.0, None)
    assert page.samples[-1] == Sample("after", {}, 2.0, None)
    assert len(page.samples) + page.malformed.total() <= 3


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a{",
        "a{} ",
        "a{b} 1",
        'a{b="c} 1',
        'a{b="c"d="e"} 1',
        'a{b="c",b="d"} 1',
        'a{9="c"} 1',
        "a one",
        "a 1_000",
        "a 1 soon",
        "a 1 NaN",
        "a 1 2 3",
        'a{b="c"}1 2 3',
        'a{b="\x00',
    ],
)
def test_what_is_no_line_is_counted_under_its_metric(line: str) -> None:
    page = parse(f"{line}\n")
    assert page.samples == []
    assert page.malformed == {"a": 1}


def test_a_line_that_begins_with_no_name_is_counted_under_none() -> None:
    assert parse("!\n1 2\n").malformed == {"": 2}


@pytest.mark.parametrize(
    ("line", "value", "at_s"),
    [
        ("a 1", 1.0, None),
        ("a\t1", 1.0, None),
        ("  a  1  ", 1.0, None),
        ("a{} 1", 1.0, None),
        ("a{ } 1 1700000000123", 1.0, 1700000000.123),
        ("a +Inf", math.inf, None),
        ("a -Inf -1", -math.inf, -0.001),
        ("a 1e400", math.inf, None),
        ("a 0x1p-2", None, None),
    ],
)
def test_spellings(line: str, value: float | None, at_s: float | None) -> None:
    page = parse(line)
    assert page.samples == ([] if value is None else [Sample("a", {}, value, at_s)])


def test_labels_may_have_blanks_between_them_and_a_comma_at_the_end() -> None:
    page = parse('a{ b = "1" , c="x,y}" , } 2\n')
    assert page.samples == [Sample("a", {"b": "1", "c": "x,y}"}, 2.0, None)]


def test_escapes_are_undone_once_and_unknown_ones_stay() -> None:
    page = parse(r'a{b="\\n\n\"\t"} 1')
    assert page.samples[0].labels == {"b": '\\n\n"\\t'}


def test_a_page_of_openmetrics_counts_in_seconds_and_its_exemplars_are_passed_over() -> None:
    lines = ('a_total{b="c"} 5 1700000000.5 # {trace_id="x"} 0.5 1700000000.1', 'a_total 1 # {t="#"} 1', "# EOF")
    page = parse("# TYPE a counter\n" + "\n".join(lines) + "\n")
    assert page.samples == [Sample("a_total", {"b": "c"}, 5.0, 1700000000.5), Sample("a_total", {}, 1.0, None)]
    assert page.types == {"a": "counter"}
    assert page.malformed.total() == 0


def test_types_are_told_but_for_those_that_say_nothing() -> None:
    page = parse("# TYPE a gauge\n# HELP a TYPE b counter\n# TYPE c untyped\n#TYPE d counter\n# TYPE\n")
    assert page.types == {"a": "gauge", "d": "counter"}


def test_metrics_that_are_not_wanted_are_passed_over_unread() -> None:
    page = parse('a 1\nb{broken 2\n{"quoted.name", x="y"} 3\n', {"a"})
    assert [sample.name for sample in page.samples] == ["a"]
    assert page.malformed.total() == 0


def test_a_windows_end_of_line_is_a_blank() -> None:
    assert parse("a 1\r\nb 2\r\n").samples == [Sample("a", {}, 1.0, None), Sample("b", {}, 2.0, None)]


def test_a_hostile_line_is_refused_in_time() -> None:
    began = time.monotonic()
    parse("a{" + 'b="c",' * 50_000 + "!} 1\n")
    parse('a{b="' + "\\" * 200_001 + '"} 1\n')
    parse("a" + " " * 200_000 + "1 " + " " * 200_000 + "x y\n")
    assert time.monotonic() - began < 2
