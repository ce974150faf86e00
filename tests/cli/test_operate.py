"""`powerplane operate` says what it needs, tells how it is, and ends when told; what it does is tried on a rig."""

import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from tests.cli.test_api_server import closed_address, kubeconfig

from powerplane.cli.main import run
from powerplane.cli.operate import Both
from powerplane.cli.operations import Where, read_address
from powerplane.models.errors import UsageError

__all__ = ["closed_address"]

PROMETHEUS = ("--prometheus", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--prometheus"),
        (("--only", "recommender"), "--prometheus"),
        (("--only", "actuator", *PROMETHEUS), "measures nothing itself"),
        (("--only", "actuator", "--most-per-hour", "0"), "below 1"),
        (("--only", "actuator", "--window", "nightly"), "no maintenance window"),
        (("--only", "actuator", "--metrics-address", "here"), "no address"),
        ((*PROMETHEUS, "--period", "soon"), "--period"),
        ((*PROMETHEUS, "--lead", "0s"), "--lead"),
        (("--only", "both"), "both"),
        ((*PROMETHEUS, "--solver-memory", "much"), "--solver-memory"),
        ((*PROMETHEUS, "--solver-memory", "64Mi"), "too little"),
        ((*PROMETHEUS, "--traces-to", "collector:4318"), "no address"),
        ((*PROMETHEUS, "--log-format", "xml"), "--log-format"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused_before_anything_is_asked(capsys, words, told):
    assert run(["operate", *words, "--kubeconfig", "/nowhere"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "next: " in said


def test_a_cluster_that_is_not_named_is_told(capsys):
    assert run(["operate", *PROMETHEUS, "--kubeconfig", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("127.0.0.1:9464", Where("127.0.0.1", 9464)),
        (":9464", Where("0.0.0.0", 9464)),
        ("[::1]:80", Where("::1", 80)),
        ("host.example:0", Where("host.example", 0)),
        (None, None),
    ],
)
def test_addresses_are_read(text, where):
    assert read_address(text) == where


@pytest.mark.parametrize("text", ["", "9464", "host", "host:", "host:99999", "::1:80", "http://host:80", "host:80/x"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError):
        read_address(text)


class Part:
    def __init__(self, name, acts, trouble=""):
        self.name, self.acts, self.told = name, acts, trouble

    def start(self):
        self.acts.append(f"start {self.name}")

    def stop(self):
        self.acts.append(f"stop {self.name}")

    def trouble(self):
        return self.told


def test_what_decides_begins_first_and_ends_last_and_trouble_is_anybodys():
    acts = []
    both = Both([Part("decides", acts), Part("acts", acts, "no nodes yet")])
    both.start()
    both.stop()
    assert acts == ["start decides", "start acts", "stop acts", "stop decides"]
    assert both.trouble() == "no nodes yet"
    assert Both([Part("decides", acts)]).trouble() == ""


class Process:
    """The program, with the lines that it logs."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "powerplane", "operate", *words]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.port = 0
        self.answering = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"answering on port (\d+)", line):
                self.port = int(found[1])
                self.answering.set()
        self.answering.set()

    def page(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.reader.join(5)
        self.process.stderr.close()
        return code


@pytest.mark.parametrize("words", [("--only", "actuator"), PROMETHEUS], ids=["actuator", "both"])
def test_without_an_api_server_it_lives_is_not_ready_says_why_and_ends_when_told(tmp_path, closed_address, words):
    config = str(kubeconfig(tmp_path, closed_address))
    operating = Process(*words, "--kubeconfig", config, "--metrics-address", "127.0.0.1:0")
    try:
        assert operating.answering.wait(30)
        assert operating.page("/healthz") == (200, "ok\n")
        status, told = operating.page("/readyz")
        assert status == 503
        assert "nodes" in told
        status, figures = operating.page("/metrics")
        assert status == 200
        assert "powerplane_actuator_" in figures
        assert ("powerplane_recommender_" in figures) == (words == PROMETHEUS)
    finally:
        code = operating.end()
    assert code == 0, "".join(operating.lines)
    assert "Traceback" not in "".join(operating.lines)


def test_an_address_that_is_taken_is_told_and_nothing_begins(tmp_path, closed_address, capsys):
    port = closed_address.rpartition(":")[2]
    config = str(kubeconfig(tmp_path, closed_address))
    words = ("--only", "actuator", "--kubeconfig", config, "--metrics-address", f"127.0.0.1:{port}")
    assert run(["operate", *words]) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err
