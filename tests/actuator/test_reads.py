"""Looks before acts are repeated where that can help, and within their time."""

import json
from collections import deque

import pytest
from tests.adapters.api_server import kubeconfig, send
from tests.adapters.test_cluster_writes import Recorder

from powerplane.actuator.reads import ATTEMPTS, read
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS


class Server(Recorder):
    """Answers each look with the next status, or cuts the connection."""

    def __init__(self):
        super().__init__()
        self.statuses = deque()
        self.looks = 0
        self.server.RequestHandlerClass.do_GET = lambda handler: self.look(handler)  # noqa: PLW0108  # else bound to it

    def look(self, handler):
        self.looks += 1
        what = self.statuses.popleft() if self.statuses else 200
        if what == "cut":
            handler.close_connection = True
            return
        send(handler, what, json.dumps({"code": what}).encode(), self.headers)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def access(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    opened = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield opened
    opened.api.rest_client.close()


class Clock:
    """Stands still, but for pauses."""

    def __init__(self):
        self.now_s = 0.0
        self.pauses = []

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now_s += seconds


def looked(access, within_s=2.0):
    clock = Clock()
    return read(access, "/api/v1/pods/x", within_s, clock=clock, sleep=clock.sleep), clock


@pytest.mark.parametrize("status", [200, 403, 404])
def test_an_answer_that_stands_is_the_last_word(server, access, status):
    server.statuses.append(status)
    answer, clock = looked(access)
    assert (answer.status, server.looks, clock.pauses) == (status, 1, [])


@pytest.mark.parametrize("trouble", [429, 500, 503, "cut"])
def test_what_may_pass_is_looked_at_again(server, access, trouble):
    server.statuses.extend([trouble] * (ATTEMPTS - 1))
    answer, clock = looked(access)
    assert (answer.status, server.looks, len(clock.pauses)) == (200, ATTEMPTS, ATTEMPTS - 1)


@pytest.mark.parametrize("trouble", [500, "cut"])
def test_what_does_not_pass_is_told(server, access, trouble):
    server.statuses.extend([trouble] * ATTEMPTS)
    if trouble == "cut":
        with pytest.raises(TRANSPORT_ERRORS):
            looked(access)
    else:
        assert looked(access)[0].status == trouble
    assert server.looks == ATTEMPTS


def test_a_pause_that_the_server_asks_for_is_made_where_there_is_time_for_it(server, access):
    server.headers = {"Retry-After": "1"}
    server.statuses.append(429)
    answer, clock = looked(access, within_s=2.0)
    assert (answer.status, clock.pauses) == (200, [1.0])
    server.statuses.append(429)
    answer, clock = looked(access, within_s=1.0)
    assert (answer.status, clock.pauses) == (429, [])
