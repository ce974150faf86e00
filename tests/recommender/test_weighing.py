"""Prices that keep work per watt: the cheapest plan is found, its bound holds, and no rule is made of a price."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, tiny_snapshot

from powerplane.models.draws import node_draws_mw
from powerplane.models.topology import PowerDomain
from powerplane.models.work.performance import LEAST_SAMPLES, Performance
from powerplane.models.work.worth import AT_RISK, MOST_RANK
from powerplane.recommender.planning import make_plan
from powerplane.recommender.weighing import weighed

NODES = [TinyNode("a", cpu=16), TinyNode("b", cpu=16)]


def pods(count: int) -> list[TinyPod]:
    return [TinyPod(f"p{i}", "a", owner=f"Deployment/d{i}") for i in range(count)]


def crowd(count: int, too_many: int):
    """So many pods alike, but for their owners, of which so many have to leave their rack."""
    budget_mw = int(node_draws_mw(tiny_snapshot(NODES, pods(count - too_many)))[0])
    racks = [PowerDomain("r1", "rack", budget_mw, nodes=("a",)), PowerDomain("r2", "rack", 10**9, nodes=("b",))]
    return tiny_snapshot(NODES, pods(count), racks)


def plan_of(snapshot):
    return make_plan(snapshot, objective="disruption", deadline_s=5.0, seed=0, say=lambda _: None, clock=lambda: 0.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, AT_RISK), min_size=1, max_size=7), st.data())
def test_the_cheapest_leave_and_the_bound_is_one_on_these_prices(worths, data):
    too_many = data.draw(st.integers(1, len(worths)))
    snapshot = crowd(len(worths), too_many)
    of_owner = {f"Deployment/d{i}": worth for i, worth in enumerate(worths)}
    templates = tuple(replace(each, worth=of_owner[each.owner]) for each in snapshot.templates)
    plain, plan = plan_of(snapshot), plan_of(replace(snapshot, templates=templates))
    cheapest = sum(sorted(worths)[:too_many]) / 1000
    assert plan.cost - plain.cost == pytest.approx(cheapest)
    assert plan.bound <= plan.cost + 1e-9
    assert len(plan.moves) == len(plain.moves) == too_many


def test_what_must_go_goes_whatever_it_is_worth():
    snapshot = crowd(2, 2)
    templates = tuple(replace(each, worth=AT_RISK) for each in snapshot.templates)
    assert len(plan_of(replace(snapshot, templates=templates)).moves) == 2


def performance(per_watt: float, samples: int = LEAST_SAMPLES) -> Performance:
    return Performance(per_watt * 10, 10.0, per_watt, 0.0, samples)


def test_only_workloads_of_which_enough_was_seen_are_worth_more():
    snapshot = crowd(3, 1)
    done = {
        ("default/Deployment/d0", "vllm:tokens"): performance(4.0),
        ("default/Deployment/d1", "vllm:tokens"): performance(2.0),
        ("default/Deployment/d2", "vllm:tokens"): performance(8.0, samples=1),
        ("other/Deployment/d2", "request_predict_seconds_count"): performance(9.0),
    }
    found = weighed(snapshot, (), {}, done, ("Enforce",))
    worth = {each.owner: each.worth for each in found.templates}
    assert worth == {"Deployment/d0": MOST_RANK, "Deployment/d1": MOST_RANK // 2, "Deployment/d2": 0}
    assert len(found.assumptions) == len(snapshot.assumptions) + 1
    assert weighed(snapshot, (), {}, {}, ("Enforce",)) is snapshot
