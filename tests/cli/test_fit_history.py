"""``powerplane fit --prometheus``: a day that a real Prometheus has of two node types, into a curve for each."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.cli.conftest import node, run_program, small_cluster
from tests.conftest import find_prometheus
from tests.models.watts.synthetic import true_watts
from tests.simulator.prometheus_process import Prometheus, backfilled

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

HOURS, STEP_S = 12, 30.0
CPUS = 10.0
TYPES = {"n1": "big", "n2": "big", "n3": "small", "n4": "small", "n5": "lone"}
PARTS_ONLY = ("n4", "n5")
PACKAGE_SHARE = 0.6
"""Of the wall's watts, what packages draw."""

TYPE_LABEL = "node.kubernetes.io/instance-type"
CARD_IDLE_WATTS, CARD_BUSY_WATTS = 60.0, 300.0


def history(end_s: float) -> str:
    """OpenMetrics of half a day: n1 to n3 with wall meters, the others with their packages' counter, n1 with a card.

    n2 restarts in the middle, so that its counters begin again. Power is twice as high for the big type.
    """
    at_s = np.arange(end_s - HOURS * 3600, end_s, STEP_S)
    families: dict[str, list[str]] = {
        "ipmi_dcmi_power_consumption_current_watts gauge": [],
        "node_rapl_package_joules counter": [],
        "container_cpu_usage_seconds counter": [],
        "DCGM_FI_DEV_POWER_USAGE gauge": [],
    }
    wall, rapl, cpu, cards = families.values()
    for seed, (name, node_type) in enumerate(TYPES.items()):
        random = np.random.default_rng(seed)
        utilisation = np.clip(np.repeat(random.uniform(0, 1, len(at_s) // 20 + 1), 20)[: len(at_s)], 0, 1)
        watts = true_watts(utilisation) * (2 if node_type == "big" else 1) + random.normal(0, 2, len(at_s))
        seconds = np.cumsum(utilisation * CPUS * STEP_S)
        if name == "n2":
            seconds[len(at_s) // 2 :] -= seconds[len(at_s) // 2]
        busy = np.repeat(random.random(len(at_s) // 40 + 1) < 0.5, 40)[: len(at_s)]
        card = np.where(busy, CARD_BUSY_WATTS, CARD_IDLE_WATTS)
        for i, when in enumerate(at_s):
            own = watts[i] + (card[i] - CARD_IDLE_WATTS if name == "n1" else 0)
            if name == "n1":
                cards.append(f'DCGM_FI_DEV_POWER_USAGE{{Hostname="n1",UUID="GPU-1",gpu="0"}} {card[i]} {when}')
            if name not in PARTS_ONLY:
                wall.append(f'ipmi_dcmi_power_consumption_current_watts{{instance="{name}:9290"}} {own} {when}')
            else:
                joules = float((PACKAGE_SHARE * watts[: i + 1] * STEP_S).sum())
                rapl.append(f'node_rapl_package_joules_total{{instance="{name}:9100",index="0"}} {joules} {when}')
            cpu.append(f'container_cpu_usage_seconds_total{{id="/",instance="{name}"}} {seconds[i]} {when}')
    lines = [f"# TYPE {family}\n" + "\n".join(each) for family, each in families.items()]
    return "\n".join(lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has the history."""
    folder = tmp_path_factory.mktemp("prometheus")
    with backfilled(find_prometheus(), folder, history(time.time() // STEP_S * STEP_S - 60)) as running:
        yield running


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return a snapshot of the nodes with their types."""
    cluster = small_cluster(tmp_path / "now")
    cluster.nodes = [node(name) for name in TYPES]
    cluster.domain("rack-2")["nodes"] = ["n3", "n4", "n5"]
    for each in cluster.nodes:
        each["metadata"]["labels"][TYPE_LABEL] = TYPES[each["metadata"]["name"]]
    return cluster.write()


def test_each_type_of_a_live_history_gets_its_curve_and_plans_read_it(
    server: Prometheus, snapshot: Path, tmp_path: Path
) -> None:
    written, page = tmp_path / "power.yaml", tmp_path / "fit.html"
    arguments = ("--prometheus", server.url, "--snapshot", snapshot, "--history", f"{HOURS}h", "--step", "30s")
    done = run_program("fit", *arguments, "-o", "json", "--power-out", written, "--report", page)
    assert done.code == 0, done.err
    found: dict[str, Any] = {row["nodeType"]: row for row in json.loads(done.out)["nodeTypes"]}
    assert {name: row["nodes"] for name, row in found.items()} == {
        "big": ["n1", "n2"],
        "small": ["n3", "n4"],
        "lone": ["n5"],
    }
    assert found["big"]["sources"] == ["ipmi"]
    # One of the two is measured by its packages alone, which are less than the wall.
    assert found["small"]["sources"] == ["ipmi"]
    assert found["lone"]["sources"] == ["rapl"]
    assert any("n4" in note and "not learned from" in note for note in json.loads(done.out)["notes"])
    for name, times in (("big", 2), ("small", 1), ("lone", PACKAGE_SHARE)):
        knots = np.array(found[name]["curve"])
        at = np.linspace(0.05, 0.95, 10)
        assert np.interp(at, *knots.T) == pytest.approx(times * true_watts(at), rel=0.05)
        assert found[name]["samples"] > 1000
        assert found[name]["curveError"] < 0.05
    power = yaml.safe_load(written.read_text())
    assert power["nodes"] == {"byLabel": [{"label": {TYPE_LABEL: name}, "curve": name} for name in found]}
    (snapshot / "power.yaml").write_bytes(written.read_bytes())
    assert run_program("plan", "--snapshot", snapshot).code == 0
    assert page.read_text().count("<svg") == 9


def test_a_history_without_watts_is_told_with_what_to_look_at(server: Prometheus, snapshot: Path) -> None:
    names = json.loads((snapshot / "nodes.json").read_text())
    for each in names["items"]:
        each["metadata"]["name"] = f"other-{each['metadata']['name']}"
        each["metadata"]["labels"]["kubernetes.io/hostname"] = each["metadata"]["name"]
    (snapshot / "nodes.json").write_text(json.dumps(names))
    done = run_program("fit", "--prometheus", server.url, "--snapshot", snapshot, "--history", "1h")
    assert done.code == 1
    assert "none of 5 nodes has both watts and CPU use" in done.err
    assert "doctor" in done.err


def test_a_prometheus_that_does_not_answer_is_told(snapshot: Path) -> None:
    done = run_program("fit", "--prometheus", "http://127.0.0.1:9", "--snapshot", snapshot, "--timeout", "2s")
    assert done.code == 1
    assert "127.0.0.1:9" in done.err
