"""More power trees than one plan may be for: what is broken is mended in several plans, each whole and checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recommender.world import Cluster, Watching

from powerplane.models.plan import Move, Plan
from powerplane.recommender import portioning
from powerplane.recommender.portioning import chosen, touched
from powerplane.recommender.trees import Trees
from powerplane.recommender.violations import Violation

MOST = 4


@pytest.fixture
def few_trees(monkeypatch):
    """Few enough that a small cluster has more."""
    defaults = portioning.propose_portion.__kwdefaults__
    monkeypatch.setitem(defaults, "most_trees", MOST)


def rows_of_racks(pairs: int) -> Cluster:
    """Pairs of racks, each a tree of its own: of each pair one draws more than it may, and one has room."""
    cluster = Cluster({f"r{i}": 500.0 - i if i % 2 == 0 else 700.0 for i in range(2 * pairs)})
    for i in range(0, 2 * pairs, 2):
        cluster.run("web", f"r{i}-n0", 10)
        cluster.run("db", f"r{i}-n1", 10)
    cluster.enforce()
    return cluster


def test_what_is_broken_in_more_trees_than_an_object_holds_is_mended_in_several_plans(few_trees):
    watching = Watching(rows_of_racks(4))
    cluster, published, plans = watching.cluster, watching.outside.published, []
    for _ in range(20):
        watching.look(5)
        for body in published[len(plans) :]:
            plans.append(frozenset(body["spec"]["trees"]))
            watching.carry_out(body["metadata"]["name"])
    assert len(plans) >= 2
    assert all(len(trees) <= MOST for trees in plans)
    assert all(cluster.draw(rack) <= watts for rack, watts in cluster.racks.items())
    assert "PlanRefused" not in watching.reasons


def test_plans_that_are_open_at_the_same_time_share_no_tree(few_trees):
    watching = Watching(rows_of_racks(4))
    for _ in range(4):
        watching.look(5)
    trees = [frozenset(body["spec"]["trees"]) for body in watching.outside.published]
    assert len(trees) >= 2
    assert sum(map(len, trees)) == len(frozenset().union(*trees))


def test_a_plan_for_some_trees_names_what_it_is_for_and_nothing_else(few_trees):
    watching = Watching(rows_of_racks(4))
    watching.look(5)
    (body,) = watching.outside.published
    own = {f"r{i} " for i in range(0, 8, 2)}
    named = {each for each in own if each in body["spec"]["reason"]}
    assert 1 <= len(named) < len(own)
    assert {each.strip() for each in named} <= set(body["spec"]["trees"])


def plan_of(pairs):
    moves = tuple(Move("ns", f"p{i}", f"u{i}", source, target, 1.0, 1) for i, (source, target) in enumerate(pairs))
    return Plan("feasible", "disruption", 0.0, 0.0, None, 0, 0.0, "", moves=moves)


roots = st.integers(0, 9).map(lambda i: f"t{i}")


@given(st.lists(st.tuples(roots, roots), max_size=30), st.lists(roots, unique=True), st.integers(1, 6))
def test_no_more_trees_are_chosen_than_an_object_holds_and_the_worst_is_among_them(pairs, over, most):
    trees = Trees({f"t{i}": frozenset({f"t{i}"}) for i in range(10)}, {})
    wanted = [Violation(name, "rack", "now", 1, 2, "") for name in over]
    kept = chosen(plan_of(pairs), wanted, trees, most)
    assert len(kept) <= most
    assert not over or over[0] in kept
    if len(touched(plan_of(pairs), trees) | set(over)) <= most:
        assert set(over) <= kept
