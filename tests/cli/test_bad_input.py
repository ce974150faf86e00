"""Whatever is wrong with the files, the program names it and the next step, and shows no traceback."""

import json
from collections.abc import Callable
from typing import Any

import pytest


def spoil_units(cluster: Any) -> None:
    cluster.domain("rack-1")["budget"] = "12 horsepower"


def spoil_negative_budget(cluster: Any) -> None:
    cluster.domain("rack-1")["budget"] = "-12kW"


def spoil_zero_budget(cluster: Any) -> None:
    cluster.domain("rack-1")["budget"] = "0W"


def spoil_nan_watts(cluster: Any) -> None:
    cluster.power["curves"]["server"][1][1] = ".nan"


def spoil_infinite_watts(cluster: Any) -> None:
    cluster.power["curves"]["server"][1][1] = ".inf"


def spoil_negative_watts(cluster: Any) -> None:
    cluster.power["curves"]["server"][0][1] = -100


def spoil_falling_curve(cluster: Any) -> None:
    cluster.power["curves"]["server"] = [[0, 100], [0.5, 220], [1, 200]]


def spoil_peakless_curve(cluster: Any) -> None:
    cluster.power["curves"]["server"] = [[0, 0], [1, 0]]


def spoil_unknown_curve(cluster: Any) -> None:
    cluster.power["nodes"]["default"]["curve"] = "sever"


def spoil_rackless_node(cluster: Any) -> None:
    cluster.domain("rack-2")["nodes"].remove("n4")


def spoil_twice_racked_node(cluster: Any) -> None:
    cluster.domain("rack-2")["nodes"].append("n2")


def spoil_unknown_node(cluster: Any) -> None:
    cluster.domain("rack-2")["nodes"].append("n9")


def spoil_cycle(cluster: Any) -> None:
    cluster.domain("row-1")["parents"] = ["rack-2"]


def spoil_unknown_parent(cluster: Any) -> None:
    cluster.domain("rack-1")["parents"] = ["row-7"]


def spoil_empty_domain(cluster: Any) -> None:
    cluster.topology["domains"].append({"name": "rack-3", "kind": "rack", "budget": "5kW"})


def spoil_double_domain(cluster: Any) -> None:
    cluster.topology["domains"].append({"name": "rack-1", "kind": "rack", "budget": "5kW", "nodes": ["n4"]})


def spoil_unknown_key(cluster: Any) -> None:
    cluster.domain("rack-1")["bugdet"] = "5kW"


def spoil_idle_over_budget(cluster: Any) -> None:
    cluster.domain("rack-1")["budget"] = "150W"


def spoil_node_idle_over_budget(cluster: Any) -> None:
    cluster.power["nodes"]["byName"] = {"n2": {"budget": "90W"}}


def spoil_pod_on_unknown_node(cluster: Any) -> None:
    cluster.pods[3]["spec"]["nodeName"] = "n9"


def spoil_double_uid(cluster: Any) -> None:
    cluster.pods[3]["metadata"]["uid"] = "uid-web-2"


def spoil_double_node(cluster: Any) -> None:
    cluster.nodes.append(cluster.nodes[0])


def spoil_request(cluster: Any) -> None:
    cluster.pods[3]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "one"


def spoil_allocatable(cluster: Any) -> None:
    cluster.nodes[1]["status"]["allocatable"]["cpu"] = "-10"


def spoil_usage_nan(cluster: Any) -> None:
    cluster.usage[4] = "shop,web-3,nan,"


def spoil_usage_negative(cluster: Any) -> None:
    cluster.usage[4] = "shop,web-3,-1,"


def spoil_usage_header(cluster: Any) -> None:
    cluster.usage[0] = "namespace,pod,cores"


def spoil_emptiness(cluster: Any) -> None:
    cluster.nodes.clear()
    cluster.pods.clear()


Spoiler = Callable[[Any], None]

SPOILED: dict[str, tuple[Spoiler, tuple[str, ...]]] = {
    "an unknown unit": (spoil_units, ("rack-1", "12 horsepower")),
    "a negative budget": (spoil_negative_budget, ("rack-1", "-12kW")),
    "a budget of zero": (spoil_zero_budget, ("rack-1", "0W")),
    "watts that are not a number": (spoil_nan_watts, ("server", "nan")),
    "infinite watts": (spoil_infinite_watts, ("server", "inf")),
    "negative watts": (spoil_negative_watts, ("server", "-100")),
    "a falling curve": (spoil_falling_curve, ("server", "220 W", "200 W")),
    "a curve without a peak": (spoil_peakless_curve, ("server",)),
    "an unknown curve": (spoil_unknown_curve, ("sever", "server")),
    "a node in no rack": (spoil_rackless_node, ("n4",)),
    "a node in two racks": (spoil_twice_racked_node, ("n2", "rack-1", "rack-2")),
    "a node that is not there": (spoil_unknown_node, ("n9", "rack-2")),
    "a cycle": (spoil_cycle, ("row-1", "rack-2")),
    "an unknown parent": (spoil_unknown_parent, ("rack-1", "row-7")),
    "a domain without nodes": (spoil_empty_domain, ("rack-3",)),
    "two domains of one name": (spoil_double_domain, ("rack-1",)),
    "an unknown key": (spoil_unknown_key, ("bugdet",)),
    "a rack budget below idle": (spoil_idle_over_budget, ("rack-1", "150 W", "200 W")),
    "a node budget below idle": (spoil_node_idle_over_budget, ("n2", "90 W", "100 W")),
    "a pod on an unknown node": (spoil_pod_on_unknown_node, ("shop/web-3", "n9")),
    "a UID that stands twice": (spoil_double_uid, ("uid-web-2",)),
    "a node that stands twice": (spoil_double_node, ("n1",)),
    "a request that is no quantity": (spoil_request, ("web-3", "one")),
    "a negative allocatable": (spoil_allocatable, ("n2", "-10")),
    "a use that is not a number": (spoil_usage_nan, ("web-3", "nan")),
    "a negative use": (spoil_usage_negative, ("web-3", "-1")),
    "a usage.csv with another header": (spoil_usage_header, ("usage.csv",)),
    "a cluster without nodes": (spoil_emptiness, ("nodes",)),
}


def assert_refused(done: Any, code: int, *words: str) -> None:
    """Assert that a run ended in words that name what is wrong and what to do, and printed no data."""
    assert "Traceback" not in done.err
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("powerplane: ")
    assert "\n  next: " in done.err
    assert "unexpected error" not in done.err
    for word in words:
        assert word in done.err


@pytest.mark.parametrize("what", SPOILED)
def test_bad_input_is_refused_by_name_and_with_the_next_step(what: str, cluster: Any, program: Any) -> None:
    spoil, words = SPOILED[what]
    spoil(cluster)
    assert_refused(program("plan", "--snapshot", cluster.write()), 1, *words)


def test_truncated_json_is_refused_by_file(cluster: Any, program: Any) -> None:
    pods = cluster.write() / "pods.json"
    pods.write_bytes(pods.read_bytes()[:-20])
    assert_refused(program("plan", "--snapshot", cluster.directory), 1, "pods.json")


def test_a_file_over_the_limit_is_refused_unread(cluster: Any, program: Any) -> None:
    with (cluster.write() / "pods.json").open("r+b") as pods:
        pods.truncate(1_000_000_001)
    assert_refused(program("plan", "--snapshot", cluster.directory), 1, "pods.json", "1,000,000,001")


@pytest.mark.parametrize("name", ["nodes.json", "pods.json", "topology.yaml", "power.yaml"])
def test_a_missing_file_is_named(name: str, cluster: Any, program: Any) -> None:
    (cluster.write() / name).unlink()
    assert_refused(program("plan", "--snapshot", cluster.directory), 1, name)


def test_a_missing_directory_is_named(program: Any, tmp_path: Any) -> None:
    assert_refused(program("plan", "--snapshot", tmp_path / "nowhere"), 1, "nowhere")


@pytest.mark.parametrize("deadline", ["0", "0s", "-1", "soon", "5 parsecs", "", "nan", "inf", "1e400"])
def test_a_deadline_that_is_no_time_is_a_wrong_command_line(deadline: str, cluster: Any, program: Any) -> None:
    done = program("plan", "--snapshot", cluster.write(), f"--deadline={deadline}")
    assert_refused(done, 2, "--deadline", deadline)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["plan", "--snapshoot", "x"], "--snapshoot"),
        (["plann"], "plann"),
        (["plan", "-o", "xml"], "xml"),
        (["plan", "--objective", "beauty"], "beauty"),
        (["plan", "--seed", "many"], "many"),
        (["verify"], "PLAN"),
        (["explain", "mov"], "mov"),
        (["explain", "move", "shop/web-0"], "--plan"),
        (["plan", "--snapshot", "x", "--context", "y"], "--context"),
    ],
)
def test_a_wrong_command_line_exits_2_and_names_the_word(arguments: list[str], word: str, program: Any) -> None:
    assert_refused(program(*arguments), 2, word)


def test_a_plan_of_another_snapshot_is_refused(cluster: Any, program: Any, tmp_path: Any) -> None:
    plan = tmp_path / "plan.json"
    assert program("plan", "--snapshot", cluster.write(), "--out", plan).code == 0
    cluster.pods[0]["spec"]["nodeName"] = "n2"
    assert_refused(program("verify", plan, "--snapshot", cluster.write()), 1, str(plan), str(cluster.directory))


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "- a: {", "\x00\x01", json.dumps({"status": "fine"})])
def test_a_file_that_is_no_plan_is_refused_by_name(text: str, cluster: Any, program: Any, tmp_path: Any) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    assert_refused(program("verify", plan, "--snapshot", cluster.write()), 1, str(plan))


def test_a_missing_plan_is_named(cluster: Any, program: Any, tmp_path: Any) -> None:
    assert_refused(program("verify", tmp_path / "no.json", "--snapshot", cluster.write()), 1, "no.json")


def test_a_place_that_cannot_be_written_to_is_named(cluster: Any, program: Any, tmp_path: Any) -> None:
    done = program("plan", "--snapshot", cluster.write(), "--out", tmp_path / "nowhere" / "plan.json")
    assert_refused(done, 2, "nowhere")
