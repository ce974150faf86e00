"""Claims and volumes: from where a pod's volumes can be reached."""

import msgspec
from tests.models.api_objects import pod, snapshot_of

from powerplane.models.objects import PersistentVolume, PersistentVolumeClaim
from powerplane.models.volumes import VolumeBook

ZONE = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}]}


def volume(name, required=None):
    spec = {"nodeAffinity": {"required": required}} if required else {}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, PersistentVolume)


def claim(name, bound_to=""):
    meta = {"name": name, "namespace": "default"}
    return msgspec.convert({"metadata": meta, "spec": {"volumeName": bound_to}}, PersistentVolumeClaim)


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
        using("unheard-of", name="p3"),
        persistent_volumes=(volume("pv", ZONE),),
        persistent_volume_claims=(claim("data", "pv"), claim("late")),
    )
    assert [len(template.volume_selectors) for template in snapshot.templates] == [1, 0, 0]
    assert [template.unmovable for template in snapshot.templates] == ["", "waits for its volume", ""]
    assert any(
        sentence.startswith("Pods whose claims or volumes are not listed: 1;") for sentence in snapshot.assumptions
    )
