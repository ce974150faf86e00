"""``--redfish``: BMCs as a source of commands, alone and beside a Prometheus that is away."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.api_server import Api, kubeconfig, send
from tests.adapters.telemetry.redfish_service import PASSWORD, USER, Bmc, older

WATTS = {"n1": 150.0, "n2": 140.0, "n3": 120.0, "n4": 110.0}


@pytest.fixture
def bmcs(tmp_path: Path) -> Iterator[Path]:
    """A file of a BMC for each of the cluster's nodes; ``bmcs.served`` are they."""
    served = {node: Bmc(older(watts)) for node, watts in WATTS.items()}
    (tmp_path / "password").write_text(PASSWORD)
    rows = [{"node": node, "url": bmc.url} for node, bmc in served.items()]
    path = tmp_path / "bmcs.yaml"
    path.write_text(json.dumps({"user": USER, "passwordFile": "password", "bmcs": rows}))
    yield path
    for bmc in served.values():
        bmc.close()


def test_top_shows_what_the_bmcs_say(cluster: Any, program: Any, bmcs: Path) -> None:
    done = program("top", "--redfish", bmcs, "--snapshot", cluster.write(), "-o", "json")
    view = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert view["drawWatts"] == 520
    racks = {domain["name"]: domain for domain in view["domains"]}
    assert racks["rack-1"]["sources"] == [{"source": "redfish", "nodes": 2, "watts": 290}]


def test_bmcs_are_read_though_the_prometheus_beside_them_is_away(cluster: Any, program: Any, bmcs: Path) -> None:
    done = program(
        "top", "--prometheus", "http://127.0.0.1:1", "--redfish", bmcs, "--snapshot", cluster.write(), "-o", "json"
    )
    assert json.loads(done.out)["drawWatts"] == 520


def test_a_plan_rests_on_them(cluster: Any, program: Any, bmcs: Path) -> None:
    done = program("plan", "--redfish", bmcs, "--snapshot", cluster.write(), "-o", "json", "--deadline", "2s")
    nodes = {node["name"]: (node["source"], node["watts"]) for node in json.loads(done.out)["nodes"]}
    assert nodes == {node: ("redfish", watts) for node, watts in WATTS.items()}


def test_doctor_names_the_bmc_that_does_not_answer_and_why(cluster: Any, program: Any, bmcs: Path) -> None:
    bmcs.write_text(bmcs.read_text().replace('{"node": "n3", "url": "http', '{"node": "n3", "user": "x", "url": "http'))
    done = program("doctor", "--redfish", bmcs, "--snapshot", cluster.write(), "-o", "json")
    findings = [each for section in json.loads(done.out)["sections"] for each in section["findings"]]
    (failed,) = [each for each in findings if each["check"] == "failed questions"]
    assert "n3: http" in failed["text"]
    assert "HTTP 401" in failed["text"]


def test_doctor_says_what_they_measure(cluster: Any, program: Any, bmcs: Path) -> None:
    done = program("doctor", "--redfish", bmcs, "--snapshot", cluster.write())
    assert done.code == 0
    assert "redfish" in done.out


@pytest.fixture
def metrics_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An API server whose metrics-server says that every pod of the cluster uses two cores; its environment."""
    api = Api()
    now = datetime.now(UTC).isoformat()

    def pods(handler: Any, *_: Any) -> bool:
        listed = json.loads((tmp_path / "snapshot" / "pods.json").read_text())["items"]
        items = [
            {"metadata": each["metadata"], "timestamp": now, "containers": [{"usage": {"cpu": "2"}}]} for each in listed
        ]
        return send(handler, 200, json.dumps({"items": items}).encode()) is None

    def nodes(handler: Any, *_: Any) -> bool:
        items = [{"metadata": {"name": node}, "timestamp": now, "usage": {"cpu": "2"}} for node in WATTS]
        return send(handler, 200, json.dumps({"items": items}).encode()) is None

    api.trouble = {"pods": pods, "nodes": nodes}
    yield {"KUBECONFIG": str(kubeconfig(tmp_path / "kubeconfig", api.address)), "no_proxy": "127.0.0.1"}
    api.close()


def test_metrics_server_tells_what_pods_use_where_no_prometheus_is(
    cluster: Any, program: Any, bmcs: Path, metrics_server: dict[str, str]
) -> None:
    snapshot = cluster.write()
    (snapshot / "usage.csv").unlink()
    where = ("plan", "--redfish", bmcs, "--snapshot", snapshot, "-o", "json", "--deadline", "2s")
    plan = json.loads(program(*where, "--metrics-server", env=metrics_server).out)
    assert {node["source"] for node in plan["nodes"]} == {"redfish"}
    without = json.loads(program(*where).out)
    guessed = set(without["assumptions"]) - set(plan["assumptions"])
    assert any("request" in sentence for sentence in guessed), "without it, pods count by what they ask for"


def test_metrics_server_alone_is_no_source_of_watts(cluster: Any, program: Any) -> None:
    done = program("plan", "--metrics-server", "--snapshot", cluster.write())
    assert done.code == 2
    assert "tells no watts" in done.err


def test_no_bmc_at_all_is_told_with_a_next_step(cluster: Any, program: Any, tmp_path: Path) -> None:
    path = tmp_path / "bmcs.yaml"
    path.write_text("bmcs: [{node: n1, url: 'http://127.0.0.1:1'}]\n")
    for command in ("top", "plan"):
        done = program(command, "--redfish", path, "--snapshot", cluster.write())
        assert done.code == 1
        assert "no BMC of" in done.err
        assert "curl https://BMC/redfish/v1" in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--telemetry", "DIR"], "both are given"),
        (["--token-file", "token"], "are for a Prometheus"),
    ],
)
def test_what_does_not_go_together_is_refused(
    cluster: Any, program: Any, bmcs: Path, more: list[str], told: str
) -> None:
    done = program("top", "--redfish", bmcs, "--snapshot", cluster.write(), *more)
    assert done.code == 2
    assert told in done.err
