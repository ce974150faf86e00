"""How fast the simulator is: a day of 1,000 nodes and 20,000 pods, on one core, several seeds."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.table import WattsTable
from powerplane.simulator.outcomes import Recorder
from powerplane.simulator.scenario_file import read_scenario
from powerplane.simulator.world import World

SEEDS = (0, 1, 2)
DAY_S = 86_400
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
GIVEN_UP_S = 900.0

SCENARIO = """\
duration: 24h
step: 5s
cluster:
  types:
    web: {cores: 96, memory: 384Gi, curve: [[0, 240], [0.1, 350], [0.5, 580], [1, 800]]}
    gpu:
      cores: 128
      memory: 1Ti
      curve: [[0, 300], [0.1, 450], [0.5, 700], [1, 1000]]
      accelerators: {model: H100, count: 8}
  rows:
  - {name: row-1, racks: 12, nodes: {web: 20}, feeds: [feed-a, feed-b]}
  - {name: row-2, racks: 12, nodes: {web: 20}, feeds: [feed-a, feed-b]}
  - {name: row-3, racks: 12, nodes: {web: 20}, feeds: [feed-c, feed-d]}
  - {name: row-4, racks: 14, nodes: {web: 18, gpu: 2}, feeds: [feed-c, feed-d]}
  limits:
    rack: {budget: 80%}
    feed: {budget: 60%, breaker: {rating: 70%, curve: [[1.05, 1800], [1.3, 240], [2, 45]]}}
workloads:
- name: shop
  replicas: 7000
  requests: {cpu: 3, memory: 8Gi}
  load: {daily: [[4, 50%], [14, 100%], [20, 90%]], chance: 5%}
  autoscale: {least: 3000, most: 9000, target: 60%}
- name: media
  replicas: 7000
  requests: {cpu: 3, memory: 8Gi}
  load: {daily: [[4, 40%], [20, 100%]], bursts: {perDay: 10}}
- {name: store, replicas: 3900, requests: {cpu: 3, memory: 12Gi}, use: 50%}
- {name: cache, replicas: 500, requests: {cpu: 2, memory: 24Gi}, use: 50%, apart: true}
- {name: batch, kind: Job, perHour: 1200, minutes: 60, requests: {cpu: 3, memory: 8Gi}, use: 95%}
- name: chat
  replicas: 100
  requests: {cpu: 8, memory: 64Gi, accelerators: 2}
  tokens: {synthetic: {perSecond: 100}}
  load: {daily: [[4, 30%], [15, 100%]]}
- {name: agent, kind: DaemonSet, requests: {cpu: 250m, memory: 256Mi}}
events:
- {at: 6h, lose: feed-b}
- {at: 7h, restore: feed-b}
"""
"""About 20,000 pods at any time."""


def measure(data: Path | None = None) -> WattsTable:
    """Measure a day for each seed, in a process of its own each.

    Parameters
    ----------
    data : Path, optional
        Not needed: everything is generated.
    """
    del data
    runs = [_in_a_process(seed) for seed in SEEDS]
    rows = tuple(
        (
            str(seed),
            f"{run['nodes']:,.0f} × {run['pods']:,.0f}",
            f"{run['started']:,.0f}",
            f"{run['built_s']:.1f} s",
            f"{run['ran_s']:.1f} s",
            f"{run['cpu_s']:.1f} s",
            f"{run['peak_mib']:,.0f} MiB",
        )
        for seed, run in zip(SEEDS, runs, strict=True)
    )
    middle = median(run["ran_s"] for run in runs)
    return WattsTable(
        title="Simulator: a day of 1,000 nodes and 20,000 pods",
        text=(
            "24 simulated hours in steps of 5 s, one process, one thread: Deployments with autoscaled replicas, 1,200 "
            "jobs an hour, DaemonSets, a service of LLM requests on accelerators; racks, rows and feeds with breakers; "
            "a feed is lost for an hour. Every step is recorded. "
            f"Median {middle:.1f} s: {DAY_S / middle:,.0f} times as fast as the clock."
        ),
        headings=("seed", "nodes × pods (mean)", "pods started", "built in", "day in", "processor time", "peak memory"),
        rows=rows,
        notes=("A policy that plans adds the solver's time for each plan.",),
    )


def run_day(seed: int) -> dict[str, float]:
    """Run the day in this process and say what it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "day.yaml"
        path.write_text(SCENARIO, encoding="utf-8")
        world = World(read_scenario(path, seed=seed).spec)
    built, worked = time.perf_counter(), time.process_time()
    recorder, step_s = Recorder(world), world.spec.step_s
    steps, pods = round(DAY_S / step_s), 0.0
    for _ in range(steps):
        recorder.keep(world.step(step_s))
        pods += float(world.demand.serving().sum())
    ran, cpu = time.perf_counter() - built, time.process_time() - worked
    recorder.outcome("none", 0)
    return {
        "nodes": len(world.nodes),
        "pods": pods / steps,
        "started": float(world.pods.made),
        "built_s": built - began,
        "ran_s": ran,
        "cpu_s": cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _in_a_process(seed: int) -> dict[str, float]:
    """In a process of its own, so that the peak of memory is the day's, and with one thread."""
    command = [sys.executable, "-m", "powerplane.bench.watts.simulator_speed", str(seed)]
    done = subprocess.run(
        ["env", *(f"{name}={value}" for name, value in ONE_THREAD.items()), *command],
        capture_output=True,
        check=True,
        timeout=GIVEN_UP_S,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(run_day(int(sys.argv[1]))) + "\n")
    else:
        sys.stdout.write(render_table(measure()))
