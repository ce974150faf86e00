"""A claim of watts on a new pod: the scheduler allocates it from the budgets of whatever node it takes.

The claim is made by the cluster from a template, whose name says what is in it. What the pod will draw stands in an
annotation besides: no node need list watts, and whoever counts pods knows what they draw. Where nodes do list watts,
pods of other locks are placed by these at the same time; a claim alone would show there only once its pod is bound. So
pods that claim request them as well: the scheduler then counts all in one account.
"""

from collections.abc import Sequence
from typing import Any

from powerplane.admission.claims.names import POD_CLAIM, Template, rounded_watts, template_of
from powerplane.admission.gates.gating import is_critical, note_watts
from powerplane.admission.mutating import Mutation, give_watts
from powerplane.admission.patch import Patch
from powerplane.admission.predicting import Prediction
from powerplane.models.errors import InputError
from powerplane.models.objects import PodSpec

Json = dict[str, Any]


def claim_watts(pod: Json, spec: PodSpec, prediction: Prediction, levels: Sequence[str], *, listed: bool) -> Mutation:
    """Let a pod claim its watts.

    Parameters
    ----------
    pod : dict
        As in the review; changed in place.
    spec : PodSpec
        The same, decoded; it has a container.
    prediction : Prediction
    levels : sequence of str
        Levels at which budgets are held; where there are none nothing is claimed.
    listed : bool
        Whether nodes list watts, so that they can be requested.

    Raises
    ------
    InputError
        For a quantity, or a list of claims, that cannot be read: the API server refuses the pod itself. So are watts
        whose request differs from their limit, where nodes list watts.

    Notes
    -----
    A claim by our name that asks for less, or at other levels, is put right; one that asks for more is the tenant's
    own wish. The system's own pods never wait: what they draw is taken off what the domains offer, once they run.
    """
    if is_critical(spec):
        return note_watts(pod, spec, prediction)
    mutation = give_watts(pod, spec, prediction) if listed else note_watts(pod, spec, prediction)
    if not levels:
        return mutation
    patch = Patch(pod)
    wanted = Template(rounded_watts(mutation.watts), tuple(levels))
    claims = _list(pod["spec"], "resourceClaims")
    place = next((i for i, each in enumerate(claims) if isinstance(each, dict) and each.get("name") == POD_CLAIM), None)
    if place is None:
        patch.append({"name": POD_CLAIM, "resourceClaimTemplateName": wanted.name}, "spec", "resourceClaims")
    elif not _covers(claims[place], wanted):
        patch.put({"name": POD_CLAIM, "resourceClaimTemplateName": wanted.name}, "spec", "resourceClaims", place)
    container = pod["spec"]["containers"][0]
    used = _list(container.get("resources") or {}, "claims")
    if {"name": POD_CLAIM} not in used:
        patch.append({"name": POD_CLAIM}, "spec", "containers", 0, "resources", "claims")
    return Mutation([*mutation.operations, *patch.operations], mutation.watts)


def _covers(claim: Json, wanted: Template) -> bool:
    """Whether a claim that is there already asks for as much at the same levels."""
    name = claim.get("resourceClaimTemplateName")
    there = template_of(name) if isinstance(name, str) else None
    return there is not None and there.levels == wanted.levels and there.watts >= wanted.watts


def _list(holder: Json, key: str) -> list[Any]:
    found = holder.get(key) or []
    if not isinstance(found, list):
        raise InputError(f"{key} is no list", "write a list")
    return found
