"""Hostile requests: each is refused, or answered whole, in bounded time and memory; and the next one is served."""

import asyncio
import contextlib
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.judging import SEEDS, judge, real_answers
from tests.scheduler_extender.asking import ask, ask_once, filter_body, pod
from tests.scheduler_extender.talking import Client, Running, running

from powerplane.scheduler_extender.app import ExtenderApp
from powerplane.scheduler_extender.limits import Limits
from powerplane.scheduler_extender.metrics import ExtenderMetrics
from powerplane.scheduler_extender.server import ServerSettings

PATHS = tuple(f"/scheduler/v1/{verb}" for verb in ("filter", "prioritize", "preempt", "bind"))
LIMITS = Limits(body_bytes=1 << 20, read_timeout_s=0.1, head_timeout_s=0.1, bind_timeout_s=0.1)
PATIENT = settings(deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

APP = ExtenderApp(real_answers(), ExtenderMetrics(), limits=LIMITS)

hostile_text = st.text(max_size=6) | st.sampled_from(
    [
        "\x00",
        "\x1b[2J",
        "a\nb",
        "\u202e",
        "..",
        "%2e%2e",
        "' OR 1=1",
        "$(reboot)",
        "=1+1",
        "n1",
        "x" * 5000,
        "\U0001f4a9",
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | hostile_text
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda x: st.lists(x, max_size=4) | st.dictionaries(hostile_text, x, max_size=4), max_leaves=15
)
members = st.sampled_from(
    ["Pod", "pod", "Nodes", "NodeNames", "nodeNames", "NodeNameToVictims", "NodeNameToMetaVictims", "PodUID", "Node"]
)
paths = st.sampled_from(PATHS)


def answered(path: str, body: bytes) -> None:
    judge(path, ask_once(APP, path, body))


@PATIENT
@given(path=paths, body=st.binary(max_size=300))
def test_any_bytes(path, body):
    answered(path, body)


@PATIENT
@given(path=paths, body=st.dictionaries(members, values, max_size=5))
def test_any_json_under_the_known_names(path, body):
    answered(path, json.dumps(body).encode("utf-8", "surrogatepass"))


@PATIENT
@given(path=paths, data=st.data())
def test_any_value_in_any_place_of_a_pod(path, data):
    whole: dict[str, Any] = {"Pod": pod(), "Nodes": None, "NodeNames": ["n1"]}
    place: Any = whole["Pod"]
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    answered(path, json.dumps(whole).encode("utf-8", "surrogatepass"))


@PATIENT
@given(path=paths, seed=st.sampled_from(SEEDS), data=st.data())
def test_any_cut_and_any_splice_of_good_bodies(path, seed, data):
    body = bytearray(seed[1])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(at, min(len(body), at + 20)))
        other = data.draw(st.sampled_from(SEEDS))[1]
        start = data.draw(st.integers(0, len(other)))
        body[at:end] = data.draw(st.binary(max_size=8)) + other[start : start + data.draw(st.integers(0, 40))]
    answered(path, bytes(body))


@PATIENT
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "TRACE", "", "\x00"]),
    path=st.sampled_from([*PATHS, "/healthz", "/readyz", "/metrics", ""]) | st.text(max_size=20),
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"content-length", b"content-type", b"transfer-encoding", b"content-encoding"]),
            st.binary(max_size=12)
            | st.sampled_from([b"0", b"9" * 4400, "²".encode(), b"application/json", b"chunked"]),
        ),
        max_size=4,
    ),
)
def test_any_method_path_and_headers(method, path, headers):
    reply = asyncio.run(ask(APP, path, [b"{}"], method, headers))
    assert reply is not None
    assert reply.status in (200, 400, 404, 405, 411, 413, 415)


BOMBS = {
    "deep arrays": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 200_000,
    "deep pod": b'{"Pod":{"metadata":{"uid":"u"},"spec":'
    + b'{"a":' * 100_000
    + b"1"
    + b"}" * 100_001
    + b',"NodeNames":[]}',
    "many keys": b"{" + b",".join(b'"%x":0' % at for at in range(100_000)) + b"}",
    "many names": b'{"Pod":{"metadata":{"uid":"u"}},"NodeNames":[' + b",".join([b'""'] * 300_000) + b"]}",
    "many nodes": b'{"Pod":{"metadata":{"uid":"u"}},"Nodes":{"items":[' + b",".join([b"{}"] * 300_000) + b"]}}",
    "many labels": b'{"Pod":{"metadata":{"uid":"u","labels":{'
    + b",".join(b'"%x":""' % at for at in range(90_000))
    + b'}}},"NodeNames":["n1"]}',
    "many victims": b'{"Pod":{"metadata":{"uid":"u"}},"NodeNameToMetaVictims":{'
    + b",".join(b'"%x":{}' % at for at in range(40_000))
    + b"}}",
    "long number": b'{"Pod":{"metadata":{"uid":"u"},"x":' + b"9" * 900_000 + b'},"NodeNames":[]}',
    "far exponent": b'{"Pod":{"metadata":{"uid":"u"},"spec":{"priority":1e999999}},"NodeNames":[]}',
    "long string": b'{"Pod":{"metadata":{"uid":"' + b"\\u0041" * 170_000 + b'"}},"NodeNames":["n1"]}',
    "blanks": b" " * 1_000_000 + b"{}",
    "blanks inside": b'{"Pod":' + b" " * 1_000_000 + b'{"metadata":{"uid":"u"}},"NodeNames":[]}',
    "one key twice, many times": b'{"Pod":{"metadata":{"uid":"u"' + b',"uid":"u"' * 90_000 + b'}},"NodeNames":[]}',
}


@pytest.mark.parametrize("path", PATHS[::2])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_hostile_megabyte_costs_half_a_second_and_50_megabytes_at_most(path, bomb):
    start = time.process_time()
    answered(path, BOMBS[bomb])
    assert time.process_time() - start < 0.5
    tracemalloc.start()
    try:
        answered(path, BOMBS[bomb])
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(real_answers(), ServerSettings(port=0, limits=LIMITS)) as found:
        yield found


def hung_up_on() -> contextlib.AbstractContextManager[None]:
    """To be hung up on is an answer too."""
    return contextlib.suppress(ConnectionError)


def served(server: Running) -> bool:
    with Client(server.port) as client:
        return client.post("/scheduler/v1/filter", filter_body()).status == 200


@settings(PATIENT, max_examples=25, deadline=4000)
@given(data=st.binary(max_size=200) | st.sampled_from(SEEDS).map(lambda seed: seed[1]))
def test_any_bytes_on_a_real_socket(server, data):
    with Client(server.port) as client:
        client.socket.sendall(data)
        with hung_up_on():
            assert client.reply().status in (400, 404, 405, 408, 411, 413, 415)
    assert served(server)


@settings(PATIENT, max_examples=25, deadline=4000)
@given(path=paths, body=st.binary(max_size=120), lie=st.integers(-20, 20), cut=st.booleans())
def test_lengths_that_lie(server, path, body, lie, cut):
    length = max(0, len(body) + lie)
    with Client(server.port) as client:
        client.socket.sendall(
            b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path.encode(), length) + body
        )
        if cut:
            client.socket.close()
            return
        with hung_up_on():
            assert client.reply().status in (200, 400, 408, 411)
    assert served(server)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /scheduler/v1/filter HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /scheduler/v1/filter HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /scheduler/v1/filter HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        b"POST /scheduler/v1/filter HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFF\r\nx",
        b"POST /scheduler/v1/filter HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /scheduler/v1/filter HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /scheduler/v1/filter HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"GET /healthz HTTP/1.1\r\nx: " + b"y" * 40_000,
    ],
)
def test_heads_that_smuggle_or_never_end(server, head):
    with Client(server.port) as client:
        client.socket.sendall(head)
        with hung_up_on():
            assert client.reply().status != 200
    assert served(server)


def test_many_requests_at_once_on_one_connection_are_answered_in_turn(server):
    one = b"POST /scheduler/v1/filter HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s"
    bodies = [filter_body(), b"{", filter_body()] * 20
    with Client(server.port) as client:
        client.socket.sendall(b"".join(one % (len(body), body) for body in bodies))
        assert [client.reply().status for _ in bodies] == [200, 400, 200] * 20
