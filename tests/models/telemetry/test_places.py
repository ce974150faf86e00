"""Nodes are placed by the first who is believed, and every disagreement is told."""

import numpy as np
import pytest

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.node_names import NodeNames
from powerplane.models.telemetry.places import FILE, LABELS, TAGS, locate, tagged_places
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading
from powerplane.models.topology import PowerDomain, PowerTopology

TELEGRAF = next(m for m in MEANINGS if m.source == "telegraf")
NODES = ("n1", "n2", "n3")


def tags(**places: tuple[str, str]) -> list[SourceReading]:
    """A reading of Telegraf's: rack and row by node."""
    kept = tuple(("dc", "room", row, rack) for rack, row in places.values())
    block = SeriesBlock(
        TELEGRAF,
        tuple(Entity(node) for node in places),
        np.arange(len(places) + 1),
        np.zeros(len(places)),
        np.full(len(places), 250.0),
        kept,
    )
    return [SourceReading("telegraf", 0.0, 0.0, (block,))]


def read_tags(**places: tuple[str, str]) -> dict[str, dict[str, str]]:
    return tagged_places(tags(**places), NodeNames(dict.fromkeys(places, ())))


def domains(topology: PowerTopology) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return {domain.name: (domain.kind, domain.parents, domain.nodes) for domain in topology.domains}


def test_tags_of_chassis_become_racks_and_rows() -> None:
    assert read_tags(n1=("WEB43", "North"), n2=("WEB44", "North")) == {
        "n1": {"rack": "WEB43", "row": "North"},
        "n2": {"rack": "WEB44", "row": "North"},
    }


def test_a_rack_number_that_stands_in_two_rows_is_told_apart() -> None:
    found = read_tags(n1=("1", "A"), n2=("1", "B"), n3=("2", "B"))
    assert [found[node]["rack"] for node in NODES] == ["A/1", "B/1", "2"]


def test_a_rack_with_the_name_of_a_row_is_told_apart() -> None:
    found = read_tags(n1=("1", "1"), n2=("2", "1"))
    assert [levels["rack"] for levels in found.values()] == ["1/1", "2"]


def test_a_chassis_that_names_no_rack_or_no_known_node_places_nothing() -> None:
    assert read_tags(n1=("", "North")) == {}
    assert tagged_places(tags(elsewhere=("1", "A")), NodeNames({"n1": ()})) == {}


def test_labels_go_before_tags_and_the_difference_is_told() -> None:
    told = {LABELS: {"n1": {"rack": "r1", "row": "a"}}, TAGS: {"n1": {"rack": "r9", "row": "b"}, "n2": {"rack": "r2"}}}
    found = locate(NODES, told)
    assert domains(found.topology) == {
        "a": ("row", (), ()),
        "r1": ("rack", ("a",), ("n1",)),
        "r2": ("rack", (), ("n2",)),
    }
    assert found.origin == {"n1": LABELS, "n2": TAGS}
    assert found.homeless == ("n3",)
    assert found.disagreements == ("node n1 hangs in r1 by its labels, in r9 by its tags",)
    assert all(domain.budget_mw == NO_BUDGET for domain in found.topology.domains)


def test_who_agrees_on_the_rack_may_add_the_row() -> None:
    told = {LABELS: {"n1": {"rack": "r1"}}, TAGS: {"n1": {"rack": "r1", "row": "a"}}}
    assert domains(locate(("n1",), told).topology)["r1"] == ("rack", ("a",), ("n1",))


def test_a_file_goes_before_all_and_keeps_its_budgets() -> None:
    file = PowerTopology(
        (PowerDomain("a", "row", 9_000_000), PowerDomain("r1", "rack", 5_000_000, ("a",), ("n1",))),
    )
    told = {LABELS: {"n1": {"rack": "r7"}, "n2": {"rack": "r1"}, "n3": {"rack": "r2", "row": "a"}}}
    found = locate(NODES, told, file)
    assert domains(found.topology) == {
        "a": ("row", (), ()),
        "r1": ("rack", ("a",), ("n1", "n2")),
        "r2": ("rack", ("a",), ("n3",)),
    }
    assert [domain.budget_mw for domain in found.topology.domains] == [9_000_000, 5_000_000, NO_BUDGET]
    assert found.origin == {"n1": FILE, "n2": LABELS, "n3": LABELS}
    assert found.disagreements == ("node n1 hangs in r1 by its file, in r7 by its labels",)


def test_two_nodes_that_hang_one_rack_in_two_rows_are_told() -> None:
    told = {LABELS: {"n1": {"rack": "r1", "row": "a"}, "n2": {"rack": "r1", "row": "b"}}}
    found = locate(("n1", "n2"), told)
    assert domains(found.topology)["r1"] == ("rack", ("a",), ("n1", "n2"))
    assert found.disagreements == ("r1 hangs in a, by node n2 in b",)
    assert "b" not in domains(found.topology), "a row without a node is none"


def test_a_name_of_two_kinds_places_nobody() -> None:
    told = {LABELS: {"n1": {"rack": "x", "row": "a"}, "n2": {"rack": "r", "row": "x"}}}
    found = locate(("n1", "n2"), told)
    assert found.homeless == ("n2",)
    assert found.disagreements == ("node n2 names a row x, which is a rack",)


@pytest.mark.parametrize("count", [0, 5000])
def test_it_scales_and_nothing_comes_of_nothing(count: int) -> None:
    nodes = [f"n{each}" for each in range(count)]
    found = locate(nodes, {LABELS: {node: {"rack": f"r{each // 20}"} for each, node in enumerate(nodes)}})
    assert len(found.topology.domains) == count // 20
    assert found.homeless == ()
