"""``powerplane forecast`` and ``fit`` on a live cluster, with a real Prometheus that has days of its nodes."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import run_program
from tests.cli.test_fit_history import HOURS, TYPE_LABEL, TYPES
from tests.cli.test_fit_history import history as typed_history
from tests.cli.test_forecast_history import history as seasonal_history
from tests.models.watts.synthetic import true_watts
from tests.rig.cluster import node
from tests.rig.objects import apply, install_crds, written
from tests.simulator.prometheus_process import backfilled

from powerplane.models.api.kinds import POWER_DOMAIN

pytestmark = pytest.mark.rig

RACKS = {"n1": "r1", "n2": "r1", "n3": "r2", "n4": "r2"}


@pytest.fixture
def having(prometheus: str, tmp_path: Path) -> Iterator[Any]:
    """Return what starts a Prometheus that has a history."""
    with ExitStack() as open_until_the_end:
        yield lambda history: open_until_the_end.enter_context(backfilled(prometheus, tmp_path, history)).url


def test_a_breach_of_a_live_rack_is_foreseen_from_its_power_domain_and_its_nodes_history(rig: Any, having: Any) -> None:
    rig.api.post_all("/api/v1/nodes", [node(name, {"powerplane.dev/rack": rack}) for name, rack in RACKS.items()])
    install_crds(rig)
    for name, budget in (("r1", "340W"), ("r2", "1kW")):
        selector = {"matchLabels": {"powerplane.dev/rack": name}}
        member = {"idle": "50W", "peak": "200W"}
        spec = {"kind": "rack", "budget": budget, "nodeSelector": selector, "node": member}
        apply(rig, POWER_DOMAIN.path(name), written(POWER_DOMAIN, name, spec))
    url = having(seasonal_history(time.time() // 60 * 60 - 60))
    done = run_program(
        *("forecast", "--kubeconfig", rig.kubeconfig, "--prometheus", url),
        *("--history", "10d", "--ahead", "8h", "-o", "json"),
    )
    assert done.code == 3, done.err
    found = json.loads(done.out)
    assert (found["foreseen"], found["unmeasured"]) == (["r1"], ["n4"])
    rack = next(each for each in found["domains"] if each["name"] == "r1")
    assert rack["method"] == "seasons"
    assert rack["expectedWatts"] == pytest.approx(360, rel=0.02)
    assert 2 * 3600 < rack["breachAtSeconds"] - found["atSeconds"] < 4 * 3600


def test_each_node_type_of_a_live_cluster_gets_its_curve(rig: Any, having: Any) -> None:
    rig.api.post_all("/api/v1/nodes", [node(name, {TYPE_LABEL: kind}, cpu="10") for name, kind in TYPES.items()])
    url = having(typed_history(time.time() // 30 * 30 - 60))
    done = run_program(
        *("fit", "--kubeconfig", rig.kubeconfig, "--prometheus", url),
        *("--history", f"{HOURS}h", "--step", "30s", "-o", "json"),
    )
    assert done.code == 0, done.err
    found = {row["nodeType"]: row for row in json.loads(done.out)["nodeTypes"]}
    assert {name: row["nodes"] for name, row in found.items()} == {
        "big": ["n1", "n2"],
        "small": ["n3", "n4"],
        "lone": ["n5"],
    }
    at = np.linspace(0.05, 0.95, 10)
    for name, times in (("big", 2), ("small", 1)):
        assert np.interp(at, *np.array(found[name]["curve"]).T) == pytest.approx(times * true_watts(at), rel=0.05)
