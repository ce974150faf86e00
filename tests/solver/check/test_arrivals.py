"""Whether Kubernetes would accept what arrives, whatever else of the wave has happened."""

import pytest
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot
from tests.solver.check.plans import kinds, move, verdict

WEB = {"app": "web"}
HOST = "kubernetes.io/hostname"


def zoned(*names, zone="zone"):
    """Nodes named zone-and-number ("x1"), each in the zone of its first letter."""
    return [TinyNode(name, {zone: name[0], HOST: name}) for name in names]


def required(*terms):
    return {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}


def near(labels, key="zone", **more):
    return {"topologyKey": key, "labelSelector": {"matchLabels": labels}, **more}


def apart(labels=None, key=HOST, **more):
    return {"affinity": {"podAntiAffinity": required(near(labels or WEB, key, **more))}}


def together(*terms):
    return {"affinity": {"podAffinity": required(*terms)}}


def spread(skew=1, labels=None, **more):
    rule = {"maxSkew": skew, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [rule | {"labelSelector": {"matchLabels": labels or WEB}} | more]}


def found(nodes, pods, *targets, **more):
    """Kinds found when pods move, each given as "pod>node" or "pod>node@wave"."""
    snapshot = tiny_snapshot(nodes, pods, **more)
    moves = []
    for target in targets:
        pod, node = target.split("@")[0].split(">")
        moves.append(move(snapshot, pod, node, int(target.partition("@")[2] or 1)))
    return kinds(verdict(snapshot, moves))


def one(target=None, spec=None, **pod):
    return found([TinyNode("a"), target or TinyNode("b")], [TinyPod("p", "a", spec=spec or {}, **pod)], "p>b")


def test_a_node_without_the_label_that_a_pod_selects_is_refused():
    assert one(spec={"nodeSelector": {"disk": "ssd"}}) == {("node-selector", 1)}
    assert not one(TinyNode("b", {"disk": "ssd"}), {"nodeSelector": {"disk": "ssd"}})


@pytest.mark.parametrize(
    ("operator", "values", "accepted"),
    [
        ("In", ["8", "9"], True),
        ("In", ["9"], False),
        ("NotIn", ["8"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
        ("Gt", ["7"], True),
        ("Gt", ["8"], False),
        ("Lt", ["9"], True),
        ("Lt", ["eight"], False),
        ("Sideways", ["8"], False),
    ],
)
def test_required_node_affinity_is_read_operator_by_operator(operator, values, accepted):
    expression = {"key": "cores", "operator": operator, "values": values}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
    assert one(TinyNode("b", {"cores": "8"}), affinity) == (set() if accepted else {("node-affinity", 1)})


def test_one_term_of_node_affinity_is_enough_and_an_empty_one_holds_nowhere():
    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}
    for terms, refused in (([{}, fields], False), ([{}], True)):
        rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        assert bool(one(spec={"affinity": {"nodeAffinity": rule}})) == refused


def test_a_volume_that_the_node_cannot_reach_is_refused():
    elsewhere = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x"]}]}]}
    assert one(volumes=(elsewhere,)) == {("volume", 1)}
    assert not one(TinyNode("b", {"zone": "x"}), volumes=(elsewhere,))


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_taint_without_toleration_is_refused(effect):
    assert one(TinyNode("b", taints=(("k", "v", effect),))) == {("taint", 1)}


@pytest.mark.parametrize(
    ("toleration", "accepted"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "w"}, False),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
        ({"key": "j", "operator": "Exists"}, False),
    ],
)
def test_a_toleration_holds_by_key_value_and_effect(toleration, accepted):
    tainted = TinyNode("b", taints=(("k", "v", "NoSchedule"),))
    assert one(tainted, {"tolerations": [toleration]}) == (set() if accepted else {("taint", 1)})


def test_a_soft_taint_keeps_nothing_out():
    assert not one(TinyNode("b", taints=(("k", "v", "PreferNoSchedule"),)))


def test_a_cordoned_node_takes_only_pods_that_tolerate_the_cordon():
    cordoned = TinyNode("b", unschedulable=True)
    assert one(cordoned) == {("taint", 1)}
    tolerated = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    assert not one(cordoned, {"tolerations": [tolerated]})


@pytest.mark.parametrize(
    ("theirs", "free"),
    [
        (("TCP", "0.0.0.0", 80), False),
        (("TCP", "10.0.0.1", 80), False),
        (("TCP", "10.0.0.2", 80), True),
        (("UDP", "10.0.0.1", 80), True),
        (("TCP", "10.0.0.1", 81), True),
    ],
)
def test_a_host_port_is_taken_by_address_protocol_and_number(theirs, free):
    pods = [TinyPod("p", "a", host_ports=(("TCP", "10.0.0.1", 80),)), TinyPod("q", "b", host_ports=(theirs,))]
    assert found([TinyNode("a"), TinyNode("b")], pods, "p>b") == (set() if free else {("host-port", 1)})


def test_two_pods_with_one_host_port_may_not_arrive_together_nor_before_its_holder_left():
    port = (("TCP", "0.0.0.0", 80),)
    nodes = [TinyNode(name) for name in "abc"]
    pods = [TinyPod("p", "a", host_ports=port), TinyPod("q", "b", host_ports=port)]
    assert found(nodes, pods, "p>c", "q>c") == {("host-port", 1)}
    assert found(nodes, pods, "p>b", "q>c") == {("host-port", 1)}
    assert not found(nodes, pods, "q>c", "p>b@2")


def test_a_pod_keeps_away_from_those_that_its_anti_affinity_names():
    pods = [TinyPod("p", "x1", spec=apart()), TinyPod("q", "y1", labels=WEB)]
    assert found(zoned("x1", "y1", "y2"), pods, "p>y1") == {("anti-affinity", 1)}
    assert not found(zoned("x1", "y1", "y2"), pods, "p>y2")


def test_a_pod_keeps_away_from_those_whose_anti_affinity_names_it():
    pods = [TinyPod("p", "x1", labels=WEB), TinyPod("q", "y1", spec=apart(key="zone"))]
    assert found(zoned("x1", "x2", "y1", "y2"), pods, "p>y2") == {("anti-affinity", 1)}
    assert not found(zoned("x1", "x2", "y1", "y2"), pods, "p>x2")


def test_a_node_without_the_topology_key_has_no_zone_to_share():
    pods = [TinyPod("p", "x1", spec=apart()), TinyPod("q", "b", labels=WEB)]
    assert not found([*zoned("x1"), TinyNode("b")], pods, "p>b")


def test_pods_that_keep_apart_may_not_meet_within_a_wave():
    pods = [TinyPod(name, node, labels=WEB, spec=apart()) for name, node in (("p", "x1"), ("q", "y1"))]
    nodes = zoned("x1", "y1", "z1")
    assert found(nodes, pods, "p>z1", "q>z1") == {("anti-affinity", 1), ("anti-affinity", 1)}
    assert found(nodes, pods, "p>y1", "q>z1") == {("anti-affinity", 1)}
    assert not found(nodes, pods, "q>z1", "p>y1@2")


def test_a_pod_is_not_kept_out_of_its_own_zone_by_itself():
    pods = [TinyPod("p", "x1", labels=WEB, spec=apart(key="zone"))]
    assert not found(zoned("x1", "x2"), pods, "p>x2")


def test_anti_affinity_names_pods_of_its_own_namespace_unless_told():
    def meets(**term):
        pods = [TinyPod("p", "x1", spec=apart(**term)), TinyPod("q", "y1", namespace="other", labels=WEB)]
        return found(zoned("x1", "y1"), pods, "p>y1", namespace_labels={"other": {"team": "t"}}) != set()

    assert not meets()
    assert meets(namespaces=["other"])
    assert meets(namespaceSelector={})
    assert meets(namespaceSelector={"matchLabels": {"team": "t"}})
    assert meets(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "other"}})
    assert not meets(namespaceSelector={"matchLabels": {"team": "u"}})


def test_label_keys_narrow_anti_affinity_to_the_same_value_or_to_others():
    def meets(value, **term):
        pods = [
            TinyPod("p", "x1", labels=WEB | {"v": "1"}, spec=apart(**term)),
            TinyPod("q", "y1", labels=WEB | {"v": value}),
        ]
        return found(zoned("x1", "y1"), pods, "p>y1") != set()

    assert meets("1", matchLabelKeys=["v"])
    assert not meets("2", matchLabelKeys=["v"])
    assert meets("2", mismatchLabelKeys=["v"])
    assert not meets("1", mismatchLabelKeys=["v"])


def test_required_affinity_wants_a_pod_that_stays_in_the_zone():
    pods = [TinyPod("p", "x1", spec=together(near(WEB))), TinyPod("q", "y1", labels=WEB)]
    nodes = zoned("x1", "y1", "y2", "z1")
    assert not found(nodes, pods, "p>y2")
    assert found(nodes, pods, "p>z1") == {("affinity", 1)}
    assert found(nodes, pods, "p>y2", "q>z1") == {("affinity", 1)}
    assert not found(nodes, pods, "q>z1", "p>z1@2")


def test_required_affinity_wants_a_node_with_the_topology_key():
    pods = [TinyPod("p", "x1", labels=WEB, spec=together(near(WEB)))]
    assert found([*zoned("x1"), TinyNode("b")], pods, "p>b") == {("affinity", 1)}


def test_the_first_pod_of_its_kind_may_go_anywhere_but_only_while_it_is_the_first():
    pods = [TinyPod(name, "x1", labels=WEB, spec=together(near(WEB))) for name in ("p", "q")]
    assert not found(zoned("x1", "y1"), pods[:1], "p>y1")
    assert found(zoned("x1", "y1"), pods, "p>y1") == {("affinity", 1)}
    assert found(zoned("x1", "y1"), pods, "p>y1", "q>y1") == {("affinity", 1)}


def test_required_affinity_wants_pods_that_all_its_terms_name():
    terms = [near(WEB), near({"tier": "front"})]
    apart_pods = [TinyPod("q", "y1", labels=WEB), TinyPod("s", "y1", labels={"tier": "front"})]
    both = [TinyPod("q", "y1", labels=WEB | {"tier": "front"})]
    mover = TinyPod("p", "x1", spec=together(*terms))
    assert found(zoned("x1", "y1"), [mover, *apart_pods], "p>y1") == {("affinity", 1)}
    assert not found(zoned("x1", "y1"), [mover, *both], "p>y1")


def web(*nodes, **spec):
    return [TinyPod(f"w{i}", node, labels=WEB, spec=spread(**spec)) for i, node in enumerate(nodes)]


def test_a_zone_may_not_exceed_the_emptiest_by_more_than_the_skew():
    nodes = zoned("x1", "y1", "z1")
    assert found(nodes, web("x1", "y1"), "w0>y1") == {("spread", 1)}
    assert not found(nodes, web("x1", "y1"), "w0>z1")
    assert not found(nodes, web("x1", "y1", skew=2), "w0>y1")


def test_a_spread_that_is_only_wished_for_refuses_nothing():
    pods = web("x1", "y1", whenUnsatisfiable="ScheduleAnyway")
    assert not found(zoned("x1", "y1", "z1"), pods, "w0>y1")


def test_spread_is_judged_with_all_arrivals_and_all_departures():
    nodes, pods = zoned("x1", "x2", "y1"), web("x1", "x1", "y1", "y1")
    assert not found(nodes, pods, "w0>x2")
    assert found(nodes, pods, "w0>y1", "w2>x1") == {("spread", 1)}
    assert not found(nodes, web("x1", "x1", "x1", "y1"), "w0>y1")


def test_fewer_zones_than_min_domains_count_the_emptiest_as_nothing():
    nodes = zoned("x1", "x2", "y1")
    assert not found(nodes, web("x1", "x1", "y1", "y1", skew=2), "w0>x2")
    assert not found(nodes, web("x1", "x1", "y1", "y1", skew=2, minDomains=3), "w0>x2")
    assert found(nodes, web("x1", "x1", "x1", "y1", skew=2, minDomains=3), "w0>x2") == {("spread", 1)}


def test_a_node_without_the_spread_key_is_refused():
    assert found([*zoned("x1"), TinyNode("b")], web("x1"), "w0>b") == {("spread", 1)}


def test_zones_that_the_pod_may_not_enter_do_not_count_unless_told():
    nodes = [TinyNode(name, {"zone": name[0], "pool": "p" if name[0] in "xy" else "q"}) for name in ("x1", "y1", "z1")]

    def skews(**more):
        spec = spread(**more) | {"nodeSelector": {"pool": "p"}}
        pods = [TinyPod(f"w{i}", node, labels=WEB, spec=spec) for i, node in enumerate(("x1", "x1", "y1"))]
        return found(nodes, pods, "w0>y1")

    assert not skews()
    assert skews(nodeAffinityPolicy="Ignore") == {("spread", 1)}


def test_tainted_zones_count_unless_taints_are_honoured():
    nodes = [*zoned("x1", "y1"), TinyNode("z1", {"zone": "z"}, taints=(("k", "v", "NoSchedule"),))]
    assert found(nodes, web("x1", "x1", "y1"), "w0>y1") == {("spread", 1)}
    assert not found(nodes, web("x1", "x1", "y1", nodeTaintsPolicy="Honor"), "w0>y1")


def test_spread_counts_pods_of_the_same_namespace_and_label_values_only():
    other = TinyPod("o", "y1", namespace="other", labels=WEB)
    nodes = zoned("x1", "y1")
    assert not found(nodes, [*web("x1"), other], "w0>y1")
    old = TinyPod("o", "y1", labels=WEB | {"v": "0"})
    new = TinyPod("w0", "x1", labels=WEB | {"v": "1"}, spec=spread(matchLabelKeys=["v"]))
    assert not found(nodes, [new, old], "w0>y1")
    assert found(nodes, [TinyPod("w0", "x1", labels=WEB, spec=spread()), old], "w0>y1") == {("spread", 1)}


def test_a_pod_that_its_own_spread_does_not_choose_adds_nothing():
    pods = [TinyPod("p", "x1", spec=spread()), TinyPod("q", "y1", labels=WEB)]
    assert not found(zoned("x1", "y1"), pods, "p>y1")
