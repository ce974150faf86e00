"""Policies: which conflict, what racks may draw, and conditions no better than the truth."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.api.domains import cluster_policy, domain, policy

from powerplane.models.api.policies import (
    MOST_CONFLICTS,
    effective_rack_budgets,
    find_conflicts,
    key_of,
    with_budgets,
)
from powerplane.models.api.standing import policy_conditions
from powerplane.models.api.tree import read_tree
from powerplane.models.errors import InputError
from powerplane.models.snapshot import NO_BUDGET

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
RACKS = [
    domain("r1", budget="12kW", labels={"row": "one"}, nodeNames=["n1"]),
    domain("r2", budget="10kW", labels={"row": "two"}, nodeNames=["n2"]),
    domain("free", nodeNames=["n3"]),
]
LABELS = {one.metadata.name: one.metadata.labels or {} for one in RACKS}
CAP = {"cap": {"watts": "2kW"}}


def on(*names, **limits):
    return {"rackConstraints": [{"domainNames": list(names)} | (limits or {"maxPower": "8kW"})]}


def budgets(*policies, now=NOW, own=None):
    return effective_rack_budgets(RACKS, policies, now, own)


# Budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "holds"), [("Observe", False), ("Recommend", False), ("Initial", True), ("Enforce", True)]
)
def test_only_a_policy_in_an_acting_mode_lowers_a_budget(mode, holds):
    found = budgets(cluster_policy("p", mode=mode, **on("r1")))
    assert found == {"r1": 8_000_000 if holds else 12_000_000, "r2": 10_000_000, "free": NO_BUDGET}


def test_the_lowest_of_all_holds_whatever_the_priority_and_no_policy_raises_a_budget():
    high = cluster_policy("high", mode="Enforce", priority=9, **on("r1", "r2", "free", maxPower="11kW"))
    low = cluster_policy("low", mode="Initial", priority=-9, **on("r1", maxPower="9kW"))
    assert budgets(high, low) == budgets(low, high) == {"r1": 9_000_000, "r2": 10_000_000, "free": 11_000_000}


def test_domains_are_chosen_by_label_and_names_without_a_domain_are_passed_over():
    chosen = {"rackConstraints": [{"domainSelector": {"matchLabels": {"row": "two"}}, "maxPower": "1kW"}]}
    found = budgets(cluster_policy("a", mode="Initial", **chosen), cluster_policy("b", mode="Initial", **on("gone")))
    assert found == {"r1": 12_000_000, "r2": 1_000_000, "free": NO_BUDGET}
    warm = cluster_policy("c", mode="Initial", **on("r1", maxTemperature=30))
    assert budgets(warm)["r1"] == 12_000_000


def test_the_schedule_is_read_at_the_moment_that_is_given():
    hours = {"start": "17:00", "end": "21:00", **on("r1", maxPower="5kW")}
    evening = cluster_policy("p", mode="Initial", **on("r1"), schedule=[hours])
    assert budgets(evening)["r1"] == 5_000_000
    assert budgets(evening, now=NOW.replace(hour=22))["r1"] == 8_000_000


def test_budgets_in_force_take_the_place_of_those_in_the_specs():
    found = effective_rack_budgets([domain("r", budget="unreadable")], [], NOW, {"r": 7})
    assert found == {"r": 7}
    with pytest.raises(InputError, match="unreadable"):
        effective_rack_budgets([domain("r", budget="unreadable")], [], NOW)


def test_a_limit_that_cannot_be_read_changes_nothing_and_is_told():
    bad = cluster_policy("p", mode="Initial", **on("r1", maxPower="8"))
    assert budgets(bad)["r1"] == 12_000_000
    assert said(bad)["Accepted"] == ("False", "BadPower")


def test_a_topology_takes_the_budgets_over_and_never_more_than_its_own():
    topology = read_tree(RACKS, [("n1", {}), ("n2", {}), ("n3", {})]).topology
    capped = with_budgets(topology, {"r1": 5, "r2": NO_BUDGET, "gone": 1})
    assert {one.name: one.budget_mw for one in capped.domains} == {"r1": 5, "r2": 10_000_000, "free": NO_BUDGET}


WATTS = st.integers(1, 20).map(lambda kilowatts: f"{kilowatts}kW")
POLICY = st.builds(
    lambda i, mode, names, watts, priority: cluster_policy(
        f"p{i}", mode=mode, priority=priority, **on(*names, maxPower=watts)
    ),
    st.integers(0, 9),
    st.sampled_from(["Observe", "Initial", "Enforce"]),
    st.lists(st.sampled_from(["r1", "r2", "free"]), min_size=1, unique=True),
    WATTS,
    st.integers(-1, 1),
)


@given(st.lists(POLICY, max_size=6), POLICY)
def test_one_more_policy_never_raises_what_a_domain_may_draw(policies, more):
    before, after = budgets(*policies), budgets(*policies, more)
    assert all(after[name] <= before[name] for name in before)
    assert all(after[one.metadata.name] <= NO_BUDGET for one in RACKS)
    assert budgets(*reversed(policies)) == before


# Conflicts -------------------------------------------------------------------------------------------------------


def conflicts(*policies):
    found = find_conflicts(policies, LABELS)
    return {key[1]: [(one.other[1], one.over, one.differs) for one in own] for key, own in found.items()}


def both(one, other, over, *differs):
    return {one: [(other, over, differs)], other: [(one, over, differs)]}


def test_different_caps_for_the_same_pods_conflict_and_both_say_so():
    assert conflicts(policy("a", **CAP), policy("b", cap={"percentOfPeak": 80})) == both("a", "b", "pods", "cap")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "Enforce"),
        ("levers", ["evict"]),
        ("schedule", [{"start": "17:00", "end": "21:00", "cap": {"watts": "1kW"}}]),
        ("performancePowerRatio", {"target": 2}),
    ],
)
def test_different_modes_levers_and_hours_conflict(field, value):
    assert conflicts(policy("a", **CAP), policy("b", **CAP, **{field: value})) == both("a", "b", "pods", field)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (policy("a", **CAP), policy("b", cap={"watts": "2000W"})),
        (policy("a", **CAP), policy("b", cap={"watts": "1kW"}, priority=1)),
        (policy("a", **CAP), policy("b", "other", cap={"watts": "1kW"})),
        (policy("a", **CAP), cluster_policy("b", cap={"watts": "1kW"})),
        (
            policy("a", selector={"matchLabels": {"app": "x"}}, **CAP),
            policy("b", selector={"matchLabels": {"app": "y"}}, cap={"watts": "1kW"}),
        ),
        (
            cluster_policy("a", namespaceSelector={"matchLabels": {"tier": "gold"}}, **CAP),
            cluster_policy("b", namespaceSelector={"matchLabels": {"tier": "tin"}}, cap={"watts": "1kW"}),
        ),
        (cluster_policy("a", **on("r1")), cluster_policy("b", **on("r2", maxPower="9kW"))),
        (cluster_policy("a", **on("r1")), cluster_policy("b", **on("r1", maxPower="8000W"))),
        (cluster_policy("a", **on("gone")), cluster_policy("b", **on("gone", maxPower="9kW"))),
        (cluster_policy("a", **CAP), cluster_policy("b", **on("r1"))),
    ],
    ids=[
        "same figure",
        "priority",
        "namespace",
        "kind",
        "labels",
        "namespaces",
        "racks",
        "same watts",
        "no rack",
        "apart",
    ],
)
def test_what_cannot_meet_or_says_the_same_does_not_conflict(one, other):
    assert conflicts(one, other) == {}


def test_different_limits_for_one_domain_conflict_however_it_is_named():
    by_label = {"rackConstraints": [{"domainSelector": {"matchLabels": {"row": "one"}}, "maxPower": "9kW"}]}
    one, other = cluster_policy("a", **on("r1", "r2")), cluster_policy("b", **by_label)
    assert conflicts(one, other) == both("a", "b", "r1", "rackConstraints")
    assert conflicts(one, cluster_policy("c", mode="Initial", **on("r2"))) == both("a", "c", "r2", "mode")


def test_a_policy_that_conflicts_with_a_crowd_is_told_of_some_of_it():
    crowd = [policy(f"p{i:02d}", cap={"watts": f"{i + 1}W"}) for i in range(20)]
    assert {len(own) for own in conflicts(*crowd).values()} == {MOST_CONFLICTS}


# Conditions ------------------------------------------------------------------------------------------------------


def said(one, *others):
    found = find_conflicts((one, *others), LABELS).get(key_of(one), ())
    return {each.type: (each.status, each.reason) for each in policy_conditions(one, found, LABELS)}


def words(one, *others):
    found = find_conflicts((one, *others), LABELS).get(key_of(one), ())
    return {each.type: each.message for each in policy_conditions(one, found, LABELS)}


@pytest.mark.parametrize(
    ("one", "enforcing"),
    [
        (cluster_policy("p", mode="Initial", **on("r1")), ("True", "NewPods")),
        (cluster_policy("p", mode="Enforce", **on("r1")), ("False", "PartlyEnforced")),
        (cluster_policy("p", mode="Initial", **CAP, **on("r1")), ("False", "PartlyEnforced")),
        (
            cluster_policy("p", mode="Initial", **on("r1", maxPower="8kW", maxTemperature=30)),
            ("False", "PartlyEnforced"),
        ),
        (cluster_policy("p", mode="Initial", **on("r1", maxTemperature=30)), ("False", "NotInThisVersion")),
        (cluster_policy("p", mode="Initial", **on("r1", "gone")), ("False", "UnknownDomain")),
        (cluster_policy("p", **on("r1")), ("False", "ModeObserve")),
        (policy("p", mode="Recommend", **CAP), ("False", "ModeRecommend")),
        (policy("p", mode="Initial", **CAP), ("False", "NotInThisVersion")),
    ],
)
def test_enforcing_is_true_only_where_all_that_is_asked_for_is_held(one, enforcing):
    assert said(one)["Enforcing"] == enforcing


def test_what_is_not_held_is_named():
    asked = {**CAP, **on("r1", maxPower="8kW", maxTemperature=30), "levers": ["evict"], "algorithm": {"name": "x"}}
    told = words(cluster_policy("p", mode="Enforce", performancePowerRatio={"target": 1}, **asked))["Enforcing"]
    for part in ("cap", "maxTemperature", "performancePowerRatio", "levers", "algorithm", "running pods"):
        assert part in told
    assert "rackConstraints.maxPower is held for new pods" in told


def test_a_conflict_names_the_other_and_what_holds():
    one, other = policy("a", **CAP), policy("b", cap={"watts": "1kW"})
    assert said(one, other)["Conflicted"] == ("True", "SamePriority")
    assert said(one, other)["Ready"] == ("False", "SamePriority")
    assert "team/b (over pods: cap)" in words(one, other)["Conflicted"]
    assert "the lower figure holds" in words(one, other)["Conflicted"]
    assert said(one)["Conflicted"] == ("False", "NoConflict")
    assert said(one)["Ready"] == ("True", "Read")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedule": [{"start": "17:00", "end": "21:00", "timeZone": "Mars", **CAP}]}, "UnknownTimeZone"),
        ({"cap": {"watts": "2"}}, "BadPower"),
        ({**CAP, "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "BadSelector"),
        ({**CAP, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}, "BadSelector"),
    ],
)
def test_what_the_api_server_cannot_see_is_told_in_accepted(spec, reason):
    one = cluster_policy("p", **spec)
    assert said(one)["Accepted"] == ("False", reason)
    assert said(one)["Ready"] == ("False", reason)
    assert all(each.observed_generation == 2 for each in policy_conditions(one, (), ()))
