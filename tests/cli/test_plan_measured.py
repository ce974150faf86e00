"""``powerplane plan`` on measured watts: recorded, or asked of a real Prometheus; and how it refuses.

The cluster is that of the other tests of commands: four nodes of 100 W idle and 200 W at peak, five pods of 10 W each
on n1, four on n2, one on n3. By its pods rack-1 draws 290 W; by its meters 332 W.
"""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.telemetry.real_prometheus import Page, job, prometheus_server
from tests.cli.conftest import Cluster, small_cluster

IPMI = "ipmi_dcmi_power_consumption_current_watts"
BEGAN_S = 1_700_000_000
METERS = {
    "n1": [170, 171, 170, 171],
    "n2": [160, 161, 160, 161],
    "n3": [120, 121, 120, 121],
    "n4": [104, 105, 104, 105],
}
"""What the nodes' management controllers said, every 15 s."""


@pytest.fixture
def warm_cluster(tmp_path: Path) -> Cluster:
    """A cluster whose rack-1 has 320 W: enough for what its pods use, and not for what its nodes draw."""
    return small_cluster(tmp_path / "snapshot", rack_1="320W")


def recorded(directory: Path, meters: Mapping[str, Sequence[object]] = METERS) -> Path:
    """Pages of an IPMI exporter for each node."""
    for node, values in meters.items():
        (directory / node).mkdir(parents=True)
        for i, value in enumerate(values):
            text = f"{IPMI} {value}\n" if value is not None else "ipmi_up 0\n"
            (directory / node / f"{BEGAN_S + 15 * i}.txt").write_text(text)
    return directory


def plan_json(program: Any, *arguments: object) -> tuple[int, Any]:
    done = program("plan", *arguments, "-o", "json")
    assert done.out, done.err
    return done.code, json.loads(done.out)


def domain(plan: Any, name: str) -> Any:
    return next(each for each in plan["domains"] if each["name"] == name)


def test_without_meters_the_plan_knows_only_what_pods_use(warm_cluster: Cluster, program: Any) -> None:
    code, plan = plan_json(program, "--snapshot", warm_cluster.write())
    assert (code, plan["moves"], plan["nodes"]) == (0, [], [])


def test_on_measured_watts_a_rack_is_relieved_that_draws_more_than_its_pods_tell(
    warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    meters = recorded(tmp_path / "meters")
    code, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--telemetry", meters)
    assert (code, plan["status"], len(plan["moves"])) == (0, "optimal", 2)
    assert (domain(plan, "rack-1")["beforeWatts"], domain(plan, "rack-1")["afterWatts"]) == (332, 312)
    assert [(node["name"], node["watts"], node["source"], node["state"]) for node in plan["nodes"]] == [
        ("n1", 171, "ipmi", "measured"),
        ("n2", 161, "ipmi", "measured"),
        ("n3", 121, "ipmi", "measured"),
        ("n4", 105, "ipmi", "measured"),
    ]


@pytest.mark.parametrize("n4", [[104_000, 105_000] * 2, [None] * 4, ["NaN"] * 4, [-3] * 4, [0] * 4])
def test_a_node_whose_meter_cannot_be_believed_counts_at_its_peak_and_is_left_alone(
    n4: list[object], warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    meters = recorded(tmp_path / "meters", {**METERS, "n4": n4})
    code, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--telemetry", meters)
    assert code == 0
    last = plan["nodes"][3]
    assert (last["name"], last["watts"], last["state"], last["source"]) == ("n4", 200, "worst", "")
    assert {move["to"] for move in plan["moves"]} == {"n3"}
    assert any("worst case" in each and "n4" in each for each in plan["assumptions"])


def test_each_measured_nodes_watts_come_with_the_parts_that_add_up_to_them(
    warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    meters = recorded(tmp_path / "meters", METERS | {"n4": [None] * 4})
    _, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--telemetry", meters)
    *measured, worst = plan["nodes"]
    for node in measured:
        parts = [node[f"{part}Watts"] for part in ("idle", "dynamic", "unattributed")]
        assert sum(round(1000 * part) for part in parts) == round(1000 * node["watts"])
        assert node["idleWatts"] == 100
    # Five pods of 10 W by the curve; CPU's share may go to twice that, so that nothing is left over.
    assert measured[0]["dynamicWatts"] == pytest.approx(71, abs=0.5)
    assert (worst["name"], worst["idleWatts"], worst["dynamicWatts"], worst["unattributedWatts"]) == ("n4", *[None] * 3)


def test_the_table_says_by_whom_each_node_was_measured_how_old_that_is_and_what_was_wrong(
    warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    meters = recorded(tmp_path / "meters", {**METERS, "n4": [104_000, 105_000] * 2})
    done = program("plan", "--snapshot", warm_cluster.write(), "--telemetry", meters)
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.strip().startswith(("n1 ", "n4 "))}
    assert "171 W" in rows["n1"]
    assert "measured" in rows["n1"]
    assert "ipmi" in rows["n1"]
    assert "nobody" in rows["n4"]
    assert "wrong unit (×1000)" in rows["n4"]


def test_a_plan_on_measured_watts_is_no_plan_of_the_bare_snapshot(
    warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    directory, meters, plan = warm_cluster.write(), recorded(tmp_path / "meters"), tmp_path / "plan.json"
    assert program("plan", "--snapshot", directory, "--telemetry", meters, "--out", plan).code == 0
    done = program("verify", plan, "--snapshot", directory)
    assert done.code == 1
    assert "was made on measured watts" in done.err


def test_a_plan_on_recorded_watts_is_verified_on_the_same_recording_and_on_no_other(
    warm_cluster: Cluster, program: Any, tmp_path: Path
) -> None:
    directory, meters, plan = warm_cluster.write(), recorded(tmp_path / "meters"), tmp_path / "plan.json"
    assert program("plan", "--snapshot", directory, "--telemetry", meters, "--out", plan).code == 0
    done = program("verify", plan, "--snapshot", directory, "--telemetry", meters)
    assert done.code == 0
    assert "the plan holds: 2 moves replayed, 0 violations" in done.out
    others = recorded(tmp_path / "others", {**METERS, "n1": [180, 181, 180, 181]})
    done = program("verify", plan, "--snapshot", directory, "--telemetry", others)
    assert done.code == 1
    assert "was made on measured watts, and not on those" in done.err


def refused(program: Any, *arguments: object) -> str:
    done = program("plan", *arguments)
    assert done.code != 0
    assert not done.out
    assert "next:" in done.err
    assert "Traceback" not in done.err
    return str(done.err)


def test_meters_of_other_nodes_are_told_from_none(warm_cluster: Cluster, program: Any, tmp_path: Path) -> None:
    meters = recorded(tmp_path / "meters", {"other": [170, 171]})
    told = refused(program, "--snapshot", warm_cluster.write(), "--telemetry", meters)
    assert "tells no watts of any node" in told
    assert "powerplane doctor" in told


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--telemetry", "nowhere"], "nowhere"),
        (["--prometheus", "127.0.0.1"], "not an address"),
        (["--prometheus", "http://u:p@127.0.0.1:9"], "credentials"),
        (["--token-file", "token"], "--prometheus"),
        (["--header", "X-Scope-OrgID: a"], "--prometheus"),
        (["--prometheus", "http://127.0.0.1:9", "--telemetry", "."], "both"),
        (["--prometheus", "http://127.0.0.1:9", "--token-file", "nowhere"], "nowhere"),
        (["--prometheus", "http://127.0.0.1:9", "--header", "nothing"], "Name: value"),
        (["--prometheus", "http://127.0.0.1:1"], "does not answer"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    arguments: list[str], word: str, warm_cluster: Cluster, program: Any
) -> None:
    assert word in refused(program, "--snapshot", warm_cluster.write(), *arguments)


@pytest.mark.data
def test_real_output_of_kepler_is_planned_on(data_dir: Path, warm_cluster: Cluster, program: Any) -> None:
    warm_cluster.nodes[0]["metadata"]["name"] = "gpu-node-1"
    warm_cluster.nodes[0]["metadata"]["labels"] = {}
    for pod in warm_cluster.pods:
        if pod["spec"]["nodeName"] == "n1":
            pod["spec"]["nodeName"] = "gpu-node-1"
    warm_cluster.domain("rack-1")["nodes"] = ["gpu-node-1", "n2"]
    warm_cluster.domain("rack-1")["budget"] = "2kW"
    warm_cluster.power = {
        "curves": {"server": [[0, 150], [1, 600]]},
        "nodes": {"default": {"curve": "server"}},
    }
    warm_cluster.domain("row-1")["budget"] = "4kW"
    warm_cluster.domain("rack-2")["budget"] = "2kW"
    code, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--telemetry", data_dir / "kepler")
    assert code == 0
    node = plan["nodes"][0]
    assert (node["name"], node["source"], node["state"]) == ("gpu-node-1", "kepler", "measured")
    assert node["watts"] > 175


@pytest.mark.slow
@pytest.mark.prometheus
def test_a_real_prometheus_is_asked(warm_cluster: Cluster, program: Any, tmp_path: Path, prometheus: str) -> None:
    pages = {node: Page(f"{IPMI} {values[-1]}\n") for node, values in METERS.items()}
    jobs = [
        job(
            "ipmi",
            [page.target],
            relabel_configs=[{"target_label": "node", "replacement": node}],
            metrics_path="/metrics",
        )
        | {"job_name": f"ipmi-{node}"}
        for node, page in pages.items()
    ]
    try:
        with prometheus_server(prometheus, tmp_path / "tsdb", jobs, lambda s: s.has(f"count({IPMI}) == 4")) as server:
            code, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--prometheus", server.url)
    finally:
        for page in pages.values():
            page.close()
    assert code == 0
    assert len(plan["moves"]) == 2
    assert [node["source"] for node in plan["nodes"]] == ["ipmi"] * 4
    assert all(node["ageSeconds"] < 10 for node in plan["nodes"])


@pytest.mark.slow
@pytest.mark.prometheus
def test_one_look_at_a_prometheus_finds_a_sensor_that_has_been_frozen_for_longer(
    warm_cluster: Cluster, program: Any, tmp_path: Path, prometheus: str
) -> None:
    now_s = int(time.time())
    lines = [f"# TYPE {IPMI} gauge"]
    for node, values in METERS.items():
        for at_s in range(now_s - 1200, now_s + 1, 15):
            watts = 130 if node == "n4" else values[at_s // 15 % 4]
            lines.append(f'{IPMI}{{node="{node}"}} {watts} {at_s}')
    text, folder = tmp_path / "samples", tmp_path / "tsdb"
    text.write_text("\n".join([*lines, "# EOF"]) + "\n")
    promtool = Path(prometheus).with_name("promtool")
    folder.mkdir()
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", text, folder / "data"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with prometheus_server(prometheus, folder, (), lambda s: s.has(f"count({IPMI}) == 4")) as server:
        _, plan = plan_json(program, "--snapshot", warm_cluster.write(), "--prometheus", server.url)
    assert [(node["state"], node["why"]) for node in plan["nodes"]] == [("measured", "")] * 3 + [
        ("worst", "ipmi: frozen")
    ]
