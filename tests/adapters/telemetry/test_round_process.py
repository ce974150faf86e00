import subprocess
import sys
import time
from math import inf

import pytest
from tests.adapters.telemetry.real_prometheus import Page, job, prometheus_server
from tests.rig.processes import wait_for

from powerplane.adapters.telemetry.round_process import RoundProcess
from powerplane.adapters.telemetry.round_wire import Opening
from powerplane.adapters.telemetry.round_worker import Rounds, node_meanings
from powerplane.models.telemetry.readings import SourceReading

OPENING = Opening("http://127.0.0.1:9", 1.0)
NODES = {"n1": (100.0, 400.0)}


def worker(script):
    return (sys.executable, "-c", f"import json, sys, time\n{script}")


def process(script, opening=OPENING):
    return RoundProcess(opening, lambda: NODES, command=worker(script))


ANSWER = """
for line in sys.stdin.buffer:
    asked = json.loads(line)
    if "url" not in asked:
        sys.stdout.write(json.dumps({"nodes": {"n1": [200.5, 1.0]}, "found": {"ipmi: nan": 2}}) + "\\n")
        sys.stdout.flush()
"""


def test_what_the_process_tells_is_the_reading_and_bad_series_are_counted():
    source = process(ANSWER)
    try:
        readings = [source.read() for _ in range(2)]
    finally:
        source.close()
    assert [reading.nodes["n1"].watts for reading in readings] == [200.5, 200.5]
    assert source.refused == {"ipmi: nan": 4}
    assert source.starts == 1
    assert not source.failures


def test_nodes_are_sent_when_they_change_and_not_otherwise():
    echo = """
for line in sys.stdin.buffer:
    asked = json.loads(line)
    if "url" not in asked:
        told = {"found": {"sent": len(asked.get("nodes") or {})}}
        sys.stdout.write(json.dumps(told) + "\\n")
        sys.stdout.flush()
"""
    nodes = dict(NODES)
    source = RoundProcess(OPENING, lambda: nodes, command=worker(echo))
    try:
        first, second = source.read(), source.read()
        nodes["n2"] = (1.0, inf)
        third = source.read()
    finally:
        source.close()
    assert [reading.refused["sent"] for reading in (first, second, third)] == [1, 0, 2]


@pytest.mark.parametrize(
    "script",
    ["sys.exit(3)", "sys.stdin.readline(); sys.stdout.write('no json\\n'); sys.stdout.flush(); time.sleep(9)"],
    ids=["it ends", "it talks nonsense"],
)
def test_a_process_that_fails_is_told_and_started_anew_and_nothing_is_zero_watts(script, monkeypatch):
    monkeypatch.setattr("powerplane.adapters.telemetry.round_process.END_S", 0.3)
    source = process(script)
    try:
        first, second = source.read(), source.read()
    finally:
        source.close()
    assert first.error
    assert not first.nodes
    assert second.error
    assert source.starts == 2
    assert source.failures == 2


def test_a_process_that_hangs_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr("powerplane.adapters.telemetry.round_process.START_S", 0.3)
    monkeypatch.setattr("powerplane.adapters.telemetry.round_process.END_S", 0.3)
    source = process("time.sleep(60)", Opening("http://127.0.0.1:9", 0.2))
    began = time.monotonic()
    reading = source.read()
    assert "no answer in time" in reading.error
    assert time.monotonic() - began < 20


def test_the_worker_ends_when_the_program_that_started_it_is_killed():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from powerplane.adapters.telemetry.round_process import RoundProcess\n"
            "from powerplane.adapters.telemetry.round_wire import Opening\n"
            "source = RoundProcess(Opening('http://127.0.0.1:9', 1.0), lambda: {'n1': (1.0, 2.0)})\n"
            "source.read()\n"
            "print(source.pid, flush=True)\n"
            "time.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for(lambda: not alive(child), 15)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_source_that_does_not_answer_is_an_error_and_no_node_has_a_figure():
    class Silent:
        def read(self, now_s, _window_s):
            return (SourceReading("ipmi", now_s, now_s, error="refused"),)

    rounds = Rounds(Silent())
    told = rounds.ask(NODES, 1000.0)
    assert told.error == "refused"
    assert told.nodes == {}
    assert Rounds(Silent()).ask({}, 1000.0).error == ""


def test_only_what_tells_nodes_watts_and_names_is_asked_for():
    quantities = {row.quantity for row in node_meanings()}
    assert quantities == {"node watts", "cpu watts", "dram watts", "gpu watts", "info"}
    assert "kube_pod_info" not in {row.metric for row in node_meanings()}


@pytest.mark.prometheus
@pytest.mark.slow
def test_a_wall_meter_is_read_through_a_real_prometheus_and_a_lying_one_is_not_believed(prometheus, tmp_path):
    metric = "ipmi_dcmi_power_consumption_current_watts"
    page = Page(f'{metric}{{node="n1"}} 251\n{metric}{{node="n2"}} 25\n')
    source = None
    try:
        with prometheus_server(prometheus, tmp_path, [job("bmc", [page.target])], lambda s: s.has(metric)) as server:
            nodes = {"n1": (100.0, 400.0), "n2": (100.0, 400.0)}
            source = RoundProcess(Opening(server.url, 5.0), lambda: nodes)
            reading = source.read()
            assert reading.error == ""
            assert reading.nodes["n1"].watts == 251
            assert 0 <= reading.nodes["n1"].age_s < 10
            assert "n2" not in reading.nodes
            assert reading.refused.get("ipmi: wrong unit") == 1
    finally:
        page.close()
        if source is not None:
            source.close()
