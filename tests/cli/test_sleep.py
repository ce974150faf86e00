"""`powerplane sleep` says what would move and changes nothing unless told to; `wake` undoes what is ours, always."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.cli.api_stub import Answering, serving
from tests.cli.test_api_server import kubeconfig
from tests.models.test_sleeping import patched, raw, read

from powerplane.cli.main import run
from powerplane.models.sleeping import ASLEEP_TAINT, MARKS, READY_ANNOTATION, SLEEP_ANNOTATION, closing

POLICIES = "/apis/powerplane.dev/v1alpha1/clusterpowercappingpolicies"
LOCAL = [{"name": "d", "hostPath": {"path": "/d"}}]


def pod(name, node, kind="ReplicaSet", **spec):
    owner = {"kind": kind, "name": "o", "uid": "o", "controller": True}
    meta = {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {"nodeName": node, **spec}, "status": {"phase": "Running"}}


@pytest.fixture
def server():
    """An API server with ten nodes, a few pods on the first, and a policy that lets pods of `web` be moved."""

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            name = url.path.removeprefix("/api/v1/nodes/")
            if name in made.nodes:
                return self.send(made.nodes[name])
            lists = {
                "/api/v1/nodes": list(made.nodes.values()),
                "/api/v1/pods": [
                    each
                    for each in made.pods
                    if parse_qs(url.query) == {"fieldSelector": [f"spec.nodeName={each['spec']['nodeName']}"]}
                ],
                POLICIES: made.policies,
            }
            return self.send({"items": lists.get(url.path, [])})

        def do_PATCH(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = urlsplit(self.path).path.removeprefix("/api/v1/nodes/")
            made.patches += 1
            if isinstance(sent, dict):
                made.nodes[name]["metadata"]["annotations"] |= sent["metadata"]["annotations"]
            else:
                made.nodes[name] = patched(made.nodes[name], sent)
            return self.send(made.nodes[name])

    with serving(Handler) as made:
        made.nodes = {f"n{i}": raw(f"n{i}") for i in range(10)}
        made.pods = [pod("web", "n0"), pod("log", "n0", "DaemonSet"), pod("db", "n0", volumes=LOCAL), pod("web", "n1")]
        spec = {"mode": "Enforce", "levers": ["migrate"], "selector": {}}
        made.policies = [{"metadata": {"name": "all"}, "spec": spec}]
        made.patches = 0
        yield made


@pytest.fixture
def command(server, tmp_path):
    config = str(kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"))
    return lambda *words: run([*words, "--kubeconfig", config])


def test_what_would_move_and_what_would_not_is_named_and_nothing_is_changed(server, command, capsys):
    assert command("sleep", "n0") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "n0: 1 move, 1 stay with it, 1 hold it awake",
        "  holds  default/db  (local storage)",
        "  moves  default/web  (ClusterPowerCappingPolicy all)",
        "  stays  default/log  (DaemonSet)",
    ]
    assert "add --yes" in said.err
    assert server.patches == 0


def test_a_pod_that_no_policy_lets_be_moved_holds_its_node_awake(server, command, capsys):
    server.policies = []
    assert command("sleep", "n1") == 0
    assert "no policy in mode Enforce lets it be moved" in capsys.readouterr().out


def test_a_node_is_asked_for_once_and_wakes_as_it_was(server, command, capsys):
    before = json.loads(json.dumps(server.nodes["n0"]))
    assert [command("sleep", "n0", "--yes"), command("sleep", "n0", "--yes")] == [0, 0]
    assert server.patches == 1
    assert server.nodes["n0"]["metadata"]["annotations"] == {SLEEP_ANNOTATION: "wanted"}
    server.nodes["n0"] = patched(server.nodes["n0"], closing(read(server.nodes["n0"])))
    server.nodes["n0"]["metadata"]["annotations"][READY_ANNOTATION] = "2026-01-01T00:00:00Z"
    assert [command("wake", "n0"), command("wake", "n0")] == [0, 0]
    assert server.nodes["n0"] == before
    assert capsys.readouterr().out.splitlines()[-2:] == ["n0 wakes", "n0 is awake"]


def test_waking_leaves_others_marks_and_taints(server, command):
    server.nodes["n0"] = raw("n0", {MARKS[0]: "true", SLEEP_ANNOTATION: "wanted"}, taints=("team",))
    server.nodes["n0"] = patched(server.nodes["n0"], closing(read(server.nodes["n0"])))
    assert command("wake", "n0") == 0
    assert server.nodes["n0"] == raw("n0", {MARKS[0]: "true"}, taints=("team",))


def test_so_many_asleep_that_an_autoscaler_would_halt_are_refused(server, command, capsys):
    for i in range(4):
        server.nodes[f"n{i}"] = raw(f"n{i}", {SLEEP_ANNOTATION: "wanted"}, taints=(ASLEEP_TAINT,))
    assert command("sleep", "n9", "--yes") == 1
    assert "4 of 10 nodes" in capsys.readouterr().err
    assert server.patches == 0


@pytest.mark.parametrize("words", [("sleep", "n99"), ("wake", "n99"), ("sleep",), ("wake",)])
def test_a_node_that_is_not_there_or_none_is_an_error_with_a_next_step(command, capsys, words):
    assert command(*words) == (1 if words[1:] else 2)
    assert "next: kubectl get nodes" in capsys.readouterr().err
