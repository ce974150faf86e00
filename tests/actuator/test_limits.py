"""How much goes on at once, and in an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.actuator.facts import Move, MoveState, Plan, PlanState
from powerplane.actuator.limits import HourBudget, Limits, Room, ages_told, ages_written

START_S, UP_S = 1_800_000_000.0, 90_000.0


def move(namespace="ns", owner="o", source="a", target="b", lever="migrate"):
    return Move(namespace, "p", "u", source, target, owner=owner, lever=lever)


def test_each_limit_is_named_once_it_has_no_room():
    limits = Limits(per_node=2, per_namespace=3, per_workload=1, per_cluster=4)
    under_way = [(move(), "Evicting")]
    assert Room(limits, under_way).lacks(move()) == "workload"
    assert Room(limits, under_way).lacks(move(owner="other")) == ""
    assert Room(limits, [(move(owner=f"o{i}"), "Bound") for i in range(2)]).lacks(move(owner="x")) == "node"
    three = [(move(owner=f"o{i}", source=f"s{i}", target=f"t{i}"), "Reserving") for i in range(3)]
    assert Room(limits, three).lacks(move(owner="x")) == "namespace"
    four = [(move(f"ns{i}", f"o{i}", f"s{i}", f"t{i}"), "Steering") for i in range(4)]
    assert Room(limits, four).lacks(move()) == "cluster"


def test_moves_that_wait_or_have_ended_take_no_room():
    steps = ("Waiting", "Ready", "Done", "Failed", "Skipped", "RolledBack")
    assert Room(Limits(per_cluster=1), [(move(), step) for step in steps]).lacks(move()) == ""


def test_a_node_is_counted_by_what_leaves_it_and_by_what_comes_apart():
    room = Room(Limits(per_node=1, per_workload=9), [(move(source="a", target="b"), "Evicting")])
    assert room.lacks(move(source="b", target="c")) == ""
    assert room.lacks(move(source="c", target="b")) == "node"
    assert room.lacks(move(source="c", target="b", lever="evict")) == ""


def test_what_is_taken_during_a_look_counts_at_once():
    room = Room(Limits(per_workload=1), [])
    room.take(move())
    assert room.lacks(move()) == "workload"


def test_an_hours_evictions_are_counted_for_an_hour():
    hour = HourBudget(2)
    hour.take(UP_S)
    hour.take(UP_S + 10)
    assert hour.left(UP_S + 20) == 0
    assert hour.left(UP_S + 3601) == 1
    assert hour.left(UP_S + 3611) == 2


ages = st.lists(st.floats(0, 3500), max_size=20)


@given(ages, st.integers(1, 10), st.floats(0, 1e7))
def test_whoever_takes_over_counts_on_by_whatever_clock(ages_s, most, its_clock_s):
    before, after = HourBudget(most), HourBudget(most)
    for age_s in sorted(ages_s, reverse=True):
        before.take(UP_S - age_s)
    after.take_over([ages_told(before.told(UP_S), most)], its_clock_s)
    assert max(0, after.left(its_clock_s)) == max(0, before.left(UP_S))
    for later_s in (60, 600, 3000):
        assert max(0, after.left(its_clock_s + later_s)) <= max(0, before.left(UP_S + later_s))


@given(ages)
def test_what_is_told_is_at_most_a_minute_younger_than_it_was(ages_s):
    hour = HourBudget(100)
    for age_s in sorted(ages_s, reverse=True):
        hour.take(UP_S - age_s)
    told = sorted(ages_told(hour.told(UP_S), 100))
    assert len(told) == len(ages_s)
    assert all(age_s - 61 <= each <= age_s + 1 for each, age_s in zip(told, sorted(ages_s), strict=True))


def test_one_that_leads_again_counts_nothing_twice():
    hour = HourBudget(10)
    for age_s in (100, 50, 49, 0):
        hour.take(UP_S - age_s)
    hour.take_over([ages_told(hour.told(UP_S), 10)], UP_S)
    assert hour.left(UP_S) == 6


def test_a_lease_that_was_deleted_empties_no_hour_while_plans_say_what_was_evicted():
    steps = ("Done", "Evicted", "Bound", "RolledBack", "Skipped", "Reserved")
    moves = {step: MoveState(step, step, at_s=START_S - 100) for step in steps}
    moves["full"] = MoveState("full", "Failed", "TargetFull", at_s=START_S - 100)
    moves["astray"] = MoveState("astray", "Failed", "NotReady", at_s=START_S - 100)
    moves["old"] = MoveState("old", "Done", at_s=START_S - 3700)
    plan = Plan("p", "u", state=PlanState("Done", moves=moves))
    hour = HourBudget(10)
    hour.take_over([ages_told("", 10), ages_written([plan], START_S)], UP_S)
    assert hour.left(UP_S) == 6
    assert hour.left(UP_S + 3501) == 10


def test_an_eviction_that_the_lease_and_a_plan_tell_counts_once():
    moves = {str(age_s): MoveState(str(age_s), "Done", at_s=START_S - age_s) for age_s in (30, 90)}
    told, written = [31.0, 91.0, 200.0], ages_written([Plan("p", "u", state=PlanState("Done", moves=moves))], START_S)
    hour = HourBudget(10)
    hour.take_over([told, written], UP_S)
    assert hour.left(UP_S) == 7


def test_a_clock_that_is_behind_what_was_written_counts_it_for_an_hour_and_no_longer():
    plan = Plan("p", "u", state=PlanState("Done", moves={"m": MoveState("m", "Done", at_s=START_S + 3600)}))
    hour = HourBudget(1)
    hour.take_over([ages_written([plan], START_S)], UP_S)
    assert hour.left(UP_S + 3599) == 0
    assert hour.left(UP_S + 3601) == 1


@pytest.mark.parametrize(("phase", "created_s"), [("Done", START_S - 600), ("Running", 0.0)])
def test_times_of_a_clock_that_was_set_back_while_it_wrote_empty_no_hour(phase, created_s):
    moves = {"m": MoveState("m", "Done", at_s=START_S - 7200)}
    plan = Plan("p", "u", created_s=created_s, state=PlanState(phase, moves=moves))
    assert ages_written([plan], START_S) == [0.0]


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,40}:[0-9]{1,40}", fullmatch=True))
def test_what_was_left_on_the_lease_may_be_anything(text):
    hour = HourBudget(5)
    hour.take_over([ages_told(text, 5)], UP_S)
    assert 0 <= hour.left(UP_S) <= 5
