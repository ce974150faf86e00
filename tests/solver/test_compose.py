"""A plan names the pods, watts and domains that the result means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import BENT, TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.plan import Conflict
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain
from powerplane.solver.compose import compose_plan
from powerplane.solver.formulate import formulate
from powerplane.solver.result import Flow, Result

NODES = [TinyNode(f"n{i}") for i in range(1, 5)]
N1, N2, N3, N4 = range(4)


def result_of(*flows, **fields):
    given_fields = {
        "status": "feasible",
        "objective": "disruption",
        "cost": 3000,
        "bound": 2000,
        "overload_mw": 0,
        "overload_bound_mw": 0,
        "seed": 7,
        "seconds": 1.5,
    }
    return Result(flows=flows, **given_fields | fields)


def compose(snapshot, *flows, reasons=None, conflict=None, drained=(), **fields):
    formulation = formulate(snapshot)
    because = [("r1",)] * len(flows) if reasons is None else reasons
    return compose_plan(snapshot, formulation, result_of(*flows, **fields), because, conflict, drained=drained)


def told(plan):
    return [(move.wave, move.pod, move.source, move.target) for move in plan.moves]


def test_the_youngest_pods_of_a_class_go_first_then_by_name():
    pods = [TinyPod("c", "n1"), TinyPod("b", "n1"), TinyPod("a", "n1", age_s=100_001), TinyPod("d", "n1", age_s=9999)]
    plan = compose(tiny_snapshot(NODES, pods), Flow(0, N1, N2, 3, 1))
    assert [move.pod for move in plan.moves] == ["b", "c", "d"]


def test_the_choice_does_not_depend_on_the_order_of_the_pods():
    pods = [TinyPod(name, "n1", age_s=1000 * age) for name, age in (("a", 2), ("b", 1), ("c", 1), ("d", 3))]
    plans = [compose(tiny_snapshot(NODES, order), Flow(0, N1, N2, 2, 1)) for order in (pods, pods[::-1])]
    assert told(plans[0]) == told(plans[1]) == [(1, "b", "n1", "n2"), (1, "c", "n1", "n2")]


def test_a_parked_pod_moves_on_and_residents_stay():
    pods = [TinyPod("mover", "n1"), TinyPod("resident", "n2")]
    plan = compose(tiny_snapshot(NODES, pods), Flow(0, N1, N2, 1, 1), Flow(0, N2, N3, 1, 2))
    assert told(plan) == [(1, "mover", "n1", "n2"), (2, "mover", "n2", "n3")]


def test_what_arrives_in_a_wave_does_not_leave_in_it():
    pods = [TinyPod("a", "n1"), TinyPod("b", "n2")]
    plan = compose(tiny_snapshot(NODES, pods), Flow(0, N1, N2, 1, 1), Flow(0, N2, N3, 1, 1))
    assert told(plan) == [(1, "a", "n1", "n2"), (1, "b", "n2", "n3")]


def test_a_flow_of_more_pods_than_there_are_is_refused():
    snapshot = tiny_snapshot(NODES, [TinyPod("a", "n1")])
    with pytest.raises(ValueError, match="takes 2 pods where 1 stand"):
        compose(snapshot, Flow(0, N1, N2, 2, 1))


def test_reasons_that_are_not_one_a_flow_are_refused():
    snapshot = tiny_snapshot(NODES, [TinyPod("a", "n1")])
    with pytest.raises(ValueError, match="shorter"):
        compose(snapshot, Flow(0, N1, N2, 1, 1), reasons=[])


def test_each_move_has_the_reasons_of_its_flow():
    pods = [TinyPod("a", "n1"), TinyPod("b", "n2")]
    flows = Flow(0, N1, N3, 1, 1), Flow(0, N2, N3, 1, 1)
    plan = compose(tiny_snapshot(NODES, pods), *flows, reasons=[("r1", "fa"), ("drain n2",)])
    assert [move.because for move in plan.moves] == [("r1", "fa"), ("drain n2",)]
    assert [move.uid for move in plan.moves] == ["uid-default-a", "uid-default-b"]


def test_moves_are_sorted_by_wave_then_namespace_then_pod():
    pods = [TinyPod(name, "n1", namespace=ns) for ns in ("b", "a") for name in ("y", "x")]
    snapshot = tiny_snapshot(NODES, pods)
    plan = compose(snapshot, Flow(0, N1, N2, 1, 2), Flow(0, N1, N3, 3, 1))
    assert [(move.wave, move.namespace, move.pod) for move in plan.moves] == [
        (1, "a", "x"),
        (1, "a", "y"),
        (1, "b", "x"),
        (2, "b", "y"),
    ]


def test_watts_are_what_the_source_draws_less_by_its_curve_before_the_plan():
    # On the bent curve of 4 cores, the pod alone takes it from 10 % to 0 %: 60 W; from 60 % to 50 %: 16 W.
    nodes = [TinyNode("n1", curve=BENT), TinyNode("n2", curve=BENT), TinyNode("n3")]
    mover = {"use": 0.4, "accelerator_watts": 30}
    pods = [TinyPod("x", "n1", **mover), TinyPod("y", "n2", **mover), TinyPod("base", "n2", use=2)]
    formulation = formulate(tiny_snapshot(nodes, pods))
    one = int(formulation.classes.of_pod[0])
    plan = compose(tiny_snapshot(nodes, pods), Flow(one, 0, 2, 1, 1), Flow(one, 1, 2, 1, 1))
    assert [move.watts for move in plan.moves] == [90, 46]


def test_a_parked_pods_watts_are_what_it_adds_where_it_was_parked():
    pods = [TinyPod("x", "n1", use=0.4)]
    nodes = [TinyNode("n1"), TinyNode("n2", curve=BENT), TinyNode("n3")]
    plan = compose(tiny_snapshot(nodes, pods), Flow(0, 0, 1, 1, 1), Flow(0, 1, 2, 1, 2))
    assert [move.watts for move in plan.moves] == [20, 60]


def test_every_domain_is_told_before_and_after_also_without_a_budget():
    domains = [rack("r1", ["n1"], 140), rack("r2", ["n2", "n3", "n4"])]
    plan = compose(tiny_snapshot(NODES, [TinyPod("a", "n1")], domains), Flow(0, N1, N2, 1, 1))
    assert [(d.name, d.kind, d.budget_watts, d.before_watts, d.after_watts, d.lost) for d in plan.domains] == [
        ("r1", "rack", 140, 150, 100, ""),
        ("r2", "rack", None, 300, 350, ""),
    ]


def test_a_feed_is_told_with_the_loss_that_makes_it_fullest():
    feeds = [PowerDomain(name, "feed", NO_BUDGET) for name in ("fa", "fb")]
    racks = [rack("r1", ["n1"], parents=("fa", "fb"), feed_load="shared"), rack("r2", ["n2", "n3", "n4"])]
    plan = compose(tiny_snapshot(NODES, [], [*feeds, *racks]))
    assert [(d.name, d.lost, d.after_watts) for d in plan.domains][:2] == [("fa", "fb", 100), ("fb", "fa", 100)]


def test_status_figures_and_sleeping_nodes_are_the_results():
    snapshot = tiny_snapshot(NODES, [TinyPod("a", "n1")])
    conflict = Conflict(members=("r1",))
    plan = compose(
        snapshot, objective="energy", status="infeasible", overload_mw=1500, sleepable=(0, 2), conflict=conflict
    )
    assert (plan.status, plan.objective, plan.seed, plan.seconds) == ("infeasible", "energy", 7, 1.5)
    assert (plan.cost, plan.bound, plan.gap, plan.overload_watts) == (3, 2, 0.5, 1.5)
    assert (plan.snapshot, plan.sleepable, plan.conflict) == ("tiny", ("n1", "n3"), conflict)


def test_pods_that_wait_for_a_node_are_told_and_said_to_be_left_out():
    plan = compose(tiny_snapshot(NODES, [TinyPod("a", "n1"), TinyPod("waits", namespace="shop")]))
    (one,) = plan.unplaced
    assert (one.namespace, one.pod, one.reason) == ("shop", "waits", "waits for the scheduler")
    assert any("wait for the scheduler (1)" in assumption for assumption in plan.assumptions)


def test_pods_that_stay_on_a_drained_node_are_told_with_what_holds_them():
    pods = [
        TinyPod("agent", "n1", unmovable="DaemonSet"),
        TinyPod("disk", "n1", unmovable="local storage"),
        TinyPod("goes", "n1"),
        TinyPod("stuck", "n1", cpu=2),
        TinyPod("elsewhere", "n2", unmovable="local storage"),
    ]
    snapshot = tiny_snapshot(NODES, pods)
    goes = int(formulate(snapshot).classes.of_pod[2])
    plan = compose(snapshot, Flow(goes, N1, N2, 1, 1), drained=["n1"])
    assert [(one.pod, one.reason) for one in plan.unplaced] == [
        ("disk", "stays on n1: local storage"),
        ("stuck", "stays on n1: no place found elsewhere"),
    ]


def test_the_plan_says_how_it_priced_and_what_it_takes_a_node_to_draw():
    told_assumptions = " ".join(compose(tiny_snapshot(NODES, [TinyPod("a", "n1", owner="")])).assumptions)
    for words in ("curve at the CPU use", "A move costs 1", "No pod has a recorded owner"):
        assert words in told_assumptions
    assert "recorded owner" not in " ".join(compose(tiny_snapshot(NODES, [TinyPod("a", "n1")])).assumptions)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)), max_size=8))
def test_every_pod_of_a_flow_starts_where_its_last_move_ended(legs):
    pods = [TinyPod(f"p{i}", f"n{1 + i % 4}") for i in range(8)]
    place = {pod.name: pod.node for pod in pods}
    standing = [2, 2, 2, 2]
    flows = []
    for wave, (source, target, wanted) in enumerate(legs, start=1):
        count = min(wanted, standing[source])
        if count and source != target:
            flows.append(Flow(0, source, target, count, wave))
            standing[source] -= count
            standing[target] += count
    plan = compose(tiny_snapshot(NODES, pods), *flows)
    assert len(plan.moves) == sum(flow.count for flow in flows)
    for move in plan.moves:
        assert place[move.pod] == move.source
        place[move.pod] = move.target
    assert sorted(place.values()) == sorted(f"n{1 + node}" for node in range(4) for _ in range(standing[node]))
