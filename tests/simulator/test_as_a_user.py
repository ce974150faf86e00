"""What a user does who has no cluster: simulate one, scrape it, take its files, watch it, diagnose it, plan it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from tests.conftest import find_prometheus
from tests.rig import processes
from tests.rig.processes import wait_for
from tests.simulator.prometheus_process import Prometheus

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

SCENARIO = """
name: a small room
duration: 10h
cluster:
  types:
    web: {cores: 32, memory: 128Gi, curve: [[0, 110], [0.1, 160], [0.5, 245], [1, 350]]}
    gpu: {cores: 64, memory: 512Gi, curve: [[0, 190], [1, 620]], accelerators: {model: A100-SXM4-80GB, count: 2}}
  rows:
  - {name: row-1, racks: 2, nodes: {web: 4}, feeds: [feed-a, feed-b]}
  - {name: row-2, racks: 1, nodes: {web: 4, gpu: 1}, feeds: [feed-c]}
  limits:
    byName:
      row-1-rack-01: {budget: 860W}
workloads:
- {name: shop, replicas: 34, requests: {cpu: 6, memory: 16Gi}, use: 80%, nodeType: web}
- {name: llm, replicas: 2, requests: {cpu: 8, memory: 60Gi, accelerators: 1}, nodeType: gpu, devices: 80%}
- {name: agent, kind: DaemonSet, requests: {cpu: 250m, memory: 256Mi}, use: 80%}
policies: [none]
"""
FILES = ("nodes.json", "pods.json", "poddisruptionbudgets.json", "topology.yaml", "power.yaml")
SEEN_S = 9.0
"""Some scrapes: enough for the rate of a counter."""


@contextmanager
def simulated(scenario: Path, log: Path) -> Iterator[str]:
    """``powerplane simulate --serve`` in a process of its own; its address."""
    command = [sys.executable, "-m", "powerplane", "simulate", str(scenario), "--serve", "127.0.0.1:0"]
    pid = processes.spawn(command, log, outlive=False)
    try:
        told = re.compile(r"answering scrapes on (\S+)")
        assert wait_for(lambda: told.search(log.read_text()), 30), processes.tail(log)
        found = told.search(log.read_text())
        assert found is not None
        yield found[1]
    finally:
        processes.stop(pid)


def powerplane(*arguments: str) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "powerplane", *arguments, "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[tuple[Path, str, str]]:
    """The files' directory, Prometheus' address, and the exporters'."""
    program = find_prometheus()
    assert program is not None
    folder = tmp_path_factory.mktemp("user")
    (folder / "scenario.yaml").write_text(SCENARIO)
    with requests.Session() as session, simulated(folder / "scenario.yaml", folder / "log") as address:
        session.trust_env = False

        def get(path: str) -> str:
            answer = session.get(f"http://{address}{path}", timeout=5)
            answer.raise_for_status()
            return answer.text

        cluster = folder / "cluster"
        cluster.mkdir()
        for name in FILES:
            (cluster / name).write_text(get(f"/snapshot/{name}"))
        (folder / "prometheus").mkdir()
        server = Prometheus(program, folder / "prometheus", get("/prometheus.yml?scrape=1s"))
        try:
            assert wait_for(lambda: server.count("kepler_node_cpu_watts"), 20, 0.2)
            time.sleep(SEEN_S)
            yield cluster, server.url, f"http://{address}"
        finally:
            server.close()


def true_watts(exporters: str) -> dict[str, float]:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{exporters}/truth", timeout=5).json()["wall_watts"]


def test_top_shows_what_the_domains_draw_in_truth(place):
    cluster, url, exporters = place
    code, told = powerplane("top", "--snapshot", str(cluster), "--prometheus", url)
    true = true_watts(exporters)
    drawn = {domain["name"]: domain for domain in told["domains"]}
    for rack in ("row-1-rack-01", "row-1-rack-02", "row-2-rack-01"):
        watts = sum(each for node, each in true.items() if node.startswith(rack.replace("-rack", "")))
        assert drawn[rack]["drawWatts"] == pytest.approx(watts, rel=0.03)
    assert code == 3


def test_doctor_finds_telemetry_fit_to_hold_budgets_by(place):
    cluster, url, _ = place
    code, _told = powerplane("doctor", "--snapshot", str(cluster), "--prometheus", url)
    assert code == 0


def test_a_plan_on_what_was_measured_brings_the_rack_under_its_budget(place):
    cluster, url, exporters = place
    code, told = powerplane("plan", "--snapshot", str(cluster), "--prometheus", url, "--deadline", "5s")
    assert code == 0
    assert {node["state"] for node in told["nodes"]} == {"measured"}
    true = true_watts(exporters)
    for node in told["nodes"]:
        assert node["watts"] == pytest.approx(true[node["name"]], rel=0.06)
    assert {move["because"][0] for move in told["moves"]} == {"row-1-rack-01"}
    after = {domain["name"]: domain for domain in told["domains"]}
    assert after["row-1-rack-01"]["afterWatts"] <= 860
