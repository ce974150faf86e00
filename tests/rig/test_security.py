"""Who may do what, tried: RBAC verb by verb."""

import pytest
from tests.rig.acts import ACTUATOR, ONLOOKER, OURS, RECOMMENDER, TENANT, VIEWER
from tests.rig.api import JSON, JSON_PATCH, MERGE, Answer
from tests.rig.objects import written
from tests.rig.rig import Rig
from tests.rig.security import (
    GATE_RELEASER,
    NODE_WRITER,
    POLICIES,
    SERVING,
    applied,
    as_user,
    documents,
)

from powerplane.models.api.kinds import POWER_DOMAIN

pytestmark = pytest.mark.rig

LEASES = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"

PROBED = {
    # resource: list path, and name (with subresource) of one object
    "nodes": ("/api/v1/nodes", "n1"),
    "nodes/status": ("", "/api/v1/nodes/n1/status"),
    "nodes/proxy": ("", "/api/v1/nodes/n1/proxy/pods"),
    "pods": ("/api/v1/namespaces/team/pods", "p1"),
    "own pods": ("/api/v1/namespaces/powerplane-system/pods", "p1"),
    "pods/status": ("", "/api/v1/namespaces/team/pods/p1/status"),
    "pods/binding": ("", "/api/v1/namespaces/team/pods/p1/binding"),
    "pods/eviction": ("", "/api/v1/namespaces/team/pods/p1/eviction"),
    "pods/exec": ("", "/api/v1/namespaces/team/pods/p1/exec"),
    "pods/resize": ("", "/api/v1/namespaces/team/pods/p1/resize"),
    "namespaces": ("/api/v1/namespaces", "team"),
    "secrets": ("/api/v1/namespaces/team/secrets", "s"),
    "own secrets": ("/api/v1/namespaces/powerplane-system/secrets", "s"),
    "configmaps": ("/api/v1/namespaces/team/configmaps", "c"),
    "tokens": ("", "/api/v1/namespaces/powerplane-system/serviceaccounts/powerplane/token"),
    "deployments": ("/apis/apps/v1/namespaces/team/deployments", "d"),
    "own lease": (LEASES, "powerplane"),
    "writer's lease": (LEASES, "powerplane-node-watts"),
    "releaser's lease": (LEASES, "powerplane-gates"),
    "recommender's lease": (LEASES, "powerplane-recommender"),
    "actuator's lease": (LEASES, "powerplane-actuator"),
    "disruption budgets": ("/apis/policy/v1/namespaces/team/poddisruptionbudgets", "b"),
    "priorities": ("/apis/scheduling.k8s.io/v1/priorityclasses", "p"),
    "volumes": ("/api/v1/persistentvolumes", "v"),
    "volume claims": ("/api/v1/namespaces/team/persistentvolumeclaims", "c"),
    "replicasets": ("/apis/apps/v1/namespaces/team/replicasets", "r"),
    "services": ("/api/v1/namespaces/team/services", "s"),
    "events": ("/apis/events.k8s.io/v1/namespaces/team/events", "e"),
    "quotas": ("/api/v1/namespaces/team/resourcequotas", "q"),
    "webhook's lease": (LEASES, "powerplane-webhook"),
    "another lease": (LEASES, "somebody-elses"),
    "clusterroles": ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "powerplane:read"),
    "admission": (f"{ADMISSION}/validatingadmissionpolicies", "powerplane-plans"),
    "webhooks": (f"{ADMISSION}/mutatingwebhookconfigurations", "w"),
    "own webhooks": (f"{ADMISSION}/mutatingwebhookconfigurations", "powerplane"),
    "definitions": (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "powerdomains.powerplane.dev",
    ),
    "powerdomains": (f"{OURS}/powerdomains", "d"),
    "powerdomains/status": ("", f"{OURS}/powerdomains/d/status"),
    "policies": (f"{OURS}/namespaces/team/powercappingpolicies", "p"),
    "policies/status": ("", f"{OURS}/namespaces/team/powercappingpolicies/p/status"),
    "policies elsewhere": (f"{OURS}/namespaces/default/powercappingpolicies", "p"),
    "clusterpolicies": (f"{OURS}/clusterpowercappingpolicies", "p"),
    "clusterpolicies/status": ("", f"{OURS}/clusterpowercappingpolicies/p/status"),
    "plans": (f"{OURS}/placementplans", "p"),
    "plans/status": ("", f"{OURS}/placementplans/p/status"),
    "checkpoints": (f"{OURS}/demandcheckpoints", "c"),
}

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
KINDS_READ = {
    f"{verb} {what}"
    for what in ("powerdomains", "policies", "policies elsewhere", "clusterpolicies", "plans")
    for verb in READ
}
SEEN = {f"{verb} {what}" for what in ("nodes", "pods", "own pods", "namespaces") for verb in READ} | KINDS_READ
STATUSES = ("powerdomains/status", "policies/status", "clusterpolicies/status")
PLANNED_BY = ("disruption budgets", "priorities", "volumes", "volume claims", "replicasets")

MAY: dict[str, set[str]] = {
    SERVING: SEEN
    | {"patch nodes"}
    | {f"patch {what}" for what in STATUSES}
    | {f"{verb} deployments" for verb in READ}
    | {f"{verb} own lease" for verb in ("get", "update", "patch")}
    | {f"{verb} webhook's lease" for verb in ("get", "update", "patch")}
    | {"get own webhooks"}
    | {"get releaser's lease"},
    NODE_WRITER: SEEN
    | {"patch nodes", "patch nodes/status"}
    | {f"{verb} writer's lease" for verb in ("get", "update", "patch")},
    GATE_RELEASER: SEEN
    | {"patch pods", "patch own pods", "create events", "patch events", "get actuator's lease"}
    | {f"{verb} quotas" for verb in READ}
    | {f"{verb} deployments" for verb in READ}
    | {f"{verb} releaser's lease" for verb in ("get", "update", "patch")},
    RECOMMENDER: SEEN
    | {f"{verb} {what}" for what in PLANNED_BY for verb in READ}
    | {f"patch {what}" for what in STATUSES}
    | {"create plans", "delete plans", "create events", "patch events"}
    | {f"{verb} checkpoints" for verb in (*READ, "create", "patch", "delete")}
    | {f"{verb} recommender's lease" for verb in ("get", "update", "patch")},
    ACTUATOR: SEEN
    | {
        "patch pods",
        "patch own pods",
        "patch pods/status",
        "patch pods/resize",
        "create pods/eviction",
        "create own pods",
        "delete own pods",
        "patch nodes",
        "get replicasets",
        "get deployments",
        "list services",
    }
    | {"patch plans/status", "create events", "patch events"}
    | {f"{verb} actuator's lease" for verb in ("get", "update", "patch")}
    | {"get own lease", "get webhook's lease"},
}
"""Everything among the probed that an account of ours may do."""

OUR_KINDS = (
    "powerdomains",
    "policies",
    "policies elsewhere",
    "clusterpolicies",
    "plans",
    *STATUSES,
    "plans/status",
    "checkpoints",
)

TENANTS_MAY: dict[str, set[str]] = {
    TENANT: {f"{verb} policies" for verb in (*READ, *WRITE)},
    VIEWER: {f"{verb} policies" for verb in READ},
    ONLOOKER: KINDS_READ | {f"{verb} checkpoints" for verb in READ},
}
"""Everything that tenants may do with our kinds."""

METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}


def forbidden(rig: Rig, user: str, verb: str, resource: str) -> bool:
    """Whether RBAC refuses a verb; what comes behind RBAC (404, 422 …) is no refusal. Nothing is written."""
    listed, name = PROBED[resource]
    one = f"{listed}/{name}" if listed else name
    if verb in ("list", "watch"):
        path = f"{listed}?watch={'true' if verb == 'watch' else 'false'}&timeoutSeconds=1"
        answer = rig.api.pool.request(
            "GET", rig.server + path, headers={"Impersonate-User": user}, preload_content=False
        )
        refused = answer.status == 403
        answer.close()
        return refused
    if verb == "get":
        return is_forbidden(as_user(rig, user, "GET", one))
    path = f"{listed or one}" if verb in ("create", "deletecollection") else one
    kind = MERGE if verb == "patch" else JSON
    body = {} if METHODS[verb] != "DELETE" else None
    return is_forbidden(as_user(rig, user, METHODS[verb], f"{path}?dryRun=All", body, kind))


def is_forbidden(answer: Answer) -> bool:
    return answer.status == 403 and " cannot " in answer.message


def verbs_of(resource: str) -> tuple[str, ...]:
    if PROBED[resource][0]:
        return (*READ, *WRITE)
    return (
        ("create",) if resource in ("pods/binding", "pods/eviction", "tokens") else ("get", "create", "update", "patch")
    )


def found_rights(rig: Rig, user: str, resources: tuple[str, ...]) -> set[str]:
    asked = [(verb, resource) for resource in resources for verb in verbs_of(resource)]
    return {f"{verb} {resource}" for verb, resource in asked if not forbidden(rig, user, verb, resource)}


def test_rights_and_policies_apply_without_a_warning_and_type_check(guarded: Rig, warnings: list[str]) -> None:
    assert warnings == []
    policies = {each["metadata"]["name"]: each for each in guarded.api.items(POLICIES)}
    shipped = [each for each in documents("admission-policies.yaml") if each["kind"] == "ValidatingAdmissionPolicy"]
    for each in shipped:
        status = policies[each["metadata"]["name"]]["status"]
        assert status.get("typeChecking", {}).get("expressionWarnings", []) == []


@pytest.mark.parametrize("account", sorted(MAY))
def test_an_account_of_ours_may_do_what_the_table_says_and_nothing_else(guarded: Rig, account: str) -> None:
    assert found_rights(guarded, account, tuple(PROBED)) == MAY[account]


@pytest.mark.parametrize("person", sorted(TENANTS_MAY))
def test_people_get_policies_of_their_namespace_and_never_plans(guarded: Rig, person: str) -> None:
    assert found_rights(guarded, person, OUR_KINDS) == TENANTS_MAY[person]


def test_binding_is_a_right_apart(guarded: Rig) -> None:
    assert forbidden(guarded, SERVING, "create", "pods/binding")
    with applied(guarded, "rbac-binder.yaml"):
        assert found_rights(guarded, SERVING, tuple(PROBED)) == MAY[SERVING] | {"create pods/binding"}


def test_a_lease_of_ours_can_be_taken(guarded: Rig) -> None:
    own = ((SERVING, "powerplane"), (NODE_WRITER, "powerplane-node-watts"), (GATE_RELEASER, "powerplane-gates"))
    for account, name in own:
        lease = as_user(guarded, account, "GET", f"{LEASES}/{name}")
        body = {**lease.body, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 6}}
        assert as_user(guarded, account, "PUT", f"{LEASES}/{name}", body).ok


def test_the_serving_account_writes_a_status_whole(guarded: Rig) -> None:
    path = f"{OURS}/powerdomains/whole"
    guarded.api.post(f"{OURS}/powerdomains", written(POWER_DOMAIN, "whole", {"kind": "rack"}))
    for accepted in ({"kind": "rack", "nodeNames": ["n1"]}, {"kind": "rack", "nodeSelector": {}}):
        whole = [{"op": "add", "path": "/status", "value": {"nodes": 1, "acceptedSpec": accepted}}]
        found = as_user(guarded, SERVING, "PATCH", f"{path}/status", whole, JSON_PATCH)
        assert found.ok, found.message
        assert found.body["status"] == {"nodes": 1, "acceptedSpec": accepted}
    guarded.api.delete(path)
