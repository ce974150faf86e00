"""Hostile reviews: each is refused, or answered whole, in bounded time and memory; and an answer only ever adds."""

import asyncio
import copy
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.admission.applying import Json, apply, container, operations, pod, response, review
from tests.admission.hostile import (
    NAMESPACES,
    bombs,
    encoded,
    full_pod,
    judge,
    odd_pods,
    replace_somewhere,
    sound_pods,
    values,
    world,
)
from tests.scheduler_extender.asking import Reply, ask, ask_once

from powerplane.adapters.serving.limits import RequestLimits
from powerplane.admission.app import LIMITS, AdmissionApp
from powerplane.admission.metrics import AdmissionMetrics

PATHS = ("/mutate", "/rollouts", "/validate")
QUICK = settings(deadline=1000, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(QUICK, max_examples=3000)
LONGEST_S = 1.0
MOST_BYTES = 60 << 20

KNOWN = world()
APP = AdmissionApp(lambda: KNOWN, AdmissionMetrics(), RequestLimits(body_bytes=8 << 20, read_timeout_s=0.1))
BOMBS = dict(bombs())

CAP = {"cap": {"watts": "2kW"}, "mode": "Enforce", "selector": {"matchLabels": {"app": "a"}}, "priority": 1}
MOVE = {"namespace": "a", "pod": "p", "ownerUID": "o", "from": "n1", "to": "n2", "wave": 1}
OBJECTS: Json = {
    "PowerDomain": {"kind": "rack", "budget": "2kW", "nodeNames": ["n1"], "node": {"idle": "100W", "peak": "400W"}},
    "PowerCappingPolicy": CAP,
    "ClusterPowerCappingPolicy": CAP | {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    "PlacementPlan": {"expiresAt": "2026-12-01T00:00:00Z", "moves": [MOVE]},
}
namespaces = st.sampled_from(NAMESPACES)


def answered(body: bytes, path: str = "/mutate") -> Reply:
    reply = ask_once(APP, path, body)
    judge(body, reply, KNOWN, path)
    return reply


def changed(made: Json, **more: Any) -> Json:
    """What becomes of a pod."""
    return apply(made, operations(response(answered(review(made, **more)).body)))


def any_place_of_a_review(data: st.DataObject, path: str) -> None:
    whole = json.loads(review(full_pod(), namespace=data.draw(namespaces)))
    if path == "/rollouts":
        deployment = {"metadata": {"name": "d"}, "spec": {"replicas": 3, "template": full_pod()}}
        old = {"metadata": {"name": "d"}, "spec": {"template": pod()}}
        whole["request"] |= {"object": deployment, "oldObject": old, "operation": "UPDATE"}
        whole["request"]["kind"] = {"group": "apps", "version": "v1", "kind": "Deployment"}
    if path == "/validate" and data.draw(st.booleans()):
        kind, spec = data.draw(st.sampled_from(sorted(OBJECTS.items())))
        whole["request"]["kind"] = {"group": "powerplane.dev", "version": "v1alpha1", "kind": kind}
        made = {"metadata": {"name": "o", "namespace": "gate"}, "spec": copy.deepcopy(spec)}
        whole["request"] |= {"object": made, "operation": data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE"]))}
        whole["request"]["oldObject"] = {"metadata": {"name": "o"}, "spec": copy.deepcopy(spec)}
    for _ in range(data.draw(st.integers(1, 3))):
        replace_somewhere(data.draw, whole)
    answered(encoded(whole), path)


def a_cut_and_spliced_review(data: st.DataObject, path: str) -> None:
    body = bytearray(review(full_pod(), namespace="gate"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(at, min(len(body), at + 20)))
        start = data.draw(st.integers(0, len(body)))
        body[at:end] = data.draw(st.binary(max_size=8)) + body[start : start + data.draw(st.integers(0, 40))]
    reply = ask_once(APP, path, bytes(body))
    assert reply.status in (200, 400)


def an_odd_pod(made: Json, namespace: str) -> None:
    answered(encoded(json.loads(review({})) | {"request": request_of(made, namespace)}))


def request_of(made: Json, namespace: str) -> Json:
    whole: Json = json.loads(review({}, namespace=namespace))["request"]
    return whole | {"object": made}


def a_sound_pod(made: Json, namespace: str) -> None:
    """A second turn changes nothing; and whoever is not ours keeps all."""
    after = changed(made, namespace=namespace)
    assert changed(after, namespace=namespace) == after
    owners = [each["kind"] for each in made["metadata"].get("ownerReferences", ())]
    left = "nodeName" in made["spec"] or "annotations" in made["metadata"] or {"DaemonSet", "Node"} & {*owners}
    if left or namespace == "ignored":
        assert after == made


@QUICK
@given(body=st.binary(max_size=300), path=st.sampled_from(PATHS))
def test_any_bytes(body, path):
    answered(body, path)


@QUICK
@given(
    body=st.dictionaries(st.sampled_from(["kind", "apiVersion", "request", "object", "uid"]), values, max_size=5),
    path=st.sampled_from(PATHS),
)
def test_any_json_under_the_known_names(body, path):
    answered(encoded(body), path)


@QUICK
@given(data=st.data(), path=st.sampled_from(PATHS))
def test_any_value_in_any_place_of_a_review(data, path):
    any_place_of_a_review(data, path)


@QUICK
@given(made=odd_pods(), namespace=namespaces)
def test_an_odd_pod_loses_nothing(made, namespace):
    an_odd_pod(made, namespace)


@QUICK
@given(made=sound_pods(), namespace=namespaces)
def test_a_sound_pod_is_a_sound_pod_afterwards_and_a_second_turn_changes_nothing(made, namespace):
    a_sound_pod(made, namespace)


@QUICK
@given(data=st.data(), path=st.sampled_from(PATHS))
def test_any_cut_and_any_splice_of_a_good_review(data, path):
    a_cut_and_spliced_review(data, path)


@pytest.mark.slow
@LONG
@given(data=st.data(), path=st.sampled_from(PATHS))
def test_for_long_any_value_in_any_place_of_a_review(data, path):
    any_place_of_a_review(data, path)


@pytest.mark.slow
@LONG
@given(made=odd_pods(), namespace=namespaces)
def test_for_long_an_odd_pod_loses_nothing(made, namespace):
    an_odd_pod(made, namespace)


@pytest.mark.slow
@LONG
@given(made=sound_pods(), namespace=namespaces)
def test_for_long_a_second_turn_changes_nothing(made, namespace):
    a_sound_pod(made, namespace)


@pytest.mark.slow
@LONG
@given(data=st.data(), path=st.sampled_from(PATHS))
def test_for_long_any_cut_and_any_splice(data, path):
    a_cut_and_spliced_review(data, path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_hostile_megabyte_is_answered_in_a_second(bomb, path):
    start = time.process_time()
    reply = ask_once(APP, path, BOMBS[bomb])
    assert time.process_time() - start < LONGEST_S
    assert reply.status in (200, 400, 413), reply.body[:200]


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_hostile_megabyte_costs_sixty_megabytes_at_most(bomb):
    ask_once(APP, "/mutate", BOMBS[bomb])
    tracemalloc.start()
    try:
        ask_once(APP, "/mutate", BOMBS[bomb])
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def padded(size: int) -> bytes:
    """A good review of exactly so many bytes."""
    made = pod()
    made["metadata"]["annotations"] = {"a": ""}
    made["metadata"]["annotations"]["a"] = "x" * (size - len(review(made)))
    return review(made)


def test_a_review_of_the_greatest_size_is_answered_and_one_byte_more_is_refused():
    app = AdmissionApp(lambda: KNOWN, AdmissionMetrics())
    assert ask_once(app, "/mutate", padded(LIMITS.body_bytes)).status == 200
    assert ask_once(app, "/mutate", padded(LIMITS.body_bytes + 1)).status == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-type", b"application/json"), (b"content-length", b"2")], 400),
        ([(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"2")], 400),
        ([(b"content-type", b"text/plain"), (b"content-length", b"2")], 415),
        ([(b"content-type", b"application/vnd.kubernetes.protobuf"), (b"content-length", b"2")], 415),
        ([(b"content-encoding", b"gzip"), (b"content-length", b"2")], 415),
        ([(b"content-length", b"\xb2")], 400),
        ([(b"content-length", b"-1")], 400),
        ([(b"content-length", b"9" * 4400)], 413),
        ([(b"content-length", b"99999999")], 413),
        ([], 411),
        ([(b"transfer-encoding", b"chunked")], 400),
    ],
)
def test_heads_that_say_something_else_than_json_of_a_size_are_refused(headers, status):
    reply = asyncio.run(ask(APP, "/mutate", [b"{}"], headers=headers))
    assert reply is not None
    assert reply.status == status


def test_a_body_that_stops_coming_is_refused_in_time():
    start = time.perf_counter()
    reply = asyncio.run(ask(APP, "/mutate", [review(pod())[:-9]], ending="silent"))
    assert reply is not None
    assert (reply.status, time.perf_counter() - start < 0.5) == (408, True)


def test_a_request_of_watts_that_differs_from_its_limit_is_left_to_the_api_server():
    made = pod(container(cpu="9"))
    made["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "9", "powerplane.dev/watts": "1"},
        "limits": {"powerplane.dev/watts": "95"},
    }
    assert changed(made) == made


def test_a_pod_that_no_site_could_power_is_left_to_the_scheduler():
    assert changed(pod(container(cpu="1Ei"))) == pod(container(cpu="1Ei"))
