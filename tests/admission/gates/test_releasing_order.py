"""Who goes first: overtaking, watts set aside for one that waits, and that a stream of others starves nobody."""

from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.admission.gates.gate_world import RACKS, SIZES_W, World, names

from powerplane.admission.gates.release_facts import Terms
from powerplane.admission.gates.releasing import Releaser


def test_small_pods_overtake_a_large_one_until_it_has_waited_long_enough_and_not_after():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    for number in range(4):
        world.create(f"s{number}", 100)
    world.settle()
    for number in range(4):
        world.bind(f"s{number}", "c1")
    world.create("large", 400)
    world.clock_s += 10
    del world.pods["s0"]
    world.create("small", 100)
    assert names(world.settle()) == ["small"]
    world.bind("small", "c1")
    world.clock_s += 60
    for number in range(1, 4):
        world.create(f"late{number}", 100)
        del world.pods[f"s{number}"]
        assert world.settle() == []
    assert (world.look().set_aside, world.look().waiting) == (1, 4)
    del world.pods["small"]
    assert names(world.settle()) == ["large"]


def test_watts_are_set_aside_in_one_place_and_others_go_elsewhere():
    world = World(rack_w={"r1": 420, "r2": 400, "r3": 1}, node_w=420)
    world.create("held", 100, nodeSelector={"rack": "r1"})
    world.settle()
    world.bind("held", "a1")
    world.create("large", 410)
    world.clock_s += 61
    assert world.settle() == []
    world.create("here", 90, nodeSelector={"rack": "r1"})
    world.create("anywhere", 90)
    assert names(world.settle()) == ["anywhere"]
    assert set(world.reach("anywhere")) == {"b1", "b2"}


def test_a_higher_priority_may_take_what_is_set_aside():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    world.create("there", 100)
    world.settle()
    world.bind("there", "c1")
    world.create("large", 400)
    world.clock_s += 100
    assert world.settle() == []
    world.create("equal", 100)
    assert world.settle() == []
    world.create("higher", 100, priority=1)
    assert names(world.settle()) == ["higher"]


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(1, 10))
@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_a_stream_of_small_pods_never_starves_a_large_one(seed, before, after):
    """Of the only rack that can take it, those that came later get what is left beyond its watts, and no more."""
    chance, world = Random(seed), World(rack_w={"r1": 500, "r2": 450, "r3": 450})

    def stream(number):
        world.create(f"small{number}", chance.choice((20, 40, 90, 150)))
        for release in world.settle():
            world.bind(release.pod.name, chance.choice(world.reach(release.pod.name)))

    def in_r1():
        return {name for name, pod in world.pods.items() if pod["spec"].get("nodeName") in RACKS["r1"]}

    world.create("first", 90, nodeSelector={"rack": "r1"})
    world.settle()
    world.bind("first", "a1")
    world.create("large", 480)
    for number in range(before):
        stream(number)
    world.clock_s += 61
    old = in_r1()
    for number in range(before, before + after):
        stream(number)
        if world.reach("large"):
            return
        assert sum(world.watts(name) for name in in_r1() - old) <= 20
        if len(old) > 1:
            del world.pods[old.pop()]
    for name in old:
        del world.pods[name]
    assert "large" in names(world.settle())


def test_watts_are_set_aside_for_the_first_of_the_order_only():
    world = World(rack_w={"r1": 1, "r2": 1, "r3": 450})
    world.releaser = Releaser(Terms(most_set_aside=2))
    world.create("there", 100)
    world.settle()
    world.bind("there", "c1")
    for number in range(5):
        world.create(f"large{number}", 400)
    world.clock_s += 100
    round_ = world.look()
    assert (round_.set_aside, round_.waiting) == (2, 5)


def test_without_arrivals_everybody_who_fits_an_empty_floor_is_let_go_as_pods_end():
    world = World()
    world.releaser.terms = Terms(patience_s=0.0)
    world.most_s = 1e9
    for number in range(60):
        world.create(f"p{number:02}", SIZES_W[1 + number % 5], namespace="ab"[number % 2])
    served = 0
    for _ in range(80):
        for release in world.settle():
            served += 1
            world.bind(release.pod.name, world.reach(release.pod.name)[0])
        running = sorted(name for name, pod in world.pods.items() if pod["spec"].get("nodeName"))
        if running:
            del world.pods[running[0]]
    assert served == 60
