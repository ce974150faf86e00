"""`powerplane release` says what it needs, and does nothing by accident; what it does is tried on a control plane."""

import pytest
from tests.cli.test_api_server import closed_address, forbidding_server, kubeconfig

from powerplane.cli.main import run

__all__ = ["closed_address", "forbidding_server"]


@pytest.mark.parametrize("flags", [(), ("--all", "--run"), ("--run", "--yes"), ("--yes",)])
def test_a_command_line_that_does_not_say_which_pods_is_refused_before_anything_is_asked(capsys, flags):
    assert run(["release", *flags, "--kubeconfig", "/nowhere"]) == 2
    assert "next: " in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--all", "--prometheus", "http://p:9090"), ("--run", "--watts", "series")])
def test_options_for_measured_watts_want_a_releaser_and_a_prometheus(capsys, flags):
    assert run(["release", *flags, "--kubeconfig", "/nowhere"]) == 2
    assert "next: " in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--all",), ("--all", "--yes")])
def test_a_server_that_refuses_is_told_in_its_own_words(capsys, tmp_path, forbidding_server, flags):
    assert run(["release", *flags, "--kubeconfig", str(kubeconfig(tmp_path, forbidding_server))]) == 1
    told = capsys.readouterr()
    assert "forbidden" in told.err
    assert told.out == ""


def test_a_server_that_is_not_there_is_named(capsys, tmp_path, closed_address):
    assert run(["release", "--all", "--yes", "--kubeconfig", str(kubeconfig(tmp_path, closed_address))]) == 1
    assert closed_address in capsys.readouterr().err
