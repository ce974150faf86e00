"""What a request draws at the most on one node: watts for a core, and for one unit of each kind of accelerator.

A node's watts between idle and peak are parted: its accelerators' first, by the catalogue where it knows the product,
and what is left among its cores. So a pod of cores alone is not charged with the watts of cards that it does not hold,
and one that holds them is not let off with its cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from powerplane.adapters.cluster_labels import GPU_COUNT, GPU_PRODUCT
from powerplane.models.catalogue import gpu
from powerplane.models.errors import InputError
from powerplane.models.objects import RawQuantity
from powerplane.models.pod_watts import WattsNote, is_believed, stated_watts
from powerplane.models.quantities import MILLI, parse_quantity
from powerplane.models.requests import Amounts, whole_units
from powerplane.models.usage import DEVICE_MW, devices_milli, is_gpu

Devices = tuple[tuple[str, int], ...]
"""Whole units of resources that stand for accelerators."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a request draws at the most, on one node or on any of several.

    Parameters
    ----------
    per_core_mw : int
        For each core of CPU.
    device_mw : mapping of str to int
        For one unit, by its resource, such as ``nvidia.com/gpu``.
    """

    per_core_mw: int = 0
    device_mw: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draw:
    """What a pod will draw, as far as it says so itself.

    Parameters
    ----------
    stated_mw : int or None
        Its request of watts, or what an annotation says where that is more; None where it states none.
    mcores : int
        Its request of CPU, by which it is estimated where it states no watts, or too few to be believed.
    devices : tuple of (str, int)
        Accelerators that it requests, likewise.
    """

    stated_mw: int | None
    mcores: int = 0
    devices: Devices = ()

    @property
    def silent(self) -> bool:
        """Whether it counts by what else it requests."""
        return self.stated_mw is None or bool(self.mcores or self.devices)


def node_rates(labels: Mapping[str, str], allocatable: Mapping[str, RawQuantity], dynamic_mw: int) -> Rates:
    """Return a node's rates.

    Parameters
    ----------
    labels : mapping
    allocatable : mapping of resource to quantity
    dynamic_mw : int
        What it draws between idle and peak.
    """
    offered = dict(offered_devices(allocatable))
    cards_mw = min(_cards(labels, offered) * _card_mw(labels), dynamic_mw)
    mcores = _units(allocatable, "cpu")
    per_core = -(-(dynamic_mw - cards_mw) * MILLI // mcores) if mcores else 0
    return Rates(per_core, {resource: -(-cards_mw // units) for resource, units in offered.items()})


def devices_draw_mw(devices: Devices, device_mw: Mapping[str, int]) -> int:
    """Milliwatts of one pod's accelerators.

    One card may be asked for by several resources, such as its slices and their memory: the greatest counts.
    """
    return max((units * device_mw.get(resource, 0) for resource, units in devices), default=0)


def offered_devices(allocatable: Mapping[str, RawQuantity]) -> Devices:
    """Accelerators that a node offers."""
    return tuple((each, units) for each in allocatable if is_gpu(each) and (units := _units(allocatable, each)))


def asked_devices(amounts: Amounts) -> Devices:
    """Accelerators that a pod requests.

    Raises
    ------
    InputError
        For more than can be summed up exactly.
    """
    return tuple((each, whole_units(each, amount)) for each, amount in amounts.items() if is_gpu(each) and amount)


def told_draw(amounts: Amounts, annotations: Mapping[str, str] | WattsNote | None) -> Draw:
    """Return the milliwatts that a pod states, and the milli-cores and accelerators by which it counts beside them.

    The latter are nothing where it is believed. One that states less than ``least_watts`` counts by them as well as by
    what it states, so that nobody counts for less by having stated something.

    Raises
    ------
    InputError
        For more than can be summed up exactly.
    """
    watts = stated_watts(amounts, annotations)
    if watts is not None and is_believed(watts, amounts):
        return Draw(watts * MILLI)
    mcores = whole_units("cpu", amounts["cpu"]) if "cpu" in amounts else 0
    return Draw(watts * MILLI if watts else None, mcores, asked_devices(amounts))


def _card_mw(labels: Mapping[str, str]) -> int:
    """What one card adds to its idle watts at full load."""
    known = next((found for label in GPU_PRODUCT if (found := gpu(labels.get(label, "")))), None)
    return DEVICE_MW if known is None else round((known.max_watts - known.idle_watts) * MILLI)


def _cards(labels: Mapping[str, str], offered: dict[str, int]) -> int:
    """How many cards there are: by a label, since a shared or sliced card is offered several times."""
    for label in GPU_COUNT:
        text = labels.get(label, "")
        if text.isascii() and text.isdigit() and len(text) <= 4:
            return int(text)
    return -(-devices_milli(offered) // MILLI)


def _units(allocatable: Mapping[str, RawQuantity], resource: str) -> int:
    """Whole units of a resource; milli-cores of CPU; 0 where it cannot be read."""
    try:
        return max(0, whole_units(resource, parse_quantity(allocatable.get(resource, 0))))
    except InputError:
        return 0
