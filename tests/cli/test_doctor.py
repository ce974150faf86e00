"""``powerplane doctor``, end to end on recorded pages."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.telemetry_pages import (
    SCRAPES,
    cadvisor_page,
    ipmi_page,
    kepler_page,
    owners_page,
    record_ipmi,
    write_pages,
)

WATTS = {"n1": 150.0, "n2": 140.0, "n3": 120.0, "n4": 110.0}
PODS = {f"web-{i}": 0.5 for i in range(3)}


def doctor_json(program: Any, *arguments: object) -> tuple[int, Any]:
    done = program("doctor", *arguments, "-o", "json")
    assert done.err == ""
    return done.code, json.loads(done.out)


def sections(view: Any) -> Any:
    return {section["name"]: section for section in view["sections"]}


def findings(view: Any, section: str, check: str) -> list[tuple[str, str]]:
    return [(one["level"], one["text"]) for one in sections(view)[section]["findings"] if one["check"] == check]


def record_all(directory: Path) -> Path:
    """Every node by IPMI and by Kepler, every pod by cAdvisor, with its owner."""
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    for n, w in WATTS.items():
        pages[f"kepler-{n}"] = [kepler_page(n, w / 3, i, PODS if n == "n1" else None) for i in range(SCRAPES)]
        pages[f"{n}:10250"] = [cadvisor_page(PODS if n == "n1" else {}, i) for i in range(SCRAPES)]
    pages["ksm"] = [owners_page(dict.fromkeys(PODS, "ReplicaSet/web-1")) for _ in range(SCRAPES)]
    return write_pages(directory, pages)


def test_a_site_that_is_measured_well_is_fit_and_exits_0(cluster: Any, program: Any, tmp_path: Path) -> None:
    code, view = doctor_json(program, "--telemetry", record_all(tmp_path / "pages"), "--snapshot", cluster.write())
    assert (code, view["status"]) == (0, "ok")
    assert [section["name"] for section in view["sections"]] == ["site", "sources", "nodes", "pods"]
    assert findings(view, "nodes", "nodes measured") == [("ok", "4 nodes, by ipmi 4")]
    assert findings(view, "pods", "CPU use") == [("ok", "measured of all 3 pods")]


def test_each_source_is_told_with_its_metrics_series_nodes_and_ages(cluster: Any, program: Any, tmp_path: Path) -> None:
    _, view = doctor_json(program, "--telemetry", record_all(tmp_path / "pages"), "--snapshot", cluster.write())
    sources = {source["source"]: source for source in sections(view)["sources"]["data"]}
    (metric,) = sources["ipmi"]["metrics"]
    assert metric == {
        "metric": "ipmi_dcmi_power_consumption_current_watts",
        "quantity": "node watts",
        "unit": "W",
        "series": 4,
        "nodes": 4,
        "newestAgeSeconds": 0,
        "oldestAgeSeconds": 0,
        "intervalSeconds": 15,
    }
    assert sources["dcgm"]["metrics"] == []
    assert "DCGM_FI_DEV_POWER_USAGE" in sources["dcgm"]["missing"]


def test_parts_alone_are_fit_and_say_what_would_measure_the_whole(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"kepler-{n}": [kepler_page(n, w / 3, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    where = write_pages(tmp_path / "pages", pages)
    code, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    (told,) = [one for one in sections(view)["sources"]["findings"] if one["check"] == "watts of nodes"]
    assert (code, told["level"]) == (0, "warn")
    for words in ("prometheus-ipmi-exporter", "dcmi", "experimental.platform.redfish.enabled=true"):
        assert words in told["next"]
    assert findings(view, "sources", "CPU use of pods")[0][0] == "warn"


def test_a_node_without_any_source_is_named_and_what_others_have_is_said(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    where = record_ipmi(tmp_path / "pages", {name: WATTS[name] for name in ("n1", "n2", "n3")})
    code, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    ((level, text),) = findings(view, "nodes", "nodes measured")
    assert (code, level) == (0, "warn")
    assert "1 of 4 nodes count at the worst case: n4" in text
    node = next(one for one in sections(view)["nodes"]["data"] if one["name"] == "n4")
    assert (node["source"], node["better"]) == ("", ["ipmi"])


def test_a_better_source_that_is_not_used_is_named_for_its_nodes(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:9290": [ipmi_page(WATTS[n], i) for i in range(SCRAPES)] for n in ("n1", "n2", "n3")}
    pages["kepler"] = [kepler_page("n4", 40, i) for i in range(SCRAPES)]
    code, view = doctor_json(
        program, "--telemetry", write_pages(tmp_path / "pages", pages), "--snapshot", cluster.write()
    )
    assert code == 0
    assert findings(view, "nodes", "better sources") == [("warn", "ipmi would be better than what 1 node count by: n4")]


def test_nothing_that_measures_watts_stops_enforcement_and_exits_3(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:10250": [cadvisor_page({}, i) for i in range(SCRAPES)] for n in WATTS}
    code, view = doctor_json(
        program, "--telemetry", write_pages(tmp_path / "pages", pages), "--snapshot", cluster.write()
    )
    assert (code, view["status"]) == (3, "fail")
    assert findings(view, "sources", "watts of nodes")[0][0] == "fail"
    assert findings(view, "nodes", "nodes measured")[0][0] == "fail"


def test_a_budget_that_only_assumptions_break_stops_enforcement(cluster: Any, program: Any, tmp_path: Path) -> None:
    cluster.domain("rack-2")["budget"] = "310W"
    where = record_ipmi(tmp_path / "pages", {name: WATTS[name] for name in ("n1", "n2", "n3")})
    code, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    assert code == 3
    assert "rack-2" in findings(view, "nodes", "budgets on assumption")[0][1]


def test_frozen_and_silent_sources_are_counted_by_name(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    pages["n2:9290"] = pages["n2:9290"][:2]
    _, view = doctor_json(program, "--telemetry", write_pages(tmp_path / "pages", pages), "--snapshot", cluster.write())
    (told,) = findings(view, "sources", "samples")
    assert told[1] == "stale (three scrapes old or older; not used): ipmi 1"
    ipmi = next(one for one in sections(view)["sources"]["data"] if one["source"] == "ipmi")
    assert ipmi["bad"]["stale"] == 1


def test_names_of_no_node_are_told_with_how_to_mend_them(cluster: Any, program: Any, tmp_path: Path) -> None:
    where = record_ipmi(tmp_path / "pages", WATTS | {"10.9.9.9": 100.0})
    _, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    (told,) = [one for one in sections(view)["sources"]["findings"] if one["check"] == "names"]
    assert "10.9.9.9:9290" in told["text"]
    assert "relabel_configs" in told["next"]
    assert "--node-label" in told["next"]


def test_gpus_that_nothing_measures_are_told_with_the_exporter_to_install(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    cluster.nodes[0]["status"]["allocatable"]["nvidia.com/gpu"] = "4"
    where = record_ipmi(tmp_path / "pages", WATTS)
    _, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    (told,) = [one for one in sections(view)["sources"]["findings"] if one["check"] == "watts of GPUs"]
    assert "n1" in told["text"]
    assert "dcgm-exporter" in told["next"]
    assert "DCGM_FI_DEV_POWER_USAGE" in told["next"]


def test_pods_without_use_and_without_owner_are_named(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    pages["kepler"] = [kepler_page("n1", 50, i, {"bare": 10, "web-0": 5}) for i in range(SCRAPES)]
    pages["n1:10250"] = [cadvisor_page({"web-0": 0.5}, i) for i in range(SCRAPES)]
    pages["ksm"] = [owners_page({"bare": "", "web-0": "ReplicaSet/web-1"}) for _ in range(SCRAPES)]
    _, view = doctor_json(program, "--telemetry", write_pages(tmp_path / "pages", pages), "--snapshot", cluster.write())
    assert "shop/bare" in findings(view, "pods", "CPU use")[0][1]
    assert "shop/bare" in findings(view, "pods", "owners")[0][1]
    assert sections(view)["pods"]["data"]["withOwner"] == 1
    (use,) = [each for each in sections(view)["pods"]["findings"] if each["check"] == "CPU use"]
    assert "look again" in use["next"]


def test_a_pod_whose_owner_nobody_has_told_yet_is_not_said_to_have_none(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    pages["kepler"] = [kepler_page("n1", 50, i, {"new": 10, "web-0": 5}) for i in range(SCRAPES)]
    pages["ksm"] = [owners_page({"web-0": "ReplicaSet/web-1"}) for _ in range(SCRAPES)]
    _, view = doctor_json(program, "--telemetry", write_pages(tmp_path / "pages", pages), "--snapshot", cluster.write())
    assert findings(view, "pods", "owners") == []
    assert sections(view)["pods"]["data"]["withOwner"] == 1


def test_without_a_cluster_the_telemetry_names_the_nodes(program: Any, tmp_path: Path) -> None:
    where = record_ipmi(tmp_path / "pages", WATTS)
    code, view = doctor_json(program, "--telemetry", where, "--no-cluster")
    assert code == 0
    assert sections(view)["site"]["data"]["isKnown"] is False
    assert findings(view, "nodes", "nodes measured") == [("ok", "4 nodes, by ipmi 4")]


def test_a_cluster_that_cannot_be_read_is_a_finding_and_the_rest_is_looked_at(program: Any, tmp_path: Path) -> None:
    where = record_ipmi(tmp_path / "pages", WATTS)
    code, view = doctor_json(program, "--telemetry", where, "--snapshot", tmp_path / "nowhere")
    assert (code, view["status"]) == (3, "fail")
    (told, _) = sections(view)["site"]["findings"]
    assert "nowhere is not a directory" in told["text"]
    assert "--no-cluster" in told["next"]
    assert findings(view, "nodes", "nodes measured")[0][0] == "ok"


def test_a_topology_without_budgets_holds_nothing_and_says_so(cluster: Any, program: Any, tmp_path: Path) -> None:
    for domain in cluster.topology["domains"]:
        del domain["budget"]
    where = record_ipmi(tmp_path / "pages", WATTS)
    _, view = doctor_json(program, "--telemetry", where, "--snapshot", cluster.write())
    assert findings(view, "site", "known budgets") == [
        ("warn", "4 nodes in 2 racks and 1 row, 0 domains with a budget: there is nothing to hold")
    ]


def test_a_prometheus_that_does_not_answer_stops_enforcement_and_no_secret_is_shown(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    where = ("--prometheus", "http://127.0.0.1:9", "--token-file", tmp_path / "token", "--header", "X-Key: hunter3")
    code, view = doctor_json(program, *where, "--snapshot", cluster.write())
    assert (code, view["status"]) == (3, "fail")
    assert [section["name"] for section in view["sections"]] == ["prometheus"]
    assert findings(view, "prometheus", "prometheus answers") == [
        ("fail", "http://127.0.0.1:9 does not answer: Connection refused")
    ]
    assert "hunter" not in json.dumps(view)


def test_yaml_and_json_say_the_same(cluster: Any, program: Any, tmp_path: Path) -> None:
    where = ("--telemetry", record_all(tmp_path / "pages"), "--snapshot", cluster.write())
    done = program("doctor", *where, "-o", "yaml")
    assert yaml.safe_load(done.out) == doctor_json(program, *where)[1]


def test_the_table_says_what_to_do_and_ends_with_the_verdict(cluster: Any, program: Any, tmp_path: Path) -> None:
    where = record_ipmi(tmp_path / "pages", {name: WATTS[name] for name in ("n1", "n2", "n3")})
    done = program("doctor", "--telemetry", where, "--snapshot", cluster.write(), env={"COLUMNS": "160"})
    text = " ".join(done.out.split())
    assert done.code == 0
    assert "ipmi ipmi_dcmi_power_consumption_current_watts node watts 3 3 of 4 0 s 0 s 15 s" in text
    assert "n4 worst case 200 W ipmi" in text
    assert "next: " in text
    assert done.out.strip().endswith("to look at")


@pytest.mark.data
def test_the_recorded_kepler_is_told_with_what_it_lacks(program: Any, data_dir: Path) -> None:
    code, view = doctor_json(program, "--telemetry", data_dir / "kepler", "--no-cluster")
    kepler = next(one for one in sections(view)["sources"]["data"] if one["source"] == "kepler")
    assert code == 0
    assert {metric["metric"] for metric in kepler["metrics"]} >= {"kepler_node_cpu_watts", "kepler_pod_cpu_watts"}
    assert kepler["nodes"] == 1
    assert "stale" in kepler["bad"]  # both pods left the API server in the middle of the recording
