"""The gates on a new pod: it waits, out of the scheduler's sight, until there are watts for it, or a node is named.

A gate can be set at creation only, and afterwards only be taken away (KEP-3521). Other controllers' gates are theirs.
Where nodes list no watts, a request of them would keep the pod off every node: what it will draw stands in an
annotation then.
"""

from typing import Any, Final

from powerplane.admission.mutating import Mutation, give_watts
from powerplane.admission.patch import Patch
from powerplane.admission.predicting import Prediction
from powerplane.models.errors import InputError
from powerplane.models.marks import MOVE_GATE
from powerplane.models.objects import PodSpec
from powerplane.models.pod_watts import PREDICTED_ANNOTATION, noted_watts, requested_watts

Json = dict[str, Any]

GATE: Final = "powerplane.dev/power"
CRITICAL_CLASSES = ("system-cluster-critical", "system-node-critical")
CRITICAL_PRIORITY = 2_000_000_000
"""From here on priorities are the system's (kubernetes/pkg/apis/scheduling: HighestUserDefinablePriority + 1e9)."""


def is_critical(spec: PodSpec) -> bool:
    """Whether a pod is the system's own, which must never wait for us."""
    return spec.priority_class_name in CRITICAL_CLASSES or (spec.priority or 0) >= CRITICAL_PRIORITY


def hold_back(pod: Json, spec: PodSpec, prediction: Prediction, *, listed: bool) -> Mutation:
    """Let a pod wait for its watts.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    spec : PodSpec
        The same, decoded; it has a container.
    prediction : Prediction
    listed : bool
        Whether nodes list watts, so that they can be requested.

    Raises
    ------
    InputError
        For a quantity, or a list of gates, that cannot be read: the API server refuses the pod itself.
    """
    mutation = give_watts(pod, spec, prediction) if listed else note_watts(pod, spec, prediction)
    if is_critical(spec):
        return mutation
    return Mutation([*mutation.operations, *_gate(pod, GATE)], mutation.watts)


def hold_for_cap(pod: Json, spec: PodSpec) -> list[Json]:
    """Let a pod wait until its policy's own cap has room for it; parameters and errors as of ``hold_successor``."""
    return [] if is_critical(spec) else _gate(pod, GATE)


def hold_successor(pod: Json, spec: PodSpec) -> list[Json]:
    """Let a pod that comes in place of a moved one wait until it is told its node; returns the operations.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    spec : PodSpec
        The same, decoded.

    Raises
    ------
    InputError
        For a list of gates that cannot be read: the API server refuses the pod itself.
    """
    return [] if is_critical(spec) else _gate(pod, MOVE_GATE)


def _gate(pod: Json, name: str) -> list[Json]:
    patch = Patch(pod)
    gates = pod["spec"].get("schedulingGates") or []
    if not isinstance(gates, list):
        raise InputError("schedulingGates is no list", "write a list of names")
    if {"name": name} not in gates:
        patch.append({"name": name}, "spec", "schedulingGates")
    return patch.operations


def note_watts(pod: Json, spec: PodSpec, prediction: Prediction) -> Mutation:
    """Note what a pod will draw where it cannot be requested; never less than what is noted or requested already."""
    patch = Patch(pod)
    watts = max(prediction.watts, requested_watts(spec), noted_watts(pod["metadata"].get("annotations")))
    patch.put(str(watts), "metadata", "annotations", PREDICTED_ANNOTATION)
    return Mutation(patch.operations, watts)
