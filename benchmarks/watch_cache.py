"""How long and how much memory it takes to hold a whole cluster's nodes and pods: reflectors on a real API server.

    python -m benchmarks.watch_cache --nodes 5000 --pods 100000

Starts a control plane of tests/rig, keeps only etcd and kube-apiserver of it, fills it with nodes and bound pods, and
reads them with two reflectors in a process of their own, keeping what the extender keeps; then starts the extender
itself and times it to its first readiness. Prints one JSON document.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.rig.cluster import node, pod
from tests.rig.extender import Replica, install_objects
from tests.rig.processes import wait_for
from tests.rig.rig import Rig, running_rig

NAMESPACES = 50
AT_ONCE = 16


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--page-size", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        sys.stdout.write(json.dumps(measure(Path(asked.measure), asked.page_size)))
        return
    with running_rig("watch-cache") as rig:
        for part in ("kwok", "kube-scheduler", "kube-controller-manager"):
            rig.kill(part, hard=False)
        install_objects(rig)
        began = time.monotonic()
        fill(rig, asked.nodes, asked.pods)
        filled_s = time.monotonic() - began
        command = [sys.executable, "-m", "benchmarks.watch_cache", "--page-size", str(asked.page_size)]
        runs = []
        for _ in range(asked.repeats):
            child = subprocess.run(
                [*command, "--measure", str(rig.kubeconfig)], stdout=subprocess.PIPE, check=True, timeout=300
            )
            runs.append(json.loads(child.stdout))
        serving = [serve(rig) for _ in range(asked.repeats)]
        found = {
            "nodes": asked.nodes,
            "pods": asked.pods,
            "filled_s": round(filled_s, 1),
            "runs": runs,
            "serve": serving,
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")


def serve(rig: Rig) -> dict[str, Any]:
    """Start the extender, and wait until it answers; the last of its seconds is the quiet that it waits for."""
    began = time.monotonic()
    replica = Replica(rig, "cache", "--lease=", "--quiet=2s").start()
    try:
        ready = wait_for(replica.ready, 120, 0.05)
        return {
            "ready_s": round(time.monotonic() - began, 2) if ready else None,
            "resident_mb": _resident_mb(replica.pid),
        }
    finally:
        replica.stop()


def fill(rig: Rig, nodes: int, pods: int) -> None:
    """Create nodes, and pods that are bound to them already; they run nowhere."""
    for number in range(NAMESPACES):
        rig.api.post("/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})
    _post(rig, (("/api/v1/nodes", big_node(number)) for number in range(nodes)))
    _post(
        rig,
        ((f"/api/v1/namespaces/team-{number % NAMESPACES}/pods", big_pod(number, nodes)) for number in range(pods)),
    )


def big_node(number: int) -> dict[str, Any]:
    """A node with the labels and the conditions that a kubelet and a cloud put on it."""
    made = node(f"node-{number:05d}", pods=250, cpu=96, watts=900)
    made["metadata"]["labels"] |= {f"topology.example.com/level-{level}": f"value-{number % 50}" for level in range(12)}
    made["status"]["images"] = [
        {"names": [f"registry.example.com/team/image-{each}@sha256:{each:064x}"], "sizeBytes": 10**8}
        for each in range(20)
    ]
    return made


def big_pod(number: int, nodes: int) -> dict[str, Any]:
    """A pod of an application, with what templates usually carry."""
    made = pod(
        f"app-{number % 500}-7d4b9c6f5d-{number:06d}",
        namespace=f"team-{number % NAMESPACES}",
        watts=20,
        labels={"app": f"app-{number % 500}", "pod-template-hash": "7d4b9c6f5d", "tier": "web", "release": "stable"},
        nodeName=f"node-{number % nodes:05d}",
        tolerations=[{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}],
    )
    made["metadata"]["annotations"] = {"example.com/checksum": "0" * 64, "example.com/scrape": "true"}
    container = made["spec"]["containers"][0]
    container["env"] = [{"name": f"SETTING_{each}", "value": "x" * 24} for each in range(10)]
    container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5}
    return made


def _post(rig: Rig, objects: Iterator[tuple[str, dict[str, Any]]]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        batch: list[tuple[str, dict[str, Any]]] = []
        for each in objects:
            batch.append(each)
            if len(batch) == 2_000:
                list(pool.map(lambda one: rig.api.post(*one), batch))
                batch.clear()
        list(pool.map(lambda one: rig.api.post(*one), batch))


def measure(kubeconfig: Path, page_size: int) -> dict[str, Any]:
    """Start both reflectors, and wait until they have all."""
    from powerplane.adapters.cluster_access import open_cluster  # noqa: PLC0415  # filling does without
    from powerplane.adapters.watch import Batch, Reflector, Watched, WatchPatience  # noqa: PLC0415  # filling does without
    from powerplane.scheduler_extender.facts import SeenNode, SeenPod, node_fact, pod_fact  # noqa: PLC0415  # filling does without

    access = open_cluster(kubeconfig)
    before_mb = _resident_mb()
    kept: dict[str, dict[str, Any]] = {"nodes": {}, "pods": {}}
    synced_s: dict[str, float] = {}
    began = time.monotonic()

    def keep(kind: str) -> Any:
        def take(batch: Batch[Any]) -> None:
            kept[kind] = {each.uid if kind == "pods" else each.name: each for _, each in batch.changes}
            synced_s[kind] = round(time.monotonic() - began, 2)

        return take

    patience = WatchPatience(page_size=page_size)
    reflectors = [
        Reflector(access, Watched("/api/v1/nodes", "nodes", SeenNode, reduce=node_fact), keep("nodes"), patience),
        Reflector(access, Watched("/api/v1/pods", "pods", SeenPod, reduce=pod_fact), keep("pods"), patience),
    ]
    longest = Pulse()
    for each in reflectors:
        each.start()
    for each in reflectors:
        if not each.wait_synced(240):
            raise SystemExit(f"not synced: {each.status}")
    gap_s = longest.stop()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    for each in reflectors:
        each.stop()
    return {
        "synced_s": synced_s,
        "objects": {kind: len(each) for kind, each in kept.items()},
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "resident_before_mb": before_mb,
        "resident_mb": _resident_mb(),
        "peak_mb": usage.ru_maxrss // 1024,
        "longest_wait_of_another_thread_ms": round(gap_s * 1000, 1),
    }


class Pulse:
    """Another thread that wants to run every millisecond: how long it had to wait at the most."""

    def __init__(self) -> None:
        self._longest_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Longest wait, in seconds."""
        self._ended.set()
        self._thread.join()
        return self._longest_s

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._ended.is_set():
            time.sleep(0.001)
            now = time.monotonic()
            self._longest_s = max(self._longest_s, now - last - 0.001)
            last = now


def _resident_mb(pid: int | str = "self") -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // (1 << 20)


if __name__ == "__main__":
    main()
