"""Requests that a pod leaves out, filled in from its workload's history; what its owner wrote is never touched.

By the Vertical Pod Autoscaler's rules (``pkg/recommender/logic/recommender.go``): the 90th percentile of what the
container used, plus a margin of 15 %, at least 25 m of CPU and 250 MiB for the pod, split over its containers. Where a
limit is given, the missing request is the limit, as the API server itself defaults it; a pod's class of service so
stays Guaranteed. Of an extended resource, such as a GPU, request and limit are one number: the missing one is the
other. A pod that asks for a resource as a whole (KEP-2837) leaves it out of its containers on purpose.

The LimitRanger runs before webhooks and leaves no request out that a LimitRange has a word on, so that nothing filled
in here can fall out of one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import msgspec

from powerplane.admission.patch import Patch
from powerplane.models.errors import InputError
from powerplane.models.objects import Container, Pod, PodSpec, RawQuantity, ResourceRequirements
from powerplane.models.quantities import ceil_scaled, parse_quantity
from powerplane.models.requests import WATTS_RESOURCE, pod_requests

Json = dict[str, Any]

FILLED: Final = ("cpu", "memory")
MARGIN: Final = Fraction(15, 100)
LEAST_MCORES: Final = 25
MIB: Final = 1 << 20
LEAST_MIB: Final = 250
VPA_ANNOTATION: Final = "vpaUpdates"
"""What the Vertical Pod Autoscaler's own webhook leaves on a pod that it changed."""


class Usual(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one container of a workload uses, at the percentile to plan by; None where it was never measured.

    Parameters
    ----------
    cores : float or None
    memory_bytes : float or None
        Of its highest in each day.
    """

    cores: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Filler:
    """What missing requests are filled from; immutable, and swapped whole.

    Parameters
    ----------
    usual : mapping of str to mapping of str to Usual
        By ``namespace/Kind/name``, and container.
    managed : frozenset of str, or None
        Workloads that a VerticalPodAutoscaler is for; None where that is not known: nothing is then filled from
        history.
    roomiest : mapping of str to Fraction
        What the roomiest node has of a resource.
    """

    usual: Mapping[str, Mapping[str, Usual]] = field(default_factory=dict)
    managed: frozenset[str] | None = None
    roomiest: Mapping[str, Fraction] = field(default_factory=dict)

    def fill(self, obj: Json, pod: Pod, owner: str) -> list[Json]:
        """Fill missing requests in; return the operations.

        Parameters
        ----------
        obj : dict
            The pod as in the review; changed in place.
        pod : Pod
            The same, decoded.
        owner : str
            ``namespace/Kind/name``.

        Raises
        ------
        InputError
            For a quantity that cannot be read: the API server refuses the pod itself.
        """
        patch = Patch(obj)
        for at, container in enumerate(pod.spec.containers):
            _level(patch, at, container.resources or ResourceRequirements())
        left_alone = self.managed is None or owner in self.managed or VPA_ANNOTATION in (pod.metadata.annotations or {})
        if not left_alone and (known := self.usual.get(owner)):
            for resource in FILLED:
                self._from_history(patch, pod.spec, resource, known)
        return patch.operations

    def _from_history(self, patch: Patch, spec: PodSpec, resource: str, known: Mapping[str, Usual]) -> None:
        if _asks_as_a_whole(spec, resource):
            return
        found = {
            at: amount
            for at, each in enumerate(spec.containers)
            if not _states(each, resource) and (amount := _amount(known.get(each.name), resource, len(spec.containers)))
        }
        # A request that no node could hold would keep a pod away that runs well without.
        there = pod_requests(spec).get(resource, Fraction(0))
        asked = there + sum((parse_quantity(text) for text in found.values()), Fraction(0))
        if asked > self.roomiest.get(resource, asked):
            return
        for at, text in found.items():
            patch.put(text, "spec", "containers", at, "resources", "requests", resource)


def roomiest(allocatable: Iterable[Mapping[str, RawQuantity]]) -> dict[str, Fraction]:
    """Return what the roomiest node has of CPU and of memory; each may be another node.

    Parameters
    ----------
    allocatable : iterable of mapping of str to quantity
        Of each node; what cannot be read is passed over.
    """
    nodes = list(allocatable)
    found = {}
    for resource in FILLED:
        # Nodes of one type say the same.
        amounts = [_read(text) for text in {each[resource] for each in nodes if resource in each}]
        if amounts:
            found[resource] = max(amounts)
    return found


def _read(text: RawQuantity) -> Fraction:
    try:
        return parse_quantity(text)
    except InputError:
        return Fraction(0)


def _level(patch: Patch, at: int, resources: ResourceRequirements) -> None:
    """Give a request where only the limit is stated; of an extended resource a limit where only the request is."""
    requests, limits = resources.requests or {}, resources.limits or {}
    for resource, text in limits.items():
        if resource not in requests:
            parse_quantity(text)
            patch.put(text, "spec", "containers", at, "resources", "requests", resource)
    for resource, text in requests.items():
        if resource not in limits and _is_extended(resource):
            parse_quantity(text)
            patch.put(text, "spec", "containers", at, "resources", "limits", resource)


def _is_extended(resource: str) -> bool:
    """Whether a resource is neither Kubernetes' own (pkg/apis/core/v1/helper: IsExtendedResourceName) nor ours."""
    own = "/" not in resource or "kubernetes.io/" in resource or resource.startswith("requests.")
    return not own and resource != WATTS_RESOURCE


def _asks_as_a_whole(spec: PodSpec, resource: str) -> bool:
    stated = spec.resources
    return stated is not None and (resource in (stated.requests or {}) or resource in (stated.limits or {}))


def _states(container: Container, resource: str) -> bool:
    stated = container.resources
    return stated is not None and (resource in (stated.requests or {}) or resource in (stated.limits or {}))


def _amount(usual: Usual | None, resource: str, containers: int) -> RawQuantity | None:
    """Text of a request; None where nothing is known."""
    if usual is None:
        return None
    if resource == "cpu":
        return _text(usual.cores, 1000, LEAST_MCORES, containers, "m")
    return _text(usual.memory_bytes, Fraction(1, MIB), LEAST_MIB, containers, "Mi")


def _text(used: float | None, scale: int | Fraction, least: int, containers: int, unit: str) -> str | None:
    if used is None:
        return None
    with_margin = ceil_scaled(Fraction(used) * (1 + MARGIN) * scale, 1)
    return f"{max(with_margin, -(-least // containers))}{unit}"
