"""The rig itself: a real control plane that starts, works, survives rough treatment and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rig import processes
from tests.rig.cluster import bound, clear, make_nodes, make_pods, node, pod
from tests.rig.processes import wait_for
from tests.rig.rig import PORTS, STATE, rigs_root, running_rig, sweep

pytestmark = pytest.mark.rig


def test_a_pod_is_scheduled_by_the_real_scheduler_and_runs(rig):
    make_nodes(rig, [node("n1", watts=300), node("n2", watts=100)])
    make_pods(rig, [pod("big", watts=200)])
    assert wait_for(lambda: bound(rig) == {"big": "n1"}, 20)
    running = lambda: rig.api.get("/api/v1/namespaces/default/pods/big")["status"]["phase"] == "Running"  # noqa: E731  # named for what is waited for
    assert wait_for(running, 20)


def test_a_pod_that_fits_no_node_waits(rig):
    make_nodes(rig, [node("n1", watts=100)])
    make_pods(rig, [pod("big", watts=200)])
    path = "/api/v1/namespaces/default/pods/big"

    def refused():
        conditions = rig.api.get(path)["status"].get("conditions", [])
        return [each["reason"] for each in conditions if each["type"] == "PodScheduled"] == ["Unschedulable"]

    assert wait_for(refused, 20)


def test_a_stranger_is_forbidden_because_rbac_is_on(rig):
    answer = rig.api_for("stranger").call("GET", "/api/v1/pods")
    assert answer.status == 403


def test_the_versions_are_those_that_are_pinned(rig):
    assert rig.api.get("/version")["gitVersion"] == "v1.36.3"


def test_two_rigs_run_side_by_side(rig):
    with running_rig("beside") as other:
        assert set(other.ports.values()).isdisjoint(rig.ports.values())
        make_nodes(other, [node("only-there")])
        assert rig.api.items("/api/v1/nodes") == []


def test_clear_empties_it(rig):
    rig.api.post("/api/v1/namespaces", {"metadata": {"name": "team"}})
    make_nodes(rig, [node("n1")])
    make_pods(rig, [pod("a"), pod("b", namespace="team")])
    clear(rig)
    assert rig.api.items("/api/v1/pods") == rig.api.items("/api/v1/nodes") == []


def test_every_process_ends_with_the_rig():
    with running_rig("short") as short:
        pids = dict(short.pids)
        folder = short.folder
        assert sorted(pids) == sorted(set(PORTS) - {"etcd-peer"})
    assert [name for name, pid in pids.items() if processes.alive(pid, name)] == []
    assert not folder.exists()


def test_a_crash_of_the_owner_ends_every_process():
    script = (
        "import time\nfrom tests.rig.rig import Rig\nRig.start('crash')\nprint('up', flush=True)\ntime.sleep(120)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout.readline() == "up\n"
        pids = json.loads((rigs_root() / "crash" / STATE).read_text())["pids"]
        assert len(pids) == 5
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
        assert wait_for(lambda: not any(processes.alive(pid, name) for name, pid in pids.items()), 10)
    finally:
        owner.kill()
        owner.stdout.close()
        owner.wait(10)
        sweep("crash")


def test_people_start_look_at_and_end_one():
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.rig", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    name = f"people-{os.getpid()}"
    try:
        kubeconfig = Path(run("up", "--name", name).stdout.strip())
        assert kubeconfig.is_file()
        line = next(line for line in run("status").stdout.splitlines() if line.startswith(name))
        assert line.count("runs") == 5
    finally:
        told = run("down", "--name", name).stderr
    assert "ended" in told
    assert name not in run("status").stdout
    assert not kubeconfig.exists()
