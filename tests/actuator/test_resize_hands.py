"""Other CPU in place as requests, over HTTP: what is sent, for which version of a pod, and what each answer means."""

import json

import pytest
from tests.actuator.test_hands import UID
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder

from powerplane.actuator.acts import Remember, Resize
from powerplane.actuator.hands import ClusterHands
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.resize_feature import serves_resize
from powerplane.models.cpu_limits import ContainerCpu

RESIZE = Resize("shop", "web-1", UID, "42", (ContainerCpu("main", 600, 800), ContainerCpu("side", None, 300)))


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Recorder()
    yield made
    made.close()


@pytest.fixture
def access(server, tmp_path):
    opened = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield opened
    opened.api.rest_client.close()


@pytest.fixture
def hands(access):
    return ClusterHands(access, Writer(access, 0.5, attempts=1), lambda _: (), 0.5, lambda: 1_800_000_000.0)


def test_a_resize_gives_cpu_alone_and_holds_for_the_version_that_was_seen(server, hands):
    assert hands.act(RESIZE).result == "done"
    (request,) = server.requests
    method, path, _, kind, body = request
    assert (method, path) == ("PATCH", "/api/v1/namespaces/shop/pods/web-1/resize")
    assert kind == "application/strategic-merge-patch+json"
    assert body == {
        "metadata": {"uid": UID, "resourceVersion": "42"},
        "spec": {
            "containers": [
                {"name": "main", "resources": {"requests": {"cpu": "600m"}, "limits": {"cpu": "800m"}}},
                {"name": "side", "resources": {"limits": {"cpu": "300m"}}},
            ]
        },
    }


@pytest.mark.parametrize(
    ("status", "result", "verdict"),
    [
        (409, "stale", ""),
        (404, "stale", ""),
        (422, "refused", "never"),
        (403, "refused", "never"),
        (500, "unknown", ""),
    ],
)
def test_answers_of_a_resize(server, hands, status, result, verdict):
    server.answers.append(status)
    outcome = hands.act(RESIZE)
    assert (outcome.result, outcome.answer.verdict if outcome.answer else "") == (result, verdict)


@pytest.mark.parametrize(("text", "sent"), [("had", "had"), ("", None)])
def test_a_note_is_a_write_of_its_own_that_holds_for_the_version_that_was_seen(server, hands, text, sent):
    assert hands.act(Remember("shop", "web-1", UID, "42", text)).result == "done"
    (request,) = server.requests
    method, path, _, kind, body = request
    assert (method, path, kind) == ("PATCH", "/api/v1/namespaces/shop/pods/web-1", "application/merge-patch+json")
    meta = {"uid": UID, "resourceVersion": "42", "annotations": {"powerplane.dev/throttled": sent}}
    assert body == {"metadata": meta}


@pytest.mark.parametrize(
    ("body", "serves"),
    [
        ({"resources": [{"name": "pods"}, {"name": "pods/resize"}]}, True),
        ({"resources": [{"name": "pods"}]}, False),
        ({"resources": "none"}, None),
    ],
)
def test_a_server_that_resizes_pods_says_so(server, access, body, serves):
    server.pod = body
    assert serves_resize(access, 0.5) is serves
    assert json.dumps(server.requests[0][1]) == '"/api/v1"'


def test_of_a_server_that_is_away_nobody_knows(server, access):
    server.close()
    assert serves_resize(access, 0.5) is None
    server.close = lambda: None
