import io
import json

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.watch_server import bookmark, failure, line, pod

from powerplane.adapters.watch_lines import Decoders, LineError, read_lines
from powerplane.models.objects import Pod

PODS = Decoders(Pod)
ONE = line("ADDED", pod("a", "n1", 7))
MEMBERS = st.sampled_from(
    ("type", "object", "metadata", "name", "resourceVersion", "continue", "spec", "nodeName", "items")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(("ADDED", "ERROR")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)


def gathered(*lines):
    return PODS.gather([each.rstrip(b"\n") for each in lines], "1")


def test_changes_come_in_order_and_the_last_version_stands():
    found = gathered(ONE, line("MODIFIED", pod("a", "n2", 8)), line("DELETED", pod("a", "n2", 9)))
    assert [(kind, each.spec.node_name) for kind, each in found.changes] == [
        ("ADDED", "n1"),
        ("MODIFIED", "n2"),
        ("DELETED", "n2"),
    ]
    assert (found.resource_version, found.error) == ("9", None)


def test_a_bookmark_is_no_change_and_moves_the_version():
    found = gathered(ONE, bookmark(12))
    assert (len(found.changes), found.resource_version) == (1, "12")


def test_what_stands_before_an_error_counts_and_what_follows_it_does_not():
    found = gathered(ONE, failure(410, "gone"), line("ADDED", pod("b", "n1", 9)))
    assert ([each.metadata.name for _, each in found.changes], found.resource_version) == (["a"], "7")
    assert (found.error.code, found.error.message) == (410, "gone")


def test_no_line_at_all_leaves_the_version():
    assert gathered().resource_version == "1"


def test_an_object_that_does_not_fit_is_named_and_its_version_counts():
    found = gathered(ONE, line("MODIFIED", pod("b", 5, 9)))
    assert found.unreadable[0].startswith("d/b: Expected `str`, got `int`")
    assert (len(found.changes), found.resource_version) == (1, "9")


@given(st.binary(max_size=60) | JSON.map(lambda each: json.dumps(each).encode()))
def test_whatever_a_line_is_it_is_an_event_or_a_line_error(data):
    try:
        found = PODS.gather([data], "1")
    except LineError:
        return
    assert len(found.changes) + len(found.unreadable) + bool(found.error) <= 1


@given(st.binary(max_size=60) | JSON.map(lambda each: json.dumps(each).encode()))
def test_whatever_a_page_is_it_is_a_list_or_a_line_error(data):
    try:
        page = PODS.page(data)
    except LineError:
        return
    assert isinstance(page.objects, list)


def test_nesting_without_end_is_refused_and_ends_nothing():
    deep = b'{"metadata":{"name":"deep"},"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(LineError):
        gathered(b'{"type":"ADDED","object":' + deep + b"}")
    with pytest.raises(LineError):
        PODS.page(b'{"items":[' + deep + b"]}")


@given(st.lists(st.integers(1, 400), max_size=20), st.integers(0, 30))
def test_lines_are_the_same_however_the_stream_is_cut(cuts, missing):
    whole = b"".join(line("ADDED", pod(f"p{number}", "n", number)) for number in range(5))
    sent = whole[: len(whole) - missing]

    class Stream(io.RawIOBase):
        left = sent
        sizes = iter(cuts)

        def read1(self, _):
            size = next(self.sizes, 1000)
            part, self.left = self.left[:size], self.left[size:]
            return part

        connection = None

    lines = [each for batch in read_lines(Stream(), 1 << 20) for each in batch]
    assert lines == sent.split(b"\n")[:-1]


def test_a_line_without_end_is_refused():
    response = urllib3.HTTPResponse(io.BytesIO(b"x" * 5000), preload_content=False)
    with pytest.raises(LineError, match="more than 1000 bytes"):
        list(read_lines(response, 1000))
