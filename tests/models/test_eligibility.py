"""The columns answer what the single objects answer."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot

from powerplane.models.eligibility import NodeIndex
from powerplane.models.label_index import LabelIndex
from powerplane.models.matching import all_tolerated, node_selector_matches, repelling_taints, requirement_holds
from powerplane.models.objects import Node, NodeSelector, NodeSelectorTerm, Requirement, Toleration

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["1", "2", "3", "x"])
OPERATORS = st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Like"])
REQUIREMENTS = st.builds(Requirement, KEYS, OPERATORS, st.lists(VALUES, max_size=3).map(tuple))
ROWS = st.lists(st.dictionaries(KEYS, VALUES), max_size=6)
FIELDS = st.builds(
    Requirement,
    st.sampled_from(["metadata.name", "metadata.uid"]),
    st.sampled_from(["In", "NotIn"]),
    st.lists(st.sampled_from(["n0", "n1", "n2"]), min_size=1, max_size=2).map(tuple),
)
EFFECTS = st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"])
TAINTS = st.fixed_dictionaries({"key": KEYS, "value": VALUES, "effect": EFFECTS})
TOLERATIONS = st.builds(
    Toleration, KEYS | st.just(""), st.sampled_from(["", "Equal", "Exists"]), VALUES, EFFECTS | st.just("")
)


def nodes_of(rows, taints=(), cordons=()):
    nodes = []
    for i, labels in enumerate(rows):
        spec = {"taints": taints[i] if i < len(taints) else [], "unschedulable": i < len(cordons) and cordons[i]}
        nodes.append(msgspec.convert({"metadata": {"name": f"n{i}", "labels": labels}, "spec": spec}, Node))
    return tuple(nodes)


@given(ROWS, REQUIREMENTS)
def test_a_column_of_labels_answers_as_each_label_does(rows, requirement):
    expected = [requirement_holds(requirement, row.get(requirement.key)) for row in rows]
    assert LabelIndex(rows).holds(requirement).tolist() == expected


@given(
    ROWS,
    st.lists(st.tuples(st.lists(REQUIREMENTS, max_size=2), st.lists(FIELDS, max_size=1)), max_size=3),
)
def test_a_column_of_nodes_answers_a_node_selector_as_each_node_does(rows, terms):
    selector = NodeSelector(tuple(NodeSelectorTerm(tuple(expressions), tuple(fields)) for expressions, fields in terms))
    nodes = nodes_of(rows)
    expected = [node_selector_matches(selector, node) for node in nodes]
    assert NodeIndex(nodes).selected(selector).tolist() == expected


@given(ROWS, st.lists(st.lists(TAINTS, max_size=2), max_size=6), st.lists(st.booleans()), st.lists(TOLERATIONS))
def test_a_column_of_nodes_answers_tolerations_as_each_node_does(rows, taints, cordons, tolerations):
    nodes = nodes_of(rows, taints, cordons)
    expected = [all_tolerated(tuple(tolerations), repelling_taints(node)) for node in nodes]
    assert NodeIndex(nodes).tolerated(tuple(tolerations)).tolist() == expected


def test_zones_are_numbered_by_value_and_absent_where_the_node_lacks_the_key():
    zone, count = NodeIndex(nodes_of([{"a": "2"}, {}, {"a": "1"}, {"a": "2"}])).zones("a")
    assert zone.tolist() == [1, -1, 0, 1]
    assert count == 2


def eligible(pod, *nodes):
    snapshot = tiny_snapshot(nodes, [pod])
    return NodeIndex(snapshot.nodes).eligible(snapshot.templates[0]).tolist()


def test_node_selector_node_affinity_taints_and_volumes_must_all_agree():
    ssd = {"disk": "ssd"}
    zone_a = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    big = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": big}
    spec = {"nodeSelector": ssd, "affinity": {"nodeAffinity": required}}
    pod = TinyPod("p", spec=spec, volumes=(zone_a,))
    good = {"disk": "ssd", "zone": "a", "cores": "16"}
    nodes = [
        TinyNode("all", good),
        TinyNode("disk", good | {"disk": "hdd"}),
        TinyNode("volume", good | {"zone": "b"}),
        TinyNode("affinity", good | {"cores": "8"}),
        TinyNode("taint", good, taints=(("k", "", "NoSchedule"),)),
        TinyNode("cordon", good, unschedulable=True),
        TinyNode("soft", good, taints=(("k", "", "PreferNoSchedule"),)),
    ]
    assert eligible(pod, *nodes) == [True, False, False, False, False, False, True]


def test_all_volumes_of_a_pod_must_be_reachable():
    zones = [{"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]} for key in ("a", "b")]
    nodes = [TinyNode("n1", {"a": "1", "b": "1"}), TinyNode("n2", {"a": "1"})]
    assert eligible(TinyPod("p", volumes=tuple(zones)), *nodes) == [True, False]


def test_no_nodes_give_no_answers():
    assert NodeIndex(()).tolerated(()).shape == (0,)
    assert NodeIndex(()).having(["a"]).dtype == np.bool_
