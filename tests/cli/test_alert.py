import socket
import sys
from pathlib import Path

import pytest
from tests.adapters.alerts import receiver as receiver_module
from tests.adapters.alerts.receiver import received
from tests.rig import processes
from tests.rig.processes import wait_for

from powerplane.cli.main import run

KEY = "k" * 32


@pytest.fixture
def receiver(tmp_path):
    (port,) = processes.free_ports(1)
    command = [sys.executable, str(Path(receiver_module.__file__)), str(port), str(tmp_path / "received")]
    pid = processes.spawn(command, tmp_path / "receiver.log", outlive=False)
    assert wait_for(lambda: _listens(port), 10)
    yield f"http://127.0.0.1:{port}/services/T0/B0/canary"
    processes.stop(pid)


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch):
    for name in ("POWERPLANE_SLACK_URL", "POWERPLANE_WEBHOOK_KEYS", "POWERPLANE_ALERTMANAGER_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_a_test_alert_goes_to_each_receiver_and_what_came_back_is_said(receiver, tmp_path, capsys, monkeypatch):
    (tmp_path / "slack").write_text(receiver)
    monkeypatch.setenv("POWERPLANE_WEBHOOK_KEYS", KEY)
    where = ["--slack-url-file", str(tmp_path / "slack"), "--webhook", receiver, "--allow-host", "127.0.0.1"]
    assert run(["alert", "test", *where, "--alertmanager", receiver]) == 0
    assert capsys.readouterr().out.splitlines() == ["alertmanager: taken", "slack: taken", "webhook: taken"]
    assert len(received(tmp_path / "received")) == 3


def test_only_the_receiver_that_is_named_is_told(receiver, tmp_path, capsys):
    where = ["--alertmanager", receiver, "--allow-host", "127.0.0.1", "--to", "alertmanager"]
    assert run(["alert", "test", *where]) == 0
    assert len(received(tmp_path / "received")) == 1
    assert run(["alert", "test", *where, "--to", "slack"]) == 2


def test_a_receiver_that_does_not_take_it_is_named_with_exit_code_1_and_without_its_secret(tmp_path, capsys):
    (port,) = processes.free_ports(1)
    (tmp_path / "slack").write_text(f"http://127.0.0.1:{port}/canary")
    assert run(["alert", "test", "--slack-url-file", str(tmp_path / "slack"), "--allow-host", "127.0.0.1"]) == 1
    told = capsys.readouterr()
    assert told.out == "slack: failed: Connection refused\n"
    assert "canary" not in told.err


def test_a_dry_run_prints_and_sends_nothing(receiver, tmp_path, capsys):
    assert run(["alert", "test", "--alertmanager", receiver, "--dry-run"]) == 0
    assert "In mode Enforce 1 pod would be moved" in capsys.readouterr().out
    assert received(tmp_path / "received") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["test"], "nothing says where alerts go"),
        (["test", "--webhook", "http://10.0.0.1/"], "--webhook has no key"),
        (["test", "--alertmanager", "http://10.0.0.1/"], "--alertmanager is not https"),
        (["test", "--webhook-key-file", "nowhere"], "no --webhook"),
        (["test", "--slack-url-file", "nowhere"], "cannot read --slack-url-file"),
        (["run"], "nothing says what nodes draw"),
    ],
)
def test_a_command_line_that_cannot_be_used_says_what_to_give(arguments, told, capsys):
    assert run(["alert", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert "next:" in error
