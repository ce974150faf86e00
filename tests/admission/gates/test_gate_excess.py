"""What nodes are measured to draw beyond the books is given to nobody, and silence of the meters frees nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.admission.gates.gate_world import NODES, World

from powerplane.models.drift import Sample

W = 1000


def measured(world: World, **watts: int) -> None:
    world.samples |= {node: Sample(each * W, world.clock_s) for node, each in watts.items()}


def let_go(world: World) -> list[str]:
    return sorted(each.pod.name for each in world.settle())


def test_watts_drawn_beyond_the_books_are_given_to_nobody_under_any_budget_above() -> None:
    world = World(rack_w={"r3": 450})
    measured(world, c1=120)
    for name in ("one", "two"):
        world.create(name, 200, nodeSelector={"rack": "r3"})
    assert let_go(world) == ["one"]
    plain = World(rack_w={"r3": 450})
    for name in ("one", "two"):
        plain.create(name, 200, nodeSelector={"rack": "r3"})
    assert let_go(plain) == ["one", "two"]


def test_pods_that_draw_what_the_books_say_are_no_excess() -> None:
    world = World()
    world.create("there", 300, nodeSelector={"rack": "r3"})
    world.settle()
    world.bind("there", "c1")
    measured(world, c1=300)
    assert world.seen().extra_mw.tolist() == [0] * len(NODES)


def test_an_excess_that_is_gone_is_given_again_slowly() -> None:
    world = World(rack_w={"r3": 450})
    measured(world, c1=400)
    world.create("waits", 200, nodeSelector={"rack": "r3"})
    assert let_go(world) == []
    for _ in range(200):
        world.clock_s += 6
        measured(world, c1=0)
        if names := let_go(world):
            break
    assert names == ["waits"]
    assert world.clock_s >= 1000 + 150 / 0.5, "faster than half a watt a second"


def test_a_node_whose_meter_falls_silent_counts_at_its_peak_and_no_release_comes_of_it() -> None:
    world = World(node_w=500, rack_w={"r3": 500}, peak_w=480)
    measured(world, c1=20)
    world.create("first", 100, nodeSelector={"rack": "r3"})
    assert let_go(world) == ["first"]
    world.bind("first", "c1")
    world.clock_s += 60
    world.create("second", 100, nodeSelector={"rack": "r3"})
    assert let_go(world) == []
    assert int(world.seen().extra_mw.max()) == 380 * W
    measured(world, c1=110)
    world.clock_s += 6
    assert let_go(world) == ["second"]


@settings(max_examples=15, deadline=None)
@given(
    before=st.lists(st.dictionaries(st.sampled_from(NODES), st.integers(0, 600)), max_size=5),
    silent=st.lists(st.sampled_from([0.0, 1.0, 5.0, 30.0, 600.0]), min_size=1, max_size=5),
    peak_w=st.sampled_from([0, 450]),
)
def test_rounds_that_are_missing_never_raise_what_is_left(before, silent, peak_w) -> None:
    world = World(peak_w=peak_w)
    for samples in before:
        world.clock_s += 6
        measured(world, **samples)
        world.seen()
    seen = world.seen()
    room = seen.ground.headroom(seen.moment, seen.extra_mw).room_mw
    for passed_s in silent:
        world.clock_s += passed_s
        seen = world.seen()
        less = seen.ground.headroom(seen.moment, seen.extra_mw).room_mw
        assert (less <= room).all()
        room = less


def test_without_meters_the_books_stand_as_they_are() -> None:
    assert np.array_equal(World().seen().extra_mw, np.zeros(len(NODES)))
