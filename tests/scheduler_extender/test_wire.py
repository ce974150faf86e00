"""The scheduler's questions, read: its own form, Go's leniency, and everything else refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scheduler_extender.asking import filter_body, go_json, pod

from powerplane.adapters.strict_json import MalformedError
from powerplane.scheduler_extender.answers import FilterAnswer
from powerplane.scheduler_extender.limits import Limits
from powerplane.scheduler_extender.replies import filter_reply
from powerplane.scheduler_extender.wire import (
    NameReader,
    Victims,
    node_items,
    read_bind,
    read_filter,
    read_preempt,
)

POD = b'{"metadata":{"uid":"u"}}'
NAMES = b'"NodeNames":["a","b"]'


def test_a_question_of_kube_scheduler_reads_whole():
    args = read_filter(filter_body(["n1", "n2"]))
    assert args.node_names == ("n1", "n2")
    assert args.raw_names == b'["n1","n2"]'
    assert args.pod.metadata.uid == "u-1"
    assert args.pod.spec.containers[0].resources.requests == {"powerplane.dev/watts": "75"}


def test_what_the_ledger_needs_of_a_pod_is_kept():
    owner = {"kind": "ReplicaSet", "name": "r", "uid": "r-1", "controller": True, "apiVersion": "apps/v1"}
    asked = pod(
        labels={"a": "b"}, annotations={"c": "d"}, ownerReferences=[owner], deletionTimestamp="2026-01-01T00:00:00Z"
    )
    asked["status"]["nominatedNodeName"] = "n2"
    found = read_filter(go_json({"Pod": asked, "Nodes": None, "NodeNames": []})).pod
    assert (found.metadata.labels, found.metadata.annotations) == ({"a": "b"}, {"c": "d"})
    assert found.metadata.owner_references[0].uid == "r-1"
    assert found.metadata.deletion_timestamp
    assert found.status.nominated_node_name == "n2"


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase, lambda name: name[0].lower() + name[1:]])
def test_names_of_the_extenders_own_level_may_have_any_case_as_in_go(spell):
    body = go_json({spell("Pod"): pod(), spell("Nodes"): None, spell("NodeNames"): ["n1"]})
    assert read_filter(body).node_names == ("n1",)
    bind = {spell(key): key for key in ("PodName", "PodNamespace", "PodUID", "Node")}
    assert read_bind(go_json(bind)).pod_uid == "PodUID"
    meta = {spell("Pod"): pod(), spell("NodeNameToMetaVictims"): {"N": {spell("Pods"): [{spell("UID"): "v"}]}}}
    assert read_preempt(go_json(meta)).victims == {"N": Victims(("v",))}


def test_names_inside_the_pod_keep_their_case():
    with pytest.raises(MalformedError, match="uid"):
        read_filter(b'{"Pod":{"metadata":{"UID":"u"}},%s}' % NAMES)


def test_order_blanks_and_unknown_members_do_not_matter():
    assert read_filter(b' {\n "NodeNames": ["a"],\t"New": {"Pod": 1}, "Pod" : %s }\r\n' % POD).node_names == ("a",)


@pytest.mark.parametrize(
    "body",
    [
        b'{"Pod":%s,"Pod":%s,%s}' % (POD, POD, NAMES),
        b'{"Pod":%s,"pod":%s,%s}' % (POD, POD, NAMES),
        b'{"Pod":%s,%s,%s}' % (POD, NAMES, NAMES),
        b'{"P\\u006fd":%s,"Pod":%s,%s}' % (POD, POD, NAMES),
        b'{"Pod":%s,"P\\u006fd":%s,%s}' % (POD, POD, NAMES),
        b'{"Pod":{"metadata":{"uid":"u","uid":"v"}},%s}' % NAMES,
        b'{"Pod":{"metadata":{"uid":"u"},"metadata":{"uid":"v"}},%s}' % NAMES,
        b'{"Pod":{"metadata":{"uid":"u","u\\u0069d":"v"}},%s}' % NAMES,
        b'{"Pod":{"metadata":{"uid":"u"},"unread":[{"a":1,"a":2}]},%s}' % NAMES,
    ],
)
def test_a_key_that_stands_twice_is_refused(body):
    with pytest.raises(MalformedError, match="twice"):
        read_filter(body)


def test_victims_that_stand_twice_are_refused():
    for twice in (b'{"n":{"Pods":[]},"n":{"Pods":[]}}', b'{"n":{"Pods":[],"pods":[{"UID":"u"}]}}'):
        with pytest.raises(MalformedError, match="twice"):
            read_preempt(b'{"Pod":%s,"NodeNameToMetaVictims":%s}' % (POD, twice))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body"),
        (b"null", "the body"),
        (b"[]", "the body"),
        (b"{}", "no Pod"),
        (b'{"Pod":null,"NodeNames":[]}', "no Pod"),
        (b'{"Pod":{"metadata":{"name":"p"}},"NodeNames":[]}', "uid"),
        (b'{"Pod":%s}' % POD, "neither NodeNames nor Nodes"),
        (b'{"Pod":%s,"NodeNames":null,"Nodes":null}' % POD, "neither NodeNames nor Nodes"),
        (b'{"Pod":%s,"NodeNames":"a"}' % POD, "NodeNames"),
        (b'{"Pod":%s,"NodeNames":[1]}' % POD, "NodeNames"),
        (b'{"Pod":%s,"NodeNames":["\xff"]}' % POD, "NodeNames"),
        (b'{"Pod":%s,"Nodes":{"items":[{"metadata":{"name":"a"},"x":"\xff"}]}}' % POD, "Nodes"),
        (b'{"Pod":%s,"NodeNames":["\\ud800"]}' % POD, "NodeNames|body"),
        (b'{"Pod":%s,%s}trailing' % (POD, NAMES), "trailing"),
        (b'{"Pod":{"metadata":{"uid":"u"},"x":NaN},%s}' % NAMES, "malformed"),
        (b'{"Pod":{"metadata":{"uid":"u"},"x":1e999},%s}' % NAMES, "out of range"),
        (b'{"Pod":{"metadata":{"uid":"u"},"spec":{"priority":1e30}},%s}' % NAMES, "priority"),
        (b'{"Pod":{"metadata":{"uid":"u"},"spec":{"containers":7}},%s}' % NAMES, "containers"),
        (b'{"Pod":' + b"[" * 200_000, "too deep"),
        (
            b'{"Pod":{"metadata":{"uid":"u"},"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}," + NAMES + b"}",
            "deep",
        ),
    ],
)
def test_what_is_no_question_is_refused_in_one_short_line(body, told):
    with pytest.raises(MalformedError, match=told) as refused:
        read_filter(body)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_nulls_stand_for_empty_lists_as_go_writes_them():
    asked = pod()
    asked["spec"] |= {"containers": None, "tolerations": None, "volumes": [None]}
    asked["metadata"] |= {"labels": None, "ownerReferences": None}
    assert read_filter(go_json({"Pod": asked, "Nodes": None, "NodeNames": ["a"]})).pod.spec.containers == ()


def test_full_nodes_are_read_by_name_and_kept_as_they_came():
    items = [{"metadata": {"name": name}, "status": {"images": [{"names": ["i"], "sizeBytes": 1}]}} for name in "ab"]
    args = read_filter(go_json({"Pod": pod(), "Nodes": {"metadata": {}, "items": items}, "NodeNames": None}))
    assert args.node_names == ("a", "b")
    assert [json.loads(bytes(item)) for item in node_items(args.raw_nodes)] == items
    kept = json.loads(filter_reply(args, FilterAnswer(("b",), failed={"a": "why"})))
    assert kept["Nodes"]["items"] == items[1:]
    assert kept["NodeNames"] is None


def test_no_full_nodes_are_an_empty_question():
    args = read_filter(b'{"Pod":%s,"Nodes":{"metadata":{},"items":null},"NodeNames":null}' % POD)
    assert args.node_names == ()
    assert json.loads(filter_reply(args, FilterAnswer(())))["Nodes"]["items"] == []


def test_victims_are_read_by_uid_in_both_forms():
    meta = {"n": {"Pods": [{"UID": "v"}, {"UID": "w"}], "NumPDBViolations": 1}, "m": None}
    assert read_preempt(go_json({"Pod": pod(), "NodeNameToVictims": None, "NodeNameToMetaVictims": meta})).victims == {
        "n": Victims(("v", "w"), 1),
        "m": Victims(()),
    }
    full = {"n": {"Pods": [pod(uid="v")], "NumPDBViolations": None}}
    assert read_preempt(go_json({"Pod": pod(), "NodeNameToVictims": full, "NodeNameToMetaVictims": None})).victims == {
        "n": Victims(("v",))
    }


@pytest.mark.parametrize("lost", ["PodName", "PodNamespace", "PodUID", "Node"])
@pytest.mark.parametrize("value", ["", None, 7])
def test_a_binding_needs_all_its_parts(lost, value):
    whole = {"PodName": "p", "PodNamespace": "d", "PodUID": "u", "Node": "n"}
    with pytest.raises(MalformedError, match=lost):
        read_bind(go_json(whole | {lost: value}))


def test_sizes_are_bounded_before_they_are_read():
    small = Limits(pod_bytes=200, nodes=3, odd_body_bytes=400)
    with pytest.raises(MalformedError, match="Pod is larger"):
        read_filter(go_json({"Pod": pod(labels={"a": "x" * 300}), "NodeNames": []}), small)
    with pytest.raises(MalformedError, match="more than 3"):
        read_filter(b'{"Pod":%s,"NodeNames":["a","b","c","d"]}' % POD, small)
    nodes = b",".join([b'{"metadata":{"name":"a"}}'] * 4)
    with pytest.raises(MalformedError, match="more than 3"):
        read_filter(b'{"Pod":%s,"Nodes":{"items":[%s]}}' % (POD, nodes), small)
    for body, told in ((b'{"a":{"Pods":null,"NumPDBViolations":0}}', "larger"), (b'{"a":{"pods":[]}}', "too large")):
        least = Limits(victims_bytes=30, odd_body_bytes=10)
        with pytest.raises(MalformedError, match=told):
            read_preempt(b'{"Pod":%s,"NodeNameToMetaVictims":%s}' % (POD, body), least)
    with pytest.raises(MalformedError, match="too large"):
        read_filter(b'{"pod":%s,"nodenames":["%s"]}' % (POD, b"x" * 400), small)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@given(names=st.lists(texts, max_size=6), labels=st.dictionaries(texts, texts, max_size=4), unread=values)
def test_any_names_and_labels_come_back_as_they_went(names, labels, unread):
    asked = pod(labels=labels, managedFields=unread)
    args = read_filter(go_json({"Pod": asked, "Nodes": None, "NodeNames": names}))
    assert list(args.node_names) == names
    assert (args.pod.metadata.labels or {}) == labels
    assert json.loads(filter_reply(args, FilterAnswer()))["NodeNames"] == names


@given(names=st.lists(texts, unique=True, max_size=6), data=st.data())
def test_a_reply_always_has_every_member(names, data):
    args = read_filter(go_json({"Pod": pod(), "Nodes": None, "NodeNames": names}))
    passing = tuple(data.draw(st.lists(st.sampled_from(names), unique=True))) if names else ()
    failed = {name: "why" for name in names if name not in passing}
    reply = json.loads(filter_reply(args, FilterAnswer(passing, failed)))
    assert reply == {
        "Nodes": None,
        "NodeNames": list(passing),
        "FailedNodes": failed,
        "FailedAndUnresolvableNodes": {},
        "Error": "",
    }


def test_a_list_that_comes_again_is_known_and_another_is_read():
    names = NameReader()
    first = read_filter(filter_body(["n1", "n2"]), names=names).node_names
    assert read_filter(filter_body(["n1", "n2"]), names=names).node_names is first
    assert read_filter(filter_body(["n2"]), names=names).node_names == ("n2",)
    assert read_filter(filter_body([]), names=names).node_names == ()
    with pytest.raises(MalformedError):
        names.read(b'["n1"')
    assert read_filter(filter_body(["n3"]), names=names).node_names == ("n3",)
