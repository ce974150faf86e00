import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.telemetry.prometheus_api import PrometheusApi
from powerplane.adapters.telemetry.prometheus_status import parse_interval, read_status

NOW = 1_790_000_000.0
TIME = {"status": "success", "data": {"resultType": "scalar", "result": [NOW, str(NOW)]}}
BUILD = {"status": "success", "data": {"version": "2.53.0", "revision": "x"}}


def target(job, instance, health="up", error="", interval="15s"):
    return {
        "labels": {"job": job, "instance": instance},
        "scrapePool": job,
        "health": health,
        "lastError": error,
        "scrapeInterval": interval,
    }


def targets(*found):
    return {"status": "success", "data": {"activeTargets": list(found), "droppedTargets": []}}


def up(*found):
    series = [{"metric": {"job": job, "instance": instance}, "value": [NOW, value]} for job, instance, value in found]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


@pytest.fixture
def status():
    """Asks a server that answers so: by path, and by the query where it has one."""
    servers = []

    def ask(answers, clock=lambda: NOW):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                key = "up" if url.query == "query=up" else url.path.removeprefix("/api/v1/")
                body = answers.get(key)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        servers.append((server, thread))
        api = PrometheusApi(f"http://127.0.0.1:{server.server_port}", {}, None, sleep=lambda _: None)
        try:
            return read_status(api, clock, 2.0)
        finally:
            api.close()

    yield ask
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_version_clock_jobs_intervals_and_targets_down_are_told(status):
    jobs = targets(
        target("ipmi", "n1"), target("ipmi", "n2", "down", "connection\n refused"), target("ksm", "k", interval="1m")
    )
    found = status({"query": TIME, "status/buildinfo": BUILD, "targets": jobs}, clock=iter([NOW - 3, NOW - 1]).__next__)
    assert (found.error, found.version, found.untold) == ("", "2.53.0", "")
    assert (found.skew_s, found.unsure_s) == (2.0, 1.0)
    ipmi, ksm = found.jobs
    assert (ipmi.job, ipmi.interval_s, ipmi.targets, ipmi.down) == ("ipmi", 15, 2, (("n2", "connection refused"),))
    assert (ksm.interval_s, ksm.down) == (60, ())


def test_a_server_that_tells_nothing_of_targets_is_asked_for_up(status):
    found = status({"query": TIME, "up": up(("ipmi", "n1", "1"), ("ipmi", "n2", "0"))})
    assert (found.version, found.untold) == ("", "")
    assert (found.jobs[0].interval_s, found.jobs[0].targets, found.jobs[0].down) == (None, 2, (("n2", "down"),))


def test_a_server_that_tells_nothing_of_jobs_at_all_says_so(status):
    assert status({"query": TIME}).untold
    assert status({"query": TIME, "up": up()}).untold


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status":"success"}', b'{"data":{"activeTargets":7}}'])
def test_answers_that_are_none_are_taken_for_not_told(status, body):
    found = status({"query": TIME, "status/buildinfo": body, "targets": body, "up": body})
    assert found.error == ""
    assert found.jobs == ()
    assert found.untold


def test_a_server_that_is_none_has_an_error(status):
    assert status({"query": b"<html>login</html>"}).error
    assert status({}).error


def test_secrets_in_a_targets_address_are_not_told(status):
    error = 'Get "http://u:hunter2@n1:9290/ipmi?target=x&token=hunter3": connection refused'
    found = status({"query": TIME, "targets": targets(target("ipmi", "n1", "down", error))})
    assert found.jobs[0].down[0].error == 'Get "http://…@n1:9290/ipmi?…": connection refused'


def test_a_long_error_of_a_target_is_cut(status):
    found = status({"query": TIME, "targets": targets(target("a", "i", "down", "x" * 5000))})
    assert len(found.jobs[0].down[0].error) < 200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1d", 86400), ("", None), ("15", None), ("1x", None)],
)
def test_intervals_are_read_as_prometheus_writes_them(text, seconds):
    assert parse_interval(text) == seconds


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_intervals(text):
    seconds = parse_interval(text)
    assert seconds is None or seconds >= 0
