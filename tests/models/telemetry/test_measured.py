"""A snapshot on measured watts: each node draws what it counts as, and nothing moves where nothing is known.

Nodes of the tests' snapshots draw 100 W idle and 300 W at full use of their 4 cores.
"""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import BENT, TinyNode, TinyPod, tiny_snapshot
from tests.models.telemetry.made import Reading, node_readings, unmeasured

from powerplane.models.draws import node_draws_mw
from powerplane.models.objects import ObjectMeta, Pod, PodSpec
from powerplane.models.snapshot import Snapshot
from powerplane.models.telemetry.measured import DARK, UNKNOWN, on_measured_watts
from powerplane.models.telemetry.measured_pods import rounded_ucores, usage_rows, with_fallback
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.usage import UsageRow

NOBODY: frozenset[tuple[str, str]] = frozenset()


def measured(
    snapshot: Snapshot, nodes: Mapping[str, Reading], metered: frozenset[tuple[str, str]] = NOBODY
) -> Snapshot:
    return on_measured_watts(snapshot, node_readings(nodes), metered)


def draws(snapshot: Snapshot) -> list[float]:
    return (node_draws_mw(snapshot) / 1000).tolist()


def with_pod(name: str, node: int, place: Snapshot) -> Snapshot:
    """The pod on another node."""
    pods = place.pods
    moved = pods.node.copy()
    moved[pods.names.index(name)] = node
    return type(place)(
        **{f: getattr(place, f) for f in place.__slots__}
        | {"pods": type(pods)(**{f: getattr(pods, f) for f in pods.__slots__} | {"node": moved})}
    )


PAIR = [TinyNode("n1"), TinyNode("n2")]


@pytest.mark.parametrize("watts", [60.0, 150.0, 251.337, 1234.5])
def test_a_node_draws_what_it_was_measured_to_draw(watts: float) -> None:
    state = measured(
        tiny_snapshot(PAIR, [TinyPod("a", "n1"), TinyPod("b", "n2")]), {"n1": Reading(watts), "n2": Reading(150)}
    )
    assert draws(state) == [watts, 150]


def test_what_a_move_frees_and_costs_is_the_slope_of_the_curve() -> None:
    state = measured(
        tiny_snapshot(PAIR, [TinyPod("a", "n1"), TinyPod("b", "n2")]), {"n1": Reading(260), "n2": Reading(160)}
    )
    assert draws(with_pod("a", 1, state)) == [210, 210]


@given(
    st.lists(st.tuples(st.floats(0, 4.5), st.sampled_from([0, 0, 40, 700])), min_size=1, max_size=6),
    st.floats(0.001, 2000),
    st.booleans(),
    st.booleans(),
)
def test_whatever_pods_use_and_nodes_draw_the_two_agree_and_no_move_onto_a_node_lowers_its_draw(
    pods: list[tuple[float, int]], watts: float, known: bool, bent: bool
) -> None:
    tiny = [TinyPod(f"p{i}", "n1", use=use, accelerator_watts=each) for i, (use, each) in enumerate(pods)]
    nodes = [TinyNode("n1", curve=BENT) if bent else TinyNode("n1"), TinyNode("n2")]
    metered = frozenset(("default", pod.name) for pod in tiny) if known else NOBODY
    state = measured(tiny_snapshot(nodes, tiny), {"n1": Reading(watts), "n2": Reading(130)}, metered)
    assert node_draws_mw(state).tolist() == [math.ceil(watts * 1000 - 1e-6), 130_000]
    emptier = node_draws_mw(with_pod("p0", 1, state))
    assert emptier[0] <= node_draws_mw(state)[0]
    assert emptier[1] >= 130_000
    assert (state.pods.accelerator_mw >= 0).all()


def test_a_node_at_its_worst_case_is_flat_closed_and_keeps_its_pods() -> None:
    pods = [TinyPod("a", "n1"), TinyPod("b", "n2"), TinyPod("c", "n2", unmovable="DaemonSet")]
    state = measured(tiny_snapshot(PAIR, pods), {"n1": Reading(150), "n2": unmeasured(300)})
    assert draws(state) == [150, 300]
    assert draws(with_pod("b", 0, state))[1] == 300
    assert draws(with_pod("a", 1, state))[1] == 300
    assert [node.spec.unschedulable for node in state.nodes] == [False, True]
    assert state.allocatable[:, state.resources.index("pods")].tolist() == [110, 2]
    reasons = [state.templates[row].unmovable for row in state.pods.template.tolist()]
    assert reasons == ["", UNKNOWN, "DaemonSet"]


def test_a_nodes_own_budget_below_its_worst_case_makes_no_plan_impossible_and_a_measured_nodes_does() -> None:
    nodes = [TinyNode("n1", budget_watts=270), TinyNode("n2", budget_watts=270)]
    state = measured(tiny_snapshot(nodes), {"n1": Reading(280), "n2": unmeasured(300)})
    over = node_draws_mw(state) > state.node_budget_mw
    assert over.tolist() == [True, False]
    assert any("budgets of their own is not known" in each for each in state.assumptions)


def test_a_node_that_the_readings_leave_out_counts_at_its_curves_peak() -> None:
    state = measured(tiny_snapshot(PAIR, [TinyPod("b", "n2", accelerator_watts=50)]), {"n1": Reading(150)})
    assert draws(state) == [150, 350]
    assert state.nodes[1].spec.unschedulable


@pytest.mark.parametrize("watts", [math.nan, math.inf, -3.0])
def test_a_reading_that_is_no_reading_counts_at_the_peak(watts: float) -> None:
    state = measured(tiny_snapshot(PAIR), {"n1": Reading(watts), "n2": Reading(150)})
    assert draws(state) == [300, 150]
    assert state.nodes[0].spec.unschedulable


def test_a_dark_node_draws_nothing_and_takes_nothing() -> None:
    snapshot = tiny_snapshot(PAIR, [TinyPod("a", "n1", accelerator_watts=90), TinyPod("b", "n2")])
    found = node_readings({"n1": Reading(0.0), "n2": Reading(150)})
    dark = NodeReadings(**{f: getattr(found, f) for f in found.__slots__} | {"dark": frozenset({"n1"})})
    state = on_measured_watts(snapshot, dark, NOBODY)
    assert draws(state) == [0.001, 150]
    assert state.nodes[0].spec.unschedulable
    assert state.templates[state.pods.template[0]].unmovable == DARK
    assert any("dark" in each and "n1" in each for each in state.assumptions)


def test_accelerators_that_are_only_assumed_give_way_to_what_the_node_draws_and_measured_ones_do_not() -> None:
    pods = [TinyPod("a", "n1", use=0, accelerator_watts=700), TinyPod("b", "n1", use=0, accelerator_watts=300)]
    state = measured(tiny_snapshot(PAIR, pods), {"n1": Reading(600), "n2": Reading(150)}, frozenset({("default", "b")}))
    assert draws(state)[0] == 600
    assert state.pods.accelerator_mw.tolist() == [200_000, 300_000]
    assert any("500 W less than assumed" in each for each in state.assumptions)


def test_nodes_that_draw_alike_share_a_curve() -> None:
    nodes = [TinyNode(f"n{i}") for i in range(40)]
    state = measured(tiny_snapshot(nodes), {node.name: Reading(180.0) for node in nodes})
    assert len({id(curve) for curve in state.node_curve}) == 1


def test_the_state_is_named_by_what_was_measured() -> None:
    snapshot = tiny_snapshot(PAIR)
    one, two = (measured(snapshot, {"n1": Reading(watts), "n2": Reading(150)}) for watts in (180, 181))
    assert len({one.digest, two.digest, snapshot.digest}) == 3


def test_what_the_watts_rest_on_is_told() -> None:
    state = measured(
        tiny_snapshot([*PAIR, TinyNode("n3")]),
        {"n1": Reading(150), "n2": Reading(150, "held", "kepler"), "n3": unmeasured(300)},
    )
    told = " ".join(state.assumptions)
    assert "2 of 3 (ipmi 1, kepler 1)" in told
    assert "one or two scrapes were missed: 1" in told
    assert "worst case, for nothing measures them: 1 (n3)" in told


def readings_of_pods(*rows: tuple[str, str, str, float, float]) -> PodReadings:
    names, uids, nodes, cores, watts = zip(*rows, strict=True) if rows else ((),) * 5
    nothing = np.full(len(rows), np.nan)
    return PodReadings(("ns",) * len(rows), names, uids, nodes, np.array(cores), np.array(watts), nothing, nothing)


def there(name: str, uid: str = "u", node: str = "n1") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="ns", uid=uid), spec=PodSpec(node_name=node))


NAN = float("nan")


def test_measured_use_becomes_rows_of_what_is_known() -> None:
    pods = readings_of_pods(("a", "u", "n1", 1.234, NAN), ("b", "", "", NAN, 310.2), ("c", "u", "n1", NAN, NAN))
    rows = usage_rows(pods, [there("a"), there("b"), there("c")])
    assert [(row.pod, row.accelerator_mw) for row in rows] == [("a", None), ("b", 312_000)]
    assert rows[0].use_ucores == pytest.approx(1_234_000, rel=0.005)
    assert rows[1].use_ucores is None


@pytest.mark.parametrize(
    "row",
    [
        ("a", "another", "n1", 1.0, NAN),
        ("a", "u", "n2", 1.0, NAN),
        ("gone", "u", "n1", 1.0, NAN),
        ("a", "u", "n1", math.inf, NAN),
        ("a", "u", "n1", -1.0, NAN),
    ],
)
def test_what_is_not_this_pods_use_is_no_row(row: tuple[str, str, str, float, float]) -> None:
    assert usage_rows(readings_of_pods(row), [there("a")]) == ()


def test_a_figure_that_is_not_measured_comes_from_the_file() -> None:
    file = [UsageRow("ns", "a", 5, 6), UsageRow("ns", "b", 7, 8)]
    rows = with_fallback([UsageRow("ns", "a", None, 1000), UsageRow("ns", "c", 9, None)], file)
    assert {(row.pod, row.use_ucores, row.accelerator_mw) for row in rows} == {
        ("a", 5, 1000),
        ("b", 7, 8),
        ("c", 9, None),
    }


@given(st.floats(0.001, 1e4), st.sampled_from([1.01, 1.1, 1.2]))
def test_a_use_is_rounded_by_no_more_than_half_a_step_and_whole_cores_keep_one(cores: float, step: float) -> None:
    assert rounded_ucores(1.0, step) == 1_000_000
    within = step**0.5 * (1 + 1e-9)
    assert cores * 1e6 / within - 1 <= rounded_ucores(cores, step) <= max(cores * 1e6 * within + 1, 1000)
    assert rounded_ucores(0.0, step) == 0


def test_pods_of_a_large_cluster_that_use_nearly_the_same_become_alike() -> None:
    many = range(40_000)
    readings = readings_of_pods(*((f"p{i}", "", "", 1 + i / 1e5, NAN) for i in many))
    rows = usage_rows(readings, [there(f"p{i}") for i in many])
    assert len({row.use_ucores for row in rows}) <= 4
