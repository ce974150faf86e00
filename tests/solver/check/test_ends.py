"""What a plan states about itself."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.snapshots import TinyNode, TinyPod, rack, tiny_snapshot
from tests.solver.check.plans import kinds, move, true_plan, verdict

from powerplane.models.plan import DomainDraw
from powerplane.solver.check import check

SNAPSHOT = tiny_snapshot(
    [TinyNode("a"), TinyNode("b")], [TinyPod("p", "a"), TinyPod("q", "b")], [rack("r1", "a", 500), rack("r2", "b", 500)]
)
MOVES = [move(SNAPSHOT, "p", "b")]
HOT = tiny_snapshot([TinyNode("a", budget_watts=140)], [TinyPod("p", "a")], [rack("r1", "a", 130)])


def domain(**changes):
    plan = true_plan(SNAPSHOT, MOVES)
    first = msgspec.structs.replace(plan.domains[0], **changes)
    return check(SNAPSHOT, msgspec.structs.replace(plan, domains=(first, *plan.domains[1:])))


@pytest.mark.parametrize("status", ["optimal", "feasible"])
def test_a_plan_that_leaves_an_overload_may_not_say_that_budgets_hold(status):
    assert kinds(verdict(HOT, [], status=status)) == {("status", None)}


def test_node_and_domain_overload_are_added():
    assert verdict(HOT, []).overload_mw == 10_000 + 20_000


@pytest.mark.parametrize("stated", [0.0, 29.98, 30.02, float("nan"), float("inf")])
def test_an_overload_stated_wrongly_is_refused(stated):
    assert kinds(verdict(HOT, [], overload_watts=stated)) == {("overload", None)}


def test_a_plan_that_leaves_nothing_above_its_budget_may_not_say_infeasible():
    assert kinds(verdict(SNAPSHOT, MOVES, status="infeasible")) == {("status", None)}


def test_a_cost_below_its_bound_is_refused():
    assert kinds(verdict(SNAPSHOT, MOVES, cost=1.0, bound=1.5, gap=0.0)) == {("bound", None)}


def test_a_cost_that_is_no_number_is_refused():
    assert ("bound", None) in kinds(verdict(SNAPSHOT, MOVES, cost=float("nan")))


def test_an_optimal_plan_has_no_gap():
    assert kinds(verdict(SNAPSHOT, MOVES, status="optimal", cost=3.0, bound=2.0, gap=0.5)) == {("status", None)}


@pytest.mark.parametrize("gap", [0.0, 0.4, None])
def test_a_gap_that_is_not_that_of_cost_and_bound_is_refused(gap):
    assert kinds(verdict(SNAPSHOT, MOVES, cost=3.0, bound=2.0, gap=gap)) == {("gap", None)}


def test_the_gap_above_a_bound_of_nothing_is_not_a_number():
    assert verdict(SNAPSHOT, MOVES, cost=1.0, bound=0.0, gap=None).ok


@given(st.floats(0.011, 1000), st.sampled_from(["before_watts", "after_watts"]), st.sampled_from([-1, 1]))
def test_a_draw_stated_off_by_more_than_a_hundredth_of_a_watt_is_refused(off, field, sign):
    plan = true_plan(SNAPSHOT, MOVES)
    off += 0.001  # for rounding up at the rack's one node
    assert kinds(domain(**{field: getattr(plan.domains[0], field) + sign * off})) == {("domain-figures", None)}


@given(st.floats(-0.009, 0.009))
def test_a_draw_stated_within_a_hundredth_of_a_watt_passes(off):
    assert domain(after_watts=100 + off).ok


def test_a_budget_stated_wrongly_is_refused():
    assert kinds(domain(budget_watts=501.0)) == {("domain-figures", None)}
    assert kinds(domain(budget_watts=None)) == {("domain-figures", None)}


def test_a_domain_that_is_left_out_is_missed():
    domains = true_plan(SNAPSHOT, MOVES).domains
    assert kinds(verdict(SNAPSHOT, MOVES, domains=domains[:1])) == {("domain-figures", None)}


def test_a_domain_stated_twice_or_unknown_is_refused():
    domains = true_plan(SNAPSHOT, MOVES).domains
    assert kinds(verdict(SNAPSHOT, MOVES, domains=(*domains, domains[0]))) == {("domain-figures", None)}
    ghost = DomainDraw(name="ghost", kind="rack", budget_watts=None, before_watts=0.0, after_watts=0.0)
    assert kinds(verdict(SNAPSHOT, MOVES, domains=(*domains, ghost))) == {("domain-figures", None)}


def test_a_lost_feed_without_a_stand_in_is_refused():
    assert kinds(domain(lost="r2")) == {("domain-figures", None)}


def test_a_node_that_may_sleep_holds_no_pod_that_could_move():
    assert verdict(SNAPSHOT, MOVES, sleepable=("a",)).ok
    assert kinds(verdict(SNAPSHOT, MOVES, sleepable=("b",))) == {("sleepable", None)}
    assert kinds(verdict(SNAPSHOT, MOVES, sleepable=("ghost",))) == {("sleepable", None)}


def test_a_pod_that_must_stay_does_not_keep_its_node_awake():
    snapshot = tiny_snapshot([TinyNode("a")], [TinyPod("p", "a", unmovable="DaemonSet")])
    assert verdict(snapshot, [], sleepable=("a",)).ok
