"""`powerplane stop` and `resume` say what is so now, and what is in the way; that they stop is tried on a rig."""

import json
from http.server import BaseHTTPRequestHandler

import pytest
from tests.cli.api_stub import Answering, serving
from tests.cli.test_api_server import closed_address, kubeconfig

from powerplane.cli.main import run
from powerplane.models.marks import STOP_ANNOTATION

__all__ = ["closed_address"]


@pytest.fixture
def server():
    """An API server that keeps one namespace, or answers with the status that it is told to."""

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_PATCH(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.paths.append(self.path.split("?")[0])
            for key, value in sent["metadata"]["annotations"].items():
                if made.obeys:
                    made.annotations.pop(key, None)
                    made.annotations |= {} if value is None else {key: value}
            body = {"message": "no"} if made.status != 200 else {"metadata": {"annotations": made.annotations}}
            self.send(body, made.status)

    with serving(Handler) as made:
        made.annotations, made.paths, made.status, made.obeys = {"other": "kept"}, [], 200, True
        yield made


@pytest.fixture
def command(server, tmp_path):
    config = str(kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"))
    return lambda *words: run([*words, "--kubeconfig", config])


def test_stopping_puts_the_reason_on_our_namespace_and_resuming_takes_it_off(server, command, capsys):
    assert command("stop", "--reason", "moving  house") == 0
    assert server.annotations == {"other": "kept", STOP_ANNOTATION: "moving house"}
    assert capsys.readouterr().out == "stopped: moving house\n"
    assert command("resume") == 0
    assert server.annotations == {"other": "kept"}
    assert capsys.readouterr().out == "resumed\n"
    assert set(server.paths) == {"/api/v1/namespaces/powerplane-system"}


def test_stopping_twice_and_resuming_twice_are_no_errors(server, command):
    assert [command("stop"), command("stop", "--reason", "another")] == [0, 0]
    assert server.annotations[STOP_ANNOTATION] == "another"
    assert [command("resume"), command("resume")] == [0, 0]


def test_a_reason_is_always_there(server, command):
    assert command("stop") == 0
    assert server.annotations[STOP_ANNOTATION]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 257])
def test_a_reason_that_says_nothing_or_too_much_is_refused_before_anything_is_asked(server, command, capsys, reason):
    assert command("stop", "--reason", reason) == 2
    assert "next: " in capsys.readouterr().err
    assert server.paths == []


@pytest.mark.parametrize("words", [("stop",), ("resume",)])
@pytest.mark.parametrize(("status", "told"), [(404, "no namespace"), (403, "cannot be changed"), (422, "cannot be")])
def test_a_refusal_is_told_and_nothing_is_said_to_be_stopped(server, command, capsys, words, status, told):
    server.status = status
    assert command(*words) == 1
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


def test_what_is_not_so_afterwards_is_not_said_to_be(server, command, capsys):
    server.obeys = False
    assert command("stop") == 1
    said = capsys.readouterr()
    assert "something else writes it" in said.err
    assert said.out == ""


@pytest.mark.parametrize("words", [("stop",), ("resume",)])
def test_a_server_that_is_not_there_is_named(capsys, tmp_path, closed_address, words):
    assert run([*words, "--kubeconfig", str(kubeconfig(tmp_path, closed_address))]) == 1
    assert closed_address in capsys.readouterr().err
