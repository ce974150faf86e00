import json
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
from tests.adapters.api_server import kubeconfig, send, status
from tests.loopback import Loopback

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector

PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"


class LeaseServer(Loopback):
    """One Lease, kept under optimistic concurrency as the API server keeps it; ``trouble`` is a status or ``hang``."""

    def __init__(self) -> None:
        self.lease: dict | None = {"metadata": {"name": "it", "resourceVersion": "1"}}
        self.version = 1
        self.trouble: object = None
        self.requests: list[str] = []
        self.lock = threading.Lock()
        super().__init__()

    @property
    def holder(self) -> str:
        return (self.lease or {}).get("spec", {}).get("holderIdentity", "")

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        sent = json.loads(raw) if raw else {}
        self.requests.append(handler.command)
        if self.trouble == "hang":
            time.sleep(0.5)
            handler.close_connection = True
            return None
        if self.trouble:
            return status(handler, self.trouble, "told to")
        with self.lock:
            creates = handler.command == "POST"
            if self.lease is None and not creates:
                return status(handler, 404, "not found")
            if handler.command == "GET":
                return send(handler, 200, json.dumps(self.lease).encode())
            seen = sent["metadata"].get("resourceVersion")
            if (self.lease is not None) if creates else (seen != self.lease["metadata"]["resourceVersion"]):
                return status(handler, 409, "changed")
            self.version += 1
            sent["metadata"]["resourceVersion"] = str(self.version)
            self.lease = sent
            return send(handler, 200, json.dumps(sent).encode())


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = LeaseServer()
    yield server
    server.close()


@pytest.fixture
def stand(server, tmp_path):
    """Starts a candidate, and stops it at the end."""
    started = []

    def stand(identity="one", **more):
        access = open_cluster(kubeconfig(tmp_path / "config", server.address))
        terms = {"duration_s": 1, "renew_deadline_s": 0.5, "retry_s": 0.02}
        elector = LeaseElector(access, "ns", "it", identity, **(terms | more))
        elector.start()
        started.append(elector)
        return elector

    yield stand
    server.trouble = None
    for elector in started:
        elector.stop()


def until(condition, within_s=5.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


def test_a_candidate_takes_an_empty_lease_and_writes_what_kubectl_shows(server, stand):
    elector = stand()
    until(elector.leading)
    spec = server.lease["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == (elector.identity, 1, 1)
    assert spec["renewTime"].endswith("Z")
    assert elector.token == 1


def test_identities_of_one_name_differ(stand):
    assert stand("pod").identity != stand("pod").identity


def test_of_two_one_leads_and_the_other_follows_when_it_stops(server, stand):
    first = stand("one")
    until(first.leading)
    second = stand("two")
    until(lambda: second.status.rounds > 2)
    assert not second.leading()
    assert second.status.holder == first.identity
    first.stop()
    assert not first.leading()
    began = time.monotonic()
    until(second.leading)
    assert time.monotonic() - began < 0.6, "a Lease that was released is not waited for"
    assert (first.token, second.token) == (1, 2)


def test_changes_are_told_with_the_token_and_the_end_before_the_lease_is_free(server, stand):
    told = []
    elector = stand(on_change=lambda leading, token: told.append((leading, token, server.holder)))
    until(elector.leading)
    until(lambda: told)
    elector.stop()
    assert told == [(True, 1, elector.identity), (False, 1, elector.identity)]
    assert server.holder == ""


def test_a_listener_that_fails_does_not_cost_the_lease(server, stand):
    def fail(*_):
        raise RuntimeError("full")

    elector = stand(on_change=fail)
    until(elector.leading)
    rounds = elector.status.rounds
    until(lambda: elector.status.rounds > rounds + 10)
    assert elector.leading()


@pytest.mark.parametrize("trouble", [403, 500, "hang"])
def test_leading_ends_within_the_deadline_when_the_server_does_not_confirm(server, stand, trouble):
    elector = stand()
    until(elector.leading)
    server.trouble = trouble
    began = time.monotonic()
    until(lambda: not elector.leading())
    assert time.monotonic() - began < 0.6
    until(lambda: elector.status.last_error)
    assert elector.status.failures
    server.trouble = None
    until(elector.leading)
    assert elector.token == 1


def test_leading_ends_even_while_the_thread_is_stuck_in_its_listener(server, stand):
    stuck = threading.Event()
    elector = stand(on_change=lambda *_: stuck.wait(1.5))
    until(elector.leading)
    began = time.monotonic()
    until(lambda: not elector.leading())
    assert time.monotonic() - began < 0.6
    stuck.set()


def test_a_lease_that_is_not_there_is_made(server, stand):
    server.lease = None
    elector = stand()
    until(lambda: server.lease is not None)
    assert not elector.leading()
    until(elector.leading)


def test_a_lease_that_may_not_be_read_is_told(server, stand):
    server.trouble = 403
    elector = stand()
    until(lambda: elector.status.last_error)
    assert elector.status.last_error.endswith("leases/it: HTTP 403 told to")
    assert not elector.leading()


def test_something_else_than_a_lease_is_told(server, stand):
    server.lease = {"metadata": {"resourceVersion": 5}}
    elector = stand()
    until(lambda: elector.status.last_error)
    assert "not a Lease" in elector.status.last_error


def test_whoever_comes_to_lead_leaves_what_the_one_before_wrote_beside_to_be_read(server, stand):
    written = []

    def mine():
        written.append((server.holder != "", server.lease["metadata"]["annotations"]["a"]))
        return {"a": "mine"}

    server.lease["metadata"]["annotations"] = {"a": "theirs"}
    elector = stand(annotations=mine)
    until(elector.leading)
    until(lambda: server.lease["metadata"]["annotations"] == {"a": "mine"})
    assert written[0] == (True, "theirs")


def test_what_stands_beside_the_record_stays_and_our_own_annotations_are_written_with_each_renewal(server, stand):
    asked = {"a": "1"}
    elector = stand(annotations=lambda: asked)
    until(elector.leading)
    with server.lock:
        server.version += 1
        beside = {"labels": {"part-of": "it"}, "annotations": {"theirs": "kept"}}
        server.lease["metadata"] |= {"resourceVersion": str(server.version), **beside}
    asked["a"] = "2"
    until(lambda: server.lease["metadata"].get("annotations") == {"theirs": "kept", "a": "2"})
    assert server.lease["metadata"]["labels"] == {"part-of": "it"}
    assert elector.leading()
