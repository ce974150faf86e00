"""The plugin, asked as a kubelet asks it."""

import tempfile
from pathlib import Path

import grpc
import pytest

from powerplane.adapters.kubelet_plugin.server import KubeletPlugin, PluginPaths
from powerplane.adapters.kubelet_plugin.wire import read_claims
from powerplane.models.errors import UsageError

REGISTRATION = "/pluginregistration.Registration/"
DRA = "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/"
ONE_CLAIM = b"\x0a\x07\x0a\x01n\x12\x02u1"


@pytest.fixture
def folder():
    """One whose name is short enough for a socket's path."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def plugin(folder):
    made = KubeletPlugin(paths(folder))
    made.start()
    yield made
    made.stop()


def ask(path, method, request):
    with grpc.insecure_channel(f"unix:{path}") as channel:
        return channel.unary_unary(method)(request, timeout=5)


def paths(folder):
    return PluginPaths(folder, "power.powerplane.dev")


def test_a_kubelet_finds_the_plugin_and_has_claims_prepared_and_unprepared(folder, plugin):
    info = ask(paths(folder).registration, REGISTRATION + "GetInfo", b"")
    assert str(paths(folder).endpoint).encode() in info
    assert ask(paths(folder).registration, REGISTRATION + "NotifyRegistrationStatus", b"\x08\x01") == b""
    assert plugin.registered
    for method in ("NodePrepareResources", "NodeUnprepareResources"):
        answer = ask(paths(folder).endpoint, DRA + method, ONE_CLAIM)
        assert answer == b"\x0a\x06\x0a\x02u1\x12\x00"
    assert ask(paths(folder).endpoint, DRA + "NodePrepareResources", b"") == b""


def test_a_refusal_is_noted(folder, plugin):
    ask(paths(folder).registration, REGISTRATION + "NotifyRegistrationStatus", b"\x12\x02no")
    assert not plugin.registered


def test_bytes_that_are_no_request_are_refused(folder, plugin):
    with pytest.raises(grpc.RpcError) as refused:
        ask(paths(folder).endpoint, DRA + "NodePrepareResources", b"\x0a\x05ab")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_sockets_that_a_killed_plugin_left_are_taken_over_and_ours_are_taken_away(folder):
    for path in (paths(folder).registration, paths(folder).endpoint):
        path.parent.mkdir(parents=True)
        path.write_text("left behind")
    made = KubeletPlugin(paths(folder))
    made.start()
    assert ask(paths(folder).endpoint, DRA + "NodePrepareResources", ONE_CLAIM)
    made.stop()
    assert not paths(folder).registration.exists()
    assert not paths(folder).endpoint.exists()


def test_a_folder_that_cannot_be_used_is_told_in_words(folder):
    with pytest.raises(UsageError, match="no socket can be made"):
        KubeletPlugin(paths(folder / ("x" * 120))).start()


def test_the_request_of_these_tests_is_one():
    assert read_claims(ONE_CLAIM) == ("u1",)
