"""``powerplane top``, end to end on recorded pages and clusters that can be added up by hand."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.cli.telemetry_pages import LAST_S, SCRAPES, ipmi_page, kepler_page, record_ipmi, write_pages

from powerplane.cli import top_view
from powerplane.models.plan import Wire

WATTS = {"n1": 150.0, "n2": 140.0, "n3": 120.0, "n4": 110.0}


def top_json(program: Any, *arguments: object) -> tuple[int, Any]:
    done = program("top", *arguments, "-o", "json")
    assert done.err == ""
    return done.code, json.loads(done.out)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return record_ipmi(tmp_path / "pages", WATTS)


def by_name(view: Any) -> Any:
    return {domain["name"]: domain for domain in view["domains"]}


def test_domains_draw_what_their_nodes_were_measured_at(cluster: Any, program: Any, recorded: Path) -> None:
    code, view = top_json(program, "--telemetry", recorded, "--snapshot", cluster.write())
    domains = by_name(view)
    assert code == 0
    assert view["atSeconds"] == LAST_S
    assert (view["drawWatts"], view["broken"]) == (520, [])
    assert {name: one["drawWatts"] for name, one in domains.items()} == {"row-1": 520, "rack-1": 290, "rack-2": 230}
    assert domains["rack-1"]["sources"] == [{"source": "ipmi", "nodes": 2, "watts": 290}]
    assert domains["rack-1"]["nodeStates"] == {"measured": 2, "held": 0, "worst": 0}
    assert (domains["rack-1"]["headroomWatts"], domains["rack-1"]["share"]) == (710, 0.29)


def test_a_breaker_says_how_long_it_bears_the_present_draw(cluster: Any, program: Any, recorded: Path) -> None:
    _, view = top_json(program, "--telemetry", recorded, "--snapshot", cluster.write())
    breaker = by_name(view)["rack-1"]["breaker"]
    assert (breaker["ratingWatts"], breaker["timesRating"]) == (250, 1.16)
    assert 60 < breaker["tripsInSeconds"] < 3600


def test_a_broken_budget_exits_3_and_is_named(hot_cluster: Any, program: Any, recorded: Path) -> None:
    code, view = top_json(program, "--telemetry", recorded, "--snapshot", hot_cluster.write())
    assert (code, view["broken"], view["brokenByAssumption"]) == (3, ["rack-1"], [])
    assert by_name(view)["rack-1"]["state"] == "broken"


def test_a_node_that_nothing_measures_counts_at_its_worst_case_and_says_so(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    pages = record_ipmi(tmp_path / "pages", {name: WATTS[name] for name in ("n1", "n2", "n3")})
    code, view = top_json(program, "--telemetry", pages, "--snapshot", cluster.write(), "--nodes")
    node = next(one for one in view["nodes"] if one["name"] == "n4")
    assert code == 0
    assert (node["state"], node["drawWatts"], node["source"], node["ageSeconds"]) == ("worst", 200, "", None)
    rack = by_name(view)["rack-2"]
    assert (rack["drawWatts"], rack["worstCaseWatts"]) == (320, 200)
    assert rack["sources"][0] == {"source": "worst", "nodes": 1, "watts": 200}


def test_a_budget_broken_by_assumption_exits_3_and_says_so(cluster: Any, program: Any, tmp_path: Path) -> None:
    cluster.domain("rack-2")["budget"] = "310W"
    pages = record_ipmi(tmp_path / "pages", {name: WATTS[name] for name in ("n1", "n2", "n3")})
    code, view = top_json(program, "--telemetry", pages, "--snapshot", cluster.write())
    assert (code, view["broken"], view["brokenByAssumption"]) == (3, ["rack-2"], ["rack-2"])


def test_a_node_above_its_own_budget_exits_3(cluster: Any, program: Any, recorded: Path) -> None:
    cluster.power["nodes"]["byName"] = {"n1": {"curve": "server", "budget": "145W"}}
    code, view = top_json(program, "--telemetry", recorded, "--snapshot", cluster.write())
    assert (code, view["broken"]) == (3, ["n1"])


def test_a_source_that_fell_silent_is_not_taken_for_the_present(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    pages["n1:9290"] = pages["n1:9290"][:3]
    where = write_pages(tmp_path / "pages", pages)
    _, view = top_json(program, "--telemetry", where, "--snapshot", cluster.write(), "--nodes")
    node = next(one for one in view["nodes"] if one["name"] == "n1")
    assert (node["state"], node["drawWatts"]) == ("worst", 200)


def test_the_wall_is_believed_before_the_sum_of_parts(cluster: Any, program: Any, tmp_path: Path) -> None:
    pages = {f"{n}:9290": [ipmi_page(w, i) for i in range(SCRAPES)] for n, w in WATTS.items()}
    pages["kepler"] = [kepler_page("n1", 60, i) for i in range(SCRAPES)]
    where = write_pages(tmp_path / "pages", pages)
    _, view = top_json(program, "--telemetry", where, "--snapshot", cluster.write(), "--nodes")
    assert {one["source"] for one in view["nodes"]} == {"ipmi"}


def test_yaml_and_json_say_the_same(cluster: Any, program: Any, recorded: Path) -> None:
    where = ("--telemetry", recorded, "--snapshot", cluster.write(), "--nodes")
    done = program("top", *where, "-o", "yaml")
    assert yaml.safe_load(done.out) == top_json(program, *where)[1]


def test_the_table_shows_the_tree_its_nodes_and_the_last_rounds(cluster: Any, program: Any, recorded: Path) -> None:
    where = ("--telemetry", recorded, "--snapshot", cluster.write())
    done = program("top", *where, "--nodes", "--watch-history", env={"COLUMNS": "160"})
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert done.code == 0
    assert any(re.match(r" row-1 .* 520 W .* 1\.48 kW .* [▁▂▃▄▅▆▇█]{8} .* ipmi 4 +0 s$", line) for line in lines)
    assert any(re.match(r"   rack-1 .* 290 W ", line) for line in lines)
    assert any(re.match(r"     n1 .* 150 W .* ipmi +0 s$", line) for line in lines)
    assert lines[-1] == "every budget holds now"


def test_sorting_by_draw_puts_the_highest_first(cluster: Any, program: Any, recorded: Path) -> None:
    _, view = top_json(program, "--telemetry", recorded, "--snapshot", cluster.write(), "--nodes", "--sort", "draw")
    assert [one["name"] for one in view["domains"]] == ["row-1", "rack-1", "rack-2"]
    assert [one["name"] for one in view["nodes"]] == ["n1", "n2", "n3", "n4"]


def test_without_a_cluster_the_topology_file_names_the_nodes(cluster: Any, program: Any, recorded: Path) -> None:
    where = cluster.write()
    files = ("--topology", where / "topology.yaml", "--power", where / "power.yaml")
    code, view = top_json(program, "--telemetry", recorded, *files, "--no-cluster")
    assert code == 0
    assert by_name(view)["row-1"]["drawWatts"] == 520


@pytest.mark.data
def test_the_recorded_kepler_is_read_as_what_was_true(cluster: Any, program: Any, data_dir: Path) -> None:
    """Two packages drew 175 W together; what a node draws outside of them is assumed, and never left out."""
    cluster.nodes[0]["metadata"]["name"] = "gpu-node-1"
    cluster.domain("rack-1")["nodes"] = ["gpu-node-1", "n2"]
    for pod in cluster.pods:
        if pod["spec"]["nodeName"] == "n1":
            pod["spec"]["nodeName"] = "gpu-node-1"
    cluster.power["curves"]["server"] = [[0, 150], [1, 500]]
    code, view = top_json(program, "--telemetry", data_dir / "kepler", "--snapshot", cluster.write(), "--nodes")
    node = next(one for one in view["nodes"] if one["name"] == "gpu-node-1")
    assert code == 0
    assert (node["state"], node["source"]) == ("measured", "kepler")
    assert 175 < node["drawWatts"] < 350


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "no source": ([], 2, "neither --prometheus nor --telemetry"),
    "two sources": (["--prometheus", "http://127.0.0.1:9", "--telemetry", "DIR"], 2, "both are given"),
    "no address": (["--prometheus", "127.0.0.1:9090"], 2, "not an address"),
    "no host": (["--prometheus", "http://"], 2, "not an address"),
    "credentials": (["--prometheus", "http://u:hunter2@h:1"], 2, "carries credentials"),
    "a page": (["--prometheus", "http://h:1/graph?g0.expr=up"], 2, "address of a page"),
    "bad header": (["--prometheus", "http://h:1", "--header", "hunter2"], 2, "'Name: value'"),
    "header with a line": (["--prometheus", "http://h:1", "--header", "X: hunter2\r\nY: z"], 2, "'Name: value'"),
    "header that cannot be sent": (["--prometheus", "http://h:1", "--header", "X: hunter2€"], 2, "'Name: value'"),
    "no token file": (["--prometheus", "http://h:1", "--token-file", "nowhere"], 1, "--token-file nowhere"),
    "no ca file": (["--prometheus", "http://h:1", "--ca-file", "nowhere"], 1, "--ca-file nowhere"),
    "token for pages": (["--telemetry", "DIR", "--token-file", "x"], 2, "are for a Prometheus"),
    "no pages": (["--telemetry", "nowhere"], 1, "nowhere does not exist"),
    "snapshot and context": (["--telemetry", "DIR", "--context", "c"], 2, "leave those out"),
    "no snapshot": (["--telemetry", "DIR", "--snapshot", "nowhere"], 1, "nowhere is not a directory"),
    "not a time": (["--telemetry", "DIR", "--timeout", "soon"], 2, "--timeout 'soon'"),
    "not an order": (["--telemetry", "DIR", "--sort", "colour"], 2, "--sort"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_told_with_what_to_type_next(
    case: str, cluster: Any, program: Any, recorded: Path
) -> None:
    arguments, code, words = REFUSED[case]
    where = [str(recorded) if word == "DIR" else word for word in arguments]
    snapshot = [] if "--snapshot" in where else ["--snapshot", cluster.write()]
    done = program("top", *where, *snapshot)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "next: " in done.err
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err


def test_a_prometheus_that_does_not_answer_is_told_in_plain_words(cluster: Any, program: Any) -> None:
    done = program("top", "--prometheus", "http://127.0.0.1:9", "--snapshot", cluster.write())
    assert (done.code, done.out) == (1, "")
    assert "http://127.0.0.1:9 does not answer: Connection refused" in done.err
    assert "curl" in done.err


def test_a_token_file_with_more_than_a_token_is_refused_without_showing_it(
    cluster: Any, program: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hunter2 and more\n")
    where = ("--prometheus", "http://127.0.0.1:9", "--token-file", tmp_path / "token")
    done = program("top", *where, "--snapshot", cluster.write())
    assert (done.code, "hunter2" in done.err) == (1, False)


def test_pages_of_nothing_that_is_known_are_refused(cluster: Any, program: Any, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page.txt").write_text("go_goroutines 7\n")
    done = program("top", "--telemetry", tmp_path / "pages", "--snapshot", cluster.write())
    assert done.code == 1
    assert "next: " in done.err


def test_every_field_is_documented_with_its_unit_in_its_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "watch-and-diagnose.md").read_text(encoding="utf-8")
    structs = [one for one in vars(top_view).values() if isinstance(one, type) and issubclass(one, Wire)]
    for struct in structs:
        if struct is Wire:
            continue
        for field in msgspec.structs.fields(struct):
            assert f"`{field.encode_name}`" in page, f"{struct.__name__}.{field.encode_name}"
            if field.type in (float, float | None):
                assert re.search(r"(Watts|Seconds|share|timesRating)$|^watts$", field.encode_name), field.encode_name
