"""The cluster kept change by change is the cluster read at once; and what room there is on a node."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.actuator.facts import PodFact
from powerplane.actuator.seen import SeenPod, node_fact
from powerplane.actuator.world import World
from powerplane.adapters.watch import Batch
from powerplane.models.objects import Node

UIDS = ("u1", "u2", "u3", "u4")
NODES = ("n1", "n2")


@st.composite
def pods(draw):
    uid = draw(st.sampled_from(UIDS))
    holds = draw(st.booleans())
    meta = {
        "uid": uid,
        "name": f"pod-{uid}",
        "namespace": "powerplane-system" if holds else "shop",
        "creationTimestamp": f"2026-11-28T10:00:0{draw(st.integers(0, 3))}Z",
    }
    if draw(st.booleans()):
        meta["deletionTimestamp"] = "2026-11-28T11:00:00Z"
    if holds:
        meta |= {
            "labels": {"powerplane.dev/hold": "p"},
            "annotations": {"powerplane.dev/hold-for": draw(st.sampled_from(UIDS))},
            "ownerReferences": [{"kind": "PlacementPlan", "name": draw(st.sampled_from("pq")), "uid": "x"}],
        }
    elif draw(st.booleans()):
        meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web", "uid": "o", "controller": True}]
    spec = {
        "nodeName": draw(st.sampled_from(("", *NODES))),
        "schedulingGates": [{"name": "powerplane.dev/move"}] if draw(st.booleans()) else [],
        "containers": [{"name": "c", "resources": {"requests": {"cpu": f"{draw(st.integers(1, 3))}"}}}],
    }
    status = {
        "phase": draw(st.sampled_from(("Pending", "Running", "Succeeded"))),
        "nominatedNodeName": draw(st.sampled_from(("", *NODES))),
    }
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, SeenPod)


changes = st.lists(st.tuples(st.sampled_from(("ADDED", "MODIFIED", "MODIFIED", "DELETED")), pods()), max_size=12)


def node(name, cpu="8", **resources):
    listed = {"cpu": cpu, "pods": "110"} | resources
    ready = [{"type": "Ready", "status": "True"}]
    return msgspec.convert(
        {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": listed, "conditions": ready}}, Node
    )


def told(world):
    """Everything that it tells, in an order of its own."""
    wants = PodFact("new", "shop", "new", requests=(("cpu", 3000), ("pods", 1)))
    return {
        "pods": [world.pod(uid) for uid in UIDS],
        "named": [world.named(place, f"pod-{uid}") for place in ("shop", "powerplane-system") for uid in UIDS],
        "owned": {pod.uid for pod in world.owned("shop", "o")},
        "holds": {(plan, uid): {p.uid for p in world.holds(plan, uid)} for plan in "pq" for uid in UIDS},
        "placeholders": {pod.uid for pod in world.placeholders()},
        "gated": {pod.uid for pod in world.gated()},
        "fits": [world.fits(wants, world.node(name)) for name in NODES],
    }


@given(st.lists(changes, max_size=4))
@settings(max_examples=150, deadline=None)
def test_kept_change_by_change_it_is_what_one_list_would_make_it(batches):
    kept, last = World(), {}
    kept.nodes(Batch(True, tuple(("ADDED", node(name)) for name in NODES)))
    for batch in batches:
        kept.pods(Batch(False, tuple(batch)))
        for what, pod in batch:
            last.pop(pod.metadata.uid, None)
            if what != "DELETED":
                last[pod.metadata.uid] = pod
    fresh = World()
    fresh.nodes(Batch(True, tuple(("ADDED", node(name)) for name in NODES)))
    fresh.pods(Batch(True, tuple(("ADDED", pod) for pod in last.values())))
    assert told(kept) == told(fresh)
    relisted = World()
    relisted.nodes(Batch(True, tuple(("ADDED", node(name)) for name in NODES)))
    for batch in batches:
        relisted.pods(Batch(False, tuple(batch)))
    relisted.pods(Batch(True, tuple(("ADDED", pod) for pod in last.values())))
    assert told(relisted) == told(fresh)


def pod(uid, cpu, on="", nominated="", **resources):
    requests = {"cpu": cpu} | resources
    return msgspec.convert(
        {
            "metadata": {"uid": uid, "name": uid, "namespace": "shop"},
            "spec": {"nodeName": on, "containers": [{"name": "c", "resources": {"requests": requests}}]},
            "status": {"phase": "Running", "nominatedNodeName": nominated},
        },
        SeenPod,
    )


def world_of(*seen, **resources):
    world = World()
    world.nodes(Batch(True, (("ADDED", node("n1", **resources)),)))
    world.pods(Batch(True, tuple(("ADDED", each) for each in seen)))
    return world


def room_for(world, **wants):
    requests = tuple(sorted({"pods": 1, **wants}.items()))
    return world.fits(PodFact("new", "shop", "new", requests=requests), world.node("n1"))


def test_bound_and_nominated_pods_take_room_to_the_last_milli():
    world = world_of(pod("a", "3", on="n1"), pod("b", "3", nominated="n1"), pod("c", "8", on="n2"))
    assert room_for(world, cpu=2000)
    assert not room_for(world, cpu=2001)


def test_a_resource_that_a_node_does_not_list_it_has_not_but_for_watts():
    world = world_of()
    assert not room_for(world, **{"nvidia.com/gpu": 1})
    assert room_for(world, **{"powerplane.dev/watts": 500})
    assert not room_for(world_of(**{"powerplane.dev/watts": "400"}), **{"powerplane.dev/watts": 500})


def test_what_is_promised_takes_room_until_a_placeholder_does():
    world = world_of()
    wants = PodFact("new", "shop", "new", requests=(("cpu", 5000),))
    assert not world.fits(wants, world.node("n1"), {"u1": (("cpu", 4000),)})


def test_a_node_that_is_not_ready_or_closed_takes_nobody():
    open_, closed = node("n1"), node("n1")
    assert node_fact(open_).usable
    assert not node_fact(
        msgspec.structs.replace(closed, spec=msgspec.convert({"unschedulable": True}, type(closed.spec)))
    ).usable
    assert not node_fact(msgspec.convert({"metadata": {"name": "n"}}, Node)).usable
