"""Nodes: what PowerPlane's own accounts may change of them, and what others may not."""

from tests.rig.acts import (
    ACTUATOR,
    KEY,
    LABELLER,
    MOVING,
    NODE,
    OWNER,
    READY_CONDITION,
    WOKEN,
    Guard,
    S,
    W,
    does,
    kubelet,
    merges,
    metadata,
    offers,
    taint,
)
from tests.rig.api import MERGE
from tests.rig.cluster import node
from tests.rig.security import NODE_WRITER, SERVING

MARKED = merges(ACTUATOR, NODE, metadata(annotations={"powerplane.dev/sleep-marks": "karpenter.sh/do-not-disrupt"}))
ASLEEP = "powerplane.dev/asleep"

GUARDS: list[Guard] = [
    ("sleep", "what says that it sleeps", merges(ACTUATOR, NODE, metadata(annotations={KEY: "1"})), MARKED),
    (
        "sleep",
        "its own marks",
        merges(ACTUATOR, NODE, metadata(annotations={"karpenter.sh/do-not-disrupt": "true"})),
        MARKED,
    ),
    ("sleep", "which is NoSchedule", merges(ACTUATOR, NODE, taint(ASLEEP, "NoExecute")), MARKED),
    ("sleep", "which is NoSchedule", merges(ACTUATOR, NODE, taint("team")), MARKED),
    ("sleep", "that are asked for", merges(ACTUATOR, NODE, taint(ASLEEP)), MARKED),
    ("sleep", "labels", merges(ACTUATOR, NODE, metadata(labels={"team": "b"})), MARKED),
    ("sleep", "or spec", merges(ACTUATOR, NODE, {"spec": {"unschedulable": True}}), MARKED),
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
]
