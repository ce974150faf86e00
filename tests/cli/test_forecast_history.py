"""``powerplane forecast --prometheus``: ten days that a real Prometheus has of four nodes, into breaches to come.

n1 and n2 have wall meters; n3 tells its packages' counter alone, and n4 had a meter that has been silent for a day.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.adapters.telemetry.real_prometheus import Server, prometheus_server
from tests.cli.conftest import run_program, small_cluster

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

DAYS, STEP_S, DAY_S = 10, 300.0, 86_400.0
PACKAGE_WATTS = 60.0


def walls(at_s: np.ndarray, end_s: float, seed: int) -> np.ndarray:
    """A node's draw, highest six hours after the end."""
    season = 150 + 30 * np.cos(2 * np.pi * (at_s - end_s - 6 * 3600) / DAY_S)
    return season + np.random.default_rng(seed).normal(0, 1, len(at_s))


def history(end_s: float) -> str:
    """OpenMetrics of ten days."""
    at_s = np.arange(end_s - DAYS * DAY_S, end_s + 1, STEP_S)
    lines = ["# TYPE ipmi_dcmi_power_consumption_current_watts gauge"]
    for seed, name in enumerate(("n1", "n2", "n4")):
        known = at_s if name != "n4" else at_s[at_s < end_s - DAY_S]
        series = f'ipmi_dcmi_power_consumption_current_watts{{instance="{name}:9290"}}'
        lines += [f"{series} {watts:.2f} {at:.0f}" for at, watts in zip(known, walls(known, end_s, seed), strict=True)]
    lines.append("# TYPE node_rapl_package_joules counter")
    for at in at_s:
        joules = PACKAGE_WATTS * (at - at_s[0])
        lines.append(f'node_rapl_package_joules_total{{instance="n3:9100",index="0"}} {joules:.0f} {at:.0f}')
    return "\n".join(lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a Prometheus that has the history."""
    program, tool = shutil.which("prometheus"), shutil.which("promtool")
    if not program or not tool:
        pytest.skip("missing real part: prometheus: Prometheus and promtool on PATH")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "history.om").write_text(history(time.time() // 60 * 60 - 60))
    made = [tool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "history.om"), str(folder / "data")]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    with prometheus_server(program, folder) as running:
        yield running


def test_breaches_are_foreseen_from_what_a_real_prometheus_has(server: Server, tmp_path: Path) -> None:
    directory, page = small_cluster(tmp_path / "now", rack_1="340W").write(), tmp_path / "page.html"
    arguments = ("--snapshot", directory, "--prometheus", server.url, "--history", "10d", "--ahead", "8h")
    done = run_program("forecast", *arguments, "--report", page, "-o", "json")
    assert done.code == 3, done.err
    found = json.loads(done.out)
    assert (found["foreseen"], found["unmeasured"]) == (["rack-1"], ["n4"])
    assert found["sources"] == {"ipmi": 2, "rapl": 1}
    rack, other = (next(each for each in found["domains"] if each["name"] == name) for name in ("rack-1", "rack-2"))
    assert rack["method"] == "seasons"
    # It draws 300 W now, 360 W in six hours, and 340 W in a little more than three.
    assert rack["nowWatts"] == pytest.approx(300, abs=6)
    assert rack["expectedWatts"] == pytest.approx(360, rel=0.02)
    assert 2 * 3600 < rack["breachAtSeconds"] - found["atSeconds"] < 4 * 3600
    # A node at its worst case, and one whose packages' 60 W stand for a node of 100 W at the least.
    assert other["worstCaseWatts"] == 200
    assert 300 <= other["nowWatts"] < 350
    assert page.read_text().count("<svg") == 3


def test_a_prometheus_without_these_nodes_is_told_with_what_to_look_at(server: Server, tmp_path: Path) -> None:
    cluster = small_cluster(tmp_path / "now")
    for each in cluster.nodes:
        each["metadata"]["name"] = each["metadata"]["labels"]["kubernetes.io/hostname"] = (
            "x-" + each["metadata"]["name"]
        )
    for name in ("rack-1", "rack-2"):
        cluster.domain(name)["nodes"] = ["x-" + each for each in cluster.domain(name)["nodes"]]
    done = run_program("forecast", "--snapshot", cluster.write(), "--prometheus", server.url, "--history", "1d")
    assert done.code == 1
    assert "has no watts in that history of any of 4 nodes" in done.err
    assert "powerplane doctor" in done.err
