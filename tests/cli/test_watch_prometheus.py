"""``powerplane top`` and ``doctor`` on a real Prometheus, which scrapes a simulated cluster's exporters."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.cli.conftest import run_program
from tests.conftest import find_prometheus
from tests.rig.processes import wait_for
from tests.simulator.prometheus_process import Prometheus, scraping
from tests.simulator.scraped import MODELS, Scraped, write_cluster

from powerplane.simulator.sensors.faults import Down

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

NODES = 8
UP_S = 60.0


@dataclass(frozen=True)
class Site:
    """A simulated cluster, its Prometheus, and the snapshot directory that both stand on."""

    scraped: Scraped
    prometheus: Prometheus
    directory: Path

    def options(self) -> tuple[str, ...]:
        return ("--prometheus", self.prometheus.url, "--snapshot", str(self.directory))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program = find_prometheus()
    if program is None:
        pytest.skip("missing real part: prometheus")
    folder = tmp_path_factory.mktemp("watched")
    directory = write_cluster(folder / "snapshot", nodes=NODES, pods=40)
    scraped = Scraped(directory, gpus=False)
    try:
        with scraping(program, folder / "prometheus", scraped.served) as prometheus:
            settled = "count_over_time(ipmi_dcmi_power_consumption_current_watts[1m]) > 12"
            assert wait_for(lambda: prometheus.count(settled) == NODES, UP_S, 0.5)
            yield Site(scraped, prometheus, directory)
    finally:
        scraped.close()


def test_each_domain_draws_what_its_nodes_draw_in_truth(site: Site) -> None:
    done = run_program("top", *site.options(), "--nodes", "-o", "json")
    view = json.loads(done.out)
    for node in view["nodes"]:
        assert (node["state"], node["source"]) == ("measured", "ipmi")
        low, high = site.scraped.truth_within(
            node["name"], view["atSeconds"] - node["ageSeconds"] - MODELS["bmc"].age_s - 2, view["atSeconds"]
        )
        assert low - MODELS["bmc"].error(low) <= node["drawWatts"] <= high + MODELS["bmc"].error(high)
    racks = [domain for domain in view["domains"] if domain["kind"] == "rack"]
    assert sum(rack["drawWatts"] for rack in racks) == pytest.approx(view["drawWatts"])
    assert done.code == (3 if view["broken"] else 0)
    assert done.err == ""


def test_doctor_finds_the_server_its_jobs_and_every_node_well(site: Site) -> None:
    done = run_program("doctor", *site.options(), "-o", "json")
    view = json.loads(done.out)
    parts = {part["name"]: part for part in view["sections"]}
    server = parts["prometheus"]["data"]
    assert (done.code, server["answers"], server["url"]) == (0, True, site.prometheus.url)
    assert server["version"]
    assert abs(server["clockAheadSeconds"]) < 1
    jobs = {job["job"]: job for job in server["jobs"]}
    assert (jobs["ipmi"]["intervalSeconds"], jobs["ipmi"]["targets"], jobs["ipmi"]["down"]) == (1, NODES, [])
    assert {node["source"] for node in parts["nodes"]["data"]} == {"ipmi"}
    assert parts["pods"]["data"]["withCpuUse"] == parts["pods"]["data"]["pods"] > 0
    assert parts["pods"]["data"]["ownersTold"]


def test_doctor_works_on_a_server_alone(site: Site) -> None:
    done = run_program("doctor", "--prometheus", site.prometheus.url, "--no-cluster", "-o", "json")
    parts = {part["name"]: part for part in json.loads(done.out)["sections"]}
    assert done.code == 0
    assert len(parts["nodes"]["data"]) == NODES
    assert {node["state"] for node in parts["nodes"]["data"]} == {"measured"}


def test_a_lost_exporter_is_a_target_down_and_its_node_counts_by_another_source(site: Site) -> None:
    lost = site.scraped.facts[0].name
    sensors = site.scraped.served.sensors
    before, sensors.faults = sensors.faults, (Down("ipmi", frozenset({lost})),)
    try:
        gone = f'ipmi_dcmi_power_consumption_current_watts{{node="{lost}"}}'
        assert wait_for(lambda: site.prometheus.count(gone) == 0, UP_S, 0.2)
        time.sleep(4)  # three scrapes, while which the last good sample would be held
        parts = {
            part["name"]: part
            for part in json.loads(run_program("doctor", *site.options(), "-o", "json").out)["sections"]
        }
    finally:
        sensors.faults = before
    (job,) = [job for job in parts["prometheus"]["data"]["jobs"] if job["down"]]
    assert job["job"] == "ipmi"
    assert len(job["down"]) == 1
    assert job["down"][0]["error"]
    node = next(one for one in parts["nodes"]["data"] if one["name"] == lost)
    assert node["state"] == "measured"
    assert node["source"] != "ipmi"
    assert node["better"] == ["ipmi"]


def read_until(terminal: int, wanted: bytes, times: int, seconds: float) -> bytes:
    """Read what a terminal shows until it has shown something so many times."""
    shown, until = b"", time.monotonic() + seconds
    while shown.count(wanted) < times and time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 1 << 16)
    return shown


def test_on_a_terminal_it_is_renewed_until_ctrl_c_which_ends_it_with_0(site: Site) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"}
    command = [sys.executable, "-m", "powerplane", "top", *site.options()]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        shown = read_until(ours, b"measured by", 3, UP_S)
        assert shown.count(b"measured by") >= 3
        process.send_signal(signal.SIGINT)
        shown += read_until(ours, b"\x00never", 1, 3)
        assert process.wait(10) == 0
    except OSError:  # the terminal goes with the process
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"Traceback" not in shown
    assert b"rack-" in shown


def test_a_live_cluster_that_nothing_answers_for_is_told_of_and_comes_back(site: Site) -> None:
    site.prometheus.stop()
    try:
        done = run_program("top", *site.options(), "-o", "json")
        asked = run_program("doctor", *site.options(), "-o", "json")
    finally:
        site.prometheus.start()
    assert (done.code, done.out) == (1, "")
    assert "does not answer: Connection refused" in done.err
    assert (asked.code, json.loads(asked.out)["status"]) == (3, "fail")
    live = "ipmi_dcmi_power_consumption_current_watts"
    assert wait_for(lambda: site.prometheus.count(live) == NODES, UP_S, 0.2)


def test_a_token_reaches_the_server_and_no_message(site: Site, tmp_path: Path, unauthorised: str) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    options = ("--prometheus", unauthorised, "--snapshot", site.directory)
    refused = run_program("doctor", *options, "-o", "json")
    assert json.loads(refused.out)["status"] == "fail"
    told = run_program("doctor", *options, "--token-file", tmp_path / "token", "-o", "json")
    parts = {part["name"]: part for part in json.loads(told.out)["sections"]}
    assert parts["prometheus"]["data"]["answers"]
    assert "hunter2" not in told.out + told.err + refused.out + refused.err


@pytest.fixture
def unauthorised(site: Site) -> Iterator[str]:
    """A proxy before the Prometheus that lets nobody through without the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != "Bearer hunter2":
                self.send_error(401)
                return
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(site.prometheus.url + self.path, timeout=30)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()
