from pathlib import Path

import pytest
from tests.bench.operating.small import Held, small_study

from powerplane.actuator.acts import Evict, Hold, Nominate, Release, Ungate
from powerplane.models.marks import HOLD_FOR_ANNOTATION, MOVE_GATE, OWN_NAMESPACE
from powerplane.simulator.world import World


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(World(small_study(tmp_path).spec))


def hold(pod, node: str) -> Hold:
    return Hold("plan", "plan-1", pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, node, 1)


def placeholder_of(held: Held, uid: str):
    pods = held.kept.pods.values()
    return next((pod for pod in pods if (pod.metadata.annotations or {}).get(HOLD_FOR_ANNOTATION) == uid), None)


def evict(held: Held, pod, target: str = "row-1-02-01"):
    """Hold a place and evict."""
    assert held.hands.act(hold(pod, target)).result == "done"
    name = placeholder_of(held, pod.metadata.uid).metadata.name
    return held.hands.act(Evict(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, name, target))


def gated(held: Held):
    return [pod for pod in held.kept.pods.values() if any(g.name == MOVE_GATE for g in pod.spec.scheduling_gates or ())]


def test_a_placeholder_takes_room_at_its_node_and_gives_it_back(held: Held) -> None:
    pod = held.a_pod_on("row-1-01-01")
    target = held.world.row["row-1-02-01"]
    before = held.world.owners.placer.free[target].copy()
    held.hands.act(hold(pod, "row-1-02-01"))
    made = placeholder_of(held, pod.metadata.uid)
    assert (made.metadata.namespace, made.status.nominated_node_name) == (OWN_NAMESPACE, "row-1-02-01")
    assert held.world.owners.placer.free[target][0] == before[0] - 2000
    held.hands.act(hold(pod, "row-1-02-01"))  # done twice is done once
    assert held.world.owners.placer.free[target][0] == before[0] - 2000
    held.hands.act(Release(OWN_NAMESPACE, made.metadata.name, made.metadata.uid))
    assert (held.world.owners.placer.free[target] == before).all()
    assert placeholder_of(held, pod.metadata.uid) is None


def test_the_successor_of_an_evicted_pod_waits_behind_the_gate_and_is_not_scheduled(held: Held) -> None:
    pod = held.a_pod_on("row-1-01-01")
    assert evict(held, pod).result == "done"
    held.pass_time(60)
    assert pod.metadata.uid not in held.kept.pods
    (successor,) = gated(held)
    assert successor.spec.node_name == ""
    assert successor.metadata.owner_references == pod.metadata.owner_references


def test_a_successor_that_is_let_go_starts_where_it_was_nominated_to_and_all_room_is_as_booked(held: Held) -> None:
    pod = held.a_pod_on("row-1-01-01")
    free = held.world.owners.placer.free.copy()
    evict(held, pod)
    (successor,) = gated(held)
    meta = successor.metadata
    held.hands.act(Nominate(meta.namespace, meta.name, meta.uid, "row-1-02-01"))
    assert held.kept.pods[meta.uid].status.nominated_node_name == "row-1-02-01"
    made = placeholder_of(held, pod.metadata.uid)
    held.hands.act(Release(OWN_NAMESPACE, made.metadata.name, made.metadata.uid))
    assert held.hands.act(Ungate(meta.namespace, meta.name, meta.uid, 0)).result == "done"
    assert held.kept.pods[meta.uid].spec.node_name == "row-1-02-01"
    held.pass_time(60)
    assert held.kept.pods[meta.uid].status.conditions[0].status == "True"
    moved = held.world.owners.placer.free[:, 0] - free[:, 0]
    by_node = dict(zip(held.world.nodes, moved.tolist(), strict=True))
    assert {name: cores for name, cores in by_node.items() if cores} == {"row-1-01-01": 2000, "row-1-02-01": -2000}


def test_the_room_of_a_nominated_pod_that_goes_is_given_back(held: Held) -> None:
    pod = held.a_pod_on("row-1-01-01")
    evict(held, pod)
    (successor,) = gated(held)
    meta, target = successor.metadata, held.world.row["row-1-02-02"]
    before = held.world.owners.placer.free[target].copy()
    held.hands.act(Nominate(meta.namespace, meta.name, meta.uid, held.world.nodes[target]))
    assert held.world.owners.placer.free[target][0] == before[0] - 2000
    held.world.pods.remove(held.watches.row(meta.uid))
    held.watches.tell()
    assert (held.world.owners.placer.free[target] == before).all()
    assert meta.uid not in held.kept.pods


def test_no_more_pods_are_evicted_than_their_disruption_budget_allows(held: Held) -> None:
    pods = [pod for pod in held.kept.pods.values() if pod.spec.node_name.startswith("row-1-01")]
    answers = [evict(held, pod).answer.verdict for pod in pods[:6]]
    assert answers == ["accepted"] * 3 + ["budget"] * 3
    assert (held.tally.evictions, held.tally.refusals) == (3, 3)


def test_a_pod_of_another_uid_is_not_evicted(held: Held) -> None:
    pod = held.a_pod_on("row-1-01-01")
    outcome = held.hands.act(Evict(pod.metadata.namespace, pod.metadata.name, "another"))
    assert (outcome.result, outcome.answer.verdict) == ("stale", "gone")
    assert held.tally.evictions == 0


def test_no_owner_loses_a_pod_however_many_are_evicted(held: Held) -> None:
    for _ in range(5):
        for pod in [pod for pod in held.kept.pods.values() if pod.spec.node_name.startswith("row-1-01")]:
            held.hands.act(Evict(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid))
        held.pass_time(60)
    assert held.tally.evictions > 5
    assert held.world.owners.serving_count() == 16
