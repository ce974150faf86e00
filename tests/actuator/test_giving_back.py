"""Pods out of their ReplicaSets are found and given back by hand, with nothing else of them changed."""

import json
from urllib.parse import urlsplit

import pytest
from tests.actuator.test_surge_hands import HASH, OWNER, POD, REPLICA_SET, Objects
from tests.adapters.api_server import kubeconfig, send

from powerplane.actuator import giving_back
from powerplane.actuator.giving_back import foretell, give_back, list_detached
from powerplane.adapters.cluster_access import open_cluster
from powerplane.cli.main import run
from powerplane.models.errors import UnreachableError
from powerplane.models.marks import DETACHED_ANNOTATION, HASH_LABEL

PODS = "/api/v1/pods"


def taken_out(**changes):
    pod = {
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "uid": "u-1",
            "labels": {"app": "web"},
            "annotations": {DETACHED_ANNOTATION: OWNER.told(), "other": "kept"},
        },
        "status": {"phase": "Running"},
    }
    pod["metadata"] |= changes
    return pod


class Cluster(Objects):
    """Does what patches and evictions ask for, to the pods of its list; ``refusals`` evictions are answered 429."""

    def __init__(self):
        super().__init__()
        self.objects[PODS] = {"items": [taken_out()]}
        self.refusals = 0

    @property
    def pods(self):
        return self.objects[PODS]["items"]

    def answer(self, handler):
        if handler.command == "GET":
            return super().answer(handler)
        path = urlsplit(handler.path).path
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.requests.append((handler.command, path, {}, "", body))
        if path.endswith("/eviction"):
            if self.refusals:
                self.refusals -= 1
                told = {"message": "budget", "details": {"causes": [{"reason": "DisruptionBudget"}]}}
                return send(handler, 429, json.dumps(told).encode())
            self.pods[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            return send(handler, 201, b"{}")
        for each in body:
            keys = [key.replace("~1", "/") for key in each["path"].split("/")[1:]]
            part = self.pods[0]
            for key in keys[:-1]:
                part = part[key]
            if each["op"] == "remove":
                del part[keys[-1]]
            elif each["op"] == "add":
                part[keys[-1]] = each["value"]
            else:
                assert part[keys[-1]] == each["value"]
        return send(handler, 200, b"{}")


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def config(server, tmp_path):
    return kubeconfig(tmp_path / "config", server.address)


@pytest.fixture
def access(config):
    made = open_cluster(config)
    yield made
    made.api.rest_client.close()


def test_a_pod_gets_its_label_back_and_nothing_else_of_it_changes(server, access):
    said = []
    assert give_back(access, said.append) == 1
    assert said == [f"shop/web-1 back to ReplicaSet web-{HASH}"]
    wanted = taken_out(labels={"app": "web", HASH_LABEL: HASH}, annotations={"other": "kept"})
    assert server.pods == [wanted]
    assert give_back(access, said.append) == 0


def test_a_pod_whose_set_is_gone_is_evicted_by_uid_once_its_disruption_budget_allows_it(server, access):
    del server.objects[REPLICA_SET]
    server.refusals = 2
    said, pauses = [], []
    assert give_back(access, said.append, sleep=pauses.append) == 1
    assert said == [f"shop/web-1 evicted, as its ReplicaSet web-{HASH} is gone"]
    assert {(method, path) for method, path, *_ in server.written} == {("POST", f"{POD}/eviction")}
    assert {body["deleteOptions"]["preconditions"]["uid"] for *_, body in server.written} == {"u-1"}


def test_what_no_disruption_budget_allows_ends_with_an_error_that_names_the_pod(server, access):
    del server.objects[REPLICA_SET]
    server.refusals = 10_000
    pauses = []
    with pytest.raises(UnreachableError, match="shop/web-1"):
        give_back(access, lambda _: None, sleep=pauses.append)
    assert len(pauses) == giving_back.PASSES - 1


@pytest.mark.parametrize(
    "pod",
    [
        taken_out(deletionTimestamp="2026-01-01T00:00:00Z"),
        taken_out(labels={HASH_LABEL: HASH}),
        taken_out(annotations={DETACHED_ANNOTATION: "nonsense"}),
        taken_out(annotations=None),
        taken_out() | {"status": {"phase": "Succeeded"}},
    ],
    ids=["leaving", "has its label", "unreadable", "never taken out", "ended"],
)
def test_other_pods_are_left_alone(server, access, pod):
    server.objects[PODS] = {"items": [pod]}
    assert list_detached(access) == []
    assert give_back(access, lambda _: None) == 0
    assert server.written == []


def test_where_the_set_cannot_be_read_the_pod_stays_as_it_is_and_is_told(server, access):
    server.objects[REPLICA_SET] = {"metadata": "damaged"}
    (told,) = foretell(access)
    assert told.text.startswith("shop/web-1 stays: ")
    with pytest.raises(UnreachableError):
        give_back(access, lambda _: None, sleep=lambda _: None)
    assert server.written == []


def test_the_command_tells_each_pod_and_changes_it_only_with_yes(server, config, capsys):
    command = ["release", "--all", "--kubeconfig", str(config)]
    assert run(command) == 0
    told = capsys.readouterr()
    assert f"shop/web-1 back to ReplicaSet web-{HASH}\n" in told.out
    assert "--yes" in told.err
    assert server.written == []
    assert run([*command, "--yes"]) == 0
    assert capsys.readouterr().out == f"shop/web-1 back to ReplicaSet web-{HASH}\n0 pods\n"
    assert server.pods[0]["metadata"]["labels"][HASH_LABEL] == HASH
