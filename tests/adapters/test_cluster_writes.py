import json
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.adapters.api_server import kubeconfig, send, status
from tests.loopback import Loopback

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer


class Recorder(Loopback):
    """Notes each request, and answers it with the next of ``answers``: a status, ``cut`` or ``hang``; else 200."""

    def __init__(self) -> None:
        self.answers: deque = deque()
        self.requests: list[tuple[str, str, dict, str, object]] = []
        self.headers: dict[str, str] = {}
        self.pod = {"metadata": {"uid": "u1"}, "spec": {}}
        super().__init__()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        content_type = handler.headers.get("Content-Type", "")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.requests.append((handler.command, url.path, query, content_type, json.loads(body) if body else None))
        if handler.command == "GET":
            return send(handler, 200, json.dumps(self.pod).encode())
        what = self.answers.popleft() if self.answers else 200
        if what == "cut":
            handler.close_connection = True
            return None
        if what == "hang":
            time.sleep(1)
            handler.close_connection = True
            return None
        if what == 302:
            return send(handler, 302, b"", {"Location": f"{self.address}/elsewhere"})
        return status(handler, what, f"told {what}", self.headers)

    @property
    def last(self):
        return self.requests[-1]


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Recorder()
    yield server
    server.close()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def writer(server, pauses, tmp_path):
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield Writer(access, timeout_s=0.4, attempts=3, sleep=pauses.append)
    access.api.rest_client.close()


def test_watts_are_set_and_removed_in_capacity_and_allocatable_alike(server, writer):
    written = writer.patch_node_status("n1", {"powerplane.dev/watts": "450", "powerplane.dev/old": None})
    assert written.ok
    method, path, query, content_type, body = server.last
    assert (method, path, query["fieldManager"]) == ("PATCH", "/api/v1/nodes/n1/status", "powerplane")
    assert content_type == "application/merge-patch+json"
    offered = {"powerplane.dev/watts": "450", "powerplane.dev/old": None}
    assert body == {"status": {"capacity": offered, "allocatable": offered}}


def test_allocatable_may_differ_and_a_version_makes_it_conditional(server, writer):
    writer.patch_node_status("n1", {"w": "5"}, {"w": "4"}, resource_version="12")
    assert server.last[4] == {
        "status": {"capacity": {"w": "5"}, "allocatable": {"w": "4"}},
        "metadata": {"resourceVersion": "12"},
    }


def test_annotations_are_set_and_removed(server, writer):
    writer.annotate_node("n1", {"powerplane.dev/a": "b", "powerplane.dev/c": None}, "7")
    annotations = {"powerplane.dev/a": "b", "powerplane.dev/c": None}
    assert server.last[4] == {"metadata": {"annotations": annotations, "resourceVersion": "7"}}


def test_a_status_of_our_own_objects_is_merged(server, writer):
    writer.patch_status("/apis/powerplane.dev/v1alpha1/powerdomains/r1", {"nodes": 3})
    assert server.last[1] == "/apis/powerplane.dev/v1alpha1/powerdomains/r1/status"
    assert server.last[4] == {"status": {"nodes": 3}}


def test_a_json_patch_stays_one(server, writer):
    operations = [{"op": "test", "path": "/metadata/uid", "value": "u"}, {"op": "remove", "path": "/spec/x"}]
    writer.json_patch("/api/v1/namespaces/d/pods/p", operations)
    assert server.last[3:] == ("application/json-patch+json", operations)


def test_a_binding_names_the_pods_uid(server, writer):
    assert writer.bind_pod("d", "p", "u1", "n1").ok
    method, path, _, _, body = server.last
    assert (method, path) == ("POST", "/api/v1/namespaces/d/pods/p/binding")
    assert (body["metadata"]["uid"], body["target"]["name"]) == ("u1", "n1")


def test_a_binding_that_was_carried_out_unseen_counts_as_done(server, writer):
    server.pod["spec"]["nodeName"] = "n1"
    server.answers.extend(["cut", 409])
    assert writer.bind_pod("d", "p", "u1", "n1").ok
    assert writer.counts()["bind", "ok"] == 1


@pytest.mark.parametrize(("uid", "node"), [("u1", "n2"), ("u2", "n1")])
def test_a_pod_bound_elsewhere_or_another_pod_is_a_conflict(server, writer, uid, node):
    server.pod["spec"]["nodeName"] = "n1"
    server.answers.append(409)
    written = writer.bind_pod("d", "p", uid, node)
    assert (written.conflict, written.told) == (True, "HTTP 409 told 409")
    assert writer.counts() == {("bind", "conflict"): 1}


@pytest.mark.parametrize("trouble", [429, 500, 503, "cut", "hang"])
def test_what_may_pass_is_tried_again(server, writer, pauses, trouble):
    server.answers.extend([trouble, trouble])
    assert writer.merge_patch("/x", {"a": 1}).ok
    assert (len(server.requests), pauses) == (3, [0.1, 0.2])
    assert writer.counts() == {("merge_patch", "ok"): 1, ("merge_patch", "retried"): 2}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 422])
def test_what_will_not_pass_is_not_tried_again(server, writer, pauses, code):
    server.answers.append(code)
    written = writer.merge_patch("/x", {"a": 1})
    assert (written.status, len(server.requests), pauses) == (code, 1, [])
    assert written.told == f"HTTP {code} told {code}"
    assert writer.counts() == {("merge_patch", "conflict" if code == 409 else "refused"): 1}


def test_lasting_trouble_is_told_after_a_bounded_number_of_attempts(server, writer):
    server.answers.extend([503] * 9)
    written = writer.create("/x", {"a": 1})
    assert (written.status, len(server.requests)) == (503, 3)
    assert writer.counts()["create", "failed"] == 1


def test_no_answer_at_all_is_told_in_words(server, writer):
    server.answers.extend(["cut"] * 9)
    written = writer.create("/x", {"a": 1})
    assert written.status == 0
    assert written.told.startswith("POST /x: ")


@pytest.mark.parametrize(("asked", "paused"), [("2", 2.0), ("3600", 5.0), ("-4", 0.0), ("tomorrow", 0.1)])
def test_the_pause_asked_for_is_kept_within_bounds(server, writer, pauses, asked, paused):
    server.headers["Retry-After"] = asked
    server.answers.append(429)
    assert writer.merge_patch("/x", {"a": 1}).ok
    assert pauses == [paused]


def test_events_are_posted_once_at_most(server, writer):
    server.answers.append(503)
    assert not writer.post_event("d", {"reason": "Held"}).ok
    assert len(server.requests) == 1


def test_names_cannot_leave_their_place_in_the_path(server, writer):
    writer.bind_pod("d/../../kube-system", "p?x=y", "u", "n")
    assert server.last[1] == "/api/v1/namespaces/d%2F..%2F..%2Fkube-system/pods/p%3Fx%3Dy/binding"


def test_credentials_follow_no_redirect(server, writer):
    server.answers.append(302)
    assert writer.merge_patch("/x", {"a": 1}).status == 302
    assert len(server.requests) == 1


def test_many_writers_keep_their_connections_beside_the_watches(server, tmp_path, caplog):
    writer = Writer(open_cluster(kubeconfig(tmp_path / "config", server.address)))
    for _ in range(2):
        with ThreadPoolExecutor(24) as pool:
            written = pool.map(lambda number: writer.annotate_node(f"n{number}", {"a": "b"}), range(96))
            assert all(each.ok for each in written)
    assert "pool is full" not in caplog.text
