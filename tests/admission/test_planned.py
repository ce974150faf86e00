"""Successors of moved pods are drawn to where the plan wants them, softly, and only while the plan stands."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.admission.applying import apply, container, pod

from powerplane.admission.planned import PLANNED_ANNOTATION, draw_to, planned_nodes, targets_of
from powerplane.models.api.placement_plan import (
    MoveProgress,
    PlacementPlanObject,
    PlacementPlanSpec,
    PlacementPlanStatus,
    PlannedMove,
)
from powerplane.models.errors import InputError
from powerplane.models.objects import ObjectMeta

NOON = "2026-01-01T12:00:00Z"
NOON_S = 1767268800.0


def plan(*moves, phase="Running", until=NOON, told=()):
    status = PlacementPlanStatus(phase=phase, moves=told)
    return PlacementPlanObject(ObjectMeta(name="p"), PlacementPlanSpec(until, moves), status)


def move(pod_name, to, owner="", namespace="default"):
    return PlannedMove(namespace, pod_name, f"uid-{pod_name}", "old", to, owner_uid=owner)


def preferences(made):
    wanted = made["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    return [term["preference"]["matchFields"][0]["values"][0] for term in wanted]


def test_a_controllers_successors_are_drawn_to_all_its_targets_and_a_named_pod_to_its_own():
    known = targets_of([plan(move("a-0", "n1", "u"), move("a-1", "n2", "u"), move("bare", "n3"))], 0.0)
    assert known.nodes_for("default", "", "u") == ("n1", "n2")
    assert known.nodes_for("default", "a-1", "u") == ("n2",)
    assert known.nodes_for("default", "bare", "") == ("n3",)
    assert known.nodes_for("default", "other", "") == ()
    assert known.nodes_for("elsewhere", "", "u") == ()


def told(name, step, successor=""):
    return MoveProgress(f"uid-{name}", step, successor_uid=successor)


def held(known, name="", owner=""):
    return known.holds("default", name, owner)


def test_successors_of_moves_that_are_carried_out_wait_until_they_are_told_their_node():
    known = targets_of([plan(move("a-0", "n1", "u"), move("bare", "n3"))], 0.0)
    assert held(known, owner="u")
    assert held(known, "a-0", "u")
    assert held(known, "bare")
    assert not held(known, owner="other")
    assert not held(known, "else")
    assert not known.holds("elsewhere", "bare", "u")


@pytest.mark.parametrize("phase", ["", "Pending", "Done", "Failed", "Expired", "Stopped"])
def test_nobody_waits_for_a_plan_that_nobody_carries_out(phase):
    known = targets_of([plan(move("bare", "n3", "u"), phase=phase)], 0.0)
    assert not held(known, "bare", "u")


def test_nobody_waits_for_a_plan_without_a_status_or_past_its_end():
    open_plan = plan(move("bare", "n3"))
    assert not held(targets_of([PlacementPlanObject(open_plan.metadata, open_plan.spec)], 0.0), "bare")
    assert not held(targets_of([open_plan], NOON_S), "bare")


@pytest.mark.parametrize("lever", ["evict", "throttle"])
def test_nobody_waits_for_a_move_that_has_no_target(lever):
    ended = msgspec.structs.replace(move("a", "n1", "u"), lever=lever)
    assert not held(targets_of([plan(ended)], 0.0), owner="u")


@pytest.mark.parametrize("step", ["Waiting", "Reserving", "Reserved", "Surging", "Evicting", "Evicted", "Steering"])
def test_a_controllers_next_pod_waits_while_any_of_its_moves_still_has_a_successor_to_come(step):
    known = targets_of([plan(move("a", "n1", "u"), move("b", "n2", "u"), told=(told("a", "Done"), told("b", step)))], 0)
    assert held(known, owner="u")
    assert known.nodes_for("default", "", "u") == ("n2",)


@pytest.mark.parametrize(
    "over",
    [told("a", step) for step in ("Bound", "Ready", "Done", "RolledBack", "Failed", "Skipped")]
    + [told("a", "Steering", "successor")],
    ids=lambda each: each.step,
)
def test_who_comes_once_the_successor_is_there_goes_anywhere(over):
    known = targets_of([plan(move("a", "n1", "u"), told=(over,))], 0.0)
    assert not held(known, "a", "u")
    assert known.nodes_for("default", "a", "u") == ()


def test_another_pod_of_a_stateful_set_does_not_wait_for_the_one_that_is_moved():
    moved = msgspec.structs.replace(move("web-2", "n1", "u"), owner_kind="StatefulSet")
    known = targets_of([plan(moved)], 0.0)
    assert held(known, "web-2", "u")
    assert not held(known, "web-7", "u")


@pytest.mark.parametrize("phase", ["Done", "Failed", "Expired", "Stopped"])
def test_a_plan_that_is_over_draws_nobody(phase):
    assert targets_of([plan(move("bare", "n3"), phase=phase)], 0.0).nodes_for("default", "bare", "") == ()


def test_a_plan_draws_until_it_expires_and_says_when_that_is():
    assert targets_of([plan(move("bare", "n3"))], NOON_S - 1).until_s == NOON_S
    late = targets_of([plan(move("bare", "n3"))], NOON_S)
    assert late.nodes_for("default", "bare", "") == ()
    assert late.until_s == float("inf")


def test_an_end_that_cannot_be_read_is_past():
    assert targets_of([plan(move("bare", "n3"), until="soon")], 0.0).nodes_for("default", "bare", "") == ()


def test_a_pod_prefers_its_targets_beside_what_its_owner_prefers():
    theirs = {"weight": 3, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
    made = pod(container())
    made["spec"]["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [theirs]}}
    after = apply(made, draw_to(apply(made, []), ("n1", "n2")))
    wanted = after["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert wanted[0] == theirs
    assert [each["preference"]["matchFields"][0]["values"] for each in wanted[1:]] == [["n1"], ["n2"]]
    assert planned_nodes(after["metadata"]["annotations"]) == ("n1", "n2")
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in after["spec"]["affinity"]["nodeAffinity"]


@pytest.mark.parametrize("affinity", [None, {}, {"nodeAffinity": None}, {"podAffinity": {}}])
@given(st.lists(st.sampled_from(["n1", "n2", "n3"]), unique=True, min_size=1))
def test_a_second_turn_changes_nothing(affinity, nodes):
    made = pod(container())
    made["spec"]["affinity"] = affinity
    after = apply(made, draw_to(apply(made, []), tuple(nodes)))
    assert preferences(after) == nodes
    assert draw_to(apply(after, []), tuple(nodes)) == []


def test_without_a_target_nothing_is_changed():
    made = pod(container())
    assert draw_to(made, ()) == []
    assert PLANNED_ANNOTATION not in made["metadata"].get("annotations", {})


@pytest.mark.parametrize("affinity", ["x", {"nodeAffinity": []}, {"nodeAffinity": {
    "preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1}}}])  # fmt: skip
def test_an_affinity_of_another_shape_is_left_to_the_api_server(affinity):
    made = pod(container())
    made["spec"]["affinity"] = affinity
    with pytest.raises(InputError):
        draw_to(made, ("n1",))
