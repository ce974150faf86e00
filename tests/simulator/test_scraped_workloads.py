"""``powerplane workloads`` on a scraped room: each owner's watts are those that its pods draw in truth."""

import json
import time
from collections import defaultdict

import numpy as np
import pytest
from tests.cli.conftest import run_program
from tests.conftest import find_prometheus
from tests.simulator.prometheus_process import Prometheus, configuration
from tests.simulator.scraped import Scraped, write_cluster

from powerplane.adapters.snapshot_directory import read_snapshot

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

SETTLED_S = 25.0
"""Long enough for rates, and for hygiene to believe every meter."""

NEAR, NOISE_WATTS = 0.08, 6.0
"""CPU's rate is of the last seconds. A node's meter errs by 2 W, in whole watts, and nobody tells its fans' 2 W."""


def true_watts(scraped: Scraped, directory) -> tuple[dict[str, float], float]:
    """What each owner's pods draw beyond idle, by each node's CPU in use, and what cards and fans draw for nobody."""
    truth, base = scraped.served.tick().truth, read_snapshot(directory)
    row = {name: place for place, name in enumerate(base.node_names)}
    owners: dict[str, float] = defaultdict(float)
    for place, name in enumerate(truth.nodes):
        nobodys = truth.fan_watts[place] + truth.gpu_watts[truth.gpu_node == place].sum()
        dynamic = truth.wall_watts[place] - nobodys - base.node_curve[row[name]].idle_mw / 1000
        for pod in np.flatnonzero(truth.pod_node == place):
            share = truth.pod_cores[pod] / max(truth.busy_cores[place], 1e-9)
            owners[f"{truth.pod_namespace[pod]}/{truth.pod_owner[pod]}"] += dynamic * share
    return owners, float(truth.fan_watts.sum() + truth.gpu_watts.sum())


def test_each_owners_watts_are_the_truth_and_cards_that_nobody_holds_are_nobodys(tmp_path):
    directory = write_cluster(tmp_path / "cell", nodes=12, pods=60)
    (tmp_path / "prometheus").mkdir()
    scraped = Scraped(directory)
    try:
        server = Prometheus(find_prometheus(), tmp_path / "prometheus", configuration(scraped.served))
        try:
            time.sleep(SETTLED_S)
            given = ("--snapshot", directory, "--prometheus", server.url, "--no-demand", "-o", "json")
            done = run_program("workloads", *given)
            owners, nobodys = true_watts(scraped, directory)
        finally:
            server.close()
    finally:
        scraped.close()
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["unmeasured"] == []
    assert {f"{each['namespace']}/{each['workload']}" for each in found["workloads"]} == set(owners)
    for each in found["workloads"]:
        name = f"{each['namespace']}/{each['workload']}"
        assert each["watts"] == pytest.approx(owners[name], rel=NEAR, abs=NOISE_WATTS), name
    assert found["totals"]["workloadsWatts"] == pytest.approx(sum(owners.values()), rel=0.03)
    assert nobodys > 200
    assert found["totals"]["unattributedWatts"] == pytest.approx(nobodys, rel=0.25)
