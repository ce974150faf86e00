"""How much goes on at once, and in an hour."""

from hypothesis import given
from hypothesis import strategies as st

from powerplane.actuator.facts import Move
from powerplane.actuator.limits import HourBudget, Limits, Room

START_S = 1_800_000_000.0


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
    hour.take(START_S)
    hour.take(START_S + 10)
    assert hour.left(START_S + 20) == 0
    assert hour.left(START_S + 3601) == 1
    assert hour.left(START_S + 3611) == 2


def test_a_clock_that_was_set_back_holds_nobody_up_for_longer_than_an_hour():
    hour = HourBudget(1)
    hour.take(START_S + 10_000)
    assert hour.left(START_S) == 1


@given(st.lists(st.floats(0, 3599), max_size=20), st.integers(1, 10))
def test_whoever_takes_over_counts_on(ages_s, most):
    before, after = HourBudget(most), HourBudget(most)
    for age_s in sorted(ages_s, reverse=True):
        before.take(START_S - age_s)
    after.take_over(before.told(), START_S)
    assert after.left(START_S) == max(0, before.left(START_S))


def test_one_that_leads_again_counts_nothing_twice():
    hour = HourBudget(10)
    for age_s in (100, 50, 49, 0):
        hour.take(START_S - age_s)
    hour.take_over(hour.told(), START_S)
    assert hour.left(START_S) == 6


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,40}:[0-9]{1,40}", fullmatch=True))
def test_what_was_left_on_the_lease_may_be_anything(text):
    hour = HourBudget(5)
    hour.take_over(text, START_S)
    assert 0 <= hour.left(START_S) <= 5
