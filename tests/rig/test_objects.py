"""Our objects on a real API server: served without a warning, refused with words, shown in columns."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.rig.objects import DEFINITIONS, collection, install_crds, written
from tests.rig.rig import Rig

from powerplane.models.api.crd import CATEGORY, COLUMNS, crd_documents
from powerplane.models.api.fields import VALIDATIONS
from powerplane.models.api.kinds import (
    CAPPING_POLICY,
    CLUSTER_CAPPING_POLICY,
    KINDS,
    PLACEMENT_PLAN,
    POWER_DOMAIN,
    ApiKind,
)
from powerplane.models.api.power_domain import PowerDomainObject

pytestmark = pytest.mark.rig

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "declare-power-domains.md"
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
RACK: dict[str, Any] = {"kind": "rack", "budget": "12kW"}
CAP: dict[str, Any] = {"cap": {"watts": "2kW"}}
HOURS: dict[str, Any] = {"start": "17:00", "end": "21:00", "cap": {"watts": "1kW"}}
MOVE: dict[str, Any] = {"namespace": "a", "pod": "b", "uid": "c", "from": "n1", "to": "n2", "watts": 5, "wave": 1}
PLAN: dict[str, Any] = {"expiresAt": "2030-01-01T00:00:00Z", "moves": [MOVE]}


@pytest.fixture(scope="module")
def warnings(shared_rig: Rig) -> list[str]:
    return install_crds(shared_rig)


@pytest.fixture
def served(rig: Rig, warnings: list[str]) -> Rig:
    return rig


def breaker(*points: tuple[float, float]) -> dict[str, Any]:
    curve = [{"timesOver": load, "seconds": seconds} for load, seconds in points]
    return {**RACK, "breaker": {"rating": "16kW", "curve": curve}}


def racks(**constraint: Any) -> dict[str, Any]:
    return {"rackConstraints": [constraint]}


D, N, C, P = POWER_DOMAIN, CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN

REFUSED: list[tuple[ApiKind, dict[str, Any], str, dict[str, Any]]] = [
    # kind, the bad spec, words of the refusal, the good neighbour
    (D, {**RACK, "budget": "12"}, "must be a power above zero with its unit", {**RACK, "budget": "12W"}),
    (D, {**RACK, "budget": "0kW"}, "must be a power above zero", {**RACK, "budget": "0.001kW"}),
    (D, {**RACK, "budget": "12KW"}, "must be a power above zero", {**RACK, "budget": "12.5kW"}),
    (D, {**RACK, "budget": "-1W"}, "must be a power above zero", {**RACK, "budget": "1mW"}),
    (D, {**RACK, "budget": "1.0000001kW"}, "must be a power", {**RACK, "budget": "1.000001kW"}),
    (D, {**RACK, "budget": ""}, "must be a power", RACK),
    (D, {"budget": "12kW"}, "spec.kind: Required value", {"kind": "rack"}),
    (D, {"kind": "Rack 7"}, "spec.kind in body should match", {"kind": "rack-7"}),
    (D, breaker(), "should have at least 1 items", breaker((1.25, 60))),
    (D, breaker((1, 60)), "must be above 1", breaker((1.01, 60))),
    (D, breaker((1.25, 0)), "must be above 0", breaker((1.25, 0.1))),
    (D, breaker((1.5, 60), (1.25, 30)), "must rise", breaker((1.25, 60), (1.5, 30))),
    (D, breaker((1.25, 60), (1.25, 30)), "must rise", breaker((1.25, 60), (1.26, 60))),
    (D, breaker((1.25, 60), (1.5, 61)), "must fall", breaker((1.25, 60), (1.5, 60), (2, 1))),
    (D, {**RACK, "parents": ["own"]}, "a domain cannot be its own parent", {**RACK, "parents": ["other"]}),
    (D, {**RACK, "parents": ["a", "a"]}, "Duplicate value", {**RACK, "parents": ["a", "b"]}),
    (D, {**RACK, "parents": list("abcdefghi")}, "must have at most 8 items", {**RACK, "parents": list("abcdefgh")}),
    (
        D,
        {**RACK, "feedLoad": "Shared", "parents": ["a"]},
        "needs two parents",
        {**RACK, "feedLoad": "Shared", "parents": ["a", "b"]},
    ),
    (D, {**RACK, "feedLoad": "halves"}, "Unsupported value", {**RACK, "feedLoad": ""}),
    (
        D,
        {**RACK, "nodeNames": ["a"], "nodeSelector": {}},
        "at most one of nodeSelector and nodeNames",
        {**RACK, "nodeSelector": {"matchLabels": {"rack": "r1"}}},
    ),
    (D, {**RACK, "nodeNames": ["a", "a"]}, "Duplicate value", {**RACK, "nodeNames": ["a", "b"]}),
    (
        D,
        {**RACK, "nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}},
        "operator must be In, NotIn, Exists or DoesNotExist",
        {**RACK, "nodeSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}},
    ),
    (
        D,
        {**RACK, "nodeSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        "In and NotIn need values",
        {**RACK, "nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
    ),
    (D, {**RACK, "node": {"idle": "100"}}, "spec.node.idle", {**RACK, "node": {"idle": "100W", "peak": "500W"}}),
    (N, {"mode": "Enforce"}, "at least one of cap", CAP),
    (N, {"cap": {}}, "exactly one of watts, percentOfPeak and percentOfAverage", {"cap": {"percentOfPeak": 80}}),
    (N, {"cap": {"watts": "1W", "percentOfPeak": 80}}, "exactly one of watts", {"cap": {"watts": "1W"}}),
    (
        N,
        {"cap": {"percentOfAverage": 80}},
        "window and percentOfAverage go together",
        {"cap": {"percentOfAverage": 80, "window": "24h"}},
    ),
    (N, {"cap": {"watts": "1W", "window": "24h"}}, "window and percentOfAverage go together", CAP),
    (
        N,
        {"cap": {"percentOfAverage": 80, "window": "24"}},
        "must be a time such as",
        {"cap": {"percentOfAverage": 80, "window": "7d"}},
    ),
    (N, {"cap": {"percentOfPeak": 101}}, "should be less than or equal to 100", {"cap": {"percentOfPeak": 100}}),
    (N, {**CAP, **racks(domainNames=["r"], maxPower="1kW")}, "rackConstraints need a ClusterPowerCappingPolicy", CAP),
    (
        N,
        {**CAP, "schedule": [{**HOURS, **racks(domainNames=["r"], maxPower="1kW")}]},
        "rackConstraints need a ClusterPowerCappingPolicy",
        {**CAP, "schedule": [HOURS]},
    ),
    (N, {**CAP, "levers": ["evict", "evict"]}, "must name each lever once", {**CAP, "levers": ["throttle", "evict"]}),
    (
        N,
        {**CAP, "levers": ["reboot"]},
        "Unsupported value",
        {**CAP, "levers": ["capReplicas", "limitPower", "migrate"]},
    ),
    (N, {**CAP, "mode": "enforce"}, "Unsupported value", {**CAP, "mode": "Enforce"}),
    (N, {**CAP, "priority": 1_000_001}, "should be less than or equal to", {**CAP, "priority": -5}),
    (N, {"schedule": []}, "should have at least 1 items", {"schedule": [HOURS]}),
    (
        N,
        {"schedule": [{**HOURS, "start": "24:00"}]},
        "must be a time of day",
        {"schedule": [{**HOURS, "end": "00:00"}]},
    ),
    (
        N,
        {"schedule": [{"start": "17:00", "end": "21:00"}]},
        "cap or rackConstraints must be given",
        {"schedule": [{**HOURS, "timeZone": "Europe/Berlin"}]},
    ),
    (N, {"schedule": [{**HOURS, "days": ["Monday"]}]}, "Unsupported value", {"schedule": [{**HOURS, "days": ["Mon"]}]}),
    (
        N,
        {"performancePowerRatio": {"target": 0}},
        "should be greater than 0",
        {"performancePowerRatio": {"target": 1.5, "tolerance": 0.1}},
    ),
    (
        N,
        {"performancePowerRatio": {"target": 1, "metric": "sum(rate(x[1m]))"}},
        "must be the name of a metric",
        {"performancePowerRatio": {"target": 1, "metric": "vllm:generation_tokens_total", "metricType": "Counter"}},
    ),
    (
        N,
        {
            "performancePowerRatio": {
                "target": 1,
                "metric": "x_total",
                "metricLabels": [{"name": "__name__", "value": "y"}],
            }
        },
        "must be the name of a label",
        {
            "performancePowerRatio": {
                "target": 1,
                "metric": "x_total",
                "metricLabels": [{"name": "code", "value": '2"}.*'}],
            }
        },
    ),
    (
        C,
        {"performancePowerRatio": {"target": 1, "metricLabels": [{"name": "code", "value": "200"}]}},
        "metricLabels need a metric",
        {"performancePowerRatio": {"target": 1, "metricLabels": []}},
    ),
    (
        C,
        {"performancePowerRatio": {"target": 1, "metric": "x", "metricType": "Rate"}},
        "Unsupported value",
        {"performancePowerRatio": {"target": 1, "metric": "x", "metricType": "Gauge"}},
    ),
    (
        C,
        racks(domainNames=["r"]),
        "maxPower or maxTemperature must be given",
        racks(domainNames=["r"], maxTemperature=35),
    ),
    (
        C,
        racks(maxPower="1kW"),
        "exactly one of domainSelector and domainNames",
        racks(domainSelector={}, maxPower="1kW"),
    ),
    (
        C,
        racks(domainNames=["r"], domainSelector={}, maxPower="1kW"),
        "exactly one",
        racks(domainNames=["r"], maxPower="1kW"),
    ),
    (C, racks(domainNames=[], maxPower="1kW"), "at least 1 items", racks(domainNames=["r"], maxPower="1kW")),
    (
        C,
        racks(domainNames=["r"], maxTemperature=0),
        "greater than or equal",
        racks(domainNames=["r"], maxTemperature=1),
    ),
    (
        C,
        {**CAP, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}},
        "Exists and DoesNotExist take none",
        {**CAP, "namespaceSelector": {"matchLabels": {"team": "a"}}, "algorithm": {"parameters": {"any": [1]}}},
    ),
    (P, {**PLAN, "expiresAt": "tomorrow"}, "must be of type date-time", PLAN),
    (P, {"expiresAt": "2030-01-01T00:00:00Z", "moves": [{**MOVE, "watts": -1}]}, "greater than or equal to 0", PLAN),
    (P, {"moves": [MOVE]}, "spec.expiresAt: Required value", {"expiresAt": "2030-01-01T00:00:00Z"}),
    (
        P,
        {**PLAN, "moves": [{key: value for key, value in MOVE.items() if key != "to"}]},
        "only an eviction has no target",
        {**PLAN, "moves": [{key: value for key, value in MOVE.items() if key != "to"} | {"lever": "evict"}]},
    ),
]


def test_definitions_apply_without_a_warning_and_are_established(rig: Rig, warnings: list[str]) -> None:
    assert warnings == []
    for document in crd_documents():
        status = rig.api.get(f"{DEFINITIONS}/{document['metadata']['name']}")["status"]
        held = {one["type"]: one["status"] for one in status["conditions"]}
        assert held["Established"] == held["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in held


@pytest.mark.parametrize(
    ("kind", "bad", "words", "good"), REFUSED, ids=[f"{i}-{each[2][:40]}" for i, each in enumerate(REFUSED)]
)
def test_the_server_refuses_with_words_and_takes_the_neighbour(
    served: Rig, kind: ApiKind, bad: dict[str, Any], words: str, good: dict[str, Any]
) -> None:
    refused = served.api.call(
        "POST", f"{collection(kind)}?dryRun=All&fieldValidation=Strict", written(kind, "own", bad)
    )
    assert refused.status == 422, refused.body
    assert words in refused.message
    taken = served.api.call("POST", f"{collection(kind)}?fieldValidation=Strict", written(kind, "own", good))
    assert taken.status == 201, taken.message


def messages(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {message for item in schema for message in messages(item)}
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get(VALIDATIONS, ())}
    return own | {message for value in schema.values() for message in messages(value)}


def test_every_rule_of_the_definitions_is_tried() -> None:
    tried = " ".join(words for _, _, words, _ in REFUSED)
    untried = {one for one in messages(list(crd_documents())) if not any(words in one for _, _, words, _ in REFUSED)}
    assert untried == set(), tried


def cells(rig: Rig, path: str) -> tuple[list[str], list[Any], list[int]]:
    table = rig.api.get(path, Accept=TABLE)
    columns = table["columnDefinitions"]
    return (
        [column["name"] for column in columns],
        table["rows"][0]["cells"],
        [column["priority"] for column in columns],
    )


def test_a_domain_is_shown_in_its_columns(served: Rig) -> None:
    served.api.post(POWER_DOMAIN.list_path, written(D, "rack-1", {**RACK, "parents": ["feed-a", "feed-b"]}))
    ready = {"type": "Ready", "status": "True", "reason": "InForce", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"conditions": [ready], "nodes": 4, "budgetWatts": 11000, "drawWatts": 9000, "headroomWatts": 2000}
    status |= {"measuredWatts": 9100}
    served.api.patch(f"{POWER_DOMAIN.path('rack-1')}/status", {"status": status})
    names, shown, priorities = cells(served, POWER_DOMAIN.list_path)
    by_name = dict(zip(names, shown, strict=True))
    assert names[:8] == ["Name", "Kind", "Budget", "Draw", "Headroom", "Nodes", "Ready", "Age"]
    assert shown[:7] == ["rack-1", "rack", "12kW", 9000, 2000, 4, "True"]
    assert by_name["Parents"] == '["feed-a","feed-b"]'
    assert (by_name["In-Force"], by_name["Reason"]) == (11000, "InForce")
    assert (by_name["Measured"], by_name["Breach"]) == (9100, None)
    assert priorities == [0] * 8 + [1] * 6


@pytest.mark.parametrize("kind", [CAPPING_POLICY, CLUSTER_CAPPING_POLICY], ids=lambda kind: kind.name)
def test_a_policy_is_shown_in_its_columns(served: Rig, kind: ApiKind) -> None:
    served.api.post(collection(kind), written(kind, "p", {"cap": {"percentOfPeak": 80}, "priority": 7}))
    conditions = [
        {"type": "Ready", "status": "False", "reason": "SamePriority"},
        {"type": "Conflicted", "status": "True"},
    ]
    status = {"conditions": conditions, "drawWatts": 5, "performance": {"perWatt": 2.5}}
    served.api.patch(f"{kind.path('p', 'default')}/status", {"status": status})
    names, shown, _ = cells(served, kind.list_path)
    by_name = dict(zip(names, shown, strict=True))
    assert names[1:9] == ["Mode", "Cap", "Priority", "Cap-Now", "Draw", "Held", "Conflicted", "Ready"]
    assert shown[1:9] == ["Observe", '{"percentOfPeak":80}', 7, None, 5, None, "True", "False"]
    assert (by_name["Reason"], by_name["Per-Watt"]) == ("SamePriority", 2.5)


def test_a_plan_is_shown_in_its_columns(served: Rig) -> None:
    served.api.post(PLACEMENT_PLAN.list_path, written(P, "plan-1", PLAN))
    served.api.patch(
        f"{PLACEMENT_PLAN.path('plan-1')}/status", {"status": {"phase": "Running", "total": 1, "done": 0, "failed": 0}}
    )
    names, shown, _ = cells(served, PLACEMENT_PLAN.list_path)
    assert names == ["Name", "Phase", "Total", "Done", "Failed", "Expires", "Age", "Wave", "Why"]
    assert shown[:6] == ["plan-1", "Running", 1, 0, 0, "2030-01-01T00:00:00Z"]


def test_discovery_knows_names_short_names_and_the_category(served: Rig) -> None:
    served_kinds = {each["name"]: each for each in served.api.get("/apis/powerplane.dev/v1alpha1")["resources"]}
    for kind in KINDS:
        found = served_kinds[kind.plural]
        assert found["kind"] == kind.name
        assert found["singularName"] == kind.singular
        assert found["shortNames"] == [kind.short]
        assert found["categories"] == [CATEGORY]
        assert found["namespaced"] == kind.namespaced
        assert (f"{kind.plural}/status" in served_kinds) == ("status" in kind.struct.__struct_fields__)
        assert kind.name in COLUMNS


def test_status_is_written_apart_from_spec(served: Rig) -> None:
    made = served.api.post(
        POWER_DOMAIN.list_path, {**written(D, "rack-1", RACK), "status": {"nodes": 3, "drawWatts": 1}}
    )
    assert "status" not in made
    changed = {**made, "spec": {"kind": "row"}, "status": {"nodes": 4, "acceptedSpec": {**RACK, "later": ["field"]}}}
    put = served.api.put(f"{POWER_DOMAIN.path('rack-1')}/status", changed)
    assert put["spec"] == RACK
    assert put["status"]["nodes"] == 4
    assert put["status"]["acceptedSpec"] == {**RACK, "later": ["field"]}
    assert put["metadata"]["generation"] == 1
    spec = served.api.patch(POWER_DOMAIN.path("rack-1"), {"spec": {"budget": "11kW"}, "status": {"nodes": 9}})
    assert spec["status"]["nodes"] == 4
    assert spec["metadata"]["generation"] == 2


def test_what_the_server_keeps_decodes_to_what_was_written(served: Rig) -> None:
    spec = {**breaker((1.25, 60), (2, 1)), "parents": ["a", "b"], "feedLoad": "Shared", "node": {"idle": "100W"}}
    kept = served.api.post(POWER_DOMAIN.list_path, written(D, "rack-1", spec, row="one"))
    found = msgspec.convert(kept, PowerDomainObject)
    assert msgspec.to_builtins(found.spec, str_keys=True) == {**spec, "parents": ("a", "b")} | {
        "breaker": {
            "rating": "16kW",
            "curve": ({"timesOver": 1.25, "seconds": 60.0}, {"timesOver": 2.0, "seconds": 1.0}),
        }
    }
    assert (found.metadata.generation, found.metadata.labels) == (1, {"row": "one"})
    assert found.metadata.resource_version


def test_the_examples_of_the_how_to_page_are_taken(served: Rig) -> None:
    examples = [
        each for block in FENCE.findall(HOW_TO.read_text(encoding="utf-8")) for each in yaml.safe_load_all(block)
    ]
    assert len(examples) == 4
    paths = {kind.name: kind.list_path for kind in KINDS if not kind.namespaced}
    for each in examples:
        answer = served.api.call("POST", f"{paths[each['kind']]}?fieldValidation=Strict", each)
        assert answer.status == 201, answer.message
