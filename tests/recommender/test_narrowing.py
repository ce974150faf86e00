"""The snapshot that is solved: what is busy is closed, what is unknown may not grow, and growth ahead is held back."""

from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot

from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.topology import PowerDomain
from powerplane.recommender.allowing import Leave
from powerplane.recommender.narrowing import BUSY, Limits, narrowed, overload_mw
from powerplane.recommender.planning import make_plan
from powerplane.recommender.trees import trees_of

YES = Leave(("", "all"), "migrate")


def floor(budgets=(250, 400, None)):
    """Three racks of a node each, all pods on the first: 4 pods of a core, 50 W each over 100 W idle."""
    nodes = [TinyNode(f"n{number}") for number in (1, 2, 3)]
    pods = [TinyPod(f"p{number}", "n1") for number in range(4)]
    racks = [rack(f"r{number}", [f"n{number}"], watts) for number, watts in zip((1, 2, 3), budgets, strict=True)]
    return tiny_snapshot(nodes, pods, racks)


def solve(snapshot):
    return make_plan(snapshot, objective="disruption", deadline_s=1.0, seed=0, say=lambda _: None, clock=lambda: 0.0)


def narrow(snapshot, **limits):
    leaves = [YES] * len(snapshot.templates)
    return narrowed(snapshot, leaves, trees_of(snapshot.topology), Limits(**limits))


def test_without_limits_nothing_changes_for_the_solver():
    snapshot = floor()
    assert overload_mw(snapshot) == overload_mw(narrow(snapshot)) == 50_000
    assert len(solve(narrow(snapshot)).moves) == 1


def test_nothing_goes_to_a_busy_tree_or_leaves_it():
    assert {move.target for move in solve(narrow(floor(), busy={"r2"})).moves} == {"n3"}
    busy = narrow(floor(), busy={"r1"})
    plan = solve(busy)
    assert plan.moves == ()
    assert plan.status == "optimal"
    assert {busy.templates[row].unmovable for row in busy.pods.template.tolist()} == {BUSY}
    assert busy.nodes[0].spec.unschedulable


@given(st.sets(st.sampled_from(["r1", "r2", "r3"])))
def test_of_busy_trees_no_budget_asks_for_anything(busy):
    for domain in narrow(floor(), busy=busy).topology.domains:
        assert domain.name not in busy or domain.budget_mw == NO_BUDGET


def test_a_domain_that_is_not_known_well_enough_asks_for_nothing_and_takes_nothing_on():
    snapshot = floor(budgets=(250, 90, None))  # r2 is over its budget idle, by what is assumed
    plan = solve(narrow(snapshot, untold={"r2"}))
    assert {move.target for move in plan.moves} == {"n3"}
    assert plan.overload_watts == 0


def test_growth_that_is_foreseen_is_made_room_for():
    snapshot = floor(budgets=(310, 400, None))
    assert solve(narrow(snapshot)).moves == ()
    assert len(solve(narrow(snapshot, growth_mw={"r1": 40_000})).moves) == 1


def test_pods_without_leave_are_pinned():
    snapshot = floor()
    found = narrowed(snapshot, [None] * len(snapshot.templates), trees_of(snapshot.topology), Limits())
    assert solve(found).moves == ()


def test_a_feed_counts_at_its_worst_row():
    nodes = [TinyNode("n1")]
    domains = [
        PowerDomain("a", "feed", 60_000),
        PowerDomain("b", "feed", 60_000),
        PowerDomain("r1", "rack", NO_BUDGET, parents=("a", "b"), nodes=("n1",), feed_load="shared"),
    ]
    # 100 W idle over two feeds: 50 W each, and all of it on the one that is left.
    assert overload_mw(tiny_snapshot(nodes, [], domains)) == 2 * 40_000


def test_trees_are_known_by_their_roots():
    domains = [
        PowerDomain("a", "feed", NO_BUDGET),
        PowerDomain("b", "feed", NO_BUDGET),
        PowerDomain("row", "row", NO_BUDGET, parents=("a",)),
        PowerDomain("r1", "rack", NO_BUDGET, parents=("row", "b"), nodes=("n1",), feed_load="shared"),
        PowerDomain("r2", "rack", NO_BUDGET, nodes=("n2",)),
    ]
    trees = trees_of(tiny_snapshot([TinyNode("n1"), TinyNode("n2")], [], domains).topology)
    assert trees.of_domain["r1"] == {"a", "b"}
    assert trees.of_domain["row"] == {"a"}
    assert trees.of_node == {"n1": {"a", "b"}, "n2": {"r2"}}
    assert trees.roots(["n1", "r2", "stranger"]) == {"a", "b", "r2"}
