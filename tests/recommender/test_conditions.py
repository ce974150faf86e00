"""What conditions say, and that others' are left as they are."""

from dataclasses import replace

import msgspec
import pytest

from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.snapshot import NO_BUDGET
from powerplane.models.telemetry.domains import DomainReading
from powerplane.recommender.cap_now import CapNow
from powerplane.recommender.conditions import SOON_S, WORDS_S, Circumstances, ConditionKeeper, domain_said, policy_said
from powerplane.recommender.own_caps_facts import CapStanding

AROUND = Circumstances(None, "", frozenset({"r1"}))
NOW_S = 1_790_000_000.0
KEY = ("", "p")
HELD = CapStanding(KEY, CapNow(200_000), 150_000, 3, 1.0, NOW_S)


def policy(conditions=(), **spec) -> ClusterPowerCappingPolicyObject:
    made = {"mode": "Enforce", "levers": ["evict"], "cap": {"watts": "200W"}, **spec}
    told = {
        "metadata": {"name": "p", "generation": 3, "resourceVersion": "77"},
        "spec": made,
        "status": {"conditions": list(conditions)},
    }
    return msgspec.convert(told, ClusterPowerCappingPolicyObject)


def said(one, standing=HELD, around=AROUND) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in policy_said(one, standing, around)}


def told(kind: str, status: str, reason: str = "") -> dict:
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def patches(keeper: ConditionKeeper, one, standing=HELD, now_s=NOW_S):
    return keeper.of_policies([one], {KEY: standing}, AROUND, now_s)


@pytest.mark.parametrize(
    ("spec", "enforcing"),
    [
        ({}, ("True", "Enforced")),
        ({"levers": ["migrate"]}, ("False", "NoLever")),
        ({"levers": ["evict", "capReplicas"]}, ("False", "PartlyEnforced")),
        ({"algorithm": {"name": "x"}}, ("False", "PartlyEnforced")),
        ({"rackConstraints": [{"domainNames": ["gone"], "maxPower": "1kW"}]}, ("False", "UnknownDomain")),
        ({"rackConstraints": [{"domainNames": ["r1"], "maxPower": "1kW"}]}, ("True", "Enforced")),
    ],
)
def test_enforcing_is_true_only_where_all_that_is_asked_for_is_acted_on(spec, enforcing):
    assert said(policy(**spec))["Enforcing"] == enforcing


def test_what_keeps_a_policy_from_being_enforced_is_told():
    stopped = Circumstances("by hand", "", AROUND.domains)
    blind = Circumstances(None, "no answer", AROUND.domains)
    assert said(policy(), around=stopped)["Enforcing"] == ("False", "Stopped")
    assert said(policy(), around=blind)["Enforcing"] == ("False", "NoTelemetry")
    unknown = CapStanding(KEY, CapNow(None, "too little is known"), 1, 1, 1.0, NOW_S)
    assert said(policy(), unknown) == {"Held": ("Unknown", "CapUnknown"), "Enforcing": ("False", "CapUnknown")}


def test_of_a_policy_that_does_not_enforce_it_is_not_said_whether_it_does():
    assert said(policy(mode="Observe")) == {"Held": ("True", "WithinCap")}


def test_at_hours_without_a_cap_it_is_held():
    assert said(policy(), CapStanding(KEY, CapNow(None), 150_000, 3, 1.0, NOW_S))["Held"] == ("True", "NoCapNow")


def test_conditions_of_others_stay_as_they_are_and_the_write_holds_for_the_version_that_was_seen():
    others = [told("Ready", "True", "Read"), told("Accepted", "False", "BadPower")]
    (patch,) = patches(ConditionKeeper(), policy([*others, told("Held", "False", "AboveCap")]))
    assert patch.version == "77"
    written = {each["type"]: each for each in patch.status["conditions"]}
    assert [written["Ready"], written["Accepted"]] == others
    assert written["Held"]["status"] == "True"
    assert written["Held"]["lastTransitionTime"] != "2026-01-01T00:00:00Z"
    assert written["Held"]["observedGeneration"] == 3


def test_what_is_told_already_is_not_written_again():
    keeper = ConditionKeeper()
    (patch,) = patches(keeper, policy())
    assert patches(keeper, policy(patch.status["conditions"]), now_s=NOW_S + 600) == []


def test_what_changes_is_told_soon_and_other_words_less_often():
    keeper, one = ConditionKeeper(), policy()
    (patch,) = patches(keeper, one)
    above = CapStanding(KEY, CapNow(100_000), 150_000, 3, 1.0, NOW_S)
    as_told = policy(patch.status["conditions"])
    assert patches(keeper, as_told, above, NOW_S + SOON_S - 1) == []
    assert len(patches(keeper, as_told, above, NOW_S + SOON_S)) == 1
    blind = CapStanding(KEY, CapNow(100_000), 150_000, 3, 1.0, NOW_S, "2 of its 3 pods are on nodes not measured")
    (patch,) = patches(ConditionKeeper(), policy(), blind)
    keeper = ConditionKeeper()
    patches(keeper, policy(), blind)
    worse = CapStanding(KEY, CapNow(100_000), 150_000, 3, 1.0, NOW_S, "3 of its 3 pods are on nodes not measured")
    as_told = policy(patch.status["conditions"])
    assert patches(keeper, as_told, worse, NOW_S + WORDS_S - 1) == []
    assert len(patches(keeper, as_told, worse, NOW_S + WORDS_S)) == 1


ROOMY = DomainReading("r1", "rack", 1000, None, 900, 0, "", 0, 2, 2, 0, 0, (), 1.0)


@pytest.mark.parametrize(
    ("fields", "held", "measured"),
    [
        ({}, ("True", "WithinBudget"), ("True", "Measured")),
        ({"draw_mw": 1001}, ("False", "AboveBudget"), ("True", "Measured")),
        ({"budget_mw": NO_BUDGET}, ("True", "NoBudget"), ("True", "Measured")),
        ({"worst": 2}, ("Unknown", "NotMeasured"), ("False", "NotMeasured")),
    ],
)
def test_a_domain_is_held_or_not_or_nobody_can_tell(fields, held, measured):
    found = [(each.status, each.reason) for each in domain_said(replace(ROOMY, **fields), "", 1)]
    assert found == [held, measured]


def test_without_any_reading_all_domains_say_why():
    domain = msgspec.convert({"metadata": {"name": "r1"}, "spec": {"kind": "rack"}}, PowerDomainObject)
    assert ConditionKeeper().of_domains([domain], (), "", NOW_S) == []
    (patch,) = ConditionKeeper().of_domains([domain], (), "no answer", NOW_S)
    assert {(each["type"], each["status"], each["message"]) for each in patch.status["conditions"]} == {
        ("Held", "Unknown", "no answer"),
        ("Measured", "False", "no answer"),
    }
