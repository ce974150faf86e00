"""What becomes of one new pod: its watts as a request, in as few operations as there can be.

The webhook may be called again for the same pod, before or after others: what is right already is left alone, so that
a second turn changes nothing. What a tenant wrote counts where it is more than what is foretold, never where it is
less.
"""

from dataclasses import dataclass
from typing import Any

from powerplane.admission.patch import Patch
from powerplane.admission.predicting import Prediction
from powerplane.models.errors import InputError
from powerplane.models.objects import Container, PodSpec
from powerplane.models.pod_watts import names_watts, requested_watts
from powerplane.models.quantities import parse_quantity
from powerplane.models.requests import SIDECAR, WATTS_RESOURCE

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is changed.

    Parameters
    ----------
    operations : list of dict
        RFC 6902.
    watts : int
        What the pod asks for afterwards.
    """

    operations: list[Json]
    watts: int


def give_watts(pod: Json, spec: PodSpec, prediction: Prediction) -> Mutation:
    """Let a pod request what it will draw.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    spec : PodSpec
        The same, decoded; it has a container.
    prediction : Prediction

    Raises
    ------
    InputError
        For a quantity that cannot be read, and for watts whose request differs from their limit: the API server
        refuses the pod itself.

    Notes
    -----
    An extended resource is requested by a container, as much as it is limited to. The first one is given what all that
    run together lack; init containers run before, and hold nothing beside them.
    """
    patch = Patch(pod)
    stated = names_watts(spec)  # few do: theirs alone need sums
    lacking = prediction.watts - (requested_watts(_running(spec)) if stated else 0)
    if lacking > 0:
        own = _stated_watts(spec.containers[0]) if stated else 0
        text = str(own + lacking)
        patch.put(text, "spec", "containers", 0, "resources", "limits", WATTS_RESOURCE)
        patch.put(text, "spec", "containers", 0, "resources", "requests", WATTS_RESOURCE)
    return Mutation(patch.operations, max(prediction.watts, requested_watts(spec) if stated else 0))


def _running(spec: PodSpec) -> PodSpec:
    """What holds its requests for as long as the pod runs."""
    sidecars = tuple(each for each in spec.init_containers or () if _is_sidecar(each))
    return PodSpec(containers=spec.containers, init_containers=sidecars or None, overhead=spec.overhead)


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == SIDECAR


def _stated_watts(container: Container) -> int:
    """Watts that a container states; an extended resource is requested as much as it is limited to, or not at all."""
    own = requested_watts(PodSpec(containers=(container,)))
    limits = (container.resources.limits if container.resources else None) or {}
    if WATTS_RESOURCE in limits and parse_quantity(limits[WATTS_RESOURCE]) != own:
        raise InputError("the request of watts differs from their limit", "state the same for both, or neither")
    return own
