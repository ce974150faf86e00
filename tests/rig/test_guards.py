"""Each admission policy, with what it refuses and the neighbouring call that it lets pass."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.rig import guards_nodes, guards_own, guards_pods
from tests.rig.acts import LABELLER, RELEASER, TENANT, Act, overreaching, updates
from tests.rig.api import JSON_PATCH, STRATEGIC
from tests.rig.cluster import WATTS
from tests.rig.guards_own import binds
from tests.rig.rig import Rig
from tests.rig.security import documents

pytestmark = pytest.mark.rig

TOLD_OF = "powerplane-resize"
"""Warns, and refuses nothing."""


@pytest.fixture(scope="module", autouse=True)
def overreach(shared_rig: Rig, warnings: list[str]) -> Iterator[None]:
    """More rights than our accounts have: each is refused by a policy, not for want of a right."""
    with overreaching(shared_rig):
        yield


GUARDS = [*guards_nodes.GUARDS, *guards_pods.GUARDS, *guards_own.GUARDS]


@pytest.mark.parametrize(
    ("policy", "words", "refused", "passes"), GUARDS, ids=[f"{i}-{g[0]}-{g[1]}" for i, g in enumerate(GUARDS)]
)
def test_a_policy_refuses_and_lets_its_neighbour_pass(
    guarded: Rig, policy: str, words: str, refused: Act, passes: Act
) -> None:
    answer = refused(guarded)
    assert not answer.ok
    assert f"'powerplane-{policy}'" in answer.message, answer.message
    assert words in answer.message
    neighbour = passes(guarded)
    assert neighbour.ok, neighbour.message


def test_every_shipped_policy_is_tried() -> None:
    shipped = documents("admission-policies.yaml")
    policies = {each["metadata"]["name"] for each in shipped if each["kind"] == "ValidatingAdmissionPolicy"}
    bound = {each["spec"]["policyName"] for each in shipped if each["kind"].endswith("Binding")}
    assert policies == bound == {f"powerplane-{policy}" for policy, *_ in GUARDS} | {TOLD_OF}
    for each in shipped:
        assert each["spec"].get("failurePolicy", "Fail") == "Fail"
        actions = ["Warn", "Audit"] if each["spec"].get("policyName") == TOLD_OF else ["Deny"]
        assert each["spec"].get("validationActions", actions) == actions


def test_the_server_itself_refuses_a_resize_of_watts(guarded: Rig) -> None:
    def resized(**resources: str) -> dict[str, Any]:
        return {"spec": {"containers": [{"name": "main", "resources": {"requests": resources, "limits": resources}}]}}

    refused = updates(RELEASER, {}, resized(**{WATTS: "1"}), STRATEGIC, "/resize")(guarded)
    assert refused.status == 422
    assert "only cpu and memory resources are mutable" in refused.message


def with_cpu(amount: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": amount}}}]}}


def test_more_cpu_in_place_is_told_of_and_let_pass(guarded: Rig) -> None:
    more = updates(TENANT, {}, with_cpu("2"), STRATEGIC, "/resize")(guarded)
    assert more.ok, more.message
    assert [each for each in more.warnings if "keeps its watts" in each], more.warnings
    less = updates(TENANT, {}, with_cpu("50m"), STRATEGIC, "/resize")(guarded)
    assert less.ok, less.message
    assert less.warnings == ()


def test_the_server_itself_binds_no_pod_that_is_gated(guarded: Rig) -> None:
    refused = binds(LABELLER, gates=("powerplane.dev/power",))(guarded)
    assert refused.status == 409
    assert "schedulingGates" in refused.message


def test_the_server_itself_lets_nobody_change_the_watts_of_a_pod_that_is_there(guarded: Rig) -> None:
    less = [
        {"op": "replace", "path": f"/spec/containers/0/resources/requests/{WATTS.replace('/', '~1')}", "value": "1"}
    ]
    refused = updates("", {}, less, JSON_PATCH)(guarded)
    assert refused.status == 422
    assert "pod updates may not change fields" in refused.message


def test_the_server_itself_lets_nobody_add_a_gate_to_a_pod_that_is_there(guarded: Rig) -> None:
    refused = updates("", {}, {"spec": {"schedulingGates": [{"name": "powerplane.dev/power"}]}})(guarded)
    assert refused.status == 422
    assert "schedulingGates" in refused.message


@pytest.mark.parametrize("subresource", ["/resize", "/ephemeralcontainers"])
def test_the_server_itself_keeps_a_pods_keys_where_only_its_containers_may_change(
    guarded: Rig, subresource: str
) -> None:
    keys = {"metadata": {"annotations": {"powerplane.dev/told": "1"}, "labels": {"powerplane.dev/told": "1"}}}
    answer = updates(TENANT, {}, keys, subresource=subresource)(guarded)
    assert answer.ok, answer.message
    assert not any("powerplane.dev/told" in answer.body["metadata"].get(each, {}) for each in ("annotations", "labels"))
