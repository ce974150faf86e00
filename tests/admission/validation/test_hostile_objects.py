"""Reviews of our own objects, and of pods with watts, that nobody should send: an answer or a 400, in time."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.admission.applying import response, review
from tests.admission.hostile import bombs, encoded, replace_somewhere
from tests.admission.validation.test_validating import DENYING, known, wants
from tests.scheduler_extender.asking import Reply, ask_once

from powerplane.admission.app import AdmissionApp
from powerplane.admission.metrics import AdmissionMetrics

LONGEST_S = 1.0
KNOWN = known(DENYING)
APP = AdmissionApp(lambda: KNOWN, AdmissionMetrics())

OBJECTS = {
    "PowerDomain": {
        "kind": "rack",
        "parents": ["row", "gone"],
        "budget": "4kW",
        "breaker": {"rating": "5kW", "curve": [{"timesOver": 1.2, "seconds": 60}]},
        "nodeSelector": {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]},
        "node": {"idle": "100W", "peak": "300W", "budget": "400W"},
    },
    "ClusterPowerCappingPolicy": {
        "selector": {"matchLabels": {"app": "web"}},
        "cap": {"percentOfAverage": 80, "window": "24h"},
        "rackConstraints": [{"domainNames": ["r1", "r9"], "maxPower": "1kW", "maxTemperature": 30}],
        "schedule": [{"start": "18:00", "end": "06:00", "days": ["Mon"], "cap": {"watts": "1kW"}}],
        "priority": 0,
        "mode": "Initial",
        "admission": {"lock": "Gate", "unfit": "Deny", "maxGateSeconds": 60},
    },
    "PlacementPlan": {
        "expiresAt": "2030-01-01T00:00:00Z",
        "moves": [{"namespace": "a", "pod": "p", "uid": "u", "from": "n1", "to": "n9", "watts": 30}],
    },
}


def of(kind: str) -> dict:
    if kind == "Pod":
        return json.loads(review(wants(5000)))
    whole = json.loads(review({"metadata": {"name": "new"}, "spec": OBJECTS[kind]}))
    whole["request"]["kind"] = {"group": "powerplane.dev", "version": "v1alpha1", "kind": kind}
    return whole


def answered(body: bytes) -> Reply:
    started = time.process_time()
    reply = ask_once(APP, "/validate", body)
    assert time.process_time() - started < LONGEST_S
    assert reply.status in (200, 400), reply
    if reply.status == 200:
        answer = response(reply.body)
        assert "patch" not in answer
        assert answer["allowed"] or answer["status"]["message"]
        assert all(len(each) <= 120 for each in answer.get("warnings", ()))
    return reply


@pytest.mark.parametrize("kind", ["Pod", *OBJECTS])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_in_any_place_of_a_review(kind, data):
    whole = of(kind)
    for _ in range(data.draw(st.integers(1, 3))):
        replace_somewhere(data.draw, whole)
    answered(encoded(whole))


@pytest.mark.parametrize("name", [name for name, _ in bombs()])
def test_a_bomb_is_answered_or_refused_in_time(name):
    reply = ask_once(APP, "/validate", dict(bombs())[name])
    assert reply.status in (200, 400, 413)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("PowerDomain", "parents", [f"p{i}" for i in range(20_000)]),
        ("PowerDomain", "nodeNames", [f"n{i}" for i in range(100_000)]),
        ("PowerDomain", "budget", "9" * 1_000_000 + "W"),
        (
            "PlacementPlan",
            "moves",
            [{"namespace": "a", "pod": "p", "uid": f"{i}", "from": "a", "to": "b"} for i in range(20_000)],
        ),
        (
            "ClusterPowerCappingPolicy",
            "rackConstraints",
            [{"domainNames": [f"d{i}"], "maxPower": "1W"} for i in range(20_000)],
        ),
    ],
)
def test_what_is_far_larger_than_the_definitions_allow_is_answered_in_time(kind, field, value):
    whole = of(kind)
    whole["request"]["object"]["spec"] = {**OBJECTS[kind], field: value}
    if field == "nodeNames":
        del whole["request"]["object"]["spec"]["nodeSelector"]
    answered(encoded(whole))
