import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.api_server import drip, send
from tests.rig.processes import free_ports, wait_for

from powerplane.adapters import prometheus as module
from powerplane.adapters.prometheus import MOST_WATTS, NodeWatts, WattsQuery

QUERY = WattsQuery.of_selector('kepler_node_cpu_watts{zone="package"}', "node_name")
NOW = 1_700_000_000.0


class Exporter:
    """A server on loopback whose answer is a function of the handler."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers = dict(self.headers)
                outer.answer(self)

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def series(part, node, value, label="node_name", at=NOW):
    labels = {"powerplane_part": part} | ({label: node} if node is not None else {})
    return {"metric": labels, "value": [at, str(value)]}


def answered(*found):
    def answer(handler):
        body = {"status": "success", "data": {"resultType": "vector", "result": list(found)}}
        send(handler, 200, json.dumps(body).encode())

    return answer


@pytest.fixture
def read():
    """Reads once from a server that answers so."""
    servers, sources = [], []

    def read(answer, **more):
        servers.append(Exporter(answer))
        sources.append(NodeWatts(servers[-1].url, QUERY, **({"timeout_s": 0.5} | more)))
        read.server, read.source = servers[-1], sources[-1]
        return sources[-1].read()

    yield read
    for each in sources:
        each.close()
    for each in servers:
        each.close()


def test_watts_come_with_the_age_of_the_oldest_sample_they_rest_on(read):
    reading = read(answered(series("watts", "n1", 312.5), series("stamp", "n1", NOW - 42)))
    assert reading.nodes == {"n1": (312.5, 42.0)}
    assert (reading.error, reading.refused, reading.last_good_age_s) == ("", {}, 0.0)


def test_both_are_asked_in_one_query(read):
    read(answered())
    asked = parse_qs(urlsplit(read.server.asked[0]).query)["query"][0]
    assert len(read.server.asked) == 1
    assert 'sum by (node_name) (kepler_node_cpu_watts{zone="package"})' in asked
    assert 'min by (node_name) (timestamp(kepler_node_cpu_watts{zone="package"}))' in asked


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("nan", [series("watts", "n1", "NaN"), series("stamp", "n1", NOW)]),
        ("negative", [series("watts", "n1", -1), series("stamp", "n1", NOW)]),
        ("absurd", [series("watts", "n1", 2e7), series("stamp", "n1", NOW)]),
        ("absurd", [series("watts", "n1", "+Inf"), series("stamp", "n1", NOW)]),
        ("unlabelled", [series("watts", None, 5)]),
        ("undated", [series("watts", "n1", 5)]),
        ("undated", [series("watts", "n1", 5), series("stamp", "n1", "NaN")]),
        ("future", [series("watts", "n1", 5), series("stamp", "n1", NOW + 3600)]),
    ],
)
def test_what_cannot_be_true_is_refused_and_counted(read, reason, found):
    good = [series("watts", "n2", 7), series("stamp", "n2", NOW)]
    reading = read(answered(*found, *good))
    assert reading.nodes == {"n2": (7.0, 0.0)}
    assert reading.refused == {reason: 1}
    assert read.source.refused == {reason: 1}


def test_two_figures_for_one_node_are_both_refused(read):
    reading = read(answered(series("watts", "n1", 5), series("watts", "n1", 6), series("stamp", "n1", NOW)))
    assert (reading.nodes, reading.refused) == ({}, {"doubled": 2})


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_no_sample_whatever_becomes_watts_out_of_bounds(watts, stamp):
    nodes, refused = module._nodes([series("watts", "n", watts), series("stamp", "n", stamp)], "node_name")
    assert len(nodes) + sum(refused.values()) == 1
    for each in nodes.values():
        assert 0 <= each.watts <= MOST_WATTS
        assert 0 <= each.age_s < float("inf")


def test_no_answer_is_an_error_with_the_age_of_the_last_good_one_and_never_0_watts(read):
    now = [100.0]
    read(answered(series("watts", "n1", 5), series("stamp", "n1", NOW)), clock=lambda: now[0])
    read.server.answer = lambda handler: send(handler, 503, b"starting")
    now[0] = 107.0
    reading = read.source.read()
    assert (reading.nodes, reading.last_good_age_s) == ({}, 7.0)
    assert "503" in reading.error
    assert read.source.failures == 1


def test_a_server_that_is_not_there_is_an_error(read):
    read(answered())
    read.server.close()
    source = NodeWatts(read.server.url, QUERY, timeout_s=0.5)
    reading = source.read()
    source.close()
    assert reading.error
    assert (reading.nodes, reading.last_good_age_s) == ({}, None)


def test_a_server_that_drips_is_cut_off_in_time(read):
    began = time.monotonic()
    assert "no complete answer" in read(drip(0.05)).error
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_is_given_up_in_time(read):
    began = time.monotonic()
    assert read(lambda _: time.sleep(1)).error
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"data":{}}',
        b'{"data":{"result":[{"metric":{},"value":[1,"2"]}]}}',
        b'{"data":{"result":3}}',
    ],
)
def test_something_else_than_prometheus_is_an_error(read, body):
    reading = read(lambda handler: send(handler, 200, body))
    assert reading.error
    assert reading.nodes == {}


def test_an_answer_without_end_is_refused(read, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert "more than 1000 bytes" in read(lambda handler: send(handler, 200, b" " * 200_000)).error


def test_credentials_follow_no_redirect_and_no_proxy_of_the_environment(read, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    other = Exporter(answered())
    try:
        reading = read(
            lambda handler: send(handler, 302, b"", {"Location": f"{other.url}/x"}),
            headers={"Authorization": "Bearer secret"},
        )
    finally:
        other.close()
    assert "302" in reading.error
    assert other.asked == []
    assert read.server.headers["Authorization"] == "Bearer secret"


@pytest.mark.slow
@pytest.mark.prometheus
def test_a_real_prometheus_that_scrapes_an_exporter_answers_with_watts_and_true_ages(prometheus, tmp_path):
    watts = {"n1": 250.5, "n2": -3.0, "n3": float("nan")}
    lines = "".join(
        f'kepler_node_cpu_watts{{zone="{zone}",node_name="{name}"}} {value if zone == "package" else 999}\n'
        for name, value in watts.items()
        for zone in ("package", "dram")
    )
    exporter = Exporter(lambda handler: send(handler, 200, lines.encode(), {"X": "y"}))
    port = free_ports(1)[0]
    config = {
        "scrape_configs": [
            {
                "job_name": "kepler",
                "scrape_interval": "3s",
                "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
            }
        ]
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    server = subprocess.Popen(
        [
            prometheus,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    source = NodeWatts(f"http://127.0.0.1:{port}", QUERY, timeout_s=3)
    try:
        young = lambda: (found := source.read().nodes.get("n1")) is not None and found.age_s < 0.7  # noqa: E731  # named for what is waited for
        assert wait_for(young, 30)
        reading = source.read()
        assert set(reading.nodes) == {"n1"}
        assert reading.nodes["n1"].watts == 250.5
        assert reading.refused == {"negative": 1, "nan": 1}
        time.sleep(1.5)
        assert 1.4 < source.read().nodes["n1"].age_s < 2.5, "the age is the sample's, not the query's"
        exporter.answer = lambda handler: send(handler, 500, b"")
        assert wait_for(lambda: not (reading := source.read()).nodes and not reading.error, 10)
    finally:
        source.close()
        server.terminate()
        server.wait(20)
        exporter.close()


def test_the_session_trusts_nothing_of_the_environment():
    source = NodeWatts("http://127.0.0.1:1", QUERY)
    session = source._prometheus._session
    assert isinstance(session, requests.Session)
    assert not session.trust_env
    source.close()
