"""What a pod asks of its node, by the rule that the scheduler applies.

The rule (Kubernetes: resource management for pods; sidecar containers, KEP-753; pod-level resources, KEP-2837;
in-place resize, KEP-1287): the greater of what runs for good (containers and sidecars together) and what each init
container needs at its turn (with the sidecars started before it), then what is stated for the pod as a whole, then the
runtime's overhead. While something is being resized, it counts at the greatest of what is asked for, granted and held.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from powerplane.models.errors import InputError
from powerplane.models.objects import (
    Container,
    ContainerStatus,
    PodSpec,
    PodStatus,
    RawQuantity,
    ResourceRequirements,
)
from powerplane.models.quantities import LARGEST, MILLI, ceil_scaled, parse_quantity

Amounts = dict[str, Fraction]
"""Exact amounts by resource, in the resource's own unit."""

FIRST_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")
"""The resources that every snapshot has, in this order."""

WATTS_RESOURCE = "powerplane.dev/watts"
"""The extended resource: whole watts."""

POWER_CLAIM = "powerplane-watts"
"""Under ``spec.resourceClaims``: the pod's own watts, claimed from the budgets of whatever node it takes."""

SIDECAR = "Always"
ONE_POD: Amounts = {"pods": Fraction(1)}
WHOLE_POD = "(pod)"
"""In the place of a container's name: the pod as a whole."""


def claims_devices(spec: PodSpec) -> bool:
    """Whether a pod claims devices that only some nodes have; its watts it may claim anywhere."""
    return any(each.get("name") != POWER_CLAIM for each in spec.resource_claims or ())


def held_beyond(spec: PodSpec, status: PodStatus) -> tuple[ContainerStatus, ...]:
    """Return what containers, sidecars and the pod as a whole hold, of those that hold other than their spec asks for.

    Empty for nearly every pod: only one that is being resized in place holds anything else.
    """
    asked = {each.name: each.resources for each in (*spec.containers, *_sidecars(spec))}
    held = [*(status.container_statuses or ()), *(status.init_container_statuses or ())]
    if spec.resources and status.resources:
        asked[WHOLE_POD] = spec.resources
        held.append(ContainerStatus(WHOLE_POD, status.allocated_resources, status.resources))
    return tuple(each for each in held if each.resources and each.name in asked and _differs(asked[each.name], each))


def pod_requests(spec: PodSpec, held: Iterable[ContainerStatus] = ()) -> Amounts:
    """Return what a pod takes of its node, exactly; one "pods" included.

    Parameters
    ----------
    spec : PodSpec
    held : iterable of ContainerStatus
        See ``held_beyond``.

    Raises
    ------
    InputError
        For a quantity that is garbage or negative, naming the resource.
    """
    given = {each.name: each for each in held}
    running = _sum([_needs(container, given) for container in spec.containers])
    if not spec.init_containers and spec.resources is None:  # most pods
        return _sum((running, _amounts(spec.overhead), ONE_POD))
    started: Amounts = {}
    starting: Amounts = {}
    for container in spec.init_containers or ():
        if _is_sidecar(container):
            needs = _needs(container, given)
            running = _sum((running, needs))
            started = needs = _sum((started, needs))
        else:
            needs = _sum((started, _requests(container.resources)))
        starting = _larger(starting, needs)
    total = _larger(running, starting) | _stated_for_pod(spec, given)
    return _sum((total, _amounts(spec.overhead), ONE_POD))


def whole_units(resource: str, amount: Fraction) -> int:
    """Round an amount up to the snapshot's units: milli-cores of CPU, else bytes or pieces.

    Raises
    ------
    InputError
        Above 2^53, where sums would no longer be exact.
    """
    units = ceil_scaled(amount, MILLI if resource == "cpu" else 1)
    if units > LARGEST:
        raise InputError(f"{resource} of {float(amount):g} is beyond any node", "correct the quantity")
    return units


def _sidecars(spec: PodSpec) -> Iterable[Container]:
    return (container for container in spec.init_containers or () if _is_sidecar(container))


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == SIDECAR


def _requests(resources: ResourceRequirements | None) -> Amounts:
    """Requests; where only a limit is given, the limit, as the API server defaults it."""
    if resources is None:
        return {}
    return _amounts(resources.limits) | _amounts(resources.requests)


def _needs(container: Container, given: Mapping[str, ContainerStatus]) -> Amounts:
    asked = _requests(container.resources)
    held = given.get(container.name)
    return _larger(asked, _held(held)) if held else asked


def _held(status: ContainerStatus) -> Amounts:
    has = _amounts(status.resources.requests) if status.resources else {}
    return _larger(has, _amounts(status.allocated_resources))


def _differs(asked: ResourceRequirements | None, held: ContainerStatus) -> bool:
    """Whether some resource is held in another amount than asked for; the same text is the same amount."""
    wanted = (asked and asked.requests) or {}
    has = (held.resources and held.resources.requests) or {}
    return any(
        wanted.get(name) != text for listed in (has, held.allocated_resources or {}) for name, text in listed.items()
    )


def _stated_for_pod(spec: PodSpec, given: Mapping[str, ContainerStatus]) -> Amounts:
    if spec.resources is None:
        return {}
    stated = _amounts(spec.resources.requests)
    held = _held(given[WHOLE_POD]) if WHOLE_POD in given else {}
    return {resource: max(amount, held.get(resource, amount)) for resource, amount in stated.items()}


def _amounts(raw: dict[str, RawQuantity] | None) -> Amounts:
    return {resource: _amount(resource, text) for resource, text in raw.items()} if raw else {}


def _amount(resource: str, text: RawQuantity) -> Fraction:
    amount = parse_quantity(text)
    if amount.numerator < 0:
        raise InputError(f"{resource} of {text} is negative", "write an amount of zero or more")
    return amount


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for resource, amount in part.items():
            total[resource] = total[resource] + amount if resource in total else amount
    return total


def _larger(left: Amounts, right: Amounts) -> Amounts:
    larger = dict(left)
    for resource, amount in right.items():
        larger[resource] = max(amount, larger.get(resource, amount))
    return larger
