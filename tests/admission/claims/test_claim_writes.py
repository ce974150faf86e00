"""What is written, and when."""

import json

import msgspec

from powerplane.admission.claims.names import Template
from powerplane.admission.claims.slices import Offer, SeenSlice
from powerplane.admission.claims.writes import Calm, SliceWrites, TemplateWrites


def offer(watts, pool="rack/r1", place="allNodes"):
    return Offer(pool, "rack", {place: True}, watts)


def seen(made):
    body = {"metadata": {"name": made.name, "resourceVersion": "1"}, "spec": made.spec(1)}
    return {made.name: msgspec.json.decode(json.dumps(body), type=SeenSlice)}


def verbs(writes):
    return [(write.verb, write.path.rpartition("/")[2]) for write in writes]


def decide(writes, made, there, now_s=0.0):
    return verbs(writes.decide({each.name: each for each in made}, there, now_s))


def test_what_lacks_is_made_what_changed_is_patched_and_what_nobody_wants_is_deleted_last():
    gone, kept, new = offer(5, "rack/r0"), offer(5, "rack/r1"), offer(5, "rack/r2")
    there = seen(gone) | seen(offer(9, "rack/r1"))
    assert decide(SliceWrites(), [kept, new], there) == [
        ("patch", "powerplane.rack.r1"),
        ("create", "resourceslices"),
        ("delete", "powerplane.rack.r0"),
    ]
    assert decide(SliceWrites(), [kept], seen(kept)) == []


def test_what_falls_is_written_at_once_and_a_small_rise_waits():
    writes = SliceWrites(Calm(part=0.01, seconds=30))
    there = seen(offer(1000))
    assert decide(writes, [offer(999)], there)
    assert decide(writes, [offer(1100)], there)
    assert decide(writes, [offer(1005)], there, 0.0) == []
    assert decide(writes, [offer(1004)], there, 29.0) == []
    assert decide(writes, [offer(1005)], there, 30.0)


def test_a_rise_that_went_again_waits_anew():
    writes = SliceWrites(Calm(part=0.01, seconds=30))
    there = seen(offer(1000))
    decide(writes, [offer(1005)], there, 0.0)
    decide(writes, [offer(1000)], there, 10.0)
    assert decide(writes, [offer(1005)], there, 35.0) == []


def test_a_slice_that_somebody_spoilt_or_that_lies_elsewhere_is_written_whatever_it_offers():
    spoilt = seen(offer(1000))
    next(iter(spoilt.values())).spec.devices[0]["name"] = "x"
    assert decide(SliceWrites(), [offer(1000)], spoilt)
    moved = Offer("rack/r1", "rack", {"nodeName": "a"}, 1001)
    assert decide(SliceWrites(), [moved], seen(offer(1000)))


T = Template(300, ("rack",))
KEY = ("team", T.name)


def test_a_template_that_a_pod_names_is_made_at_once_and_not_again_while_the_watch_lags():
    writes = TemplateWrites(again_s=30)
    assert verbs(writes.decide({("team", T)}, set(), 0.0)) == [("create", "resourceclaimtemplates")]
    assert writes.decide({("team", T)}, set(), 1.0) == []
    assert verbs(writes.decide({("team", T)}, set(), 30.0)) == [("create", "resourceclaimtemplates")]
    assert writes.decide({("team", T)}, {KEY}, 31.0) == []


def test_a_template_that_was_not_made_or_was_deleted_is_made_again():
    writes = TemplateWrites()
    writes.decide({("team", T)}, set(), 0.0)
    writes.forget(*KEY)
    assert len(writes.decide({("team", T)}, set(), 1.0)) == 1
    writes.decide({("team", T)}, {KEY}, 2.0)
    assert len(writes.decide({("team", T)}, set(), 3.0)) == 1


def test_a_template_that_no_pod_has_named_for_long_is_collected():
    writes = TemplateWrites(keep_s=600)
    assert writes.decide(set(), {KEY}, 0.0) == []
    assert writes.decide({("team", T)}, {KEY}, 500.0) == []
    assert writes.decide(set(), {KEY}, 1099.0) == []
    assert verbs(writes.decide(set(), {KEY}, 1100.0)) == [("delete", T.name)]
