"""Pods and plans: keys, gates, names of nodes, and what the releaser may change."""

from typing import Any

from tests.rig.acts import (
    ACTUATOR,
    COLLECTOR,
    DEADLINE,
    GATE,
    GRANTED,
    IMAGE,
    KEY,
    LABELLER,
    LEANING,
    LIFTED,
    MOVE_GATE,
    OTHER_LIFTED,
    OTHER_TOO,
    OWNER,
    PINNED,
    PLAN,
    PLANS,
    PODS,
    READY_CONDITION,
    RECOMMENDER,
    RELEASER,
    SHIELD,
    TENANT,
    UNGATED,
    Act,
    G,
    Guard,
    adds,
    creates,
    does,
    holds,
    learns,
    lets_go,
    lifts,
    metadata,
    mirror,
    moves,
    nominates,
    of_a_plan,
    updates,
)
from tests.rig.api import JSON_PATCH, STRATEGIC

THROTTLED, NOTE = "powerplane.dev/throttled", '{"cpu":[]}'


def marks(annotations: dict[str, str]) -> Act:
    """Annotations of a pod that runs, by the actuator."""
    return updates(ACTUATOR, {}, metadata(annotations=annotations))


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


DETACHED = "/metadata/annotations/powerplane.dev~1detached"
HASH = "/metadata/labels/pod-template-hash"
GRANTED_TOO = {"op": "add", "path": "/metadata/annotations/powerplane.dev~1granted", "value": "headroom"}


def detaches(*more: dict[str, Any], surge: str = "true", told: str = "web-abc/uid/abc") -> Act:
    """A pod taken out of its ReplicaSet by the actuator, and something else with it."""
    before = metadata(labels={"app": "web", "pod-template-hash": "abc"}, annotations={"powerplane.dev/surge": surge})
    return updates(ACTUATOR, before, [remove(HASH), adds(DETACHED, told), *more], JSON_PATCH)


def reattaches(value: str) -> Act:
    """A pod given back to its ReplicaSet by the actuator."""
    before = metadata(labels={"app": "web"}, annotations={"powerplane.dev/detached": "web-abc/uid/abc"})
    return updates(ACTUATOR, before, [remove(DETACHED), adds(HASH, value)], JSON_PATCH)


def resizes(user: str, before: dict[str, str] | None = None, **more: str) -> Act:
    """Less CPU for a pod in place; one that says what it had, where nothing else is said."""
    noted = {THROTTLED: NOTE} if before is None else before
    resources = {"requests": {"cpu": "50m", **more}}
    patch = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    return updates(user, metadata(annotations=noted), patch, STRATEGIC, "/resize")


GUARDS: list[Guard] = [
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
    (
        "gates",
        "a scheduling gate under",
        updates(TENANT, MOVE_GATE, LIFTED, JSON_PATCH),
        updates(RELEASER, MOVE_GATE, LIFTED, JSON_PATCH),
    ),
    ("gate-releaser", "may change only pods that wait", updates(G, UNGATED, [GRANTED], JSON_PATCH), lifts()),
    ("gate-releaser", "and no other gate", updates(G, GATE, OTHER_LIFTED, JSON_PATCH), lifts(GRANTED)),
    ("gate-releaser", "and no other gate", lifts(OTHER_TOO), lifts(GRANTED, PINNED)),
    ("gate-releaser", "and no other gate", updates(G, GATE, [GRANTED], JSON_PATCH), lifts(before=MOVE_GATE)),
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
        updates(TENANT, {}, metadata(annotations={"powerplane.dev/planned-nodes": "n1"})),
        creates(TENANT, annotations={"powerplane.dev/planned-nodes": "n1"}),
    ),
    (
        "pod-keys",
        "annotations under powerplane.dev/",
        creates(TENANT, annotations={"powerplane.dev/granted": "headroom"}),
        creates(TENANT),
    ),
    ("plans", "and both by nobody else", does(LABELLER, "POST", PLANS, PLAN), does(RECOMMENDER, "POST", PLANS, PLAN)),
    ("plans", "and both by nobody else", does(RELEASER, "POST", PLANS, PLAN), does(RECOMMENDER, "POST", PLANS, PLAN)),
    ("plans", "and both by nobody else", does(ACTUATOR, "POST", PLANS, PLAN), does(RECOMMENDER, "POST", PLANS, PLAN)),
    (
        "plans",
        "and both by nobody else",
        lambda rig: rig.api.call("POST", f"{PLANS}?dryRun=All", PLAN),
        lambda rig: rig.api.call("DELETE", f"{PLANS}?dryRun=All"),
    ),
    (
        "plans",
        "and both by nobody else",
        of_a_plan(ACTUATOR, {"spec": {"expiresAt": "2031-01-01T00:00:00Z"}}),
        of_a_plan(RECOMMENDER, {"spec": {"expiresAt": "2031-01-01T00:00:00Z"}}),
    ),
    (
        "plans",
        "and both by nobody else",
        of_a_plan(RECOMMENDER, {"status": {"phase": "Done"}}, "/status"),
        of_a_plan(ACTUATOR, {"status": {"phase": "Done"}}, "/status"),
    ),
    (
        "plans",
        "and both by nobody else",
        of_a_plan(COLLECTOR, {"spec": {"expiresAt": "2031-01-01T00:00:00Z"}}),
        of_a_plan(COLLECTOR, {"metadata": {"finalizers": None, "labels": {"a": "b"}}}),
    ),
    ("plans", "and both by nobody else", learns(ACTUATOR), learns(RECOMMENDER)),
    ("actuator", "may change only pods behind", moves(before=UNGATED, patch=[GRANTED]), moves()),
    ("actuator", "may change only pods behind", nominates(before=GATE), nominates(before=MOVE_GATE)),
    ("actuator", "and no other gate", moves(OTHER_TOO), moves()),
    ("actuator", "and no other gate", moves(patch=OTHER_LIFTED), moves()),
    ("actuator", "labels, annotations", moves(GRANTED), moves()),
    ("actuator", "labels, annotations", moves(adds("/metadata/finalizers", ["a.b/c"])), moves()),
    ("actuator", "labels, annotations", nominates(metadata={"labels": {"a": "b"}}), nominates()),
    ("actuator", "what a pod runs", moves(IMAGE), moves()),
    ("actuator", "of a pod's spec", moves(DEADLINE), moves()),
    ("actuator", "of a pod's spec", moves(PINNED), moves()),
    ("actuator", "of a pod's status", nominates(status={"phase": "Succeeded"}), nominates()),
    ("actuator", "of a pod's status", nominates(status=READY_CONDITION), nominates()),
    ("actuator", "may change only pods behind", marks({"example.com/note": "1"}), marks({THROTTLED: NOTE})),
    ("actuator", "labels, annotations", marks({THROTTLED: NOTE, "example.com/note": "1"}), marks({THROTTLED: NOTE})),
    ("actuator", "may change only pods behind", detaches(surge="false"), detaches()),
    ("actuator", "may change only pods behind", detaches(told="web-abc/uid/xyz"), detaches()),
    ("actuator", "labels, annotations", detaches(remove("/metadata/labels/app")), detaches()),
    ("actuator", "labels, annotations", detaches(GRANTED_TOO), detaches()),
    ("actuator", "may change only pods behind", reattaches("xyz"), reattaches("abc")),
    ("throttles", "that say what they had", resizes(ACTUATOR, {}), resizes(ACTUATOR)),
    ("throttles", "of PowerPlane's accounts", resizes(RELEASER), resizes(ACTUATOR)),
    ("throttles", "no pod's memory", resizes(ACTUATOR, memory="1Gi"), resizes(ACTUATOR)),
    ("placeholders", "and no other pods", holds(namespace="team"), holds()),
    ("placeholders", "and no other pods", holds(schedulingGates=[{"name": "example.com/hold"}]), holds()),
    ("placeholders", "and no other pods", lets_go(schedulingGates=[{"name": "example.com/other"}]), lets_go()),
    ("placeholders", "owned by its PlacementPlan", holds(ownerReferences=[]), holds()),
    ("placeholders", "no token and no volume", holds(automountServiceAccountToken=True), holds()),
    ("placeholders", "no token and no volume", holds(serviceAccountName="powerplane-node-writer"), holds()),
    ("placeholders", "no token and no volume", holds(volumes=[{"name": "v", "emptyDir": {}}]), holds()),
]
