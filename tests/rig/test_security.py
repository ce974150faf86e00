"""Who may do what, tried: RBAC verb by verb, and each admission policy with what it refuses and what it lets pass."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.rig.api import JSON, JSON_PATCH, MERGE, STRATEGIC, Answer
from tests.rig.cluster import WATTS, clear, node, pod
from tests.rig.objects import apply, install_crds, written
from tests.rig.rig import Rig
from tests.rig.security import (
    GATE_RELEASER,
    NODE_WRITER,
    POLICIES,
    RBAC,
    SERVING,
    applied,
    as_user,
    documents,
    grant,
    wait_for_guards,
)

from powerplane.models.api.kinds import PLACEMENT_PLAN, POWER_DOMAIN

pytestmark = pytest.mark.rig

TENANT, VIEWER, ONLOOKER, LABELLER = "tenant", "viewer", "onlooker", "labeller"
"""May edit the namespace ``team``; may view it; may view the whole cluster; may write any node, but no PowerDomain."""

RELEASER = "system:serviceaccount:powerplane-system:tests-releaser"
"""An account in our namespace that may write pods and plans, as one that lifts gates and plans will."""

OURS = "/apis/powerplane.dev/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"

PROBED = {
    # resource: list path, and name (with subresource) of one object
    "nodes": ("/api/v1/nodes", "n1"),
    "nodes/status": ("", "/api/v1/nodes/n1/status"),
    "nodes/proxy": ("", "/api/v1/nodes/n1/proxy/pods"),
    "pods": ("/api/v1/namespaces/team/pods", "p1"),
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
    "quotas": ("/api/v1/namespaces/team/resourcequotas", "q"),
    "another lease": (LEASES, "somebody-elses"),
    "clusterroles": ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "powerplane:read"),
    "admission": (f"{ADMISSION}/validatingadmissionpolicies", "powerplane-plans"),
    "webhooks": (f"{ADMISSION}/mutatingwebhookconfigurations", "w"),
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
}

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
KINDS_READ = {
    f"{verb} {what}"
    for what in ("powerdomains", "policies", "policies elsewhere", "clusterpolicies", "plans")
    for verb in READ
}
SEEN = {f"{verb} {what}" for what in ("nodes", "pods", "namespaces") for verb in READ} | KINDS_READ
STATUSES = ("powerdomains/status", "policies/status", "clusterpolicies/status")

MAY: dict[str, set[str]] = {
    SERVING: SEEN
    | {"patch nodes"}
    | {f"patch {what}" for what in STATUSES}
    | {f"{verb} deployments" for verb in READ}
    | {f"{verb} own lease" for verb in ("get", "update", "patch")},
    NODE_WRITER: SEEN
    | {"patch nodes", "patch nodes/status"}
    | {f"{verb} writer's lease" for verb in ("get", "update", "patch")},
    GATE_RELEASER: SEEN
    | {"patch pods"}
    | {f"{verb} quotas" for verb in READ}
    | {f"{verb} releaser's lease" for verb in ("get", "update", "patch")},
}
"""Everything among the probed that an account of ours may do."""

OUR_KINDS = ("powerdomains", "policies", "policies elsewhere", "clusterpolicies", "plans", *STATUSES, "plans/status")

TENANTS_MAY: dict[str, set[str]] = {
    TENANT: {f"{verb} policies" for verb in (*READ, *WRITE)},
    VIEWER: {f"{verb} policies" for verb in READ},
    ONLOOKER: KINDS_READ,
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


@pytest.fixture(scope="module")
def warnings(shared_rig: Rig) -> Iterator[list[str]]:
    clear(shared_rig)
    install_crds(shared_rig)
    with applied(shared_rig, "rbac.yaml", "admission-policies.yaml") as told:
        furnish(shared_rig)
        wait_for_guards(shared_rig, lambda: not shared_rig.api.call("POST", f"{PLANS}?dryRun=All", PLAN).ok)
        yield told
    clear(shared_rig)


def furnish(rig: Rig) -> None:
    """Two namespaces, two nodes, and people with ordinary rights."""
    api = rig.api
    api.post("/api/v1/namespaces", {"metadata": {"name": "team"}})
    api.post(
        "/api/v1/namespaces", {"metadata": {"name": "exempt", "labels": {"powerplane.dev/allow-node-name": "true"}}}
    )
    for name in ("n1", "n2"):
        api.post("/api/v1/nodes", node(name, {"powerplane.dev/rack": "r1", "team": "a"}, watts=1000))
    for name, group, resources in (
        ("tests-nodes", "", ["nodes", "nodes/status"]),
        ("tests-plans", "powerplane.dev", ["placementplans", "placementplans/status"]),
        ("tests-resize", "", ["pods/resize"]),
    ):
        rules = [{"apiGroups": [group], "resources": resources, "verbs": ["*"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        apply(rig, f"{RBAC}/clusterroles/{name}", {**role, "rules": rules})
    grant(rig, TENANT, "edit", "team")
    grant(rig, TENANT, "edit", "exempt")
    grant(rig, VIEWER, "view", "team")
    grant(rig, ONLOOKER, "view")
    grant(rig, LABELLER, "tests-nodes")
    grant(rig, LABELLER, "tests-plans")
    grant(rig, RELEASER, "tests-plans")
    grant(rig, RELEASER, "edit", "team")
    grant(rig, RELEASER, "tests-resize", "team")


@pytest.fixture
def guarded(shared_rig: Rig, warnings: list[str]) -> Rig:
    return shared_rig


# Rights ----------------------------------------------------------------------------------------------------------


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


# Admission policies ----------------------------------------------------------------------------------------------

Act = Callable[[Rig], Answer]
NODE = "/api/v1/nodes/n1"
PODS = "/api/v1/namespaces/team/pods"


def does(user: str, method: str, path: str, body: Any, kind: str = JSON) -> Act:
    """An act of somebody, tried without being kept."""
    return lambda rig: as_user(rig, user, method, f"{path}?dryRun=All", body, kind)


def merges(user: str, path: str, body: Any) -> Act:
    return does(user, "PATCH", path, body, MERGE)


def kubelet(path: str, body: Any, kind: str = STRATEGIC, method: str = "PATCH") -> Act:
    """The same of node n1's own kubelet, by its certificate."""
    return lambda rig: rig.api_for("system:node:n1", "system:nodes").call(method, f"{path}?dryRun=All", body, kind)


def creates(user: str, namespace: str = "team", **changes: Any) -> Act:
    made = pod("new", namespace=namespace, **changes.pop("spec", {}))
    made["metadata"] |= changes
    return does(user, "POST", f"/api/v1/namespaces/{namespace}/pods", made)


def updates(user: str, before: dict[str, Any], patch: Any, kind: str = MERGE, subresource: str = "") -> Act:
    """A change of a pod that an administrator made; by the administrator where no user is named."""

    def act(rig: Rig) -> Answer:
        made = pod("old", namespace="team", watts=100, **before.get("spec", {}))
        made["metadata"] |= before.get("metadata", {})
        rig.api.delete(f"{PODS}/old", {"gracePeriodSeconds": 0})
        rig.api.post(PODS, made)
        path = f"{PODS}/old{subresource}?dryRun=All"
        try:
            return as_user(rig, user, "PATCH", path, patch, kind) if user else rig.api.call("PATCH", path, patch, kind)
        finally:
            rig.api.delete(f"{PODS}/old", {"gracePeriodSeconds": 0})

    return act


def metadata(**fields: Any) -> dict[str, Any]:
    return {"metadata": fields}


def taint(key: str, effect: str = "NoSchedule") -> dict[str, Any]:
    return {"spec": {"taints": [{"key": key, "effect": effect}]}}


def offers(**amounts: str | None) -> dict[str, Any]:
    named = {key.replace("watts", WATTS): value for key, value in amounts.items()}
    return {"status": {"capacity": named, "allocatable": named}}


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "0b0e7f1e-0000-4000-8000-000000000000"}
KEY, SHIELD = "powerplane.dev/told", "powerplane.dev/do-not-disrupt"
GATE = {"spec": {"schedulingGates": [{"name": "powerplane.dev/power"}, {"name": "example.com/other"}]}}
LIFTED = [{"op": "remove", "path": "/spec/schedulingGates/0"}]
OTHER_LIFTED = [{"op": "remove", "path": "/spec/schedulingGates/1"}]
MOVING = "status-taint.cluster-autoscaler.kubernetes.io/powerplane-moving-watts"
WOKEN = "powerplane.dev/headroom-grew"
UNGATED: dict[str, Any] = {}
G = GATE_RELEASER


def lifts(*more: dict[str, Any], before: dict[str, Any] | None = None, user: str = GATE_RELEASER) -> Act:
    """The gate lifted, and something else with it."""
    return updates(user, GATE if before is None else before, [*LIFTED, *more], JSON_PATCH)


def adds(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


GRANTED = adds("/metadata/annotations", {"powerplane.dev/granted": "headroom"})
IN_R1 = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]}]}
PINNED = adds("/spec/affinity", {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": IN_R1}})
PREFERRED = [{"weight": 1, "preference": IN_R1["nodeSelectorTerms"][0]}]
LEANING = adds("/spec/affinity", {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": PREFERRED}})
OTHER_TOO = {"op": "remove", "path": "/spec/schedulingGates/0"}
DEADLINE = adds("/spec/activeDeadlineSeconds", 9)
IMAGE = {"op": "replace", "path": "/spec/containers/0/image", "value": "mine"}
READY_CONDITION = {"conditions": [{"type": "Ready", "status": "False"}]}
W, S = NODE_WRITER, f"{NODE}/status"
PLANS = f"{OURS}/placementplans"
PLAN = written(PLACEMENT_PLAN, "plan", {"expiresAt": "2030-01-01T00:00:00Z"})


def of_a_plan(user: str, patch: Any, subresource: str = "") -> Act:
    """A change of a plan that is there."""

    def act(rig: Rig) -> Answer:
        as_user(rig, RELEASER, "POST", PLANS, PLAN)
        return as_user(rig, user, "PATCH", f"{PLANS}/plan{subresource}?dryRun=All", patch, MERGE)

    return act


GUARDS: list[tuple[str, str, Act, Act]] = [
    # policy, words of the refusal, what it refuses, the neighbour that passes
    (
        "node-writer",
        "and powerplane only powerplane.dev/headroom-grew",
        merges(SERVING, NODE, metadata(annotations={KEY: "1"})),
        merges(SERVING, NODE, metadata(annotations={WOKEN: "1"})),
    ),
    (
        "node-writer",
        "and powerplane none",
        merges(SERVING, NODE, taint(MOVING)),
        merges(NODE_WRITER, NODE, taint(MOVING)),
    ),
    (
        "node-writer",
        "labels",
        merges(SERVING, NODE, metadata(labels={"powerplane.dev/rack": "r2"})),
        merges(SERVING, NODE, metadata(annotations={WOKEN: None})),
    ),
    (
        "node-writer",
        "may not be NoExecute",
        merges(NODE_WRITER, NODE, taint(MOVING, "NoExecute")),
        merges(NODE_WRITER, NODE, taint(MOVING, "NoSchedule")),
    ),
    (
        "node-facts",
        "taints are set by PowerPlane",
        merges(LABELLER, NODE, taint(MOVING)),
        merges(LABELLER, NODE, taint(f"{MOVING}-not")),
    ),
    (
        "node-writer",
        "labels",
        merges(W, NODE, metadata(labels={"team": "b"})),
        merges(W, NODE, metadata(annotations={KEY: "1"})),
    ),
    ("node-writer", "labels", merges(W, S, metadata(labels={"x": "y"})), merges(W, S, offers(watts="900"))),
    (
        "node-writer",
        "labels",
        merges(W, S, metadata(labels={"powerplane.dev/rack": "r2"})),
        merges(W, S, offers(watts="2k")),
    ),
    ("node-writer", "owners", merges(W, NODE, metadata(ownerReferences=[OWNER])), merges(W, S, offers(watts=None))),
    ("node-writer", "owners", merges(W, S, metadata(ownerReferences=[OWNER])), merges(W, S, offers(watts="0"))),
    ("node-writer", "finalizers", merges(W, NODE, metadata(finalizers=["a.b/c"])), merges(W, NODE, {})),
    (
        "node-writer",
        "annotations powerplane-node-writer may change those",
        merges(W, NODE, metadata(annotations={"example.com/a": "1"})),
        merges(W, S, metadata(annotations={KEY: "1"})),
    ),
    (
        "node-writer",
        "taints powerplane-node-writer may change",
        merges(W, NODE, taint("example.com/a")),
        merges(W, NODE, taint("powerplane.dev/a")),
    ),
    (
        "node-writer",
        "may not be NoExecute",
        merges(W, NODE, taint("powerplane.dev/a", "NoExecute")),
        merges(W, NODE, taint("powerplane.dev/a", "PreferNoSchedule")),
    ),
    (
        "node-writer",
        "spec but for its taints",
        merges(W, NODE, {"spec": {"unschedulable": True}}),
        merges(W, NODE, {"spec": {}}),
    ),
    (
        "node-writer",
        "resources powerplane-node-writer may change",
        merges(W, S, offers(cpu="64")),
        merges(W, S, offers(watts="1001", cpu="32")),
    ),
    (
        "node-writer",
        "resources powerplane-node-writer may change",
        merges(W, S, offers(pods=None)),
        merges(W, S, offers(watts="1")),
    ),
    (
        "node-writer",
        "nothing in a node's status",
        merges(W, S, {"status": READY_CONDITION}),
        merges(W, S, offers(watts="5")),
    ),
    (
        "node-facts",
        "labels under powerplane.dev/",
        kubelet(NODE, metadata(labels={"powerplane.dev/rack": "r2"})),
        kubelet(NODE, metadata(labels={"example.com/rack": "r2"})),
    ),
    (
        "node-facts",
        "labels under powerplane.dev/",
        kubelet(NODE, metadata(labels={"powerplane.dev/rack": None})),
        kubelet(NODE, metadata(labels={"powerplane.dev/rack": "r1"})),
    ),
    (
        "node-facts",
        "labels under powerplane.dev/",
        kubelet(S, metadata(labels={"powerplane.dev/row": "r2"})),
        kubelet(S, {"status": READY_CONDITION}),
    ),
    (
        "node-facts",
        "annotations under powerplane.dev/",
        kubelet(NODE, metadata(annotations={KEY: "1"})),
        kubelet(NODE, metadata(annotations={"example.com/a": "1"})),
    ),
    (
        "node-facts",
        "powerplane.dev/watts on nodes is set by PowerPlane",
        kubelet(S, offers(watts="5000")),
        kubelet(S, offers(cpu="64")),
    ),
    ("node-facts", "powerplane.dev/watts", kubelet(S, offers(watts="999")), kubelet(S, offers(watts="0"))),
    (
        "node-facts",
        "labels under powerplane.dev/",
        merges(LABELLER, NODE, metadata(labels={"powerplane.dev/rack": "r2"})),
        lambda rig: rig.api.call("PATCH", f"{NODE}?dryRun=All", metadata(labels={"powerplane.dev/rack": "r2"}), MERGE),
    ),
    (
        "node-facts",
        "taints are set by PowerPlane",
        merges(LABELLER, NODE, taint("powerplane.dev/a")),
        merges(LABELLER, NODE, taint("a.b/c")),
    ),
    (
        "node-facts",
        "powerplane.dev/watts",
        merges(LABELLER, S, offers(watts="1001")),
        merges(LABELLER, S, offers(watts=None)),
    ),
    (
        "node-facts",
        "powerplane.dev/watts",
        does(LABELLER, "POST", "/api/v1/nodes", node("n9", watts=1000)),
        does(LABELLER, "POST", "/api/v1/nodes", node("n9")),
    ),
    (
        "node-facts",
        "labels under powerplane.dev/",
        does(LABELLER, "POST", "/api/v1/nodes", node("n9", {"powerplane.dev/rack": "r1"})),
        does(LABELLER, "POST", "/api/v1/nodes", node("n9", {"rack": "r1"})),
    ),
    (
        "pod-keys",
        "labels under powerplane.dev/",
        creates(TENANT, labels={KEY: "1"}),
        creates(TENANT, labels={SHIELD: "true"}),
    ),
    (
        "pod-keys",
        "annotations under powerplane.dev/",
        creates(TENANT, annotations={KEY: "1"}),
        creates(TENANT, annotations={SHIELD: "true", "powerplane.example/x": "1"}),
    ),
    (
        "pod-keys",
        "annotations under",
        updates(TENANT, {}, metadata(annotations={KEY: "2"})),
        updates(TENANT, metadata(annotations={KEY: "1"}), metadata(annotations={KEY: "1", "a.b/c": "1"})),
    ),
    (
        "pod-keys",
        "annotations under",
        updates(TENANT, metadata(annotations={KEY: "1"}), metadata(annotations={KEY: None})),
        updates(TENANT, metadata(annotations={SHIELD: "true"}), metadata(annotations={SHIELD: None})),
    ),
    (
        "pod-keys",
        "labels under",
        creates("system:serviceaccount:kube-system:replicaset-controller", labels={KEY: "1"}),
        creates("system:serviceaccount:kube-system:replicaset-controller", labels={"a": "1"}),
    ),
    (
        "node-name",
        "spec.nodeName passes by the scheduler",
        creates(TENANT, spec={"nodeName": "n1"}),
        creates(TENANT, spec={"nodeSelector": {"kubernetes.io/hostname": "n1"}}),
    ),
    (
        "node-name",
        "spec.nodeName",
        creates(TENANT, spec={"nodeName": "n2"}),
        creates(TENANT, namespace="exempt", spec={"nodeName": "n2"}),
    ),
    (
        "node-name",
        "spec.nodeName",
        creates("system:serviceaccount:kube-system:replicaset-controller", spec={"nodeName": "n1"}),
        lambda rig: rig.api_for("system:node:n1", "system:nodes").call("POST", f"{PODS}?dryRun=All", mirror(rig)),
    ),
    (
        "gates",
        "a scheduling gate under",
        updates(TENANT, GATE, LIFTED, JSON_PATCH),
        updates(TENANT, GATE, OTHER_LIFTED, JSON_PATCH),
    ),
    (
        "gates",
        "a scheduling gate under",
        updates(TENANT, GATE, LIFTED, JSON_PATCH),
        updates(RELEASER, GATE, LIFTED, JSON_PATCH),
    ),
    (
        "gates",
        "a scheduling gate under",
        updates(TENANT, GATE, LIFTED, JSON_PATCH),
        updates("", GATE, LIFTED, JSON_PATCH),
    ),
    ("gate-releaser", "may change only pods that wait", updates(G, UNGATED, [GRANTED], JSON_PATCH), lifts()),
    ("gate-releaser", "and no other gate", updates(G, GATE, OTHER_LIFTED, JSON_PATCH), lifts(GRANTED)),
    ("gate-releaser", "and no other gate", lifts(OTHER_TOO), lifts(GRANTED, PINNED)),
    ("gate-releaser", "labels, owners", lifts(adds("/metadata/labels", {"a": "b"})), lifts()),
    ("gate-releaser", "labels, owners", lifts(adds("/metadata/ownerReferences", [OWNER])), lifts()),
    ("gate-releaser", "labels, owners", lifts(adds("/metadata/finalizers", ["a.b/c"])), lifts()),
    ("gate-releaser", "annotations", lifts(adds("/metadata/annotations", {"a": "b"})), lifts(GRANTED)),
    ("gate-releaser", "what a pod runs", lifts(IMAGE), lifts()),
    ("gate-releaser", "its gate and tighten", lifts(DEADLINE), lifts(PINNED)),
    ("gate-releaser", "its gate and tighten", lifts(adds("/spec/nodeSelector", {"rack": "r1"})), lifts(PINNED)),
    ("gate-releaser", "its gate and tighten", lifts(LEANING), lifts(PINNED)),
    (
        "pod-keys",
        "annotations under powerplane.dev/",
        updates(TENANT, {}, metadata(annotations={"powerplane.dev/predicted-watts": "1"})),
        creates(TENANT, annotations={"powerplane.dev/predicted-watts": "100"}),
    ),
    (
        "pod-keys",
        "annotations under powerplane.dev/",
        creates(TENANT, annotations={"powerplane.dev/granted": "headroom"}),
        creates(TENANT),
    ),
    ("plans", "and by nobody else", does(LABELLER, "POST", PLANS, PLAN), does(RELEASER, "POST", PLANS, PLAN)),
    (
        "plans",
        "and by nobody else",
        lambda rig: rig.api.call("POST", f"{PLANS}?dryRun=All", PLAN),
        lambda rig: rig.api.call("DELETE", f"{PLANS}?dryRun=All"),
    ),
    (
        "plans",
        "and by nobody else",
        of_a_plan(LABELLER, {"spec": {"expiresAt": "2031-01-01T00:00:00Z"}}),
        of_a_plan(RELEASER, {"spec": {"expiresAt": "2031-01-01T00:00:00Z"}}),
    ),
    (
        "plans",
        "and by nobody else",
        of_a_plan(LABELLER, {"status": {"phase": "Done"}}, "/status"),
        of_a_plan(RELEASER, {"status": {"phase": "Done"}}, "/status"),
    ),
]


def mirror(rig: Rig) -> dict[str, Any]:
    """A static pod's mirror, as a kubelet makes it."""
    uid = rig.api.get(NODE)["metadata"]["uid"]
    made = pod("mirror", namespace="team", nodeName="n1")
    made["spec"]["containers"][0]["resources"] = {}
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "hash"}
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": True}
    ]
    return made


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
    assert policies == bound == {f"powerplane-{policy}" for policy, *_ in GUARDS}
    for each in shipped:
        assert each["spec"].get("failurePolicy", "Fail") == "Fail"
        assert each["spec"].get("validationActions", ["Deny"]) == ["Deny"]


def test_the_server_itself_refuses_a_resize_of_watts(guarded: Rig) -> None:
    def resized(**resources: str) -> dict[str, Any]:
        return {"spec": {"containers": [{"name": "main", "resources": {"requests": resources, "limits": resources}}]}}

    refused = updates(RELEASER, {}, resized(**{WATTS: "1"}), STRATEGIC, "/resize")(guarded)
    assert refused.status == 422
    assert "only cpu and memory resources are mutable" in refused.message


def test_the_serving_account_writes_a_status_whole(guarded: Rig) -> None:
    path = f"{OURS}/powerdomains/whole"
    guarded.api.post(f"{OURS}/powerdomains", written(POWER_DOMAIN, "whole", {"kind": "rack"}))
    for accepted in ({"kind": "rack", "nodeNames": ["n1"]}, {"kind": "rack", "nodeSelector": {}}):
        whole = [{"op": "add", "path": "/status", "value": {"nodes": 1, "acceptedSpec": accepted}}]
        found = as_user(guarded, SERVING, "PATCH", f"{path}/status", whole, JSON_PATCH)
        assert found.ok, found.message
        assert found.body["status"] == {"nodes": 1, "acceptedSpec": accepted}
    guarded.api.delete(path)
