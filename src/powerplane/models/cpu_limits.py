"""The CPU of a pod's containers, as resizing in place sees it: what each asks for and may use, and how low it may go.

Rules of the API server (KEP-1287, In-place Update of Pod Resources): a resize changes amounts, and neither takes away a
limit or request that is there nor changes the pod's QoS class.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from powerplane.models.errors import InputError
from powerplane.models.objects import Container, PodSpec, RawQuantity, ResourceRequirements
from powerplane.models.quantities import parse_quantity
from powerplane.models.requests import whole_units

Qos = Literal["BestEffort", "Burstable", "Guaranteed"]

LEAST_MILLI = 10
"""No container is left less."""

LEAST_SHARE = 2
"""No container is left less than this part (a half) of what it asked for when nobody held it down."""

RESTARTS = "RestartContainer"
COUNTING = ("cpu", "memory")
"""Resources that make up the QoS class."""


@dataclass(frozen=True, slots=True)
class ContainerCpu:
    """One container's CPU, in thousandths of a core.

    Parameters
    ----------
    container : str
    request, limit : int or None
        None where it has none.
    """

    container: str
    request: int | None = None
    limit: int | None = None

    @property
    def floor(self) -> int | None:
        """How low its limit may be set; None for one that asks for nothing: what it needs nobody knows."""
        asked = self.request if self.request is not None else self.limit
        return None if asked is None else max(LEAST_MILLI, -(-asked // LEAST_SHARE))


Cpus = tuple[ContainerCpu, ...]


class _Kept(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    container: str
    request_milli: int | None = None
    limit_milli: int | None = None


class _Text(msgspec.Struct, frozen=True, rename="camel"):
    cpu: tuple[_Kept, ...]
    used_milli: int = 0


@dataclass(frozen=True, slots=True)
class Before:
    """What a pod had before it was held down, as an annotation on it says.

    Parameters
    ----------
    cpus : tuple of ContainerCpu
        Containers that were given less since.
    used : int
        Thousandths of a core that the pod used.
    """

    cpus: Cpus
    used: int = 0

    def told(self) -> str:
        """As the annotation has it."""
        kept = tuple(_Kept(each.container, each.request, each.limit) for each in self.cpus)
        return msgspec.json.encode(_Text(kept, self.used)).decode()


def before_of(annotation: str) -> Before | None:
    """Read the annotation; None where it cannot be read."""
    try:
        found = msgspec.json.decode(annotation, type=_Text)
    except msgspec.MsgspecError:
        return None
    cpus = tuple(ContainerCpu(each.container, each.request_milli, each.limit_milli) for each in found.cpu)
    amounts = (amount for each in cpus for amount in (each.request, each.limit) if amount is not None)
    return Before(cpus, found.used_milli) if min((*amounts, found.used_milli)) >= 0 else None


def cpus_of(spec: PodSpec) -> Cpus:
    """Return the CPU of a pod's containers, without init containers; none where an amount cannot be read."""
    try:
        return tuple(_cpu(each.name, each.resources) for each in spec.containers)
    except InputError:
        return ()


def cpu_of(container: str, resources: ResourceRequirements | None) -> ContainerCpu | None:
    """Return the CPU of one container by what is said of its resources; None where an amount cannot be read."""
    try:
        return _cpu(container, resources)
    except InputError:
        return None


def in_place(container: Container) -> bool:
    """Whether a container may be given other CPU without being restarted."""
    policies = container.resize_policy or ()
    return not any(each.resource_name == "cpu" and each.restart_policy == RESTARTS for each in policies)


def changed(cpus: Cpus, new: Iterable[ContainerCpu]) -> Cpus:
    """Return the CPU of containers with what some are given new."""
    by_name = {each.container: each for each in new}
    return tuple(by_name.get(each.container, each) for each in cpus)


def qos_of(spec: PodSpec, cpus: Cpus = ()) -> Qos:
    """Return the QoS class that a pod would have (Kubernetes: Pod Quality of Service Classes).

    Parameters
    ----------
    spec : PodSpec
    cpus : tuple of ContainerCpu
        CPU of containers in the place of what the spec says.
    """
    given = {each.container: each for each in cpus}
    amounts = [_amounts(each, given.get(each.name)) for each in spec.containers]
    amounts += [_amounts(each, None) for each in spec.init_containers or ()]
    if not any(requests or limits for requests, limits in amounts):
        return "BestEffort"
    whole = all(
        resource in limits and requests.get(resource, limits[resource]) == limits[resource]
        for requests, limits in amounts
        for resource in COUNTING
    )
    return "Guaranteed" if whole else "Burstable"


def _amounts(container: Container, cpu: ContainerCpu | None) -> tuple[dict[str, int], dict[str, int]]:
    resources = container.resources or ResourceRequirements()
    requests, limits = _whole(resources.requests), _whole(resources.limits)
    if cpu is not None:
        requests = _with_cpu(requests, cpu.request)
        limits = _with_cpu(limits, cpu.limit)
    return requests, limits


def _with_cpu(amounts: dict[str, int], milli: int | None) -> dict[str, int]:
    others = {resource: amount for resource, amount in amounts.items() if resource != "cpu"}
    return others if not milli else others | {"cpu": milli}


def _whole(raw: Mapping[str, RawQuantity] | None) -> dict[str, int]:
    """Amounts above zero of the resources that count."""
    found = {each: whole_units(each, parse_quantity(raw[each])) for each in COUNTING if raw and each in raw}
    return {resource: amount for resource, amount in found.items() if amount}


def _cpu(container: str, resources: ResourceRequirements | None) -> ContainerCpu:
    def milli(raw: Mapping[str, RawQuantity] | None) -> int | None:
        return whole_units("cpu", parse_quantity(raw["cpu"])) if raw and "cpu" in raw else None

    if resources is None:
        return ContainerCpu(container)
    return ContainerCpu(container, milli(resources.requests), milli(resources.limits))
