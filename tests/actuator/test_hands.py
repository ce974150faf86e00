"""Acts and statuses as requests, over HTTP: what is sent, and what each answer means."""

import json

import pytest
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder

from powerplane.actuator.acts import Evict, Hold, Nominate, Release, Ungate
from powerplane.actuator.facts import Move, MoveState, Plan, PlanState
from powerplane.actuator.hands import ClusterHands
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_writes import Writer

UID = "0a1b2c3d-4e5f"
HOLD = Hold("p", "plan-uid", "shop", "web-1", UID, "n2", 1)
POD = {"metadata": {"uid": UID}, "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}}


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Recorder()
    made.server.RequestHandlerClass.do_DELETE = lambda self: made.answer(self)  # noqa: PLW0108  # bound, it would be handed itself
    made.pod = POD
    yield made
    made.close()


@pytest.fixture
def hands(server, tmp_path):
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    yield ClusterHands(access, Writer(access, 0.5, attempts=1), lambda _: (), 0.5, lambda: 1_800_000_000.0)
    access.api.rest_client.close()


def test_an_eviction_names_the_uid_and_is_asked_for_once(server, hands):
    outcome = hands.act(Evict("shop", "web-1", UID))
    assert (outcome.result, outcome.answer.verdict) == ("done", "accepted")
    (request,) = server.requests
    method, path, _, _, body = request
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/pods/web-1/eviction")
    assert body["deleteOptions"]["preconditions"] == {"uid": UID}


HELD = Evict("shop", "web-1", UID, "hold-1", "n2")
PLACE = {"metadata": {"annotations": {"powerplane.dev/hold-for": UID}}, "status": {"nominatedNodeName": "n2"}}


def test_a_pod_is_evicted_whose_place_the_server_itself_shows_held(server, hands):
    server.pod = PLACE
    assert hands.act(HELD).result == "done"
    look, evicted = server.requests
    assert look[:2] == ("GET", "/api/v1/namespaces/powerplane-system/pods/hold-1")
    assert evicted[1].endswith("/web-1/eviction")


@pytest.mark.parametrize(
    "place",
    [
        PLACE | {"status": {"nominatedNodeName": "n3"}},
        PLACE | {"status": {}},
        PLACE | {"metadata": {"annotations": {"powerplane.dev/hold-for": "another"}}},
        PLACE | {"metadata": PLACE["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {}},
    ],
)
def test_no_pod_is_evicted_whose_place_is_not_held_any_more_whatever_the_watch_has_shown(server, hands, place):
    server.pod = place
    outcome = hands.act(HELD)
    assert (outcome.result, outcome.answer) == ("stale", None)
    assert [method for method, *_ in server.requests] == ["GET"]


@pytest.mark.parametrize(
    ("answer", "result", "verdict"),
    [(404, "stale", "gone"), (409, "stale", "gone"), (403, "refused", "forbidden"), (500, "unknown", "later")],
)
def test_an_eviction_that_is_not_done_says_what_follows(server, hands, answer, result, verdict):
    server.answers.append(answer)
    outcome = hands.act(Evict("shop", "web-1", UID))
    assert (outcome.result, outcome.answer.verdict) == (result, verdict)
    assert len(server.requests) == 1, "what was not done is looked at again before it is asked for again"


@pytest.mark.parametrize("broken", ["cut", "hang"])
def test_an_answer_that_does_not_come_leaves_open_what_was_done(server, hands, broken):
    server.answers.append(broken)
    outcome = hands.act(Evict("shop", "web-1", UID))
    assert (outcome.result, outcome.answer.verdict) == ("unknown", "later")


def test_a_placeholder_is_made_after_the_pod_as_it_is_now_and_nominated(server, hands):
    assert hands.act(HOLD).result == "done"
    read, made, nominated = server.requests
    assert read[:2] == ("GET", "/api/v1/namespaces/shop/pods/web-1")
    assert made[:2] == ("POST", "/api/v1/namespaces/powerplane-system/pods")
    name = made[4]["metadata"]["name"]
    assert nominated[:2] == ("PATCH", f"/api/v1/namespaces/powerplane-system/pods/{name}/status")
    assert nominated[4]["status"] == {"nominatedNodeName": "n2"}


def test_one_that_is_there_already_is_nominated(server, hands):
    server.answers.append(409)
    assert hands.act(HOLD).result == "done"
    assert server.requests[-1][4] == {"status": {"nominatedNodeName": "n2"}}


def test_no_place_is_held_for_another_pod_of_that_name(server, hands):
    server.pod = {**POD, "metadata": {"uid": "another"}}
    assert hands.act(HOLD).result == "stale"
    assert [method for method, *_ in server.requests] == ["GET"]


def test_a_placeholder_that_is_refused_is_told(server, hands):
    server.answers.append(403)
    assert hands.act(HOLD).result == "refused"
    assert len(server.requests) == 2


def test_a_successor_is_nominated_by_its_uid(server, hands):
    assert hands.act(Nominate("shop", "web-2", "u2", "n2")).result == "done"
    assert server.last[4] == {"status": {"nominatedNodeName": "n2"}, "metadata": {"uid": "u2"}}
    server.answers.append(422)
    assert hands.act(Nominate("shop", "web-2", "u2", "n2")).result == "stale", "it is bound already"


def test_our_gate_alone_is_lifted_from_the_pod_that_was_seen(server, hands):
    assert hands.act(Ungate("shop", "web-2", "u2", 1)).result == "done"
    operations = server.last[4]
    assert operations[0] == {"op": "test", "path": "/metadata/uid", "value": "u2"}
    assert operations[1]["value"] == {"name": "powerplane.dev/move"}
    assert operations[2] == {"op": "remove", "path": "/spec/schedulingGates/1"}


def test_a_status_holds_for_the_version_that_was_seen_and_carries_the_token(server, hands):
    plan = Plan("p", "u", "41", moves=(Move("ns", "web-1", "u1", "a", "b"),))
    state = PlanState("Running", token=7, moves={"u1": MoveState("u1", "Reserving", at_s=1.0)})
    assert hands.write(plan, state).done
    method, path, _, kind, body = server.last
    assert (method, path) == ("PATCH", "/apis/powerplane.dev/v1alpha1/placementplans/p/status")
    assert kind == "application/merge-patch+json"
    assert body["metadata"] == {"resourceVersion": "41"}
    assert body["status"]["token"] == 7
    assert json.dumps(body)


def test_a_status_that_somebody_else_has_written_is_not_written_again(server, hands):
    server.answers.append(409)
    wrote = hands.write(Plan("p", "u", "41"), PlanState("Running"))
    assert not wrote.done
    assert "409" in wrote.told
    assert len(server.requests) == 1


def test_a_placeholder_that_is_gone_already_counts_as_deleted(server, hands):
    for answer in (200, 404):
        server.answers.append(answer)
        assert hands.act(Release("powerplane-system", "hold-1", "h1")).result == "done"
    assert server.last[:2] == ("DELETE", "/api/v1/namespaces/powerplane-system/pods/hold-1")


def test_a_placeholder_is_deleted_by_its_uid_so_that_another_of_its_name_stays(server, hands):
    server.answers.append(409)
    assert hands.act(Release("powerplane-system", "hold-1", "h1")).result == "stale"
    assert server.last[4]["preconditions"] == {"uid": "h1"}
