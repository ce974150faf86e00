"""topology.yaml: what it means, and what is refused with its place."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api_objects import node

from powerplane.adapters.topology_file import parse_topology, read_topology
from powerplane.models.breakers import Breaker
from powerplane.models.errors import InputError
from powerplane.models.snapshot import NO_BUDGET

NODES = [node("n1", rack="r1", row="a"), node("n2", rack="r1"), node("n3", rack="r2")]


def refusal(text):
    with pytest.raises(InputError) as caught:
        parse_topology(text.encode(), NODES)
    return caught.value


def domain(fields):
    return f"domains: [{{name: r, kind: rack, {fields}}}]"


def test_every_field_is_taken_over():
    topology = parse_topology(
        b"""
domains:
- {name: a, kind: feed, budget: 12kW, breaker: {rating: 13kW, curve: [[1.2, 3600], [2, 60.5]]}}
- {name: b, kind: feed}
- {name: r, kind: rack, parents: [a, b], feedLoad: shared, budget: 450W, nodes: [n1, n2]}
""",
        NODES,
    )
    a, b, rack = topology.domains
    assert (a.name, a.kind, a.budget_mw) == ("a", "feed", 12_000_000)
    assert a.breaker == Breaker(13_000_000, ((1.2, 3600.0), (2.0, 60.5)))
    assert b.budget_mw == NO_BUDGET
    assert (rack.parents, rack.feed_load, rack.nodes, rack.budget_mw) == (("a", "b"), "shared", ("n1", "n2"), 450_000)


def test_a_selector_chooses_the_nodes_that_carry_all_of_its_labels():
    assert parse_topology(domain("nodeSelector: {rack: r1}").encode(), NODES).domains[0].nodes == ("n1", "n2")
    assert parse_topology(domain("nodeSelector: {rack: r1, row: a}").encode(), NODES).domains[0].nodes == ("n1",)


def test_names_are_text_whatever_they_look_like():
    topology = parse_topology(b"domains: [{name: 007, kind: on, nodes: [1e3, yes]}]", NODES)
    assert topology.domains[0].name == "007"
    assert topology.domains[0].kind == "on"
    assert topology.domains[0].nodes == ("1e3", "yes")


def test_a_key_without_a_value_is_as_good_as_none():
    topology = parse_topology(b"domains: [{name: r, kind: rack, budget: , parents: ~, nodes: [n1]}]", NODES)
    assert topology.domains[0].budget_mw == NO_BUDGET


def test_a_file_is_read_by_its_path(tmp_path):
    (tmp_path / "power-tree.yaml").write_text(domain("nodes: [n1]"))
    assert read_topology(tmp_path / "power-tree.yaml", NODES).domains[0].nodes == ("n1",)


@pytest.mark.parametrize(
    ("text", "problem", "next_step"),
    [
        (domain("budgte: 1W"), "unknown key 'budgte' at domains[0]", "known keys are: name, kind, parents, budget,"),
        ("domain: []", "unknown key 'domain' at the top of the file", "known keys are: domains"),
        (domain("breaker: {rate: 1W}"), "unknown key 'rate' at domains[0].breaker", "known keys are: rating, curve"),
        ("", "missing required field `domains`", "the keys here are: domains"),
        ("domains: [{kind: rack}]", "missing required field `name` at domains[0]", "the keys here are: name, kind"),
        (domain("nodes: n1"), "Expected `array | null`, got `str` at domains[0].nodes", ""),
        ("- a", "Expected `object`, got `array` at the top of the file", ""),
        (domain("budget: 12"), "domain 'r': the power '12' has no unit", "12W or 12kW"),
        (domain("budget: .nan W"), "domain 'r': '.nan W' is not a finite power", ""),
        (domain("budget: -1kW"), "domain 'r': a power of '-1kW' is not above zero", ""),
        (domain("nodes: [n1], nodeSelector: {a: b}"), "domain 'r': it has both nodes and nodeSelector", "leave one"),
        (domain("nodeSelector: {}"), "domain 'r': its nodeSelector is empty", ""),
        (domain("nodeSelector: {rack: r9}"), "domain 'r': its nodeSelector {'rack': 'r9'} matches no node", ""),
        (domain("breaker: {rating: 1W, curve: [[2, soon]]}"), "domain 'r': 'soon' is not a finite number", ""),
        (domain("breaker: {rating: 1W, curve: [[2]]}"), "Expected `array` of length 2, got 1", ""),
        (domain("feedLoad: halves, nodes: [n1]"), "has feedLoad 'halves'", ""),
    ],
)
def test_a_topology_that_cannot_be_used_is_refused_with_its_place(text, problem, next_step):
    error = refusal(text)
    assert problem in error.problem
    assert next_step in error.next_step


@given(st.text(alphabet="domains: [{name: r, kind: rack}]\n-&*!|>'\"#%@`1W~", max_size=80))
def test_no_text_makes_reading_fail_otherwise_than_by_refusing_it(text):
    with suppress(InputError):
        parse_topology(text.encode(), NODES)
