"""What somebody does to a guarded cluster, as a call that is tried and not kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.rig.api import JSON, JSON_PATCH, MERGE, STRATEGIC, Answer
from tests.rig.cluster import WATTS, node, pod
from tests.rig.objects import apply, written
from tests.rig.rig import Rig
from tests.rig.security import GATE_RELEASER, NODE_WRITER, RBAC, as_user, grant

from powerplane.models.api.kinds import DEMAND_CHECKPOINT, PLACEMENT_PLAN

TENANT, VIEWER, ONLOOKER, LABELLER = "tenant", "viewer", "onlooker", "labeller"
"""May edit the namespace ``team``; may view it; may view the whole cluster; may write much, but no PowerDomain."""

RELEASER = "system:serviceaccount:powerplane-system:tests-releaser"
"""An account in our namespace that may write pods and plans, and is none of those that do."""

RECOMMENDER = "system:serviceaccount:powerplane-system:powerplane-recommender"
ACTUATOR = "system:serviceaccount:powerplane-system:powerplane-actuator"
"""The accounts that write plans, and that carry them out."""

COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"

CLAIMS = "system:serviceaccount:powerplane-system:powerplane-claims"
"""The account that may write devices; here with a right to all of them."""

ROLES = (
    ("tests-nodes", [""], ["nodes", "nodes/status"]),
    ("tests-plans", ["powerplane.dev"], ["placementplans", "placementplans/status", "demandcheckpoints"]),
    ("tests-statuses", ["powerplane.dev"], ["powerdomains/status"]),
    ("tests-pods", [""], ["pods", "pods/status"]),
    ("tests-resize", [""], ["pods/resize", "pods/ephemeralcontainers"]),
    ("tests-bindings", [""], ["bindings", "pods/binding"]),
    ("tests-namespaces", [""], ["namespaces", "namespaces/status", "namespaces/finalize"]),
    ("tests-tokens", [""], ["serviceaccounts/token"]),
    ("tests-events", ["", "events.k8s.io"], ["events"]),
    ("tests-secrets", [""], ["secrets"]),
    ("tests-leases", ["coordination.k8s.io"], ["leases"]),
    (
        "tests-devices",
        ["resource.k8s.io"],
        ["resourceslices", "deviceclasses", "resourceclaims", "resourceclaimtemplates"],
    ),
)
"""Roles that a cluster may have given out: name, API groups, resources."""

OURS = "/apis/powerplane.dev/v1alpha1"

Act = Callable[[Rig], Answer]
Guard = tuple[str, str, Act, Act]
"""Policy, words of its refusal, what it refuses, and the neighbour that passes."""


def furnish(rig: Rig) -> None:
    """Two namespaces, two nodes, and people with ordinary rights."""
    api = rig.api
    api.post("/api/v1/namespaces", {"metadata": {"name": "team"}})
    api.post(
        "/api/v1/namespaces", {"metadata": {"name": "exempt", "labels": {"powerplane.dev/allow-node-name": "true"}}}
    )
    for name in ("n1", "n2"):
        api.post("/api/v1/nodes", node(name, {"powerplane.dev/rack": "r1", "team": "a"}, watts=1000))
    api.post(
        "/api/v1/namespaces", {"metadata": {"name": "left-alone", "labels": {"powerplane.dev/admission": "ignore"}}}
    )
    for name, groups, resources in ROLES:
        rules = [{"apiGroups": groups, "resources": resources, "verbs": ["*"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        apply(rig, f"{RBAC}/clusterroles/{name}", {**role, "rules": rules})
        grant(rig, LABELLER, name)
    grant(rig, TENANT, "edit", "team")
    grant(rig, TENANT, "edit", "exempt")
    grant(rig, VIEWER, "view", "team")
    grant(rig, ONLOOKER, "view")
    grant(rig, RELEASER, "tests-plans")
    grant(rig, RELEASER, "edit", "team")
    grant(rig, RELEASER, "edit", "left-alone")
    grant(rig, RELEASER, "tests-resize", "team")
    grant(rig, RELEASER, "tests-events")
    grant(rig, RELEASER, "tests-secrets", "powerplane-system")
    grant(rig, TENANT, "tests-resize", "team")
    grant(rig, TENANT, "tests-devices", "team")
    for account in (CLAIMS, RELEASER):
        grant(rig, account, "tests-devices")


@contextmanager
def overreaching(rig: Rig) -> Iterator[None]:
    """Rights that the operator's accounts do not have, for as long as the block runs: what is left is the policies'."""
    held = [(account, "tests-plans") for account in (RECOMMENDER, ACTUATOR, COLLECTOR)]
    held += [(ACTUATOR, "tests-pods"), (ACTUATOR, "tests-nodes")]
    for account, role in held:
        grant(rig, account, role)
    yield
    for account, role in held:
        rig.api.call("DELETE", f"{RBAC}/clusterrolebindings/{role}-{account.replace(':', '-')}")


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


def with_pod(call: Callable[[Rig, dict[str, Any]], Answer], namespace: str = "team", **spec: Any) -> Act:
    """Something done to a pod that is there, and that no scheduler takes."""

    def act(rig: Rig) -> Answer:
        path = f"/api/v1/namespaces/{namespace}/pods"
        rig.api.delete(f"{path}/there", {"gracePeriodSeconds": 0})
        made = pod("there", namespace=namespace, watts=100, **{"schedulerName": "nobody", **spec})
        rig.api.post(path, made)
        try:
            return call(rig, rig.api.get(f"{path}/there"))
        finally:
            rig.api.delete(f"{path}/there", {"gracePeriodSeconds": 0})

    return act


def updates(user: str, before: dict[str, Any], patch: Any, kind: str = MERGE, subresource: str = "") -> Act:
    """A change of a pod that an administrator made; by the administrator where no user is named."""

    def act(rig: Rig) -> Answer:
        # Bound, it would be on a node without a kubelet, where the server lets nobody resize.
        made = pod("old", namespace="team", watts=100, **{"schedulerName": "nobody", **before.get("spec", {})})
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
MOVE_GATE = {"spec": {"schedulingGates": [{"name": "powerplane.dev/move"}, {"name": "powerplane.dev/power"}]}}
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
        as_user(rig, RECOMMENDER, "POST", PLANS, PLAN)
        return as_user(rig, user, "PATCH", f"{PLANS}/plan{subresource}?dryRun=All", patch, MERGE)

    return act


def moves(*more: dict[str, Any], before: dict[str, Any] = MOVE_GATE, patch: list[dict[str, Any]] | None = None) -> Act:
    """The gate of moves lifted by the actuator, and something else with it; or something else alone."""
    return updates(ACTUATOR, before, [*LIFTED, *more] if patch is None else patch, JSON_PATCH)


def nominates(before: dict[str, Any] = MOVE_GATE, status: dict[str, Any] | None = None, **fields: Any) -> Act:
    """A pod nominated by the actuator, and more of its status, or of its other fields, changed with it."""
    patch = {"status": {"nominatedNodeName": "n1", **(status or {})}, **fields}
    return updates(ACTUATOR, before, patch, subresource="/status")


def learns(user: str) -> Act:
    """What was learned of a workload, written by somebody."""
    spec = {"owner": "team/Deployment/web", "writtenAt": "2030-01-01T00:00:00Z"}
    made = written(DEMAND_CHECKPOINT, "web", spec)
    return does(user, "POST", f"{OURS}/demandcheckpoints", made)


def holds(user: str = ACTUATOR, namespace: str = "powerplane-system", **spec: Any) -> Act:
    """A placeholder made by somebody."""
    return does(user, "POST", f"/api/v1/namespaces/{namespace}/pods", _placeholder(namespace, spec))


def lets_go(user: str = ACTUATOR, **spec: Any) -> Act:
    """A placeholder deleted by somebody."""

    def act(rig: Rig) -> Answer:
        path = "/api/v1/namespaces/powerplane-system/pods"
        as_user(rig, RECOMMENDER, "POST", PLANS, PLAN)
        # Of an owner that is not there the garbage collector would be faster.
        owner = PLAN_OWNER | {"uid": rig.api.get(f"{PLANS}/plan")["metadata"]["uid"]}
        rig.api.post(path, _placeholder("powerplane-system", {"ownerReferences": [owner], **spec}))
        try:
            return as_user(rig, user, "DELETE", f"{path}/hold-1?dryRun=All")
        finally:
            rig.api.delete(f"{path}/hold-1", {"gracePeriodSeconds": 0})

    return act


def _placeholder(namespace: str, changes: dict[str, Any]) -> dict[str, Any]:
    """One that passes, but for the changes; the namespace takes none that could do harm."""
    made = pod("hold-1", namespace=namespace)
    owners = changes.pop("ownerReferences", [PLAN_OWNER])
    made["metadata"]["ownerReferences"] = owners
    made["spec"] |= {"schedulingGates": [{"name": "powerplane.dev/hold"}], "automountServiceAccountToken": False}
    made["spec"] |= {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}
    harmless = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for container in made["spec"]["containers"]:
        container["securityContext"] = harmless
    made["spec"] |= changes
    return made


PLAN_OWNER = {
    "apiVersion": "powerplane.dev/v1alpha1",
    "kind": "PlacementPlan",
    "name": "plan",
    "uid": "0b0e7f1e-0000-4000-8000-000000000001",
}


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
