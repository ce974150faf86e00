"""Kubernetes' meaning of selectors, affinity terms, taints and tolerations."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.matching import (
    UNSCHEDULABLE,
    all_tolerated,
    canonical,
    node_selector_matches,
    repelling_taints,
    requirement_holds,
    selector_matches,
    term_namespaces,
    tolerates,
    with_label_keys,
)
from powerplane.models.objects import (
    LabelSelector,
    Node,
    NodeSelector,
    PodAffinityTerm,
    Requirement,
    Taint,
    Toleration,
)

WORDS = st.sampled_from(["a", "b", "c", "d"])
LABELS = st.dictionaries(WORDS, WORDS)
VALUES = st.lists(WORDS, min_size=1).map(tuple)


def node(name="n1", unschedulable=False, taints=(), **labels):
    spec = {"unschedulable": unschedulable, "taints": list(taints)}
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "spec": spec}, Node)


def node_selector(*terms):
    return msgspec.convert({"nodeSelectorTerms": list(terms)}, NodeSelector)


def expression(key, operator, *values):
    return {"key": key, "operator": operator, "values": list(values)}


@given(VALUES, st.none() | WORDS)
def test_not_in_holds_exactly_where_in_does_not(values, value):
    inside = requirement_holds(Requirement("k", "In", values), value)
    assert inside == (value is not None and value in values)
    assert requirement_holds(Requirement("k", "NotIn", values), value) == (not inside)


@given(st.none() | WORDS)
def test_does_not_exist_holds_exactly_where_exists_does_not(value):
    assert requirement_holds(Requirement("k", "Exists"), value) == (value is not None)
    assert requirement_holds(Requirement("k", "DoesNotExist"), value) == (value is None)


@given(LABELS)
def test_an_empty_selector_matches_everything_and_none_matches_nothing(labels):
    assert selector_matches(LabelSelector(), labels)
    assert not selector_matches(None, labels)


@given(LABELS, LABELS)
def test_match_labels_hold_where_every_pair_is_there(wanted, labels):
    assert selector_matches(LabelSelector(match_labels=wanted), labels) == (wanted.items() <= labels.items())


def test_labels_and_expressions_of_a_selector_must_all_hold():
    selector = LabelSelector(match_labels={"a": "1"}, match_expressions=(Requirement("b", "Exists"),))
    assert selector_matches(selector, {"a": "1", "b": ""})
    assert not selector_matches(selector, {"a": "1"})
    assert not selector_matches(selector, {"b": ""})


def test_selectors_that_say_the_same_are_equal_in_canonical_form():
    one = LabelSelector(match_labels={"a": "1"}, match_expressions=(Requirement("b", "In", ("y", "x")),))
    other = LabelSelector(match_expressions=(Requirement("b", "In", ("x", "y")), Requirement("a", "In", ("1",))))
    assert canonical(one) == canonical(other)


@given(st.lists(st.tuples(WORDS, st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]), VALUES)), LABELS)
def test_the_canonical_form_matches_what_the_selector_matches(parts, labels):
    expressions = tuple(Requirement(key, operator, values) for key, operator, values in parts)
    whole = all(requirement_holds(one, labels.get(one.key)) for one in expressions)
    assert selector_matches(canonical(LabelSelector(match_expressions=expressions)), labels) == whole


@pytest.mark.parametrize(
    ("operator", "bound", "value", "holds"),
    [
        ("Gt", "4", "5", True),
        ("Gt", "5", "5", False),
        ("Lt", "5", "4", True),
        ("Lt", "5", "5", False),
        ("Gt", "-3", "-2", True),
        ("Gt", "4", None, False),
        ("Gt", "4", "many", False),
        ("Lt", "4", "1_0", False),
        ("Lt", "many", "3", False),
        ("Lt", "4", "-9223372036854775809", False),
    ],
)
def test_gt_and_lt_compare_64_bit_integers_and_hold_for_nothing_else(operator, bound, value, holds):
    assert requirement_holds(Requirement("k", operator, (bound,)), value) is holds


def test_an_unknown_operator_holds_for_nothing():
    assert not requirement_holds(Requirement("k", "Like", ("x",)), "x")


def test_the_terms_of_a_node_selector_are_alternatives():
    selector = node_selector(
        {"matchExpressions": [expression("zone", "In", "a")]}, {"matchExpressions": [expression("zone", "In", "b")]}
    )
    assert [node_selector_matches(selector, node(zone=zone)) for zone in "abc"] == [True, True, False]


def test_the_expressions_of_a_term_must_all_hold():
    selector = node_selector({"matchExpressions": [expression("a", "Exists"), expression("b", "DoesNotExist")]})
    assert node_selector_matches(selector, node(a="1"))
    assert not node_selector_matches(selector, node(a="1", b="1"))


def test_an_empty_term_and_a_selector_without_terms_match_no_node():
    assert not node_selector_matches(node_selector({}), node(a="1"))
    assert not node_selector_matches(node_selector(), node(a="1"))


def test_fields_match_the_name_of_a_node():
    selector = node_selector({"matchFields": [expression("metadata.name", "In", "n1")]})
    assert node_selector_matches(selector, node("n1"))
    assert not node_selector_matches(selector, node("n2"))


def test_no_field_but_the_name_matches():
    assert not node_selector_matches(node_selector({"matchFields": [expression("spec.x", "NotIn", "n1")]}), node("n1"))


def test_labels_and_fields_of_a_term_must_both_hold():
    both = {"matchFields": [expression("metadata.name", "In", "n1")], "matchExpressions": [expression("a", "Exists")]}
    assert node_selector_matches(node_selector(both), node("n1", a="1"))
    assert not node_selector_matches(node_selector(both), node("n1"))


TAINT = Taint(key="k", effect="NoSchedule", value="v")


@pytest.mark.parametrize(
    ("toleration", "holds"),
    [
        (Toleration(key="k", operator="Equal", value="v", effect="NoSchedule"), True),
        (Toleration(key="k", value="v"), True),  # Equal is the default, an empty effect covers all
        (Toleration(key="k", value="w"), False),
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(key="l", operator="Exists"), False),
        (Toleration(operator="Exists"), True),
        (Toleration(operator="Exists", effect="NoExecute"), False),
        (Toleration(key="k", operator="Near", value="v"), False),
    ],
)
def test_a_toleration_covers_a_taint_by_effect_key_and_value(toleration, holds):
    assert tolerates(toleration, TAINT) is holds


def test_no_schedule_and_no_execute_repel_and_prefer_no_schedule_does_not():
    effects = ("NoSchedule", "NoExecute", "PreferNoSchedule")
    tainted = node(taints=[{"key": effect, "effect": effect} for effect in effects])
    assert {taint.effect for taint in repelling_taints(tainted)} == {"NoSchedule", "NoExecute"}


def test_every_repelling_taint_must_be_tolerated():
    taints = (TAINT, Taint(key="l", effect="NoExecute"))
    assert not all_tolerated((Toleration(key="k", operator="Exists"),), taints)
    assert all_tolerated((Toleration(key="k", operator="Exists"), Toleration(key="l", operator="Exists")), taints)
    assert all_tolerated((), ())


def test_a_cordon_is_a_taint_that_can_be_tolerated():
    taints = repelling_taints(node(unschedulable=True))
    assert taints == {UNSCHEDULABLE}
    assert not all_tolerated((), taints)
    assert all_tolerated((Toleration(key="node.kubernetes.io/unschedulable", operator="Exists"),), taints)


NAMESPACES = {"red": {"team": "a"}, "blue": {"team": "b"}, "own": {}}


def term(**fields):
    return msgspec.convert({"topologyKey": "zone"} | fields, PodAffinityTerm)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"own"}),
        ({"namespaces": []}, {"own"}),
        ({"namespaces": ["red"]}, {"red"}),
        ({"namespaceSelector": {}}, {"red", "blue", "own"}),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, {"red"}),
        ({"namespaces": ["own"], "namespaceSelector": {"matchLabels": {"team": "b"}}}, {"own", "blue"}),
        ({"namespaceSelector": {"matchLabels": {"team": "none"}}}, set()),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}, {"blue"}),
    ],
)
def test_a_term_looks_in_listed_and_selected_namespaces_and_else_in_its_own(fields, expected):
    assert term_namespaces(term(**fields), "own", NAMESPACES) == expected


def test_match_label_keys_take_the_carriers_value():
    selector = with_label_keys(LabelSelector(match_labels={"app": "x"}), {"hash": "1"}, ("hash",))
    assert selector_matches(selector, {"app": "x", "hash": "1"})
    assert not selector_matches(selector, {"app": "x", "hash": "2"})


def test_mismatch_label_keys_keep_the_carriers_value_out():
    selector = with_label_keys(LabelSelector(), {"tenant": "1"}, None, ("tenant",))
    assert not selector_matches(selector, {"tenant": "1"})
    assert selector_matches(selector, {"tenant": "2"})
    assert selector_matches(selector, {})


def test_label_keys_that_the_carrier_lacks_are_passed_over():
    assert with_label_keys(LabelSelector(), {}, ("hash",), ("tenant",)) == frozenset()


def test_label_keys_make_no_selector_where_there_is_none():
    assert with_label_keys(None, {"hash": "1"}, ("hash",)) is None


NEGATIVE = st.sampled_from(["DoesNotExist", "NotIn"])


@given(NEGATIVE)
def test_a_wary_reader_takes_a_selector_that_holds_without_labels_for_all_namespaces(operator):
    values = ["x"] if operator == "NotIn" else []
    selector = {"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}
    term = msgspec.convert({"topologyKey": "zone", "namespaceSelector": selector}, PodAffinityTerm)
    labels = {"one": {"team": "x"}, "two": {}}
    assert term_namespaces(term, "one", labels) == {"two"}
    assert term_namespaces(term, "one", labels, wary=True) == {"one", "two"}


def test_a_wary_reader_takes_a_selector_that_needs_a_label_at_its_word():
    term = msgspec.convert(
        {"topologyKey": "zone", "namespaceSelector": {"matchLabels": {"team": "x"}}}, PodAffinityTerm
    )
    assert term_namespaces(term, "two", {"one": {"team": "x"}, "two": {}}, wary=True) == {"one"}


def test_label_keys_that_a_selector_names_already_are_passed_over():
    selector = msgspec.convert({"matchLabels": {"version": "1"}}, LabelSelector)
    assert with_label_keys(selector, {"version": "2"}, ["version"]) == canonical(selector)
