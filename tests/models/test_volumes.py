"""Claims and volumes: from where a pod's volumes can be reached."""

import msgspec
import pytest
from tests.models.api_objects import pod, snapshot_of

from powerplane.models.matching import node_selector_matches
from powerplane.models.objects import Node, PersistentVolume, PersistentVolumeClaim
from powerplane.models.volumes import NOWHERE, VolumeBook

ZONE = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}]}


GA_ZONE, OLD_ZONE = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"


def volume(name, required=None, **labels):
    spec = {"nodeAffinity": {"required": required}} if required else {}
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "spec": spec}, PersistentVolume)


def claim(name, bound_to="", phase="", modes=None):
    meta = {"name": name, "namespace": "default"}
    body = {"metadata": meta, "spec": {"volumeName": bound_to, "accessModes": modes}, "status": {"phase": phase}}
    return msgspec.convert(body, PersistentVolumeClaim)


def node_in(**labels):
    return msgspec.convert({"metadata": {"name": "n1", "labels": labels}}, Node)


def reached_from(labelled, *nodes):
    (selector,) = VolumeBook([labelled], [claim("data", labelled.metadata.name)]).of(using("data")).selectors
    return [node_selector_matches(selector, each) for each in nodes]


def using(*claims, name="p1"):
    volumes = [{"name": f"v{i}", "persistentVolumeClaim": {"claimName": each}} for i, each in enumerate(claims)]
    return pod(name, spec={"volumes": volumes})


def test_a_pod_is_bound_to_where_its_volumes_are():
    book = VolumeBook([volume("pv", ZONE), volume("anywhere")], [claim("data", "pv"), claim("shared", "anywhere")])
    found = book.of(using("data", "shared"))
    assert [selector.node_selector_terms[0].match_expressions[0].key for selector in found.selectors] == ["zone"]
    assert not found.waiting
    assert not found.unknown


def test_a_claim_without_a_volume_waits():
    found = VolumeBook([], [claim("data")]).of(using("data"))
    assert found.waiting
    assert not found.unknown


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
def test_a_claim_that_is_not_bound_is_reached_from_nowhere_whatever_volume_it_names(phase):
    found = VolumeBook([volume("pv")], [claim("data", "pv", phase)]).of(using("data"))
    assert found.waiting
    assert found.selectors == (NOWHERE,)


def test_a_claim_that_is_not_there_waits_where_others_are_listed():
    found = VolumeBook([volume("pv")], [claim("data", "pv")]).of(using("gone"))
    assert found.waiting
    assert not found.unknown


def test_a_volume_that_is_not_there_waits_where_others_are_listed():
    assert VolumeBook([volume("pv")], [claim("data", "gone")]).of(using("data")).waiting


def test_claims_for_one_pod_at_a_time_are_named():
    book = VolumeBook([volume("pv")], [claim("mine", "pv", modes=["ReadWriteOncePod"]), claim("ours", "pv")])
    assert book.of(using("ours", "mine")).exclusive == ("mine",)


def test_a_zone_label_of_a_volume_holds_it_to_its_zones_and_to_nodes_that_name_none():
    labelled = volume("pv", **{GA_ZONE: "z1__z2"})
    here, there, unlabelled = node_in(**{GA_ZONE: "z2"}), node_in(**{GA_ZONE: "z3"}), node_in()
    assert reached_from(labelled, here, there, unlabelled) == [True, False, True]


def test_a_node_that_names_only_a_region_is_outside_a_volume_s_zone():
    assert reached_from(volume("pv", **{GA_ZONE: "z1"}), node_in(**{"topology.kubernetes.io/region": "z1"})) == [False]


def test_an_old_zone_label_is_met_by_the_new_one_where_the_node_lacks_the_old():
    labelled = volume("pv", **{OLD_ZONE: "z1"})
    nodes = node_in(**{OLD_ZONE: "z1"}), node_in(**{GA_ZONE: "z1"}), node_in(**{OLD_ZONE: "z2", GA_ZONE: "z1"})
    assert reached_from(labelled, *nodes) == [True, True, False]


def test_a_new_zone_label_is_not_met_by_an_old_one():
    assert reached_from(volume("pv", **{GA_ZONE: "z1"}), node_in(**{OLD_ZONE: "z1"})) == [False]


def test_a_zone_label_with_an_empty_part_says_nothing():
    book = VolumeBook([volume("pv", **{GA_ZONE: "z1__"})], [claim("data", "pv")])
    assert book.of(using("data")).selectors == ()


def test_a_claim_that_is_not_listed_is_unknown():
    assert VolumeBook([], []).of(using("data")).unknown


def test_a_volume_that_is_not_listed_is_unknown():
    assert VolumeBook([], [claim("data", "pv")]).of(using("data")).unknown


def test_the_claim_of_an_ephemeral_volume_is_named_after_pod_and_volume():
    book = VolumeBook([volume("pv", ZONE)], [claim("p1-scratch", "pv")])
    assert book.of(pod(spec={"volumes": [{"name": "scratch", "ephemeral": {}}]})).selectors


def test_a_snapshot_carries_selectors_reasons_and_what_it_does_not_know():
    snapshot = snapshot_of(
        using("data", name="p1"),
        using("late", name="p2"),
        persistent_volumes=(volume("pv", ZONE),),
        persistent_volume_claims=(claim("data", "pv"), claim("late")),
    )
    assert [len(template.volume_selectors) for template in snapshot.templates] == [1, 1]
    assert [template.unmovable for template in snapshot.templates] == ["", "waits for its volume"]
    told = snapshot_of(using("data")).assumptions
    assert any(sentence.startswith("Pods whose claims or volumes are not listed: 1;") for sentence in told)
