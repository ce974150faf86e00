"""Devices as ResourceSlices."""

import json

import msgspec
from tests.admission.claims.claim_world import NODES, RACKS, tree

from powerplane.admission.claims.layout import Device, capacities, lay_out
from powerplane.admission.claims.slices import (
    NO_LIMIT_W,
    Offer,
    SeenSlice,
    Selecting,
    offer_seen,
    offers_of,
    open_levels,
    places_of,
)

HOST = "kubernetes.io/hostname"
LABELS = {name: {HOST: name, "rack": rack} for rack, members in RACKS.items() for name in members}


def where(nodes, labels=None, *, row=0, limited=True):
    device = Device(0, "p", row, tuple(NODES.index(name) for name in nodes), limited)
    return Selecting(LABELS if labels is None else labels).where(device, NODES)


def selector(key, *values):
    return {"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": key, "operator": "In", "values": list(values)}]}]}}  # fmt: skip


def seen(offer, generation=3):
    body = {"metadata": {"name": offer.name, "resourceVersion": "7"}, "spec": offer.spec(generation)}
    return msgspec.json.decode(json.dumps(body), type=SeenSlice)


def test_the_label_with_the_fewest_values_that_selects_exactly_the_nodes_is_taken():
    assert where(RACKS["r1"]) == selector("rack", "r1")
    assert where((*RACKS["r1"], *RACKS["r3"])) == selector("rack", "r1", "r3")
    assert where(("a1", "b1")) == selector(HOST, "a1", "b1")
    assert where(NODES) == {"allNodes": True}
    assert where(("a1",), row=-1) == {"nodeName": "a1"}
    assert where(("c1",), row=-1, limited=False) == selector(HOST, "c1")


def test_a_node_whose_hostname_is_not_its_own_takes_no_claims_and_one_that_is_gone_is_left_out():
    shared = LABELS | {"a2": {HOST: "a1"}, "b1": {HOST: "b1"}}
    assert where(("a1", "b1"), shared) == selector(HOST, "b1")
    assert where(("a2",), shared) is None
    there = {name: own for name, own in LABELS.items() if name != "c1"}
    assert where(("c1",), there) is None
    assert where(NODES, there) == {"allNodes": True}


def test_what_was_written_is_read_back_as_the_same_offer():
    for place in ({"allNodes": True}, {"nodeName": "a1"}, selector("rack", "r1")):
        offer = Offer("rack/r1", "rack", place, 1000)
        assert offer_seen(seen(offer)) == offer


def test_quantities_count_by_their_worth_and_not_by_their_letters():
    made = Offer("rack/r1", "rack", {"allNodes": True}, 1000)
    there = seen(made)
    there.spec.devices[0]["capacity"]["watts"]["value"] = "1k"
    assert offer_seen(there) == made


def test_a_slice_that_says_anything_else_is_read_as_nothing():
    for change in ({"name": "other"}, {"allowMultipleAllocations": False}, {"capacity": {}}, {"capacity": 3}):
        there = seen(Offer("rack/r1", "rack", {"allNodes": True}, 1000))
        there.spec.devices[0].update(change)
        assert offer_seen(there) is None
    assert offer_seen(SeenSlice(there.metadata)) is None


def test_a_change_raises_the_generation_holds_for_the_version_seen_and_clears_the_old_place():
    there = seen(Offer("rack/r1", "rack", {"allNodes": True}, 1000), generation=3)
    body = Offer("rack/r1", "rack", selector("rack", "r1"), 800).body(there)
    assert body["metadata"] == {"resourceVersion": "7"}
    assert body["spec"]["pool"]["generation"] == 4
    assert body["spec"]["allNodes"] is None
    assert body["spec"]["nodeSelector"] == selector("rack", "r1")["nodeSelector"]


def test_each_device_is_a_slice_of_its_own():
    made = tree(single=("r3",))
    layout = lay_out(made)
    amounts = capacities(made, layout, 0 * layout.device_at)
    offers = offers_of(layout, places_of(layout, NODES, LABELS), amounts)
    assert len(offers) == len(layout.devices)
    assert offers["powerplane.rack.r1"].where == selector("rack", "r1")
    assert offers["powerplane.no.limit.feed-2"].watts == NO_LIMIT_W


def test_a_level_that_is_none_any_more_is_open_for_pods_that_claim_at_it_and_there_are_never_many():
    layout = lay_out(tree(row_w=None))
    offers = open_levels(layout, ["rack", "row", "feed-2"])
    assert [(each.level, each.where, each.watts) for each in offers.values()] == [
        ("row", {"allNodes": True}, NO_LIMIT_W)
    ]
    assert len(open_levels(layout, [f"x{i}" for i in range(100)])) == 16
