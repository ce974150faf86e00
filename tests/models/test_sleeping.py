"""Nodes that are to sleep: what is marked, what is undone, and which nodes are left alone."""

import copy
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.objects import Node
from powerplane.models.sleeping import (
    ASLEEP_TAINT,
    DELETING,
    MARKS,
    MARKS_ANNOTATION,
    READY_ANNOTATION,
    SLEEP_ANNOTATION,
    closing,
    is_closed,
    is_ours,
    opening,
    telling,
    why_not,
)

FOREIGN = ("powerplane.dev/over-cap", "node.kubernetes.io/not-ready", "team")


def raw(name="n", annotations=None, taints=(), ready=True):
    return {
        "metadata": {"name": name, "resourceVersion": "7", "annotations": dict(annotations or {})},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def read(body):
    return msgspec.convert(body, Node)


def patched(body, patch):
    """What a JSON patch makes of a node, which is another version then."""
    made = copy.deepcopy(body)
    for each in patch:
        *way, last = [part.replace("~1", "/") for part in each["path"].split("/")[1:]]
        place = made
        for part in way:
            place = place[part]
        last = int(last) if isinstance(place, list) and last != "-" else last
        if each["op"] == "test":
            assert place[last] == each["value"]
        elif each["op"] == "remove":
            del place[last]
        elif isinstance(place, list):
            place.append(each["value"])
        else:
            place[last] = each["value"]
    made["spec"].setdefault("taints", [])
    return made


def wish(body):
    made = copy.deepcopy(body)
    made["metadata"]["annotations"][SLEEP_ANNOTATION] = "wanted"
    return made


BODIES = st.builds(
    raw,
    annotations=st.dictionaries(st.sampled_from([*MARKS, "team"]), st.sampled_from(["true", "false"])),
    taints=st.lists(st.sampled_from(FOREIGN), unique=True),
)


@given(BODIES, st.booleans())
def test_a_node_that_slept_and_wakes_is_as_it_was(body, told):
    wished = wish(body)
    asleep = patched(wished, closing(read(wished)))
    assert is_closed(read(asleep))
    assert all(mark in asleep["metadata"]["annotations"] for mark in MARKS)
    if told:
        asleep = patched(asleep, telling(read(asleep), "2026-01-01T00:00:00Z"))
    awake = patched(asleep, opening(read(asleep), asked=True))
    assert awake == body
    assert not is_ours(read(awake))


def test_a_mark_that_somebody_has_changed_meanwhile_is_theirs():
    body = raw(annotations={SLEEP_ANNOTATION: "wanted"})
    asleep = patched(body, closing(read(body)))
    asleep["metadata"]["annotations"][MARKS[0]] = "false"
    awake = patched(asleep, opening(read(asleep)))
    assert awake["metadata"]["annotations"] == {SLEEP_ANNOTATION: "wanted", MARKS[0]: "false"}
    assert MARKS_ANNOTATION not in awake["metadata"]["annotations"]
    assert READY_ANNOTATION not in awake["metadata"]["annotations"]


@pytest.mark.parametrize("taint", DELETING)
def test_a_node_that_others_are_deleting_is_left_to_them(taint):
    node = read(raw(taints=[taint]))
    assert why_not(node, [node] * 10) == "others are deleting it"


@given(st.integers(1, 40), st.integers(0, 40))
def test_so_few_sleep_that_an_autoscaler_does_not_halt(count, unready):
    bodies = [raw(f"n{i}", ready=i >= unready) for i in range(count)]
    for i in range(count):
        nodes = [read(each) for each in bodies]
        if not why_not(nodes[i], nodes):
            bodies[i] = patched(bodies[i], closing(nodes[i]))
    closed = sum(any(t["key"] == ASLEEP_TAINT for t in each["spec"]["taints"]) for each in bodies)
    down = sum(is_closed(read(each)) or i < unready for i, each in enumerate(bodies))
    assert closed <= math.floor(0.4 * count)
    assert not closed or down < 0.45 * count or down <= 3
