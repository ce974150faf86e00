"""Names that recommender, actuator and webhook know each other's objects by: gates, labels, annotations, Leases."""

from typing import Final

OWN_NAMESPACE: Final = "powerplane-system"
"""Namespace of our own programs, their Leases and their placeholders."""

MOVE_GATE: Final = "powerplane.dev/move"
"""Gate on the pod that comes in place of a moved one, set by the webhook; taken off once the pod is nominated."""

HOLD_GATE: Final = "powerplane.dev/hold"
"""Gate on a placeholder, for good: nominated to a node, it holds room there for a pod that is to come."""

HOLD_LABEL: Final = "powerplane.dev/hold"
"""Label of a placeholder: the plan that it is of."""

HOLD_FOR_ANNOTATION: Final = "powerplane.dev/hold-for"
"""Annotation of a placeholder: UID of the pod whose place it holds."""

HOLD_PREFIX: Final = "hold-"
"""What the names of placeholders begin with."""

TREE_LABEL: Final = "powerplane.dev/tree"
"""Label of a plan: the root of the power tree that it is for."""

THROTTLED_ANNOTATION: Final = "powerplane.dev/throttled"
"""Annotation of a pod whose CPU is held down: what its containers had before, and how much of it was used."""

SURGE_ANNOTATION: Final = "powerplane.dev/surge"
"""Annotation by which a pod's owner lets the next pod come before it goes, where it says ``"true"``."""

DETACHED_ANNOTATION: Final = "powerplane.dev/detached"
"""Annotation of a pod that was taken out of its ReplicaSet for the while: which that is, and the label that it had."""

HASH_LABEL: Final = "pod-template-hash"
"""Label by which the ReplicaSet of a Deployment knows its pods (Kubernetes, "Deployments")."""

TRACEPARENT_ANNOTATION: Final = "powerplane.dev/traceparent"
"""Annotation of a plan: its place in a trace (W3C, "Trace Context"), below which whoever carries it out goes on."""

STOP_ANNOTATION: Final = "powerplane.dev/stop"
"""Annotation of our own namespace: while it is there, no plan is published and no pod is moved; its value says why."""

RECOMMENDER_LEASE: Final = "powerplane-recommender"
ACTUATOR_LEASE: Final = "powerplane-actuator"
