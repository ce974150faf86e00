"""The snapshot directory: what its page shows really loads, and whatever is wrong is told by file and place."""

import gc
import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerplane.adapters.snapshot_directory import read_snapshot, write_snapshot
from powerplane.models.errors import InputError, PowerPlaneError, UsageError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "snapshot-directory.md"
TOPOLOGY = "domains:\n- {name: rack-1, kind: rack, nodes: [n1]}\n"
POWER = "curves: {c: [[0, 100], [1, 300]]}\nnodes: {default: {curve: c}}\n"
NODE = {"kind": "Node", "metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "pods": "110"}}}
POD = {
    "kind": "Pod",
    "metadata": {"name": "p1", "namespace": "default", "uid": "u1"},
    "spec": {"nodeName": "n1", "containers": [{"resources": {"requests": {"cpu": "1"}}}]},
}


def listing(*items, kind="List"):
    return json.dumps({"apiVersion": "v1", "kind": kind, "items": list(items)})


@pytest.fixture
def directory(tmp_path):
    """A least snapshot directory."""
    found = tmp_path / "snapshot"
    found.mkdir()
    for name, text in {
        "nodes.json": listing(NODE),
        "pods.json": listing(POD),
        "topology.yaml": TOPOLOGY,
        "power.yaml": POWER,
    }.items():
        (found / name).write_text(text)
    return found


def refusal(directory, **limits):
    with pytest.raises(InputError) as caught:
        read_snapshot(directory, **limits)
    return caught.value


def example_files():
    """The files of the page's complete example, by name."""
    return dict(
        re.findall(r"^`([a-z.]+)`\n```\w+\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )


# What is read ----------------------------------------------------------------------------------------------------


def test_the_example_of_the_reference_page_loads_and_means_what_the_page_says(tmp_path):
    files = example_files()
    assert set(files) == {"nodes.json", "pods.json", "topology.yaml", "power.yaml", "usage.csv"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    snapshot = read_snapshot(tmp_path)
    assert snapshot.node_names == ("node-1", "node-2")
    assert snapshot.pods.use_ucores.tolist() == [1_250_000, 4_000_000]
    assert snapshot.pods.accelerator_mw.tolist() == [0, 800_000]
    assert snapshot.node_budget_mw.tolist() == [315_000, 2_200_000]
    assert [curve.name for curve in snapshot.node_curve] == ["plain", "big"]
    assert snapshot.topology.nodes_under("feed-b") == ("node-1", "node-2")
    assert len(snapshot.assumptions) == 3


def test_the_error_that_the_reference_page_shows_is_the_one_that_is_told(directory):
    (directory / "topology.yaml").write_text("domains: [{name: rack-1, kind: rack, budget: 12, nodes: [n1]}]")
    assert f"```text\n{refusal(directory)}\n```" in PAGE.read_text(encoding="utf-8")


def test_a_plain_array_is_as_good_as_a_list(directory):
    plain = read_snapshot(directory)
    (directory / "pods.json").write_text(json.dumps([POD]))
    (directory / "nodes.json").write_text(json.dumps([NODE]))
    assert read_snapshot(directory).digest == plain.digest


def test_lists_as_the_api_serves_them_need_no_kinds_on_their_items(directory):
    (directory / "pods.json").write_text(listing({key: POD[key] for key in ("metadata", "spec")}, kind="PodList"))
    assert read_snapshot(directory).pods.names == ("p1",)


def test_other_files_are_ignored(directory):
    (directory / "notes.txt").write_text("…")
    (directory / "deployments.json").write_text("not even JSON")
    assert read_snapshot(directory).pods.names == ("p1",)


def test_optional_lists_are_read_where_they_are(directory):
    owner = {"kind": "ReplicaSet", "name": "web-1", "uid": "r", "controller": True}
    behind = {"kind": "Deployment", "name": "web", "uid": "d", "controller": True}
    meta = POD["metadata"] | {"ownerReferences": [owner]}
    files = {
        "pods": POD | {"metadata": meta, "spec": POD["spec"] | {"priorityClassName": "high"}},
        "replicasets": {"metadata": {"name": "web-1", "namespace": "default", "ownerReferences": [behind]}},
        "priorityclasses": {"metadata": {"name": "high"}, "value": 9},
        "namespaces": {"metadata": {"name": "default", "labels": {"team": "a"}}},
        "poddisruptionbudgets": {"metadata": {"name": "web"}, "status": {"disruptionsAllowed": 2}},
        "persistentvolumes": {"metadata": {"name": "pv"}},
        "persistentvolumeclaims": {"metadata": {"name": "data", "namespace": "default"}},
    }
    for name, item in files.items():
        (directory / f"{name}.json").write_text(listing(item))
    snapshot = read_snapshot(directory)
    assert (snapshot.templates[0].owner, snapshot.templates[0].priority) == ("Deployment/web", 9)
    assert snapshot.namespace_labels["default"]["team"] == "a"
    assert snapshot.disruption_budgets[0].status.disruptions_allowed == 2


def test_reading_leaves_the_collector_of_cycles_as_it_was(directory):
    assert gc.isenabled()
    read_snapshot(directory)
    assert gc.isenabled()


# What is refused -------------------------------------------------------------------------------------------------


def test_a_path_that_is_no_directory_is_refused_by_name(tmp_path):
    assert "is not a directory" in refusal(tmp_path / "nowhere").problem


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("topology.yaml", "kind: rack"),
        ("power.yaml", "default: {curve:"),
        ("nodes.json", "kubectl get nodes -A -o json"),
        ("pods.json", "kubectl get pods -A -o json"),
    ],
)
def test_a_missing_file_is_refused_and_an_example_of_it_shown(directory, name, shown):
    (directory / name).unlink()
    error = refusal(directory)
    assert error.problem == f"{directory / name} does not exist"
    assert shown in error.next_step


@pytest.mark.parametrize("name", ["topology.yaml", "power.yaml"])
def test_the_example_shown_for_a_missing_file_is_itself_readable(directory, name):
    (directory / name).unlink()
    shown = [line for line in refusal(directory).next_step.splitlines() if line.startswith("    ")]
    (directory / name).write_text("\n".join(line.removeprefix("    ") for line in shown))
    if name == "topology.yaml":
        nodes = [NODE | {"metadata": {"name": f"node-{i}"}} for i in (1, 2)]
        (directory / "nodes.json").write_text(listing(*nodes))
        (directory / "pods.json").write_text(listing())
    assert read_snapshot(directory).node_names


@pytest.mark.parametrize("name", ["nodes.json", "pods.json", "topology.yaml", "power.yaml"])
def test_a_file_over_the_limit_is_refused_unread_with_its_size(directory, name):
    (directory / name).write_bytes(b" " * 5000)
    error = refusal(directory, max_file_bytes=4999)
    assert f"{directory / name} has 5,000 bytes, more than the 4,999 bytes that are read" in error.problem


def test_a_file_that_cannot_be_read_is_refused_by_name(directory):
    (directory / "usage.csv").mkdir()
    assert "usage.csv cannot be read" in refusal(directory).problem


@pytest.mark.parametrize("cut", [1, 40, 60])
def test_a_truncated_list_is_refused_with_the_byte_where_it_ends(directory, cut):
    (directory / "pods.json").write_text(listing(POD)[:cut])
    error = refusal(directory)
    assert error.problem == f"pods.json ends in the middle of a value, at byte {cut}"
    assert error.next_step == "kubectl get pods -A -o json > pods.json"


def test_an_empty_list_file_is_refused(directory):
    (directory / "pods.json").write_text("")
    assert "pods.json ends in the middle of a value, at byte 0" in refusal(directory).problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"items": [1, }', "pods.json is not a list of objects: JSON is malformed: invalid character (byte 14)"),
        ('{"items": {}}', "pods.json is not a list of objects: Expected `array`, got `object` - at `$.items`"),
        ('{"kind": "List"}', "missing required field `items`"),
        ("7", "pods.json is not a list of objects"),
        ("[" * 100_000, "pods.json"),
        (json.dumps(POD | {"items": []}), "pods.json holds a 'Pod', not a list of Pods"),
        (listing(NODE, kind="NodeList"), "pods.json holds a 'NodeList', not a list of Pods"),
        (listing(POD, NODE), "pods.json, item 2 (n1): Invalid value 'Node'"),
        (listing(POD, 7), "pods.json, item 2: Expected `object`, got `int`"),
        (listing(POD | {"spec": {"containers": {}}}), "pods.json, item 1 (default/p1): Expected `array`"),
    ],
)
def test_a_list_of_the_wrong_shape_is_refused_with_the_place(directory, text, problem):
    (directory / "pods.json").write_text(text)
    assert problem in refusal(directory).problem


def test_text_that_is_not_utf8_is_refused_by_file(directory):
    (directory / "pods.json").write_bytes(listing(POD).encode().replace(b"p1", b"\xff\xfe"))
    assert refusal(directory).problem.startswith("pods.json, item 1")


@pytest.mark.parametrize("name", ["nodes.json", "pods.json", "topology.yaml", "power.yaml", "usage.csv"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.one_of(st.binary(max_size=60), st.text(alphabet='{}[]":,- \nakind0.', max_size=60).map(str.encode)))
def test_no_bytes_make_reading_fail_otherwise_than_by_a_refusal(directory, name, junk):
    before = (directory / name).read_bytes() if (directory / name).exists() else None
    (directory / name).write_bytes(junk)
    try:
        with suppress(InputError):
            read_snapshot(directory)
    finally:
        if before is None:
            (directory / name).unlink()
        else:
            (directory / name).write_bytes(before)


# What is written -------------------------------------------------------------------------------------------------


def test_what_was_written_reads_back_the_same(directory, tmp_path):
    lists = {name: (directory / f"{name}.json").read_bytes() for name in ("nodes", "pods")}
    target = tmp_path / "deep" / "copy"
    write_snapshot(target, lists, TOPOLOGY, POWER.encode(), "namespace,pod,cpu_cores,accelerator_watts\n")
    assert read_snapshot(target).digest == read_snapshot(directory).digest
    assert sorted(path.name for path in target.parent.iterdir()) == ["copy"]


def test_objects_can_be_written_as_they_are(directory, tmp_path):
    snapshot = read_snapshot(directory)
    write_snapshot(tmp_path / "new", {"nodes": snapshot.nodes, "pods": b"[]"}, TOPOLOGY, POWER)
    assert read_snapshot(tmp_path / "new").node_names == ("n1",)


def test_an_empty_directory_may_be_filled(tmp_path):
    (tmp_path / "new").mkdir()
    write_snapshot(tmp_path / "new", {"nodes": b"[]", "pods": b"[]"}, TOPOLOGY, POWER)
    assert (tmp_path / "new" / "power.yaml").read_text() == POWER


def test_a_snapshot_is_replaced_only_when_told_so(directory):
    with pytest.raises(UsageError, match="is not empty") as caught:
        write_snapshot(directory, {"nodes": b"[]"}, TOPOLOGY, POWER)
    assert "--overwrite" in caught.value.next_step
    assert (directory / "pods.json").exists()
    write_snapshot(directory, {"nodes": b"[]"}, TOPOLOGY, POWER, overwrite=True)
    assert sorted(path.name for path in directory.iterdir()) == ["nodes.json", "power.yaml", "topology.yaml"]


def test_a_directory_with_anything_else_in_it_is_never_replaced(directory):
    (directory / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds 'thesis.txt'"):
        write_snapshot(directory, {}, TOPOLOGY, POWER, overwrite=True)
    assert (directory / "thesis.txt").read_text() == "years of work"


def test_a_file_in_the_way_and_an_unknown_list_are_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_snapshot(tmp_path / "file", {}, TOPOLOGY, POWER)
    with pytest.raises(UsageError, match="no list 'podz'"):
        write_snapshot(tmp_path / "new", {"podz": b"[]"}, TOPOLOGY, POWER)


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PowerPlaneError, match="cannot be written"):
        write_snapshot(tmp_path / "file" / "below", {}, TOPOLOGY, POWER)
