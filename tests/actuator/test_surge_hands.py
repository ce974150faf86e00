"""Taking a pod out of its ReplicaSet and giving it back, over HTTP: what is asked just before, and what forbids it."""

import copy
import json
from urllib.parse import urlsplit

import pytest
from tests.adapters.api_server import kubeconfig, send
from tests.adapters.test_cluster_writes import Recorder

from powerplane.actuator.acts import Detach, Evict, Reattach
from powerplane.actuator.hands import ClusterHands
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer
from powerplane.models.surge import Detached, read_detached

UID, SET, HASH = "0a1b2c3d-4e5f", "set-uid", "5d8f"
POD = "/api/v1/namespaces/shop/pods/web-1"
HOLD = "/api/v1/namespaces/powerplane-system/pods/hold-1"
REPLICA_SET = f"/apis/apps/v1/namespaces/shop/replicasets/web-{HASH}"
DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"
SERVICES = "/api/v1/namespaces/shop/services"
DETACH = Detach("shop", "web-1", UID, SET, "hold-1", "n2")
OWNER = Detached(f"web-{HASH}", SET, HASH)


def objects():
    """A pod that may surge, and all that is asked about it."""
    owner = {"kind": "ReplicaSet", "name": f"web-{HASH}", "uid": SET, "controller": True}
    return {
        HOLD: {
            "metadata": {"annotations": {"powerplane.dev/hold-for": UID}},
            "status": {"nominatedNodeName": "n2"},
        },
        POD: {
            "metadata": {
                "uid": UID,
                "resourceVersion": "41",
                "labels": {"app": "web", "pod-template-hash": HASH},
                "annotations": {"powerplane.dev/surge": "true"},
                "ownerReferences": [owner],
            },
            "spec": {"containers": []},
        },
        REPLICA_SET: {
            "metadata": {
                "uid": SET,
                "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d", "controller": True}],
            },
            "spec": {"selector": {"matchLabels": {"app": "web", "pod-template-hash": HASH}}},
        },
        DEPLOYMENT: {
            "metadata": {"uid": "d", "generation": 3},
            "spec": {"strategy": {"type": "RollingUpdate"}},
            "status": {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 4},
        },
        SERVICES: {"items": [{"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}]},
    }


class Objects(Recorder):
    """Shows objects by their paths; 404 for those that are not there."""

    def __init__(self):
        super().__init__()
        self.objects = objects()

    def answer(self, handler):
        path = urlsplit(handler.path).path
        if handler.command != "GET":
            return super().answer(handler)
        self.requests.append(("GET", path))
        if path not in self.objects:
            return send(handler, 404, b"{}")
        return send(handler, 200, json.dumps(self.objects[path]).encode())

    @property
    def written(self):
        return [request for request in self.requests if request[0] != "GET"]


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Objects()
    yield made
    made.close()


@pytest.fixture
def hands(server, tmp_path):
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield ClusterHands(access, Writer(access, 0.5, attempts=1), lambda _: (), 0.5, lambda: 1_800_000_000.0)
    access.api.rest_client.close()


def test_a_pod_is_taken_out_in_a_write_that_holds_only_for_the_pod_that_was_judged(server, hands):
    assert hands.act(DETACH).result == "done"
    ((method, path, _, _, body),) = server.written
    assert (method, path) == ("PATCH", POD)
    assert {(each["path"], each["value"]) for each in body if each["op"] == "test"} == {
        ("/metadata/uid", UID),
        ("/metadata/resourceVersion", "41"),
        ("/metadata/labels/pod-template-hash", HASH),
    }
    assert [each["path"] for each in body if each["op"] == "remove"] == ["/metadata/labels/pod-template-hash"]
    (added,) = (each for each in body if each["op"] == "add")
    assert read_detached(added["value"]) == OWNER


def at(path, *keys, value):
    def change(found):
        place = found[path]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


FORBIDDEN = {
    "a roll-out that is not seen yet": at(DEPLOYMENT, "metadata", "generation", value=4),
    "a roll-out": at(DEPLOYMENT, "status", "updatedReplicas", value=3),
    "recreated": at(DEPLOYMENT, "spec", "strategy", value={"type": "Recreate"}),
    "another Deployment": at(DEPLOYMENT, "metadata", "uid", value="e"),
    "no Deployment": at(REPLICA_SET, "metadata", "ownerReferences", value=[]),
    "another selector": at(REPLICA_SET, "spec", "selector", value={"matchLabels": {"app": "web"}}),
    "another set": at(REPLICA_SET, "metadata", "uid", value="other"),
    "a Service": at(SERVICES, "items", 0, "spec", "selector", value={"pod-template-hash": HASH}),
    "not asked for": at(POD, "metadata", "annotations", value={}),
    "a claim": at(POD, "spec", "volumes", value=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),
    "a group": at(POD, "metadata", "labels", "scheduling.x-k8s.io/pod-group", value="g"),
    "a set by itself": at(POD, "metadata", "labels", value={"app": "web"}),
}


@pytest.mark.parametrize("change", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_makes_it_unsafe_forbids_it_for_this_move(server, hands, change):
    change(server.objects)
    outcome = hands.act(DETACH)
    assert (outcome.result, outcome.answer.verdict, outcome.answer.reason) == ("refused", "never", "NoSurge")
    assert server.written == []


@pytest.mark.parametrize("path", [REPLICA_SET, DEPLOYMENT])
def test_an_owner_that_is_gone_forbids_it(server, hands, path):
    del server.objects[path]
    assert hands.act(DETACH).answer.verdict == "never"
    assert server.written == []


@pytest.mark.parametrize(
    "change",
    [
        at(POD, "metadata", "uid", value="another"),
        at(POD, "metadata", "deletionTimestamp", value="2026-01-01T00:00:00Z"),
        at(HOLD, "status", "nominatedNodeName", value="n3"),
    ],
)
def test_a_pod_that_is_another_by_now_or_has_no_place_is_left_as_it_is(server, hands, change):
    change(server.objects)
    outcome = hands.act(DETACH)
    assert (outcome.result, outcome.answer) == ("stale", None)
    assert server.written == []


def test_a_pod_is_given_back_with_the_label_that_it_had(server, hands):
    assert hands.act(Reattach("shop", "web-1", UID, OWNER)).result == "done"
    ((method, path, _, _, body),) = server.written
    assert (method, path) == ("PATCH", POD)
    assert {"op": "add", "path": "/metadata/labels/pod-template-hash", "value": HASH} in body
    assert {"op": "remove", "path": "/metadata/annotations/powerplane.dev~1detached"} in body


def test_a_pod_whose_set_is_gone_goes_as_it_would_have_gone_with_it(server, hands):
    del server.objects[REPLICA_SET]
    assert hands.act(Reattach("shop", "web-1", UID, OWNER)).result == "done"
    ((method, path, _, _, body),) = server.written
    assert (method, path) == ("POST", f"{POD}/eviction")
    assert body["deleteOptions"]["preconditions"] == {"uid": UID}


@pytest.mark.parametrize(
    ("found", "result"),
    [
        ({"metadata": {"uid": "s"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "done"),
        ({"metadata": {"uid": "s"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}, "stale"),
        ({"metadata": {"uid": "t"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "stale"),
        (None, "stale"),
    ],
)
def test_a_pod_is_evicted_only_while_the_server_itself_shows_the_one_in_its_place_ready(server, hands, found, result):
    if found is not None:
        server.objects["/api/v1/namespaces/shop/pods/web-2"] = copy.deepcopy(found)
    assert hands.act(Evict("shop", "web-1", UID, "", "n2", "web-2", "s")).result == result
    assert bool(server.written) == (result == "done")


@pytest.mark.parametrize("text", ["", "a", "a/b", "a/b/", "/b/c", "a/b/c/d"])
def test_what_says_nothing_of_a_set_is_passed_over(text):
    assert read_detached(text) is None


def test_what_is_told_of_a_set_is_read_back():
    assert read_detached(OWNER.told()) == OWNER
