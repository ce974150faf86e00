"""Live clusters that cannot be read: the program says who refused what, and what to type next."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.api_stub import Answering, serving

USER = "system:serviceaccount:ops:reader"


class Refusal(Answering, BaseHTTPRequestHandler):
    """Answers everything as an API server answers a user without rights."""

    def do_GET(self) -> None:
        message = f'nodes is forbidden: User "{USER}" cannot list resource "nodes" in API group ""'
        body = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": message}
        self.send(body, 403)


@pytest.fixture
def forbidding_server() -> Iterator[str]:
    with serving(Refusal) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def closed_address() -> Iterator[str]:
    """Return an address that refuses: its port is bound, so that nobody else gets it, but nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{bound.getsockname()[1]}"


def kubeconfig(directory: Path, server: str) -> Path:
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "there",
        "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "not-a-secret"}}],
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(text))
    return path


def assert_told(done: Any, *words: str) -> None:
    assert "Traceback" not in done.err
    assert (done.code, done.out) == (1, "")
    assert "\n  next: " in done.err
    for word in words:
        assert word in done.err


@pytest.mark.parametrize("command", [["plan"], ["snapshot", "DIR"]], ids=["plan", "snapshot"])
def test_a_server_that_is_not_there_is_named(
    command: list[str], closed_address: str, program: Any, tmp_path: Path
) -> None:
    where = [str(tmp_path / "new") if word == "DIR" else word for word in command]
    config = kubeconfig(tmp_path, closed_address)
    done = program(*where, "--kubeconfig", config, "--power", "catalogue")
    assert_told(done, closed_address)
    assert not (tmp_path / "new").exists()


def test_a_server_that_forbids_is_told_with_what_it_forbids(
    forbidding_server: str, program: Any, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, forbidding_server)
    done = program("snapshot", tmp_path / "new", "--kubeconfig", config, "--power", "catalogue")
    assert_told(done, forbidding_server, "forbids", "nodes", USER, "auth can-i")
    assert "not-a-secret" not in done.err
    assert not (tmp_path / "new").exists()


def test_a_context_that_is_not_there_is_named(program: Any, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path, "http://127.0.0.1:9")
    done = program("plan", "--kubeconfig", config, "--context", "elsewhere", "--power", "catalogue")
    assert_told(done, "elsewhere", "there")


def test_a_missing_kubeconfig_is_named(program: Any, tmp_path: Path) -> None:
    done = program("plan", "--kubeconfig", tmp_path / "nowhere", "--power", "catalogue")
    assert_told(done, "nowhere")


def test_no_cluster_at_all_is_told_with_what_to_give(program: Any, tmp_path: Path) -> None:
    empty = {"HOME": str(tmp_path), "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}
    assert_told(program("plan", "--power", "catalogue", env=empty), "kubeconfig", "--snapshot")


def test_power_has_to_come_from_somewhere(program: Any, tmp_path: Path) -> None:
    done = program("plan", "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:9"))
    assert_told(done, "--power")
