"""The rule of pods that are held down in place finds what it is for, in logs written by hand."""

import pytest
from tests.rig.audit_log import Write
from tests.rig.throttle_auditor import NOTE, STOP, ThrottleAuditor

UID = "u1"


def pod(cpu="1", limit=None, *, note=True, verb="patch", sub="", asked=None, at_s=10.0):
    meta = {"uid": UID, "annotations": {NOTE: "had"} if note else {}}
    resources = {"requests": {"cpu": cpu}} | ({"limits": {"cpu": limit}} if limit else {})
    answered = {"metadata": meta, "spec": {"containers": [{"name": "main", "resources": resources}]}}
    return Write(verb, "pods", sub, "default", "web-1", "actuator", 200, asked or {}, answered, at_s, at_s)


def resize(cpu="600m", limit="600m", uid=UID, version="7", at_s=10.0, note=True, **more):
    given = {"requests": {"cpu": cpu}, "limits": {"cpu": limit} | more}
    asked = {
        "metadata": {"uid": uid, "resourceVersion": version},
        "spec": {"containers": [{"name": "main", "resources": given}]},
    }
    return pod(cpu, limit, sub="resize", asked=asked, at_s=at_s, note=note)


def plan(lever="throttle", request=600, limit=600, phase="Running"):
    cpu = {"container": "main", "requestMilli": request, "limitMilli": limit}
    move = {"uid": UID, "lever": lever, "to": "n", "resources": [cpu]}
    made = {"metadata": {"uid": f"plan-{lever}"}, "spec": {"moves": [move]}}
    name, status = f"plan-{lever}", {"status": {"phase": phase}}
    return [
        Write("create", "placementplans", "", "", name, "recommender", 201, {}, made, 2.0, 2.0),
        Write("patch", "placementplans", "status", "", name, "actuator", 200, {}, status, 3.0, 3.0),
    ]


def stop(at_s=5.0):
    answered = {"metadata": {"annotations": {STOP: "by hand"}}}
    return Write("patch", "namespaces", "", "", "powerplane-system", "admin", 200, {}, answered, at_s, at_s)


CREATED = pod(note=False, verb="create")
NOTED = pod()
THROTTLED = [CREATED, *plan(), NOTED, resize()]
RESTORED = [*THROTTLED, *plan("restore", 1000, 8000), resize("1", "8"), pod("1", "8", note=False)]


def broken(*writes):
    return {each.rule for each in ThrottleAuditor().audit(writes).findings}


def test_a_pod_that_is_held_down_and_given_back_what_it_had_breaks_no_rule():
    told = ThrottleAuditor().audit(RESTORED)
    assert told.findings == ()
    assert (told.throttled, told.restored, told.resizes) == ({UID}, {UID}, 2)


@pytest.mark.parametrize(
    ("rule", "writes"),
    [
        ("precondition", [CREATED, *plan(), NOTED, resize(uid="")]),
        ("precondition", [CREATED, *plan(), NOTED, resize(version="")]),
        ("note", [CREATED, *plan(), resize(note=False)]),
        ("plan", [CREATED, NOTED, resize()]),
        ("plan", [CREATED, *plan(phase="Done"), NOTED, resize()]),
        ("planned", [CREATED, *plan(), NOTED, resize("700m", "700m")]),
        ("cpu", [CREATED, *plan(), NOTED, resize(memory="1Gi")]),
        ("floor", [CREATED, *plan(request=400, limit=400), NOTED, resize("400m", "400m")]),
        ("stop", [CREATED, *plan(), NOTED, stop(), resize()]),
        ("restored", [*THROTTLED, *plan("restore", 900, 8000), resize("900m", "8"), pod("900m", "8", note=False)]),
    ],
)
def test_each_rule_is_found_broken_where_it_is(rule, writes):
    assert rule in broken(*writes)


def test_what_the_server_refused_breaks_nothing():
    refused = Write("patch", "pods", "resize", "default", "web-1", "actuator", 422, {}, {}, 1.0, 1.0)
    assert broken(CREATED, refused) == set()
