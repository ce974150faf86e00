"""Workloads whose moves did not help lately: another plan moves others, and them again only where nobody else helps."""

import msgspec
import pytest
from tests.recommender.world import Cluster, Watching, stamp

from powerplane.models.api.placement_plan import PlacementPlanStatus
from powerplane.recommender.sparing import SPARED_S, spared_owners

REST_S = 70.0
"""Longer than power trees rest after a plan that failed."""


def two_workloads() -> Cluster:
    """A rack 100 W over its budget, which five pods of either workload would bring under it."""
    cluster = Cluster({"r1": 500.0, "r2": 900.0})
    cluster.enforce()
    cluster.run("first", "r1-n0", 10)
    cluster.run("second", "r1-n1", 10)
    return cluster


def one_workload() -> Cluster:
    """The same, all pods of one workload."""
    cluster = Cluster({"r1": 500.0, "r2": 900.0})
    cluster.enforce()
    for node in ("r1-n0", "r1-n1"):
        cluster.run("only", node, 10)
    return cluster


def fail(watching: Watching, step: str, reason: str, successor: str = "") -> set[str]:
    """Let the only plan that is open end without a move done; the controllers of those it was to move."""
    name = next(name for name, plan in watching.cluster.plans.items() if plan.status is None)
    plan = watching.cluster.plans[name]
    moves = [{"uid": move.uid, "step": step, "reason": reason, "successorUid": successor} for move in plan.spec.moves]
    body = {"phase": "Failed", "total": len(moves), "finishedAt": stamp(watching.cluster.now_s), "moves": moves}
    watching.cluster.plans[name] = msgspec.structs.replace(plan, status=msgspec.convert(body, PlacementPlanStatus))
    return {move.owner_uid for move in plan.spec.moves}


def planned(watching: Watching) -> list[set[str]]:
    """Controllers of the pods that each plan so far was to move."""
    return [{move["ownerUid"] for move in body["spec"]["moves"]} for body in watching.outside.published]


@pytest.mark.parametrize(
    ("step", "reason", "successor"), [("Failed", "NotReady", "next"), ("Skipped", "BackedOff", "")]
)
def test_the_next_plan_moves_others(step, reason, successor):
    watching = Watching(two_workloads())
    watching.look()
    failed = fail(watching, step, reason, successor)
    watching.look(5)
    watching.look(REST_S)
    first, second = planned(watching)
    assert first == failed
    assert len(first) == 1
    assert not second & failed


def test_a_move_that_was_rolled_back_before_its_pod_was_touched_says_nothing_of_its_workload():
    watching = Watching(two_workloads())
    watching.look()
    fail(watching, "RolledBack", "TargetLost")
    assert not spared_owners(watching.cluster.plans.values(), watching.cluster.now_s)


def test_where_nobody_else_helps_they_are_moved_again():
    watching = Watching(one_workload())
    watching.look()
    failed = fail(watching, "Failed", "NotReady", "next")
    watching.look(5)
    watching.look(REST_S)
    assert planned(watching) == [failed, failed]


def test_it_is_over_after_a_while():
    watching = Watching(two_workloads())
    watching.look()
    failed = fail(watching, "Failed", "NotReady", "next")
    plans, now_s = watching.cluster.plans.values(), watching.cluster.now_s
    assert spared_owners(plans, now_s + SPARED_S - 1) == failed
    assert not spared_owners(plans, now_s + SPARED_S)


@pytest.mark.parametrize(
    ("why", "ends", "spared"),
    [
        ("StillOver", [("Done", ""), ("Done", "")], [True, True]),
        ("StillOver", [("Done", ""), ("Done", "LandedElsewhere")], [False, True]),
        ("StillOver", [("Done", ""), ("Failed", "NotReady")], [False, True]),
        ("StillOver", [("Done", ""), ("RolledBack", "TargetLost")], [False, False]),
        ("MoreThanForetold", [("Done", ""), ("Done", "LandedElsewhere")], [True, True]),
        ("Measured", [("Done", ""), ("Done", "LandedElsewhere")], [False, False]),
    ],
)
def test_where_watts_are_too_many_after_a_plan_those_are_left_alone_whom_the_actuator_blames(why, ends, spared):
    watching = Watching(two_workloads())
    watching.look()
    ((name, plan),) = watching.cluster.plans.items()
    moves = plan.spec.moves[:2]
    assert len(moves) == 2
    owners = ["first", "second"]
    told = [msgspec.structs.replace(move, owner_uid=owner) for move, owner in zip(moves, owners, strict=True)]
    body = {
        "phase": "Failed",
        "finishedAt": stamp(watching.cluster.now_s),
        "conditions": [
            {
                "type": "Confirmed",
                "status": "True" if why == "Measured" else "False",
                "reason": why,
                "lastTransitionTime": stamp(watching.cluster.now_s),
            }
        ],
        "moves": [
            {"uid": move.uid, "step": step, "reason": reason, "successorUid": "" if step == "RolledBack" else "next"}
            for move, (step, reason) in zip(moves, ends, strict=True)
        ],
    }
    ended = msgspec.structs.replace(
        plan,
        spec=msgspec.structs.replace(plan.spec, moves=tuple(told)),
        status=msgspec.convert(body, PlacementPlanStatus),
    )
    found = spared_owners([ended], watching.cluster.now_s)
    assert [owner in found for owner in owners] == spared, name
