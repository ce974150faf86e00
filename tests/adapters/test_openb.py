import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.adapters.openb import write_openb_snapshot
from powerplane.adapters.openb_files import TraceNodes, TracePods, read_nodes, read_pods
from powerplane.adapters.openb_packing import pack
from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.models.draws import draws_mw, node_kinds, node_loads
from powerplane.models.errors import InputError

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
n0,96000,393216,8,G2
n1,96000,393216,8,G2
n2,32000,131072,4,V100M16
n3,104000,524288,2,T4
n4,32000,262144,0,
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
p0,12000,16384,8,1000,,LS,Running,0,10,0
p1,6000,12288,1,460,,BE,Running,0,10,0
p2,4000,8192,1,1000,V100M16|T4,LS,Running,0,10,0
p3,16000,8192,0,0,,LS,Running,0,10,0
p4,90000,8192,8,1000,V100M16,LS,Pending,0,10,
"""


@pytest.fixture
def trace(tmp_path):
    folder = tmp_path / "trace"
    folder.mkdir()
    (folder / "openb_node_list_all_node.csv").write_text(NODES)
    (folder / "openb_pod_list_default.csv").write_text(PODS)
    return folder


def domain_draws(snapshot):
    kinds = node_kinds(snapshot)
    draws = dict(zip(snapshot.node_names, draws_mw(kinds, *node_loads(snapshot)).tolist(), strict=True))
    nodes_under = snapshot.topology.nodes_under
    return {domain.name: sum(draws[node] for node in nodes_under(domain.name)) for domain in snapshot.topology.domains}


def test_the_snapshot_can_be_read_and_draws_what_the_report_says(trace, tmp_path):
    report = write_openb_snapshot(trace, tmp_path / "out", rack_size=2)
    snapshot = read_snapshot(tmp_path / "out")
    draws = domain_draws(snapshot)
    racks = [domain for domain in snapshot.topology.domains if domain.kind == "rack"]
    assert (report.nodes, report.racks, report.placed, report.pending) == (5, 3, 4, 1)
    assert sum(draws[rack.name] for rack in racks) == round(report.draw_watts * 1000)
    cut = [rack for rack in racks if rack.name not in report.raised]
    assert len(cut) == 2
    for rack in cut:
        assert rack.budget_mw == -(-draws[rack.name] * 8 // 10)


def test_a_pod_that_fits_nowhere_waits_and_is_counted(trace, tmp_path):
    report = write_openb_snapshot(trace, tmp_path / "out")
    snapshot = read_snapshot(tmp_path / "out")
    waiting = [name for name, node in zip(snapshot.pods.names, snapshot.pods.node, strict=True) if node < 0]
    assert waiting == ["p4"]
    assert any("1 of 5 fit nowhere" in sentence for sentence in report.assumptions)


def test_a_pod_only_runs_on_the_models_it_names(trace, tmp_path):
    write_openb_snapshot(trace, tmp_path / "out")
    pods = json.loads((tmp_path / "out" / "pods.json").read_text())["items"]
    term = pods[2]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["T4", "V100M16"]
    assert pods[2]["spec"]["nodeName"] in ("n2", "n3")


def test_watts_of_cards_are_their_share_of_the_range_above_idle(trace, tmp_path):
    write_openb_snapshot(trace, tmp_path / "out", use_share=0.5)
    snapshot = read_snapshot(tmp_path / "out")
    assert snapshot.pods.accelerator_mw[0] == 8 * (150 - 18) * 500
    assert snapshot.pods.use_ucores[0] == 6_000_000
    idle = {curve.name: curve.idle_mw for curve in snapshot.node_curve}
    assert idle["sugon-i620g30-8160+8xG2"] == 53_400 + 8 * 18_000


def test_a_pod_that_waits_counts_at_the_hungriest_card_it_may_get(trace, tmp_path):
    write_openb_snapshot(trace, tmp_path / "out", use_share=0.5)
    assert read_snapshot(tmp_path / "out").pods.accelerator_mw[4] == 8 * (300 - 40) * 500


def test_assumed_cards_are_said_in_the_file_and_the_report(trace, tmp_path):
    report = write_openb_snapshot(trace, tmp_path / "out")
    assert any("G2 (undisclosed" in sentence for sentence in report.assumptions)
    head = (tmp_path / "out" / "power.yaml").read_text()
    assert all(f"# {sentence}\n" in head for sentence in report.assumptions)


def test_a_budget_below_idle_is_raised_and_told(trace, tmp_path):
    report = write_openb_snapshot(trace, tmp_path / "out", rack_size=1, budget_share=0.1)
    assert "rack-004" in report.raised
    assert any("budgeted 1 % above idle" in sentence for sentence in report.assumptions)
    read_snapshot(tmp_path / "out")


def test_only_every_nth_rack_is_cut(trace, tmp_path):
    write_openb_snapshot(trace, tmp_path / "out", rack_size=1, cut_every=2, slack_share=1.5)
    snapshot = read_snapshot(tmp_path / "out")
    draws = domain_draws(snapshot)
    shares = [round(domain.budget_mw / draws[domain.name], 2) for domain in snapshot.topology.domains if domain.nodes]
    assert shares == [0.8, 1.5, 1.01, 1.5, 0.8]  # the third rack is empty, so that its share lies below its idle


def test_a_row_may_draw_what_its_racks_may(trace, tmp_path):
    write_openb_snapshot(trace, tmp_path / "out", rack_size=1)
    row, *racks = read_snapshot(tmp_path / "out").topology.domains
    assert row.budget_mw == sum(rack.budget_mw for rack in racks)


def test_the_same_trace_gives_the_same_files(trace, tmp_path):
    for name in ("one", "two"):
        write_openb_snapshot(trace, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_compressed_files_are_read_too(trace):
    plain = trace / "openb_pod_list_default.csv"
    (trace / "openb_pod_list_zipped.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert read_pods(trace, "zipped").names == read_pods(trace, "default").names


def test_a_variant_without_card_models_is_read(trace):
    (trace / "openb_pod_list_short.csv").write_text("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1000,1,1,1000\n")
    pods = read_pods(trace, "short")
    assert (pods.models, pods.qos) == (((),), ("",))


def test_a_missing_folder_says_where_the_trace_is(tmp_path):
    with pytest.raises(InputError, match="there is no folder") as caught:
        write_openb_snapshot(tmp_path / "nosuch", tmp_path / "out")
    assert "alibaba/clusterdata" in caught.value.next_step
    assert "cluster-trace-gpu-v2023" in caught.value.next_step


def test_an_unknown_variant_is_told_with_those_there_are(trace, tmp_path):
    with pytest.raises(InputError, match=r"neither openb_pod_list_nosuch\.csv nor") as caught:
        write_openb_snapshot(trace, tmp_path / "out", pods="nosuch")
    assert caught.value.next_step == "choose one of: default"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p1,6000", "p1,six", r"line 3: cpu_milli is 'six'"),
        ("p1,6000", "p1,-6000", r"line 3: cpu_milli is '-6000'"),
        ("p1,6000", "p1,", r"line 3: cpu_milli is ''"),
        ("p1,6000", "p1,nan", r"line 3: cpu_milli is 'nan'"),
        ("p1,6000", ",6000", r"line 3: name is empty"),
        ("p1,", "p0,", r"line 3: 'p0' stands in line 2 already"),
        ("1,460", "2,460", r"line 3: num_gpu is 2 and gpu_milli is 460"),
        ("1,460", "1,1460", r"line 3: num_gpu is 1 and gpu_milli is 1460"),
        ("1,460", "0,460", r"line 3: num_gpu is 0 and gpu_milli is 460"),
        (",BE,Running,0,10,0", ",BE", r"line 3: 7 fields, where the header has 11"),
        (",BE,", ',"BE,', r"unexpected end of data"),
        ("num_gpu", "cards", r"line 1: there is no column 'num_gpu'"),
    ],
)
def test_a_malformed_line_of_pods_is_named(trace, old, new, message):
    assert old in PODS
    (trace / "openb_pod_list_default.csv").write_text(PODS.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_pods(trace, "default")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8,G2", "8,", r"line 2: gpu is 8 and model is ''"),
        ("96000,393216,8", "0,393216,8", r"line 2: the node has no CPU"),
        ("n1,", "n0,", r"line 3: 'n0' stands in line 2"),
    ],
)
def test_a_malformed_line_of_nodes_is_named(trace, old, new, message):
    assert old in NODES
    (trace / "openb_node_list_all_node.csv").write_text(NODES.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_nodes(trace, "all_node")


def test_a_file_that_is_cut_short_is_named(trace):
    data = gzip.compress(PODS.encode())
    (trace / "openb_pod_list_cut.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.csv\.gz cannot be read"):
        read_pods(trace, "cut")


def test_an_empty_file_is_named(trace):
    (trace / "openb_pod_list_none.csv").write_text(PODS.splitlines()[0])
    with pytest.raises(InputError, match="no lines below its header"):
        read_pods(trace, "none")


def test_a_card_that_the_catalogue_does_not_know_is_refused(trace, tmp_path):
    (trace / "openb_node_list_all_node.csv").write_text(NODES.replace("G2", "G9"))
    with pytest.raises(InputError, match="no accelerator 'G9'"):
        write_openb_snapshot(trace, tmp_path / "out")


@pytest.mark.parametrize(
    "wrong",
    [{"rack_size": 0}, {"cut_every": 0}, {"budget_share": 0}, {"use_share": 1.1}, {"slack_share": float("nan")}],
)
def test_shares_and_sizes_out_of_range_are_refused(trace, tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        write_openb_snapshot(trace, tmp_path / "out", **wrong)


node_rows = st.lists(
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 4), st.sampled_from(["A", "B"])),
    min_size=1,
    max_size=6,
)
pod_rows = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.integers(0, 12),
        st.one_of(
            st.just((0, 0)),
            st.tuples(st.integers(1, 4), st.just(1000)),
            st.tuples(st.just(1), st.integers(1, 999)),
        ),
        st.sampled_from([(), ("A",), ("A", "B")]),
    ),
    max_size=25,
)


def columns(rows, count):
    return [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)] or [np.zeros(0, np.int64)] * count


@settings(max_examples=150, deadline=None)
@given(node_rows, pod_rows)
def test_a_packing_overbooks_no_node_and_no_card_and_keeps_to_models(node_list, pod_list):
    cpu, memory, cards = columns([row[:3] for row in node_list], 3)
    model = tuple(row[3] if row[2] else "" for row in node_list)
    nodes = TraceNodes(tuple(map(str, range(len(node_list)))), cpu, memory, cards, model)
    pod_cpu, pod_memory, on, milli = columns([(*row[:2], *row[2]) for row in pod_list], 4)
    pods = TracePods(
        tuple(map(str, range(len(pod_list)))), pod_cpu, pod_memory, on, milli, tuple(row[3] for row in pod_list), ()
    )
    place = pack(nodes, pods)
    for node in range(len(node_list)):
        here = np.flatnonzero(place == node)
        assert pod_cpu[here].sum() <= cpu[node]
        assert pod_memory[here].sum() <= memory[node]
        assert cards_suffice(int(cards[node]), [(int(on[pod]), int(milli[pod])) for pod in here])
        assert all(not pods.models[pod] or model[node] in pods.models[pod] for pod in here)


def cards_suffice(cards, takers):
    """Whether the shares can be laid on whole cards at all, tried out one by one."""
    whole = sum(count for count, milli in takers if milli == 1000)
    shares = sorted((milli for count, milli in takers if 0 < milli < 1000), reverse=True)

    def lay(left, free):
        if not left:
            return True
        return any(
            lay(left[1:], [*free[:card], free[card] - left[0], *free[card + 1 :]])
            for card in range(len(free))
            if free[card] >= left[0] and free[card] not in free[:card]
        )

    return whole <= cards and lay(shares, [1000] * (cards - whole))


@settings(max_examples=60, deadline=None)
@given(node_rows, pod_rows)
def test_a_pod_waits_only_when_no_untouched_node_could_take_it(node_list, pod_list):
    cpu, memory, cards = columns([row[:3] for row in node_list], 3)
    model = tuple(row[3] if row[2] else "" for row in node_list)
    nodes = TraceNodes(tuple(map(str, range(len(node_list)))), cpu, memory, cards, model)
    pod_cpu, pod_memory, on, milli = columns([(*row[:2], *row[2]) for row in pod_list], 4)
    pods = TracePods(
        tuple(map(str, range(len(pod_list)))), pod_cpu, pod_memory, on, milli, tuple(row[3] for row in pod_list), ()
    )
    place = pack(nodes, pods)
    untouched = set(range(len(node_list))) - set(place.tolist())
    for pod in np.flatnonzero(place < 0):
        for node in untouched:
            fits = pod_cpu[pod] <= cpu[node] and pod_memory[pod] <= memory[node] and on[pod] <= cards[node]
            assert not (fits and (not pods.models[pod] or model[node] in pods.models[pod]))


@pytest.mark.data
@pytest.mark.parametrize("variant", ["default", "gpuspec10"])
def test_the_published_trace_becomes_a_snapshot_in_seconds(data_dir, tmp_path, variant):
    began = time.monotonic()
    report = write_openb_snapshot(data_dir / "openb", tmp_path / "out", pods=variant)
    snapshot = read_snapshot(tmp_path / "out")
    assert time.monotonic() - began < 20
    assert (report.nodes, report.racks, report.placed + report.pending) == (1523, 77, 8152)
    assert report.pending < 8152 * 0.15
    assert not report.raised
    draws = domain_draws(snapshot)
    assert sum(draws[domain.name] for domain in snapshot.topology.domains if domain.nodes) == round(
        1000 * report.draw_watts
    )


@pytest.mark.data
def test_the_how_to_quotes_what_the_trace_gives(data_dir, tmp_path):
    report = write_openb_snapshot(data_dir / "openb", tmp_path / "out")
    idle_mw = sum(curve.idle_mw for curve in read_snapshot(tmp_path / "out").node_curve)
    page = (Path(__file__).parents[2] / "docs/how-to/plan-the-openb-trace.md").read_text()
    quoted = [f"{report.placed:,} find a node", f"{report.pending:,} fit nowhere"]
    quoted += [f"{watts / 1000:.0f} kW" for watts in (report.draw_watts, report.budget_watts, idle_mw / 1000)]
    assert [figure for figure in quoted if figure not in page] == []


@pytest.mark.data
def test_budgets_leave_room_when_one_rack_in_four_is_cut(data_dir, tmp_path):
    report = write_openb_snapshot(data_dir / "openb", tmp_path / "out", cut_every=4)
    assert report.budget_watts == pytest.approx(1.06 * report.draw_watts, rel=0.01)
