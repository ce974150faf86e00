"""Where a pod is sent, and what was given to it counts until it is bound, whatever becomes of writes and nodes."""

from tests.admission.gates.gate_world import NODES, World, names

from powerplane.admission.planned import PLANNED_ANNOTATION


def test_a_pod_is_narrowed_to_nodes_of_one_rack_and_the_first_fits_best():
    world = World(rack_w={"r3": 130})
    world.create("p", 120)
    (release,) = world.settle()
    assert (release.reason, release.nodes) == ("headroom", ("c1",))
    assert world.reach("p") == ("c1",)


def test_where_every_node_has_plenty_a_pod_is_sent_nowhere_in_particular():
    world = World()
    world.create("p", 1)
    (release,) = world.settle()
    assert release.nodes == ()
    assert world.reach("p") == NODES


def test_a_planned_pod_is_sent_to_its_target_where_that_has_the_watts_and_elsewhere_where_not():
    for size in (90, 480):
        world = World(rack_w={"r1": 400})
        world.create("p", size)
        world.pods["p"]["metadata"]["annotations"] = {PLANNED_ANNOTATION: "a2,gone"}
        (release,) = world.look().releases
        assert (release.nodes == ("a2",)) == (size == 90)
        assert release.nodes


def test_where_every_node_has_plenty_a_planned_pod_is_still_sent_to_its_target():
    world = World(node_w=90_000, rack_w={"r1": 90_000, "r2": 90_000, "r3": 90_000}, row_w=900_000, feed_w=900_000)
    world.create("p", 90)
    world.pods["p"]["metadata"]["annotations"] = {PLANNED_ANNOTATION: "b1"}
    assert [each.nodes for each in world.look().releases] == [("b1",)]


def test_what_was_let_go_counts_until_it_is_bound_also_after_a_restart():
    world = World(row_w=300)
    world.create("one", 200)
    assert names(world.settle()) == ["one"]
    world.create("two", 200)
    assert world.settle() == []
    world.restart()
    assert world.settle() == []
    world.bind("one", world.reach("one")[0])
    assert world.settle() == []
    del world.pods["one"]
    assert names(world.settle()) == ["two"]


def test_what_was_sent_to_a_node_that_goes_and_comes_again_counts_under_its_rack_all_the_while():
    world = World()
    everything = world.nodes
    world.create("sent", 400, nodeSelector={"kubernetes.io/hostname": "b1"})
    assert names(world.settle()) == ["sent"]
    world.nodes = lambda: [each for each in everything() if each["metadata"]["name"] != "b1"]
    for restart in (False, True):
        if restart:
            world.restart()
        world.create(f"q{restart}", 400, nodeSelector={"rack": "r2"})
        assert world.settle() == [], "700 W hold one of them, and b1 may be back at any moment"
    world.create("small", 200, nodeSelector={"rack": "r2"})
    assert names(world.settle()) == ["small"]
    del world.pods["sent"], world.pods["small"]
    assert len(world.settle()) == 1


def test_a_write_on_its_way_to_a_node_that_goes_counts_under_its_rack():
    world = World()
    everything = world.nodes
    world.create("sent", 400, nodeSelector={"kubernetes.io/hostname": "b1"})
    (release,) = world.look().releases
    world.nodes = lambda: [each for each in everything() if each["metadata"]["name"] != "b1"]
    world.create("other", 400, nodeSelector={"rack": "r2"})
    assert world.look().releases == ()
    assert world.write(release)
    world.releaser.note(release, "done", world.clock_s)
    assert world.look().releases == ()


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_meanwhile():
    world = World(row_w=300)
    world.create("one", 200)
    world.create("two", 200)
    (release,) = world.look().releases
    world.releaser.note(release, "unknown", world.clock_s)
    assert world.look().releases == ()
    world.clock_s += 2
    assert world.look().releases == (release,)
    assert world.write(release)
    world.releaser.note(release, "done", world.clock_s)
    assert world.settle() == []


def test_a_lost_request_is_not_sent_again_where_the_budget_was_lowered_meanwhile():
    world = World(rack_w={"r2": 1, "r3": 1})
    world.create("one", 400)
    (release,) = world.look().releases
    world.releaser.note(release, "unknown", world.clock_s)
    world.rack_w["r1"] = 300
    world.clock_s += 2
    assert world.look().releases == ()
    world.clock_s += 20
    assert world.settle() == []
    world.rack_w["r1"] = 500
    assert names(world.settle()) == ["one"]


def test_a_pod_that_somebody_wrote_to_first_is_let_go_by_its_newer_version():
    world = World()
    world.create("p", 100)
    (release,) = world.look().releases
    world.touch("p")
    assert not world.write(release)
    world.releaser.note(release, "stale", world.clock_s)
    assert names(world.settle()) == ["p"]
