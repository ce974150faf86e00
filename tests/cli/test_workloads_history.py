"""``powerplane workloads --prometheus``: six hours that a real Prometheus has of two workloads and of their tokens.

On n1 a web server uses two cores or four in turns of an hour, and a pod that has gone since used two; on n2 the
database uses one. A core is 10 W on these nodes. A web pod makes forty tokens a second on each core, by the counters
of two models.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import node, pod, run_program, small_cluster
from tests.conftest import find_prometheus
from tests.simulator.prometheus_process import Prometheus, backfilled

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

HOURS, STEP_S = 6, 30.0
TOKENS = "vllm:generation_tokens"
TOKENS_PER_CORE = 40.0
GONE = 2.0
"""Cores of the pod that has gone: for the first five of the six hours."""


def history(end_s: float) -> str:
    """OpenMetrics of the nodes' meters, their CPU, their pods' CPU and the web server's tokens."""
    at_s = np.arange(end_s - HOURS * 3600, end_s + 1, STEP_S)
    # It ends in the middle of a turn: what is measured at a change is neither.
    web = np.where((at_s - at_s[0] + 1800) // 3600 % 2 == 0, 2.0, 4.0)
    gone = np.where(at_s < end_s - 3600, GONE, 0.0)
    families: dict[str, list[str]] = {
        "ipmi_dcmi_power_consumption_current_watts gauge": [],
        "container_cpu_usage_seconds counter": [],
        f"{TOKENS} counter": [],
    }
    walls, cpu, tokens = families.values()
    uses = {"n1": [("web-0", web), ("old-0", gone)], "n2": [("db-0", np.ones(len(at_s)))]}
    for name, pods in uses.items():
        busy = np.sum([cores for _, cores in pods], axis=0)
        for at, watts in zip(at_s, 100 + 10 * busy + np.arange(len(at_s)) % 2, strict=True):
            walls.append(f'ipmi_dcmi_power_consumption_current_watts{{instance="{name}:9290"}} {watts} {at}')
        whole = [("", "/", "", busy), *(("", f"/kubepods/{each}", each, cores) for each, cores in pods)]
        for _, path, each, cores in whole:
            labels = f'id="{path}",instance="{name}"' + (f',namespace="shop",pod="{each}"' if each else "")
            for at, seconds in zip(at_s, np.cumsum(cores * STEP_S), strict=True):
                cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {seconds} {at}")
    made = np.cumsum(web * TOKENS_PER_CORE * STEP_S)
    for model, share in (("a", 0.75), ("b", 0.25)):
        # The second model's counter begins anew, and is not scraped for a while before.
        since = made * share - (made[300] * share if model == "b" else 0) * (np.arange(len(at_s)) >= 300)
        for i, (at, value) in enumerate(zip(at_s, since, strict=True)):
            if model == "a" or not 290 <= i < 300:
                tokens.append(f'{TOKENS}_total{{namespace="shop",pod="web-0",model_name="{model}"}} {value} {at}')
    lines = [f"# TYPE {family}\n" + "\n".join(each) for family, each in families.items()]
    return "\n".join(lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has the history."""
    folder = tmp_path_factory.mktemp("prometheus")
    with backfilled(find_prometheus(), folder, history(time.time() // STEP_S * STEP_S - 30)) as running:
        yield running


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    cluster = small_cluster(tmp_path / "now")
    cluster.nodes = [node(name) for name in ("n1", "n2")]
    cluster.pods = [pod("web-0", "n1"), pod("db-0", "n2")]
    for each, owner in zip(cluster.pods, ("web", "db"), strict=True):
        each["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": owner, "uid": owner, "controller": True}]
    cluster.usage = cluster.usage[:1]
    for name, members in (("rack-1", ["n1"]), ("rack-2", ["n2"])):
        cluster.domain(name)["nodes"] = members
    return cluster.write()


def test_watts_wants_and_throughput_per_watt_are_those_of_the_history(server: Prometheus, snapshot: Path) -> None:
    done = run_program(
        *("workloads", "--prometheus", server.url, "--snapshot", snapshot, "--history", f"{HOURS}h"),
        *("--throughput", f"{TOKENS}_total", "-o", "json"),
    )
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    totals = {name: round(1000 * value) for name, value in found["totals"].items()}
    assert totals["measuredWatts"] == totals["idleWatts"] + totals["workloadsWatts"] + totals["unattributedWatts"]
    web, db = (next(w for w in found["workloads"] if w["workload"] == f"StatefulSet/{n}") for n in ("web", "db"))
    assert web["watts"] == pytest.approx(20, abs=2)
    assert db["watts"] == pytest.approx(10, abs=2)
    assert web["demand"]["targetWatts"] == pytest.approx(40, rel=0.2)
    assert db["demand"]["targetWatts"] == pytest.approx(10, rel=0.25)
    # Forty tokens a core and 10 W a core, whatever ran beside it for five hours.
    assert web["throughput"]["perWatt"] == pytest.approx(TOKENS_PER_CORE / 10, rel=0.06)
    assert web["throughput"]["lower"] <= web["throughput"]["perWatt"] <= web["throughput"]["upper"]
    assert web["throughput"]["intervals"] > 60
    assert db["throughput"] is None
