"""One domain held against the others: the same defects as reading all of them together, and what is merely odd."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api.domains import domain, spec_of
from tests.models.api.test_tree import EDITS, LABELS, NAMES, SPECS

from powerplane.models.api.neighbours import Neighbours, own_defects
from powerplane.models.api.tree import read_tree

NODES = [("n1", {"rack": "r1"}), ("n2", {"rack": "r1"}), ("n3", {})]
FLOOR = [
    domain("feed", "feed", budget="10kW"),
    domain("row", "row", parents=["feed"], budget="8kW"),
    domain("r1", parents=["row"], budget="4kW", nodeSelector={"matchLabels": {"rack": "r1"}}),
]
KNOWN = Neighbours.of(FLOOR, NODES)


def reasons(name, spec, known=KNOWN):
    return [defect.reason for defect in known.defects(name, spec)]


@given(EDITS, st.tuples(LABELS, LABELS, LABELS), NAMES, SPECS)
def test_one_spec_alone_is_told_what_reading_all_domains_would_tell_it(edits, labelling, name, spec):
    specs = {key: value for key, value in edits if value is not None}
    nodes = [(f"n{i}", own) for i, own in enumerate(labelling, 1)]
    objects = [msgspec.structs.replace(domain(key, value.kind), spec=value) for key, value in specs.items()]
    quick = [*own_defects(spec), *Neighbours.of(objects, nodes).defects(name, spec)]
    others = [each for each in objects if each.metadata.name != name]
    whole = read_tree([*others, msgspec.structs.replace(domain(name, spec.kind), spec=spec)], nodes)
    assert sorted(each.reason for each in quick) == sorted(each.reason for each in whole.defects.get(name, ()))


def test_a_parent_that_does_not_exist_is_told():
    assert reasons("r2", spec_of(parents=["row", "raw"], nodeNames=["n3"])) == ["UnknownParent"]
    assert reasons("r2", spec_of(parents=["row"], nodeNames=["n3"])) == []


def test_a_ring_is_told_with_its_way():
    (ring,) = KNOWN.defects("feed", spec_of("feed", parents=["r1"]))
    assert ring.reason == "Cycle"
    assert all(name in ring.message for name in ("feed", "row", "r1"))


def test_a_node_that_two_racks_claim_is_told_and_of_two_kinds_it_is_not():
    (shared,) = KNOWN.defects("r2", spec_of(nodeNames=["n2", "n3"]))
    assert (shared.reason, "'n2'" in shared.message, "'r1'" in shared.message) == ("NodeInTwoDomains", True, True)
    assert reasons("pdu", spec_of("pdu", nodeNames=["n2"])) == []


def test_what_is_stored_under_the_name_itself_does_not_count():
    assert reasons("r1", spec_of(parents=["row"], nodeNames=["n1"])) == []


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("r1", spec_of(parents=["row"], budget="9kW", nodeNames=["n1"]), "of its parent 'row'"),
        ("row", spec_of("row", parents=["feed"], budget="3kW"), "below that of r1"),
        ("r9", spec_of(nodeSelector={"matchLabels": {"rack": "r9"}}), "chooses no node"),
    ],
)
def test_what_is_allowed_and_hardly_meant_is_named(name, spec, words):
    (told,) = KNOWN.oddities(name, spec)
    assert words in told


def test_budgets_that_fit_into_each_other_are_not_odd():
    assert [KNOWN.oddities(each.metadata.name, each.spec) for each in FLOOR] == [(), (), ()]
    assert KNOWN.oddities("r2", spec_of(parents=["row"], budget="unreadable", nodeNames=["n1"])) == ()


def test_who_is_left_behind_is_named_when_a_domain_goes():
    (told,) = KNOWN.left_behind("row")
    assert told.startswith("r1 name")
    assert KNOWN.left_behind("r1") == ()
