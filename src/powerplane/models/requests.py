"""What a pod asks of its node, by the rule that the scheduler applies.

The rule (Kubernetes: resource management for pods; sidecar containers, KEP-753; pod-level resources, KEP-2837): the
greater of what runs for good (containers and sidecars together) and what each init container needs at its turn (with
the sidecars started before it), then what is stated for the pod as a whole, then the runtime's overhead.
"""

from collections.abc import Iterable
from fractions import Fraction

from powerplane.models.errors import InputError
from powerplane.models.objects import Container, PodSpec, RawQuantity, ResourceRequirements
from powerplane.models.quantities import LARGEST, MILLI, ceil_scaled, parse_quantity

Amounts = dict[str, Fraction]
"""Exact amounts by resource, in the resource's own unit."""

FIRST_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")
"""The resources that every snapshot has, in this order."""

SIDECAR = "Always"
ONE_POD: Amounts = {"pods": Fraction(1)}


def pod_requests(spec: PodSpec) -> Amounts:
    """Return what a pod takes of its node, exactly; one "pods" included.

    Raises
    ------
    InputError
        For a quantity that is garbage or negative, naming the resource.
    """
    running = _sum(_requests(container.resources) for container in spec.containers)
    started: Amounts = {}
    starting: Amounts = {}
    for container in spec.init_containers or ():
        needs = _requests(container.resources)
        if _is_sidecar(container):
            running = _sum((running, needs))
            started = needs = _sum((started, needs))
        else:
            needs = _sum((started, needs))
        starting = _larger(starting, needs)
    total = _larger(running, starting) | _stated_for_pod(spec)
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


def _is_sidecar(container: Container) -> bool:
    return container.restart_policy == SIDECAR


def _requests(resources: ResourceRequirements | None) -> Amounts:
    """Requests; where only a limit is given, the limit, as the API server defaults it."""
    if resources is None:
        return {}
    return _amounts(resources.limits) | _amounts(resources.requests)


def _stated_for_pod(spec: PodSpec) -> Amounts:
    return _amounts(spec.resources.requests) if spec.resources else {}


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
