"""What nodes and domains draw now."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import BENT, LINE, TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.draws import draws_mw, node_draws_mw, node_kinds, node_loads, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain


def test_a_node_draws_its_curve_at_its_pods_use_plus_their_accelerators():
    pods = [TinyPod("p1", "n1", use=1), TinyPod("p2", "n1", use=0.5, accelerator_watts=250), TinyPod("p3", "n2")]
    snapshot = tiny_snapshot([TinyNode("n1", cpu=3), TinyNode("n2", cpu=4, curve=BENT), TinyNode("n3")], pods)
    # Half of 100 to 300 W, and 250 W; a quarter of a core in four, on the bent curve: 140 + 15/40 of 80; idle.
    assert node_draws_mw(snapshot).tolist() == [200_000 + 250_000, 170_000, 100_000]


def test_pods_that_wait_for_a_node_draw_nothing():
    assert node_draws_mw(tiny_snapshot([TinyNode("n1")], [TinyPod("p", accelerator_watts=9)])).tolist() == [100_000]


def test_a_node_without_cpu_idles_and_does_not_divide_by_zero():
    snapshot = tiny_snapshot([TinyNode("n1", cpu=0), TinyNode("n2", cpu=0)], [TinyPod("p", "n2")])
    assert node_draws_mw(snapshot).tolist() == [100_000, 300_000]


def test_equal_curves_and_sizes_are_one_kind():
    twin = type(LINE)(LINE.name, LINE.utilisation, LINE.milliwatts)
    nodes = [TinyNode("n1"), TinyNode("n2", curve=twin), TinyNode("n3", cpu=8), TinyNode("n4", curve=BENT)]
    assert [kind.nodes.tolist() for kind in node_kinds(tiny_snapshot(nodes))] == [[0, 1], [2], [3]]


@given(st.lists(st.tuples(st.sampled_from(["n1", "n2", "n3"]), st.integers(0, 5_000_000)), max_size=20))
def test_draws_are_the_curve_rounded_up_and_never_beyond_idle_and_peak(placed):
    pods = [TinyPod(f"p{i}", node, use=use / 1e6) for i, (node, use) in enumerate(placed)]
    snapshot = tiny_snapshot([TinyNode("n1"), TinyNode("n2", curve=BENT), TinyNode("n3", cpu=64)], pods)
    for row, (mw, node) in enumerate(zip(node_draws_mw(snapshot).tolist(), snapshot.nodes, strict=True)):
        use = sum(amount for name, amount in placed if name == node.metadata.name)
        capacity = int(snapshot.allocatable[row, 0]) * 1000
        curve = snapshot.node_curve[row]
        exact = np.interp(use / capacity, [float(u) for u in curve.utilisation], curve.milliwatts)
        assert curve.idle_mw <= mw <= curve.peak_mw
        assert exact - 1e-3 <= mw <= exact + 1 + 1e-3


def test_the_rows_of_a_domain_round_its_share_up():
    feeds = [PowerDomain(name, "feed", NO_BUDGET) for name in ("fa", "fb", "fc")]
    shared = rack("r1", ["n1"], parents=("fa", "fb", "fc"), feed_load="shared")
    snapshot = tiny_snapshot([TinyNode("n1")], [], [*feeds, shared])
    incidence = compile_incidence(snapshot.topology, snapshot.node_names)
    rows = dict(
        zip(
            zip(incidence.domain, incidence.lost, strict=True),
            row_draws_mw(incidence, node_draws_mw(snapshot)).tolist(),
            strict=True,
        )
    )
    assert rows["fa", ""] == 33_334
    assert rows["fa", "fb"] == 50_000
    assert rows["r1", ""] == 100_000


def test_draws_at_other_loads_leave_the_loads_as_they_are():
    snapshot = tiny_snapshot([TinyNode("n1")], [TinyPod("p", "n1", accelerator_watts=1)])
    use, accelerator = node_loads(snapshot)
    draws_mw(node_kinds(snapshot), use, accelerator)
    assert (use.tolist(), accelerator.tolist()) == ([1_000_000], [1_000])
