"""Plans and statuses read what older versions wrote, say what newer ones need, and fit into one object."""

import msgspec
import pytest

from powerplane.models.api.capping_status import CappingPolicyStatus, PolicyLedger, Recommendation
from powerplane.models.api.crd import crd_documents
from powerplane.models.api.kinds import PLACEMENT_PLAN
from powerplane.models.api.last_action import LastAction
from powerplane.models.api.placement_plan import (
    LEVERS,
    MOST_PUBLISHED,
    PHASES,
    STEPS,
    MoveProgress,
    PlacementPlanObject,
    PlacementPlanStatus,
    PlannedMove,
)
from powerplane.models.api.power_domain import BreachForecast, PowerDomainStatus

OLD = {
    "metadata": {"name": "a"},
    "spec": {
        "expiresAt": "2030-01-01T00:00:00Z",
        "moves": [{"namespace": "n", "pod": "p", "uid": "u", "from": "a", "to": "b"}],
    },
    "status": {"phase": "Running"},
}


def schema_of_plans():
    document = next(each for each in crd_documents() if each["spec"]["names"]["kind"] == PLACEMENT_PLAN.name)
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]


def test_a_plan_of_before_is_read_and_its_moves_migrate():
    plan = msgspec.convert(OLD, PlacementPlanObject)
    assert [move.lever for move in plan.spec.moves] == ["migrate"]
    assert plan.spec.trees == ()
    assert plan.spec.solution is None
    assert plan.status is not None
    assert plan.status.token == 0


def test_words_of_a_newer_version_leave_a_plan_readable():
    newer = {
        **OLD,
        "spec": {**OLD["spec"], "moves": [{**OLD["spec"]["moves"][0], "lever": "later", "later": 1}]},
        "status": {"phase": "Later", "moves": [{"uid": "u", "step": "Later"}]},
    }
    plan = msgspec.convert(newer, PlacementPlanObject)
    assert plan.spec.moves[0].lever == "later"
    assert plan.status is not None
    assert plan.status.moves[0].step == "Later"


@pytest.mark.parametrize(
    ("part", "path", "words"),
    [
        ("spec", ("moves", "lever"), LEVERS),
        ("status", ("phase",), PHASES),
        ("status", ("moves", "step"), STEPS),
    ],
)
def test_the_api_server_holds_words_to_their_lists(part, path, words):
    schema = schema_of_plans()[part]
    for step in path:
        schema = schema.get("items", schema)["properties"][step]
    assert schema["enum"] == list(words)


def test_progress_goes_over_the_wire_and_back():
    progress = MoveProgress(
        "u", "Ready", "r", "m", "s", "su", "n", 2, "2030-01-01T00:00:00Z", watts_before=400, watts_after=380
    )
    status = PlacementPlanStatus(phase="Running", token=7, wave=2, done=1, failed=0, total=3, moves=(progress,))
    wire = msgspec.to_builtins(status)
    assert wire["moves"][0]["successorUid"] == "su"
    assert wire["moves"][0]["wattsAfter"] == 380
    assert msgspec.convert(wire, PlacementPlanStatus) == status


def test_what_the_recommender_says_of_domains_and_policies_goes_over_the_wire_and_back():
    action = LastAction("2030-01-01T00:00:00Z", "Published", "rack-7 is 400 W over", "plan")
    domain = PowerDomainStatus(
        measured_watts=400, source_age_seconds=12, forecast=BreachForecast(None, 0.25), last_action=action
    )
    policy = CappingPolicyStatus(
        headroom_watts=-5,
        last_action=action,
        ledger=PolicyLedger(actions=2, withheld=1, watt_hours_held=1.5),
        recommendation=Recommendation(moves=3, watts=400),
    )
    for status in (domain, policy):
        assert msgspec.convert(msgspec.to_builtins(status), type(status)) == status


def test_the_greatest_plan_that_is_published_fits_into_one_object_beside_its_status():
    # etcd takes 1.5 MiB a request; this is a plan of long names, every move with a message.
    move = PlannedMove(
        *(
            "namespace-of-a-team",
            "a-deployment-of-some-name-5f6d8c7b9f-abcde",
            "u" * 36,
            "a-node-0123.example",
            "b" * 19,
        ),
        *("o" * 36, "ReplicaSet", "a-deployment-of-some-name-5f6d8c7b9f"),
        watts=400,
        wave=2,
        because=("rack-17",),
        policy="ClusterPowerCappingPolicy hold-racks",
    )
    progress = MoveProgress(
        "u" * 36,
        "Evicting",
        "DisruptionBudget",
        "m" * 80,
        "s" * 42,
        "v" * 36,
        "b" * 19,
        1,
        "2030-01-01T00:00:00Z",
        4,
        4,
    )
    a_move = len(msgspec.json.encode(move)) + len(msgspec.json.encode(progress)) + 2
    assert MOST_PUBLISHED * a_move < 1.5 * 2**20 - 2**17
