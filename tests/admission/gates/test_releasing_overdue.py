"""Nobody waits for ever: whose time is over, what they count as then, and that nothing else makes one overdue."""

from dataclasses import replace

from tests.admission.gates.gate_world import NODES, RACKS, World, names


def unruled(world):
    """Releases of a look at which no policy asks anybody to wait."""
    return world.releaser.decide(replace(world.seen(), most_s=lambda _: None)).releases


def test_a_clock_that_is_set_wrong_makes_nobody_overdue_who_came_while_we_looked():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    assert world.look().releases == ()
    for number in range(5):
        world.create(f"p{number}", 100)
    assert world.look().releases == ()
    jumped = replace(world.seen(), now_s=world.seen().now_s + 86_400)
    assert world.releaser.decide(jumped).releases == ()
    world.clock_s += 601
    assert len(names(world.look().releases, "overdue")) == 5


def test_a_pod_that_waited_under_the_replica_before_goes_in_its_time():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 100)
    world.look()
    world.clock_s += 500
    world.restart()
    assert world.look().releases == ()
    world.clock_s += 101
    assert names(world.look().releases, "overdue") == ["p"]


def test_domains_that_are_made_anew_let_nobody_go_meanwhile_and_those_that_stay_away_do():
    world = World()
    everything = world.domains
    world.create("p", 480, nodeSelector={"rack": "r3"})
    assert world.settle() == []
    world.domains = list
    for _ in range(5):
        world.clock_s += 5
        assert world.settle() == []
    world.domains = everything
    world.clock_s += 5
    assert world.settle() == []
    world.domains = list
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle()) == ["p"]


def test_a_pod_that_could_never_fit_holds_nobody_up_and_goes_in_the_end():
    world = World()
    world.create("huge", 5000)
    world.clock_s += 100
    world.create("small", 100)
    assert names(world.settle()) == ["small"]
    assert (world.look().never, world.look().set_aside) == (1, 0)
    world.clock_s += 500
    assert names(world.settle(), "overdue") == ["huge"]
    assert world.reach("huge") == NODES


def test_an_overdue_pod_takes_headroom_where_there_is_some():
    world = World()
    world.most_s = 10
    world.create("p", 100)
    world.clock_s += 11
    assert [each.reason for each in world.settle()] == ["headroom"]


def test_an_overdue_pod_counts_everywhere_for_a_while_and_not_for_ever():
    world = World()
    world.create("huge", 1900)
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["huge"]
    world.create("next", 200)
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle(), "headroom") == ["next"]


def test_without_a_policy_nobody_waits():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 400)
    assert world.settle() == []
    assert unruled(world) == ()
    world.clock_s += 31
    (release,) = unruled(world)
    assert release.reason == "no_policy"
    assert world.write(release)
    world.rack_w = dict.fromkeys(RACKS, 450)
    world.create("next", 100)
    assert world.settle() == [], "it may go anywhere, and counts for a while"


def test_a_policy_that_is_made_anew_and_a_namespace_that_is_seen_late_let_nobody_go_over_a_budget():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1})
    world.create("p", 400)
    for _ in range(20):
        world.clock_s += 20
        assert unruled(world) == ()
        world.clock_s += 5
        assert world.look().releases == ()


def test_a_pod_without_a_policy_goes_where_there_are_watts_as_any_other():
    world = World()
    world.create("p", 100)
    (release,) = unruled(world)
    assert release.reason == "headroom"


def test_behind_somebody_elses_gate_nobody_holds_watts_and_the_time_still_runs():
    world = World()
    world.create("p", 100, schedulingGates=[{"name": "other.io/x"}, {"name": "powerplane.dev/power"}])
    assert world.settle() == []
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["p"], "it keeps no watts: nobody knows when the other gate goes"
    assert world.pods["p"]["spec"]["schedulingGates"] == [{"name": "other.io/x"}]


def test_a_pod_that_went_too_late_counts_from_when_the_last_gate_of_others_goes():
    world = World()
    world.create("huge", 1900, schedulingGates=[{"name": "other.io/x"}, {"name": "powerplane.dev/power"}])
    world.clock_s += 601
    assert names(world.settle(), "overdue") == ["huge"]
    world.clock_s += 300
    world.create("first", 200)
    assert names(world.settle()) == ["first"], "what stands behind a gate holds no watts"
    world.bind("first", world.reach("first")[0])
    del world.pods["huge"]["spec"]["schedulingGates"]
    world.touch("huge")
    world.create("next", 200)
    assert world.settle() == []
    world.clock_s += 31
    assert names(world.settle()) == ["next"]


def test_domains_that_make_no_tree_let_nobody_go_but_the_overdue():
    world = World()
    good = world.domains
    world.domains = lambda: [{"metadata": {"name": "r1"}, "spec": {"kind": "rack", "parents": ["nobody"]}}]
    world.create("p", 100)
    assert world.settle() == []
    world.clock_s += 601
    assert names(world.settle()) == ["p"]
    assert good


def test_nobody_waits_longer_than_the_policy_says_however_full_it_is():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 1}, node_w=1)
    world.most_s = 100
    for number in range(20):
        world.create(f"p{number}", 50 + number, namespace="ab"[number % 2], priority=number % 3)
        world.clock_s += 5
        world.settle()
    world.clock_s += 100
    world.settle()
    assert all(world.reach(name) for name in world.pods)
