"""The surge of a roll-out in progress is held back for its own pods, and for no longer than it goes on."""

import pytest
from tests.admission.gates.gate_world import World, names
from tests.admission.gates.rolling import own, rollout


def running(world, *pods, node="b1"):
    """Pods of the Deployment that passed the gate and run."""
    for name in pods:
        own(world, name)
        spec = world.pods[name]["spec"]
        del spec["schedulingGates"]
        spec["nodeName"] = node
        world.pods[name]["metadata"]["annotations"] = {"powerplane.dev/granted": "headroom"}


@pytest.fixture
def world():
    """600 W for everything, of which four pods of the Deployment hold 400."""
    made = World(row_w=600)
    running(made, "old1", "old2", "old3", "old4")
    return made


def test_without_a_roll_out_others_take_what_is_left(world):
    rollout(world, updated=4)
    world.create("other", 200)
    assert names(world.settle()) == ["other"]


def test_others_do_not_take_what_the_surge_of_a_roll_out_will_draw(world):
    rollout(world)
    world.create("other", 200)
    world.create("small", 100)
    assert world.settle() == []
    own(world, "new1")
    own(world, "new2")
    rollout(world, there=6, updated=2)
    assert names(world.settle()) == ["new1", "new2"]


def test_what_the_surge_does_not_need_others_have(world):
    rollout(world, surge=1)
    world.create("other", 100)
    world.create("more", 100)
    assert len(world.settle()) == 1


def test_between_one_pod_and_the_next_what_an_old_pod_leaves_stays_for_the_roll_out(world):
    running(world, "new1", "new2")
    rollout(world, there=6, updated=2)
    world.create("other", 100)
    assert world.settle() == []
    del world.pods["old1"]
    rollout(world, there=5, updated=2)
    assert world.settle() == [], "its next pod is not made yet"
    own(world, "new3")
    assert names(world.settle()) == ["new3"]


def test_a_pod_of_the_roll_out_that_waits_keeps_its_watts_whoever_came_before_it(world):
    world.create("first", 100)
    world.create("second", 100)
    own(world, "new1", 150)
    rollout(world, there=5, updated=1)
    assert names(world.settle()) == ["new1"]


def test_a_higher_priority_takes_what_is_held_back(world):
    rollout(world)
    world.create("urgent", 200, priority=10)
    assert names(world.settle()) == ["urgent"]


def test_once_the_roll_out_is_over_others_have_it(world):
    rollout(world)
    world.create("other", 200)
    assert world.settle() == []
    rollout(world, updated=4)
    assert names(world.settle()) == ["other"]


@pytest.mark.parametrize(
    "given_up",
    [
        {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]},
        {"spec": {"paused": True}},
        {"spec": {"strategy": {"type": "Recreate"}}},
        {"spec": {"replicas": 0}},
    ],
)
def test_a_roll_out_that_does_not_go_on_holds_nothing_back(world, given_up):
    rollout(world, **given_up)
    world.create("other", 200)
    assert names(world.settle()) == ["other"]


@pytest.mark.parametrize(("deadline", "lasts_s"), [(None, 600), (60, 60), (2_147_483_647, 3600)])
def test_one_that_comes_no_further_loses_it_by_our_own_clock_too(world, deadline, lasts_s):
    world.most_s = 1e9
    rollout(world, spec={"progressDeadlineSeconds": deadline})
    world.create("other", 200)
    assert world.settle() == []
    world.clock_s += lasts_s
    assert world.settle() == []
    world.clock_s += 1
    assert names(world.settle()) == ["other"]


def test_progress_begins_the_time_anew_and_flapping_does_not(world):
    world.most_s = 1e9
    rollout(world)
    world.create("other", 200)
    assert world.settle() == []
    for available in (3, 4, 3, 4):
        world.clock_s += 150
        rollout(world, available=available)
        assert world.settle() == []
    world.clock_s += 1
    assert names(world.settle()) == ["other"]


def test_progress_within_its_deadline_keeps_it(world):
    world.most_s = 1e9
    world.create("other", 200)
    for updated in range(4):
        rollout(world, updated=updated)
        assert world.settle() == []
        world.clock_s += 500


def test_pods_that_no_policy_has_wait_hold_nothing_back(world):
    world.policy = world.policy | {"admission": {"lock": "Extender"}}
    rollout(world)
    world.create("other", 200)
    assert names(world.settle()) == ["other"]


def test_a_roll_out_larger_than_every_budget_holds_nobody_up():
    world = World(row_w=600)
    rollout(
        world,
        spec={"template": {"spec": {"containers": [{"resources": {"requests": {"powerplane.dev/watts": "9000"}}}]}}},
    )
    world.create("other", 200)
    assert names(world.settle()) == ["other"]


def test_the_budgets_hold_all_along(world):
    rollout(world, there=6, updated=2)
    own(world, "new1")
    own(world, "new2")
    for name in ("a", "b", "c"):
        world.create(name, 90)
    world.settle()
    for members in world.budgets().values():
        assert world.worst_w(members[1], {}) <= members[0]


def test_how_much_is_held_back_is_told(world):
    rollout(world)
    world.create("other", 200)
    assert world.look().surge == 2
