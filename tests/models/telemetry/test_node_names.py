"""A name means one node or none."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.objects import Node
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.node_names import AMBIGUOUS, UNKNOWN, NodeNames, aliases_of, distinct, told_aliases
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

NODES = {
    "node-1": ("10.0.0.1", "fd00::1", "ip-10-0-0-1.eu.internal"),
    "node-2.rack.example": ("10.0.0.2", "nat.example"),
    "node-3": ("10.0.0.3", "nat.example"),
}


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("node-1", "node-1"),
        ("NODE-1", "node-1"),
        ("node-1:9100", "node-1"),
        ("10.0.0.1", "node-1"),
        ("10.0.0.1:28282", "node-1"),
        ("http://10.0.0.1:9290/metrics", "node-1"),
        ("https://[fd00::1]:443", "node-1"),
        ("[fd00::1]:9100", "node-1"),
        ("fd00::1", "node-1"),
        ("[fd00:0:0:0:0:0:0:1]:9100", "node-1"),
        ("FD00:0::1", "node-1"),
        ("http://[fd00::1%eth0]:9290", "node-1"),
        ("[::ffff:10.0.0.1]:9100", "node-1"),
        ("node-2.rack.example.:9100", "node-2.rack.example"),
        ("ip-10-0-0-1.eu.internal:9100", "node-1"),
        ("node-1.rack.example", "node-1"),
        ("node-2", "node-2.rack.example"),
        ("node-2:9100", "node-2.rack.example"),
        (" node-3 ", "node-3"),
    ],
)
def test_a_node_is_found_by_its_name_its_addresses_and_with_a_port(name: str, node: str) -> None:
    assert NodeNames(NODES).match(name) == node


@pytest.mark.parametrize(
    "name", ["node-9", "10.0.0.9:9100", "node-2.other.example", "", ":9100", "10", "10.0", "node-11"]
)
def test_what_no_node_is_called_means_none_and_is_counted_once(name: str) -> None:
    names = NodeNames(NODES)
    assert names.match(name) == names.match(name) == ""
    assert names.refused == {UNKNOWN: 1}


def test_a_name_of_two_nodes_means_neither_and_is_counted() -> None:
    names = NodeNames(NODES)
    assert names.match("nat.example:9100") == ""
    assert names.refused == {AMBIGUOUS: 1}


def test_two_hosts_of_one_short_name_are_told_apart_by_their_domain_or_not_at_all() -> None:
    names = NodeNames({"web.a.example": (), "web.b.example": ()})
    assert names.match("web.a.example:9100") == "web.a.example"
    assert names.match("web") == ""
    assert names.refused == {AMBIGUOUS: 1}


def test_a_nodes_own_name_is_nobody_elses() -> None:
    assert NodeNames({"a": ("b",), "b": ()}).match("b") == "b"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,2})?", fullmatch=True),
        st.lists(st.from_regex(r"[a-z]{1,3}(\.[a-z])?|10\.0\.0\.[0-9]", fullmatch=True), max_size=3),
        max_size=5,
    ),
    st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,2})?(:[0-9]{2})?|10\.0\.0\.[0-9](:[0-9]{2})?", fullmatch=True),
)
def test_a_name_means_the_node_that_bears_it_whatever_the_others_are_called(nodes: dict, name: str) -> None:
    names = NodeNames(nodes)
    assert all(names.match(node) == node == names.match(f"{node}:9100") for node in nodes)
    found = names.match(name)
    host = name.partition(":")[0]
    bearers = {node for node, aliases in nodes.items() if host in (node, *aliases)}
    if host not in nodes and bearers:
        assert found == (next(iter(bearers)) if len(bearers) == 1 else "")
    if found:
        assert any(alias.split(".")[0] == host.split(".")[0] or alias == host for alias in (found, *nodes[found]))


def test_a_node_object_tells_its_addresses() -> None:
    node = msgspec.convert(
        {
            "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "host-1"}},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": "10.0.0.1"},
                    {"type": "Hostname", "address": "n1"},
                    {"type": "InternalDNS", "address": "n1.internal"},
                ]
            },
        },
        Node,
    )
    assert aliases_of(node) == ("host-1", "10.0.0.1", "n1.internal")


def test_prometheus_tells_addresses_too() -> None:
    def told(metric: str, entity: Entity, kept: tuple[str, ...]) -> SeriesBlock:
        meaning = next(m for m in MEANINGS if m.metric == metric)
        return SeriesBlock(meaning, (entity,), np.array([0, 1]), np.zeros(1), np.ones(1), (kept,))

    reading = SourceReading(
        "kube-state-metrics",
        0.0,
        0.0,
        (
            told("kube_node_info", Entity("n1"), ("10.0.0.1",)),
            told("node_uname_info", Entity("10.9.9.9:9100"), ("n1",)),
        ),
    )
    assert told_aliases([reading]) == {"n1": ("10.0.0.1", "10.9.9.9:9100")}


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["n1", "n1:9100"], {"n1"}),
        (["n1:9290", "n1:9100", "n2:9100"], {"n1", "n2:9100"}),
        (["n1", "n1.lan", "n1.lan:9100"], {"n1.lan"}),
        (["n1", "n1.a", "n1.b"], {"n1", "n1.a", "n1.b"}),
        (["[fd00::1]:9100", "fd00:0::1"], {"fd00::1"}),
        (["10.0.0.1:9100", "10.0.0.2:9100"], {"10.0.0.1:9100", "10.0.0.2:9100"}),
        (["", ":9100"], {"", ":9100"}),
    ],
)
def test_of_names_that_mean_one_node_one_is_left_by_which_the_others_are_found(names: list, left: set) -> None:
    assert set(distinct(names)) == left
    nodes = NodeNames(dict.fromkeys(left, ()))
    if "n1.b" not in names and "" not in names:
        assert all(nodes.match(name) in left for name in names)
