"""Which moves of a plan may surge: no domain above both nodes draws more than its budget while both pods draw."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recommender.world import Cluster, Watching

from powerplane.models.plan import DomainDraw, Move, Plan
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.recommender.surging import surging

RACKS = {"r1": ("a", "b"), "r2": ("c", "d")}
ROW = "row"


def topology():
    racks = [PowerDomain(name, "rack", 10**9, (ROW,), nodes) for name, nodes in RACKS.items()]
    return PowerTopology((PowerDomain(ROW, "row", 10**9), *racks))


def move(uid, source, target, watts, wave=1):
    return Move(
        namespace="default",
        pod=uid,
        uid=uid,
        source=source,
        target=target,
        watts=watts,
        wave=wave,
        because=(),
    )


def plan(moves, draws):
    domains = tuple(
        DomainDraw(name=name, kind="", budget_watts=None, before_watts=watts, after_watts=watts)
        for name, watts in draws.items()
    )
    return Plan(
        status="feasible",
        objective="disruption",
        cost=1.0,
        bound=1.0,
        gap=0.0,
        seed=0,
        seconds=0.0,
        snapshot="",
        moves=tuple(moves),
        domains=domains,
    )


def test_a_pod_surges_where_the_row_has_the_watts_for_both_and_only_where_its_owner_asks():
    moves = [move("u1", "a", "c", 50.0), move("u2", "a", "c", 50.0)]
    made = plan(moves, {ROW: 400.0, "r1": 300.0, "r2": 100.0})
    assert surging(made, ["u1"], topology(), {ROW: 450_000, "r2": 200_000}) == {"u1"}
    assert surging(made, ["u1", "u2"], topology(), {ROW: 450_000, "r2": 200_000}) == {"u1"}
    assert surging(made, ["u1", "u2"], topology(), {ROW: 449_000, "r2": 200_000}) == frozenset()
    assert surging(made, ["u1", "u2"], topology(), {}) == {"u1", "u2"}
    assert surging(made, [], topology(), {}) == frozenset()


def test_within_a_rack_the_rack_itself_must_have_the_watts():
    made = plan([move("u1", "a", "b", 50.0)], {ROW: 400.0, "r1": 300.0, "r2": 100.0})
    assert surging(made, ["u1"], topology(), {"r1": 349_000}) == frozenset()
    assert surging(made, ["u1"], topology(), {"r1": 350_000}) == {"u1"}


NODES = st.sampled_from([node for nodes in RACKS.values() for node in nodes])
MOVES = st.lists(st.tuples(NODES, NODES, st.integers(0, 200), st.integers(1, 3)), max_size=8)


@settings(deadline=None)
@given(MOVES, st.integers(0, 600), st.integers(0, 600), st.data())
def test_no_part_of_a_wave_with_all_surging_pods_drawn_twice_exceeds_a_budget_that_it_need_not(
    rows, first, second, data
):
    moves = [move(f"u{i}", *row[:2], float(row[2]), row[3]) for i, row in enumerate(rows) if row[0] != row[1]]
    draws = {"r1": float(first), "r2": float(second), ROW: float(first + second)}
    budgets = {name: data.draw(st.integers(0, 1500)) for name in draws}
    found = surging(
        plan(moves, draws), [each.uid for each in moves], topology(), {n: w * 1000 for n, w in budgets.items()}
    )
    within = {"r1": {"a", "b"}, "r2": {"c", "d"}, ROW: {"a", "b", "c", "d"}}
    for name, nodes in within.items():
        drawn = draws[name]
        for wave in (1, 2, 3):
            here = [each for each in moves if each.wave == wave]
            arriving = sum(m.watts for m in here if m.target in nodes and m.source not in nodes)
            leaving = sum(m.watts for m in here if m.source in nodes and m.target not in nodes)
            twice = sum(m.watts for m in here if m.uid in found and {m.source, m.target} <= nodes)
            assert not twice or drawn + arriving + twice <= budgets[name]
            drawn += arriving - leaving


@pytest.mark.parametrize(("feed_watts", "surge"), [(2000.0, True), (615.0, False)])
def test_a_round_lets_pods_surge_whose_owner_asks_where_the_feed_above_both_racks_has_the_watts(feed_watts, surge):
    # Four nodes of 100 W and 10 pods of 20 W: the feed has room for one pod more, or for none.
    cluster = Cluster({"r1": 365.0, "r2": None}, parents={"r1": ("f",), "r2": ("f",)}, feeds={"f": feed_watts})
    cluster.enforce()
    cluster.run("web", "r1-n0", 10, labels={"pod-template-hash": "rs"})
    for pod in cluster.pods.values():
        pod["metadata"]["annotations"] = {"powerplane.dev/surge": "true"}
    watching = Watching(cluster)
    for _ in range(6):
        watching.look(5.0)
    (plan,) = cluster.plans.values()
    assert plan.spec.moves
    assert {move.surge for move in plan.spec.moves} == {surge}
