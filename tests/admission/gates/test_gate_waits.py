"""Events about waiting pods: few, about the right pod, and each an object that an API server takes."""

import re

import pytest
from tests.admission.gates.gate_world import World

from powerplane.admission.gates.release_facts import Seen
from powerplane.admission.gates.waits import LongWaits, WaitTerms, overdue_event, unbound_event

EVENT_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


def told(waits: LongWaits, world: World) -> list[tuple[str, str, int]]:
    seen: Seen = world.seen()
    world.releaser.decide(seen)
    events = waits.events(world.releaser.waits(seen), seen.now_s, seen.clock_s)
    return [(each.regarding["namespace"], each.regarding["name"], each.count) for each in events]


@pytest.fixture
def full() -> World:
    world = World(rack_w=dict.fromkeys(("r1", "r2", "r3"), 10))
    world.most_s = 1e9
    for namespace in "ab":
        for number in range(3):
            world.create(f"{namespace}{number}", 100, namespace=namespace)
            world.clock_s += 1
    return world


def test_of_each_namespace_the_pod_that_has_waited_longest_tells_once_and_again_at_long_intervals(full: World) -> None:
    waits = LongWaits()
    assert told(waits, full) == []
    full.clock_s += 130
    assert told(waits, full) == [("a", "a0", 1), ("b", "b0", 1)]
    for _ in range(50):
        full.clock_s += 10
        assert told(waits, full) == []
    full.clock_s += 100
    assert told(waits, full) == [("a", "a0", 2), ("b", "b0", 2)]


def test_pods_that_follow_each_other_make_no_more_events_than_one_that_stays(full: World) -> None:
    waits = LongWaits()
    full.clock_s += 130
    assert len(told(waits, full)) == 2
    del full.pods["a0"], full.pods["b0"]
    full.clock_s += 10
    assert told(waits, full) == []
    full.clock_s += 600
    assert told(waits, full) == [("a", "a1", 1), ("b", "b1", 1)]


def test_of_many_namespaces_a_few_are_told_at_a_time_and_each_in_its_turn(full: World) -> None:
    waits = LongWaits(WaitTerms(most=1))
    full.clock_s += 130
    assert told(waits, full) == [("a", "a0", 1)]
    assert told(waits, full) == [("b", "b0", 1)]


def test_a_pod_behind_somebody_elses_gate_does_not_wait_for_watts(full: World) -> None:
    for name, pod in full.pods.items():
        if name.startswith("a"):
            pod["spec"]["schedulingGates"].append({"name": "example.com/quota"})
    full.clock_s += 130
    assert told(LongWaits(), full) == [("b", "b0", 1)]


def test_a_pod_that_no_node_takes_says_that_it_holds_watts_until_one_does(full: World) -> None:
    full.rack_w = {"r1": 900, "r2": 700, "r3": 450}
    full.settle()
    full.bind("a0", full.reach("a0")[0])
    full.look()
    full.clock_s += 310
    seen = full.seen()
    full.releaser.decide(seen)
    waits = LongWaits(WaitTerms(long_s=300), unbound_event)
    events = waits.events(full.releaser.unbound(seen), seen.now_s, seen.clock_s)
    assert [(each.reason, each.regarding["namespace"]) for each in events] == [
        ("HoldsWattsUnbound", "a"),
        ("HoldsWattsUnbound", "b"),
    ]
    assert "1 more" in events[0].note
    assert "2 more" in events[1].note


def test_it_is_looked_at_every_few_seconds_only() -> None:
    waits = LongWaits()
    assert waits.due(100.0)
    waits.events((), 0.0, 100.0)
    assert not waits.due(109.0)
    assert waits.due(110.0)


def test_events_are_objects_as_the_api_server_takes_them(full: World) -> None:
    name = "long-" + "x" * 240
    full.create(name, 100, namespace="c")
    full.pods[name]["metadata"]["uid"] = "0b5f4a3e-9f52-4f43-8a56-2c6f0f1f7d11"
    seen = full.seen()
    (event, *_) = LongWaits().events(((pod, 999.0) for pod in seen.moment.waiting), seen.now_s, 0.0)
    assert "2 more" in event.body("me")["note"]
    full.clock_s += 700
    full.most_s = 600
    overdue = [each for each in full.look().releases if each.reason == "overdue"]
    assert len(overdue) == 7
    for release in overdue:
        body = overdue_event(release.pod, 1_800_000_900.0).body("me")
        assert EVENT_NAME.match(body["metadata"]["name"])
        assert len(body["metadata"]["name"]) <= 253
        assert body["metadata"]["namespace"] == body["regarding"]["namespace"] == release.pod.namespace
        assert body["regarding"]["uid"] == release.pod.uid
        assert body["reportingController"].startswith("powerplane.dev/")
        assert body["type"] == "Warning"
        assert "100 W" in body["note"]
        assert "series" not in body
