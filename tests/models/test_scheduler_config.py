"""The scheduler's configuration: what is written holds, and what would not hold is found."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.errors import InputError
from powerplane.models.requests import WATTS_RESOURCE
from powerplane.models.scheduler_config import ExtenderEntry, nodes_shown, patched, second_scheduler
from powerplane.models.scheduler_config_check import check_configuration
from powerplane.models.scheduler_config_extender import Finding, go_seconds

Document = dict[str, Any]
OTHER: Document = {
    "urlPrefix": "https://gpu.example/x",
    "filterVerb": "f",
    "managedResources": [{"name": "example/gpu"}],
}


def good(lock: Any = "extender") -> Document:
    return second_scheduler(ExtenderEntry(lock), "power-scheduler", "kube-system")


def spoiled(path: str, value: Any) -> Document:
    """A good configuration with one thing changed; None takes it out."""
    document = good()
    *way, last = path.split(".")
    place: Any = document
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def places(findings: list[Finding], severity: str) -> list[str]:
    return [one.place for one in findings if one.severity == severity]


@pytest.mark.parametrize("lock", ["extender", "both"])
@pytest.mark.parametrize("nodes", [10, 5000])
def test_what_is_written_has_no_findings(lock, nodes):
    assert check_configuration(good(lock), lock, nodes) == []
    binding = second_scheduler(ExtenderEntry(lock, binds=True), "s", "n", "/etc/kubeconfig")
    assert check_configuration(binding, lock, nodes) == []
    assert binding["clientConnection"] == {"kubeconfig": "/etc/kubeconfig"}


def test_the_lock_decides_who_looks_at_watts():
    managed = [good(lock)["extenders"][0]["managedResources"] for lock in ("extender", "both")]
    assert managed == [[{"name": WATTS_RESOURCE, "ignoredByScheduler": ignored}] for ignored in (True, False)]
    assert places(check_configuration(good("both"), "extender"), "error") == ["extenders[0].managedResources"]
    assert places(check_configuration(good("extender"), "both"), "error") == ["extenders[0].managedResources"]
    assert check_configuration(good("both")) == check_configuration(good("extender")) == []


EXTENDER = "extenders.0."


@pytest.mark.parametrize(
    ("path", "value", "severity", "told"),
    [
        ("apiVersion", "kubescheduler.config.k8s.io/v1beta3", "error", "refuses"),
        ("kind", "Policy", "error", "refuses"),
        ("leaderElection", None, "error", "Lease"),
        ("leaderElection.resourceName", "kube-scheduler", "error", "Lease"),
        ("extenders", [], "error", "none is PowerPlane's"),
        ("extenders", {"a": 1}, "error", "no list"),
        ("extenders", ["x"], "error", "no list"),
        (EXTENDER + "nodeCacheCapable", False, "error", "whole nodes"),
        (EXTENDER + "nodeCacheCapable", None, "error", "whole nodes"),
        (EXTENDER + "enableHTTPS", False, "note", "not true"),
        (EXTENDER + "tlsConfig.caFile", None, "error", "no CA"),
        (EXTENDER + "tlsConfig.insecure", True, "error", "anybody"),
        (EXTENDER + "tlsConfig.keyFile", None, "error", "client certificate"),
        (EXTENDER + "tlsConfig", None, "error", "no CA"),
        (EXTENDER + "urlPrefix", "http://powerplane:9443/scheduler/v1", "error", "not https"),
        (EXTENDER + "urlPrefix", "https://powerplane:9443/scheduler/v1/filter", "error", "404"),
        (EXTENDER + "urlPrefix", "https://powerplane:9443", "error", "404"),
        (EXTENDER + "urlPrefix", None, "error", "missing"),
        (EXTENDER + "weight", 0, "error", "above 0"),
        (EXTENDER + "weight", None, "error", "above 0"),
        (EXTENDER + "weight", "12", "error", "above 0"),
        (EXTENDER + "weight", 1, "warning", "loses"),
        (EXTENDER + "ignorable", True, "error", "gives every budget up"),
        (EXTENDER + "httpTimeout", None, "warning", "5 s"),
        (EXTENDER + "httpTimeout", "30s", "warning", "30 s"),
        (EXTENDER + "httpTimeout", "1ms", "warning", "shorter"),
        (EXTENDER + "httpTimeout", 500, "error", "no duration"),
        (EXTENDER + "httpTimeout", "-1s", "error", "no duration"),
        (EXTENDER + "managedResources", None, "warning", "every pod is sent"),
        (EXTENDER + "managedResources", {"name": WATTS_RESOURCE}, "error", "no list"),
        (EXTENDER + "managedResources", [{"name": "example/gpu"}], "warning", "not in it"),
        (EXTENDER + "percentageOfNodesToScore", 100, "error", "unknown to kube-scheduler"),
        ("percentageOfNodesToScore", None, "warning", "500 of 5000"),
        ("percentageOfNodesToScore", 50, "warning", "2500 of 5000"),
        ("profiles", [{"schedulerName": "x", "percentageOfNodesToScore": 0}], "warning", "500 of 5000"),
        (EXTENDER + "preemptVerb", None, "warning", "missing"),
        (EXTENDER + "filterVerb", None, "error", "hold no budget"),
        (EXTENDER + "prioritizeVerb", "score", "error", "does not have"),
    ],
)
def test_each_fault_is_found_and_told_with_what_to_write(path, value, severity, told):
    found = [one for one in check_configuration(spoiled(path, value)) if told in one.problem]
    assert found, check_configuration(spoiled(path, value))
    assert found[0].severity == severity
    assert found[0].next_step


def test_a_small_cluster_is_shown_whole():
    assert check_configuration(spoiled("percentageOfNodesToScore", None), nodes=100) == []


def test_ignorable_is_a_matter_of_taste_where_nodes_hold_the_watts():
    document = good("both")
    document["extenders"][0]["ignorable"] = True
    assert places(check_configuration(document), "warning") == ["extenders[0].ignorable"]
    assert places(check_configuration(document, "extender"), "error")[0].startswith("extenders[0]")


def test_a_binder_that_can_be_passed_by_is_an_error():
    document = second_scheduler(ExtenderEntry("both", binds=True), "s", "n")
    document["extenders"][0]["ignorable"] = True
    assert "extenders[0].ignorable" in places(check_configuration(document), "error")


def test_two_binders_and_a_shared_resource_are_refused_by_kube_scheduler():
    document = second_scheduler(ExtenderEntry(binds=True), "s", "n")
    other = {**OTHER, "bindVerb": "b", "managedResources": [{"name": WATTS_RESOURCE}]}
    document["extenders"].append(other)
    told = " ".join(one.problem for one in check_configuration(document) if one.severity == "error")
    assert "more than one" in told
    assert "already" in told


def test_other_extenders_are_left_alone_unless_kube_scheduler_would_refuse_them():
    document = good()
    document["extenders"].append(OTHER)
    assert check_configuration(document) == []
    document["extenders"][1] = {**OTHER, "prioritizeVerb": "p"}
    assert places(check_configuration(document), "error") == ["extenders[1].weight"]


def test_ours_belongs_before_others_unless_those_go_last_anyway():
    document = good()
    document["extenders"].insert(0, OTHER)
    assert places(check_configuration(document), "warning") == ["extenders[1]"]
    document["extenders"][0] = {**OTHER, "ignorable": True}
    assert check_configuration(document) == []


def test_the_default_scheduler_keeps_its_own_lease():
    document = patched({"apiVersion": good()["apiVersion"], "kind": good()["kind"]}, ExtenderEntry())
    assert check_configuration(document) == []
    assert "leaderElection" not in document
    document["leaderElection"] = {"leaderElect": False}
    document["profiles"] = [{"schedulerName": "second"}]
    assert check_configuration(document) == []


def test_a_patched_configuration_keeps_all_that_is_not_ours():
    there = {
        "apiVersion": good()["apiVersion"],
        "kind": good()["kind"],
        "parallelism": 16,
        "unknown": {"deep": [1, None, "x"]},
        "profiles": [{"schedulerName": "default-scheduler", "pluginConfig": [{"name": "NodeResourcesFit"}]}],
        "extenders": [OTHER],
    }
    before = copy.deepcopy(there)
    after = patched(there, ExtenderEntry())
    assert there == before
    assert after["extenders"][1:] == [OTHER]
    assert {key: value for key, value in after.items() if key not in ("extenders", "percentageOfNodesToScore")} == {
        key: value for key, value in before.items() if key != "extenders"
    }
    assert check_configuration(after) == []


def test_patching_again_renews_ours_and_adds_none():
    once = patched(second_scheduler(ExtenderEntry(binds=True), "s", "n"), ExtenderEntry("both", weight=5))
    assert len(once["extenders"]) == 1
    assert once["extenders"][0] == ExtenderEntry("both", weight=5).document()
    assert patched(once, ExtenderEntry("both", weight=5)) == once


@pytest.mark.parametrize("wrong", [None, [], "x", {}, {"kind": "Pod"}, {"kind": "KubeSchedulerConfiguration"}])
def test_what_is_no_configuration_is_not_patched(wrong):
    with pytest.raises(InputError):
        patched(wrong, ExtenderEntry())


@pytest.mark.parametrize(
    ("nodes", "percentage", "shown"),
    [(99, 0, 99), (100, 0, 100), (1000, 0, 420), (5000, 0, 500), (15000, 0, 750), (5000, 100, 5000), (500, 1, 100)],
)
def test_the_scheduler_shows_as_many_nodes_as_its_source_says(nodes, percentage, shown):
    assert nodes_shown(nodes, percentage) == shown


def test_durations_are_gos():
    assert [go_seconds(text) for text in ("500ms", "1m30s", "1.5s", "2h", "", "5", "s", "5 s")] == [
        0.5,
        90.0,
        1.5,
        7200.0,
        None,
        None,
        None,
        None,
    ]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3)
)


@given(st.data())
def test_no_value_anywhere_ends_the_check(data):
    document = good()
    document["extenders"].append(copy.deepcopy(OTHER))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = document
        while isinstance(place, dict | list) and place:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
                place[key] = data.draw(anything)
                break
            place = place[key]
    findings = check_configuration(document)
    assert all(one.severity in ("error", "warning", "note") and one.next_step for one in findings)
    json.dumps(document)
