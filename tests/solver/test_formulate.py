"""The problem says what the snapshot says."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import BENT, GIB, TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.curves import milliwatts_at
from powerplane.models.draws import node_draws_mw
from powerplane.models.pricing import Pricing
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain
from powerplane.solver.formulate import formulate
from powerplane.solver.problem import UNBOUNDED

NODES = [TinyNode("n1"), TinyNode("n2", cpu=8, curve=BENT), TinyNode("n3", cpu=2)]


def problem_of(nodes, pods=(), domains=None, **more):
    return formulate(tiny_snapshot(nodes, pods, domains, **more)).problem


def column(problem, name):
    return problem.resource_names.index(name)


def of_pod(formulation, pod, what):
    return getattr(formulation.problem, what)[formulation.classes.of_pod[pod]].tolist()


PLACED = st.builds(
    dict,
    node=st.sampled_from(["", "n1", "n2", "n3"]),
    cpu=st.sampled_from([0, 0.1, 1]),
    memory=st.sampled_from([0, 1, 7]),
    use=st.integers(0, 3_000_000).map(lambda ucores: ucores / 1e6),
    accelerator_watts=st.sampled_from([0, 0.5, 400]),
)


@given(st.lists(PLACED, max_size=15))
def test_the_cells_hold_every_bound_pod_and_the_loads_of_every_node(placed):
    snapshot = tiny_snapshot(NODES, [TinyPod(f"p{i}", **one) for i, one in enumerate(placed)])
    problem = formulate(snapshot).problem
    bound = snapshot.pods.node >= 0
    assert problem.cell_count.sum() == bound.sum()
    assert (problem.cell_count > 0).all()
    cells = list(zip(problem.cell_node.tolist(), problem.cell_class.tolist(), strict=True))
    assert cells == sorted(set(cells))
    for row in range(len(NODES)):
        here = problem.cell_node == row
        held = problem.cell_count[here] @ problem.requests[problem.cell_class[here]]
        pods = np.flatnonzero(snapshot.pods.node == row)
        requests = np.array([snapshot.templates[t].requests for t in snapshot.pods.template[pods]], dtype=np.int64)
        for name in problem.resource_names[:-1]:
            asked = requests.reshape(len(pods), len(snapshot.resources))[:, snapshot.resources.index(name)]
            assert held[column(problem, name)] == asked.sum()
        assert held[column(problem, "cpu-use")] == snapshot.pods.use_ucores[pods].sum()


@given(st.lists(PLACED, max_size=15))
def test_the_problems_curves_give_the_snapshots_draws(placed):
    snapshot = tiny_snapshot(NODES, [TinyPod(f"p{i}", **one) for i, one in enumerate(placed)])
    problem = formulate(snapshot).problem
    for row, draw in enumerate(node_draws_mw(snapshot).tolist()):
        here = problem.cell_node == row
        count, classes = problem.cell_count[here], problem.cell_class[here]
        kind = problem.types[problem.node_type[row]]
        use = np.array([count @ problem.use_ucores[classes]])
        mw = int(milliwatts_at(kind.knots_ucores, kind.knots_mw, use)[0])
        assert mw + int(count @ problem.accelerator_mw[classes]) == draw


def test_resources_that_no_pod_requests_are_dropped_and_use_comes_last():
    pods = [TinyPod("p", "n1", extra={"nvidia.com/gpu": 1}), TinyPod("waits", extra={"example.com/fpga": 1})]
    nodes = [TinyNode("n1", extra={"nvidia.com/gpu": 4})]
    problem = problem_of(nodes, pods)
    assert problem.resource_names == ("cpu", "memory", "pods", "nvidia.com/gpu", "cpu-use")
    assert problem.allocatable.tolist() == [[4000, 16 * GIB, 110, 4, 4_000_000]]
    assert problem.requests.tolist() == [[1000, GIB, 1, 1, 1_000_000]]


def test_a_node_that_uses_more_than_its_cores_offers_what_it_uses():
    problem = problem_of(NODES, [TinyPod("hot", "n3", cpu=0.1, use=2.5), TinyPod("cool", "n1", use=1)])
    assert problem.allocatable[:, -1].tolist() == [4_000_000, 8_000_000, 2_500_000]


def ports(*wanted, unmovable=""):
    pods = [TinyPod(f"p{i}", "n1", cpu=i + 1, host_ports=one, unmovable=unmovable) for i, one in enumerate(wanted)]
    formulation = formulate(tiny_snapshot([TinyNode("n1", cpu=64)], pods))
    names = formulation.problem.resource_names
    kept = [i for i, name in enumerate(names) if name.startswith("host port")]
    return [{names[i] for i in kept if of_pod(formulation, pod, "requests")[i]} for pod in range(len(pods))]


def clash(one, other):
    first, second = ports((one,), (other,))
    return bool(first & second)


def test_pods_that_bind_one_port_of_every_address_clash():
    assert clash(("TCP", "0.0.0.0", 80), ("TCP", "0.0.0.0", 80))


def test_a_port_of_every_address_clashes_with_that_of_one_address():
    assert clash(("TCP", "0.0.0.0", 80), ("TCP", "10.0.0.1", 80))
    assert clash(("TCP", "10.0.0.1", 80), ("TCP", "0.0.0.0", 80))


def test_ports_of_different_addresses_protocols_or_numbers_do_not_clash():
    assert not clash(("TCP", "10.0.0.1", 80), ("TCP", "10.0.0.2", 80))
    assert not clash(("TCP", "0.0.0.0", 80), ("UDP", "0.0.0.0", 80))
    assert not clash(("TCP", "0.0.0.0", 80), ("TCP", "0.0.0.0", 81))


def test_a_node_offers_each_host_port_once():
    problem = problem_of([TinyNode("n1")], [TinyPod("p", "n1", host_ports=(("TCP", "0.0.0.0", 80),))])
    assert problem.allocatable[:, column(problem, "host port 80/TCP")].tolist() == [1]


def test_host_ports_that_only_fixed_pods_bind_are_left_out():
    assert ports((("TCP", "0.0.0.0", 80),), unmovable="DaemonSet") == [set()]


def test_nodes_of_one_curve_and_size_are_one_type():
    problem = problem_of([TinyNode("n1"), TinyNode("n2"), TinyNode("n3", cpu=8), TinyNode("n4", curve=BENT)])
    assert problem.node_type.tolist() == [0, 0, 1, 2]
    assert problem.types[1].knots_ucores.tolist() == [0, 8_000_000]
    assert problem.types[2].name == "bent with 4 cores"


def test_classes_with_the_same_nodes_share_a_row_and_what_is_fixed_may_land_nowhere():
    nodes = [TinyNode("n1", {"zone": "a"}), TinyNode("n2", unschedulable=True), TinyNode("n3", {"zone": "a"})]
    pods = [
        TinyPod("any", "n1"),
        TinyPod("zone", "n1", cpu=2, spec={"nodeSelector": {"zone": "a"}}),
        TinyPod("fixed", "n1", unmovable="DaemonSet"),
    ]
    formulation = formulate(tiny_snapshot(nodes, pods))
    sets = [of_pod(formulation, pod, "allowed_set") for pod in range(3)]
    assert sets[0] == sets[1] != sets[2]
    assert formulation.problem.allowed[sets[0]].tolist() == [True, False, True]
    assert not formulation.problem.allowed[sets[2]].any()
    assert len(formulation.problem.allowed) == 2


def test_power_rows_are_those_of_domains_with_a_budget_also_with_a_feed_lost():
    feeds = [PowerDomain("fa", "feed", 1_000_000), PowerDomain("fb", "feed", NO_BUDGET)]
    racks = [rack("r1", ["n1"], 500, parents=("fa", "fb"), feed_load="shared"), rack("r2", ["n2", "n3"])]
    formulation = formulate(tiny_snapshot(NODES, [], [*feeds, *racks]))
    problem = formulation.problem
    assert list(zip(problem.row_domain, problem.row_lost, strict=True)) == [("fa", ""), ("fa", "fb"), ("r1", "")]
    assert problem.row_budget_mw.tolist() == [1_000_000, 1_000_000, 500_000]
    assert (problem.row_weights.toarray() / problem.row_scale).tolist() == [[0.5, 0, 0], [1, 0, 0], [1, 0, 0]]
    told = [formulation.incidence.domain[row] for row in formulation.budgeted]
    assert tuple(told) == problem.row_domain
    assert set(formulation.incidence.domain) == {"fa", "fb", "r1", "r2"}


def test_node_budgets_are_carried_over():
    problem = problem_of([TinyNode("n1", budget_watts=250.5), TinyNode("n2")])
    assert problem.node_budget_mw.tolist() == [250_500, UNBOUNDED]


def test_moves_cost_what_the_price_list_says():
    snapshot = tiny_snapshot(NODES, [TinyPod("young", "n1", age_s=10), TinyPod("old", "n1")])
    formulation = formulate(snapshot, Pricing(settling=7000))
    assert [of_pod(formulation, pod, "move_cost") for pod in range(2)] == [8001, 1001]


def test_a_snapshot_without_nodes_or_pods_is_a_problem_too():
    problem = problem_of([])
    assert (problem.node_count, problem.class_count, problem.requests.shape) == (0, 0, (0, 1))


def test_a_permutation_of_the_pods_gives_the_same_classes_and_cells():
    pods = [TinyPod(f"p{i}", f"n{1 + i % 3}", cpu=1 + i % 2, use=(i % 4) / 2) for i in range(24)]
    seen = []
    for order in (pods, pods[::-1]):
        problem = problem_of(NODES, order)
        figures = zip(problem.requests.tolist(), problem.use_ucores.tolist(), strict=True)
        key = [str(one) for one in figures]
        cells = zip(problem.cell_node, problem.cell_class, problem.cell_count, strict=True)
        seen.append(Counter({(int(node), key[one]): int(count) for node, one, count in cells}))
    assert seen[0] == seen[1]
