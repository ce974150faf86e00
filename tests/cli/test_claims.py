"""`powerplane claims`: what a server can, told by exit codes; the node's plugin as a process."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import grpc
import pytest
from tests.cli.api_stub import Answering, serving
from tests.cli.test_api_server import kubeconfig

from powerplane.adapters.kubelet_plugin.server import PluginPaths
from powerplane.admission.claims.names import DRIVER
from powerplane.cli import claims_plugin
from powerplane.cli.main import run


@pytest.fixture
def server():
    """One that answers a trial as told: drops the field, echoes it, or refuses."""

    class Handler(Answering, BaseHTTPRequestHandler):
        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, change = made.answer
            change(sent)
            self.send(sent, status)

    with serving(Handler) as made:
        yield made


def drops(sent):
    del sent["spec"]["devices"][0]["allowMultipleAllocations"]


def check(server, tmp_path, *answer):
    server.answer = answer
    return run(["claims", "check", "--kubeconfig", str(kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"))])


def test_a_server_that_keeps_the_field_can(server, tmp_path, capsys):
    assert check(server, tmp_path, 201, lambda _: None) == 0
    assert "the lock Claims can be had" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [(201, drops), (404, lambda _: None)])
def test_a_server_that_drops_the_field_or_knows_no_slices_cannot(server, tmp_path, capsys, answer):
    assert check(server, tmp_path, *answer) == 3
    assert "does not let claims share" in capsys.readouterr().out


def test_where_it_may_not_be_tried_the_missing_right_is_named(server, tmp_path, capsys):
    assert check(server, tmp_path, 403, lambda _: None) == 1
    assert "resourceslices" in capsys.readouterr().err


def test_the_controller_does_not_start_where_budgets_would_not_be_held(server, tmp_path, capsys):
    server.answer = (201, drops)
    config = str(kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"))
    assert run(["claims", "run", "--kubeconfig", config]) == 1
    assert "take another lock" in capsys.readouterr().err


def test_the_nodes_plugin_answers_its_kubelet_until_it_is_ended():
    assert claims_plugin.DRIVER == DRIVER
    with tempfile.TemporaryDirectory() as folder:
        paths = PluginPaths(Path(folder), DRIVER)
        command = [sys.executable, "-m", "powerplane", "claims", "node-plugin", f"--kubelet-dir={folder}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as plugin:
            until = time.monotonic() + 30
            while not paths.registration.exists() and time.monotonic() < until:
                time.sleep(0.05)
            with grpc.insecure_channel(f"unix:{paths.registration}") as channel:
                told = channel.unary_unary("/pluginregistration.Registration/NotifyRegistrationStatus")
                assert told(b"\x08\x01", timeout=10, wait_for_ready=True) == b""
            plugin.send_signal(signal.SIGTERM)
            _, log = plugin.communicate(timeout=20)
        assert plugin.returncode == 0
        assert "registered with the kubelet" in log
        assert not paths.registration.exists()
