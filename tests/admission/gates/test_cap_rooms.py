"""Pods behind our gate under a policy's own cap: let go as it has room, counted until a measurement shows them."""

from tests.admission.gates.gate_world import NODES, World, names

ROOMY = {"node_w": 5000, "rack_w": {"r1": 9000, "r2": 9000, "r3": 9000}, "row_w": 90_000, "feed_w": 90_000}


def capped(headroom_w: int, lock: str = "Gate") -> World:
    world = World(**ROOMY)
    world.policy["admission"] = {"lock": lock}
    world.measure(headroom_w)
    return world


def test_a_pod_waits_while_the_cap_has_no_room_for_it_and_goes_once_it_has():
    world = capped(100)
    world.create("p", 150)
    assert world.settle() == []
    world.clock_s += 30
    world.measure(150)
    assert names(world.settle(), "headroom") == ["p"]


def test_pods_that_are_let_go_together_do_not_take_the_same_watts():
    world = capped(350)
    for number in range(4):
        world.create(f"p{number}", 150)
    assert names(world.settle()) == ["p0", "p1"]
    world.clock_s += 20
    assert world.settle() == []


def test_what_was_let_go_counts_until_it_was_measured_a_while_after_it_was_bound():
    world = capped(150)
    world.create("one", 150)
    world.create("two", 150)
    assert names(world.settle()) == ["one"]
    world.bind("one", NODES[0])
    world.clock_s += 10
    # Meters do not show it yet: it was bound a moment ago.
    world.measure(150)
    assert world.settle() == []
    world.clock_s += 60
    world.measure(0)
    assert world.settle() == []
    world.measure(150)
    assert names(world.settle()) == ["two"]


def test_a_pod_that_does_not_fit_keeps_nobody_else_back():
    world = capped(100)
    world.create("large", 150)
    world.create("small", 90)
    assert names(world.settle()) == ["small"]


def test_no_pod_waits_for_figures_that_nobody_renews():
    world = capped(0)
    world.create("p", 150)
    assert world.settle() == []
    world.clock_s += 200
    assert names(world.settle(), "headroom") == ["p"]


def test_no_pod_waits_for_longer_than_its_policy_lets_it():
    world = capped(0)
    world.most_s = 100
    world.create("p", 150)
    world.clock_s += 101
    world.measure(0)
    assert names(world.settle()) == ["p"]


def test_where_budgets_are_held_by_another_lock_a_pod_may_go_anywhere_once_the_cap_has_room():
    world = capped(200, "Partition")
    world.node_w = 10
    world.create("p", 150)
    (release,) = world.settle()
    assert (release.reason, release.nodes) == ("headroom", ())
    assert world.reach("p") == NODES


def test_a_policy_that_evicts_nobody_keeps_nobody_waiting():
    world = capped(0)
    world.policy["levers"] = ["migrate"]
    world.create("p", 150)
    assert names(world.settle()) == ["p"]


def test_figures_of_no_readable_time_keep_nobody_waiting():
    world = capped(0)
    world.status["measuredAt"] = "no time"
    world.create("p", 150)
    assert names(world.settle()) == ["p"]
