"""Single questions: answered, refused, absent and silent are told apart, within their time."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.adapters.api_server import Api, drip, kubeconfig, refuse, send

from powerplane.adapters.claim_feature import shares_capacity
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.cluster_http import Request
from powerplane.adapters.cluster_look import PAGE, ClusterLook, Told


class Meta(msgspec.Struct):
    name: str


class Thing(msgspec.Struct):
    metadata: Meta


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    api = Api()
    yield api
    api.close()


@pytest.fixture
def look(api: Api, tmp_path: Path) -> ClusterLook:
    return ClusterLook(open_cluster(kubeconfig(tmp_path / "config", api.address)), 0.3)


def test_a_list_is_read_page_by_page_and_tells_the_servers_clock(api: Api, look: ClusterLook) -> None:
    api.objects["pods"] = [{"metadata": {"name": f"p{i}"}} for i in range(PAGE + 2)]
    found = look.listed("/api/v1/pods", Thing)
    assert (len(found.items), found.seen, found.trouble) == (PAGE + 2, True, "")
    assert found.told.at_s is not None
    assert abs(found.told.at_s - time.time()) < 5


def test_refused_absent_silent_and_unreadable_are_told_apart(api: Api, look: ClusterLook) -> None:
    api.trouble["nodes"] = refuse(403, "you may not")
    refused = look.listed("/api/v1/nodes", Thing)
    assert (refused.seen, refused.told.refused, refused.trouble) == (False, True, "HTTP 403 you may not")
    absent = look.listed("/api/v1/nothing", Thing)
    assert (absent.seen, absent.told.absent, absent.items) == (True, True, ())
    api.trouble["nodes"] = drip(0.05)
    start = time.monotonic()
    silent = look.listed("/api/v1/nodes", Thing)
    assert time.monotonic() - start < 3
    assert (silent.seen, silent.told.status) == (False, 0)
    api.objects["pods"] = [{"metadata": 7}]
    assert "metadata" in look.listed("/api/v1/pods", Thing).trouble


def test_after_the_time_for_all_questions_none_is_asked(api: Api, look: ClusterLook) -> None:
    late = ClusterLook(look.access, 0.3, total_s=0.0)
    assert "time for all questions is up" in late.get("/api/v1/pods").trouble
    assert not api.counts()


def test_several_questions_are_answered_in_their_order(api: Api, look: ClusterLook) -> None:
    api.trouble["nodes"] = refuse(403)
    told = look.ask_all(Request("GET", f"/api/v1/{what}") for what in ("pods", "nodes", "nothing", "pods"))
    assert [each.status for each in told] == [200, 403, 404, 200]


def test_one_object_is_read_or_it_is_said_why_not(api: Api, look: ClusterLook) -> None:
    api.trouble["pods"] = lambda handler, *_: (
        send(handler, 200, json.dumps({"metadata": {"name": "it"}}).encode()) or True
    )
    assert look.read("/api/v1/pods", Thing).items[0].metadata.name == "it"
    absent = look.read("/api/v1/nothing", Thing)
    assert (absent.items, absent.seen) == ((), True)


class Trial(ClusterLook):
    """Answers every question alike."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def ask(self, request: Request) -> Told:
        assert ("dryRun", "All") in request.query
        return self._told


def test_a_server_that_drops_what_says_that_a_device_is_shared_has_no_such_feature() -> None:
    kept = {"spec": {"devices": [{"name": "budget", "allowMultipleAllocations": True}]}}
    dropped = {"spec": {"devices": [{"name": "budget"}]}}
    answers = [
        (Told(201, json.dumps(kept).encode()), True),
        (Told(201, json.dumps(dropped).encode()), False),
        (Told(404), False),
        (Told(422, b'{"message": "is invalid: spec.devices"}'), False),
        (Told(422, b'{"message": "ValidatingAdmissionPolicy powerplane-devices denied request"}'), None),
        (Told(403, b'{"message": "forbidden"}'), None),
        (Told(0, b"no answer"), None),
        (Told(201, b"[]"), None),
    ]
    assert [shares_capacity(Trial(told)) for told, _ in answers] == [wanted for _, wanted in answers]
