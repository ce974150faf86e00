"""Rounds whose policies name the lever throttle: in which order levers count, and when it is taken back."""

import msgspec
import pytest
from tests.recommender.crowded import crowded, spec_of
from tests.recommender.world import Watching

from powerplane.models.api.placement_plan import PlacementPlanSpec
from powerplane.models.cpu_limits import Before, ContainerCpu
from powerplane.models.marks import THROTTLED_ANNOTATION


def throttleable(levers=("throttle", "migrate"), budget=500.0, **more):
    """As `crowded`, on nodes whose kubelets resize pods."""
    cluster = crowded(budget, **more)
    cluster.enforce(levers=levers)
    for pod in cluster.pods.values():
        pod["spec"]["containers"][0]["name"] = "main"
        report(pod)
    return cluster


def report(pod):
    """What a kubelet says once it has done what the spec asks for."""
    resources = pod["spec"]["containers"][0]["resources"]
    pod["status"]["containerStatuses"] = [{"name": "main", "resources": resources}]


def carry_out(watching, name):
    """Do what a plan asks for in place, and its moves, as an actuator and kubelets would."""
    cluster = watching.cluster
    pods = {pod["metadata"]["uid"]: pod for pod in cluster.pods.values()}
    for move in cluster.plans[name].spec.moves:
        if move.lever not in ("throttle", "restore"):
            continue
        pod = pods[move.uid]
        annotations = pod["metadata"].setdefault("annotations", {})
        (cpu,) = move.resources
        if move.lever == "throttle":
            had = ContainerCpu(cpu.container, cpu.request_before_milli, cpu.limit_before_milli)
            annotations.setdefault(THROTTLED_ANNOTATION, Before((had,), move.used_milli).told())
        else:
            del annotations[THROTTLED_ANNOTATION]
        resources = pod["spec"]["containers"][0]["resources"]
        resources["requests"] = resources["requests"] | {"cpu": str(cpu.request_milli / 1000)}
        resources["limits"] = resources.get("limits", {}) | {"cpu": str(cpu.limit_milli / 1000)}
        report(pod)
    watching.carry_out(name)


def last(watching):
    return watching.outside.published[-1]["metadata"]["name"]


def levers(spec):
    return [move.lever for move in spec.moves]


def test_where_throttle_comes_first_pods_are_held_down_and_none_is_moved():
    watching = Watching(throttleable())
    watching.look()
    spec = spec_of(watching)
    assert set(levers(spec)) == {"throttle"}
    assert {move.wave for move in spec.moves} == {1}
    assert sum(move.watts for move in spec.moves) == pytest.approx(105, abs=len(spec.moves))
    assert all(move.source == move.to for move in spec.moves)
    assert not watching.solver.asked
    carry_out(watching, last(watching))
    assert watching.cluster.draw("r1") <= 500
    (domain,) = [each for each in spec.domains if each.name == "r1"]
    assert (domain.before_watts, domain.after_watts) == (600, 495)


def test_nobody_is_left_less_than_half_and_the_rest_is_moved_in_later_waves():
    watching = Watching(throttleable(budget=350.0))
    watching.look()
    spec = spec_of(watching)
    throttled = [move for move in spec.moves if move.lever == "throttle"]
    moved = [move for move in spec.moves if move.lever == "migrate"]
    assert len(throttled) == 20
    assert {cpu.limit_milli for move in throttled for cpu in move.resources} == {500}
    assert not moved, "whoever is held down in this plan is moved by the next, if at all"
    carry_out(watching, last(watching))
    watching.look(5)
    for _ in range(12):
        watching.look(5)
    moves = watching.cluster.plans[last(watching)].spec.moves
    assert {move.lever for move in moves} == {"migrate"}


def test_pods_of_policies_without_the_lever_are_moved_for_what_throttles_leave_over():
    cluster = throttleable(budget=450.0)
    cluster.enforce("hold", levers=("throttle", "migrate"), selector={"matchLabels": {"app": "web"}})
    cluster.enforce("others", levers=("migrate",), selector={"matchLabels": {"app": "db"}})
    watching = Watching(cluster)
    watching.look()
    spec = spec_of(watching)
    assert levers(spec).count("throttle") == 10
    moves = [move for move in spec.moves if move.lever == "migrate"]
    assert len(moves) == 3  # 150 W over; throttles take 100
    assert min(move.wave for move in moves) == 2
    assert {move.policy for move in moves} == {"ClusterPowerCappingPolicy others"}
    carry_out(watching, last(watching))
    assert cluster.draw("r1") <= 450


def test_where_throttle_comes_after_migrate_it_is_used_for_what_moves_cannot_take_away():
    cluster = throttleable(levers=("migrate", "throttle"), budget=500.0)
    watching = Watching(cluster)
    watching.look()
    assert set(levers(spec_of(watching))) == {"migrate"}
    full = throttleable(levers=("migrate", "throttle"), budget=500.0)
    full.racks = {**full.racks, "r2": 240.0}
    watching = Watching(full)
    watching.look()
    spec = spec_of(watching)
    assert set(levers(spec)) == {"throttle"}
    carry_out(watching, last(watching))
    assert full.draw("r1") <= 500


def test_without_the_subresource_nothing_is_held_down_and_the_policy_is_told_why():
    watching = Watching(throttleable())
    watching.outside.can_resize = False
    watching.look()
    assert set(levers(spec_of(watching))) == {"migrate"}
    assert "ThrottleUnavailable" in watching.reasons
    (event,) = [each for each in watching.events if each.reason == "ThrottleUnavailable"]
    assert "pods/resize" in event.note


def test_a_server_that_does_not_say_whether_it_resizes_is_asked_again_and_nothing_is_held_down_meanwhile():
    watching = Watching(throttleable(levers=("throttle",)))
    watching.outside.can_resize = None
    watching.look()
    assert not watching.outside.published
    watching.outside.can_resize = True
    watching.look(60)
    assert set(levers(spec_of(watching))) == {"throttle"}


@pytest.mark.parametrize("mode", ["Observe", "Recommend", "Initial"])
def test_only_policies_that_enforce_let_pods_be_held_down(mode):
    cluster = throttleable()
    cluster.enforce(levers=("throttle",), mode=mode)
    watching = Watching(cluster)
    for _ in range(10):
        watching.look(5)
    assert not watching.outside.published


def held(budget=500.0, **more):
    """A cluster that is held by throttles."""
    watching = Watching(throttleable(levers=("throttle",), budget=budget, **more))
    watching.look()
    carry_out(watching, last(watching))
    watching.look(1)
    return watching


def throttled(watching):
    return [
        pod for pod in watching.cluster.pods.values() if THROTTLED_ANNOTATION in pod["metadata"].get("annotations", {})
    ]


def turn(watching, seconds, step=5):
    """Let time pass, with everything carried out that is published."""
    for _ in range(int(seconds / step)):
        watching.look(step)
        for name, plan in list(watching.cluster.plans.items()):
            if plan.status is None:
                carry_out(watching, name)


def test_while_there_is_no_room_pods_stay_held_down():
    watching = held()
    turn(watching, 600)
    assert len(watching.outside.published) == 1
    assert throttled(watching)


def test_once_there_has_been_room_for_a_while_pods_get_back_what_they_had():
    watching = held()
    turn(watching, 120)
    watching.cluster.racks = {**watching.cluster.racks, "r1": 700.0}
    turn(watching, 50)
    assert len(watching.outside.published) == 1, "there has to be room for a while"
    turn(watching, 200)
    assert not throttled(watching)
    assert watching.cluster.draw("r1") == 600
    spec = msgspec.to_builtins(watching.cluster.plans[last(watching)].spec)
    assert {move["lever"] for move in spec["moves"]} == {"restore"}
    # A limit that was not there cannot be taken away again: all cores of the node.
    assert {cpu["limitMilli"] for move in spec["moves"] for cpu in move["resources"]} == {16_000}
    turn(watching, 300)
    assert len(watching.outside.published) == 2


def test_room_for_some_gives_back_to_some_and_never_breaks_the_budget():
    watching = held()
    watching.cluster.racks = {**watching.cluster.racks, "r1": 560.0}
    turn(watching, 400)
    assert throttled(watching)
    assert 500 < watching.cluster.draw("r1") <= 560


@pytest.mark.parametrize("change", ["gone", "mode", "lever"])
def test_who_is_held_down_by_nobodys_leave_any_more_gets_back_what_it_had_whatever_the_budget(change):
    watching = held()
    cluster = watching.cluster
    if change == "gone":
        cluster.policies.clear()
    elif change == "mode":
        cluster.enforce(mode="Observe", levers=("throttle",))
    else:
        cluster.enforce(levers=("evict",), selector={"matchLabels": {"app": "none"}})
    turn(watching, 150)
    assert not throttled(watching)


def test_pods_that_could_not_be_resized_are_left_alone_after_that():
    watching = Watching(throttleable(levers=("throttle",)))
    watching.look()
    name = last(watching)
    plan = watching.cluster.plans[name]
    first = {move.uid for move in plan.spec.moves}
    watching.carry_out(name, phase="Failed")
    moves = [{"uid": uid, "step": "RolledBack", "reason": "ResizeRefused"} for uid in first]
    status = msgspec.to_builtins(watching.cluster.plans[name].status) | {"moves": moves}
    plan = watching.cluster.plans[name]
    watching.cluster.plans[name] = msgspec.structs.replace(plan, status=msgspec.convert(status, type(plan.status)))
    for _ in range(40):
        watching.look(5)
    again = [move.uid for body in watching.outside.published[1:] for move in spec_in(body).moves]
    assert again
    assert not first & set(again)


def spec_in(body):
    return msgspec.convert(body["spec"], PlacementPlanSpec)
