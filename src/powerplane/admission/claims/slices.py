"""Devices as ResourceSlices: one a device, in a pool of its own, with a generation that grows with each change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from powerplane.admission.claims.layout import NO_ROW, Device, Layout, no_limit
from powerplane.admission.claims.names import (
    API_VERSION,
    DEVICE,
    DRIVER,
    GROUP_PATH,
    LABELS,
    MOST_LEVELS,
    WATTS,
    slice_name,
)
from powerplane.models.errors import InputError
from powerplane.models.objects import Narrow, ObjectMeta, RawQuantity
from powerplane.models.quantities import parse_quantity

Json = dict[str, Any]
Labels = Mapping[str, str]

SLICES_PATH = f"{GROUP_PATH}/resourceslices"
HOSTNAME = "kubernetes.io/hostname"
PLACES = ("nodeName", "allNodes", "nodeSelector")
NO_LIMIT_W = 10**12
"""More than any site draws."""


class SeenPool(Narrow, frozen=True):
    """Whose the devices are."""

    name: str = ""
    generation: int = 0


class SeenSliceSpec(Narrow, frozen=True):
    """What a slice offers."""

    pool: SeenPool = SeenPool()
    node_name: str = ""
    all_nodes: bool = False
    node_selector: Any = None
    devices: Any = None


class SeenSlice(Narrow, frozen=True):
    """resource.k8s.io/v1 ResourceSlice."""

    metadata: ObjectMeta
    spec: SeenSliceSpec = SeenSliceSpec()


@dataclass(frozen=True, slots=True)
class Offer:
    """What one slice says.

    Parameters
    ----------
    pool, level : str
    where : dict
        The part of the spec that says for which nodes.
    watts : int
    """

    pool: str
    level: str
    where: Json
    watts: int

    @property
    def name(self) -> str:
        """Of the slice."""
        return slice_name(self.pool)

    def spec(self, generation: int) -> Json:
        """Return the slice's spec."""
        return {
            "driver": DRIVER,
            "pool": {"name": self.pool, "generation": generation, "resourceSliceCount": 1},
            **self.where,
            "devices": [
                {
                    "name": DEVICE,
                    "allowMultipleAllocations": True,
                    "attributes": {"level": {"string": self.level}},
                    "capacity": {WATTS: {"value": str(self.watts)}},
                }
            ],
        }

    def body(self, seen: SeenSlice | None = None) -> Json:
        """Return the slice to create, or the merge patch that makes it of the one that was seen."""
        if seen is None:
            meta: Json = {"name": self.name, "labels": LABELS}
            return {"apiVersion": API_VERSION, "kind": "ResourceSlice", "metadata": meta, "spec": self.spec(1)}
        cleared = {place: None for place in PLACES if place not in self.where}
        version = {"resourceVersion": seen.metadata.resource_version}
        return {"metadata": version, "spec": self.spec(seen.spec.pool.generation + 1) | cleared}


def places_of(layout: Layout, names: Sequence[str], labels: Mapping[str, Labels]) -> tuple[Json | None, ...]:
    """Return for which nodes each device is, as a part of a slice's spec; None for one that no node can have.

    Parameters
    ----------
    layout : Layout
    names : sequence of str
        Of all nodes, by column.
    labels : mapping of node name to labels
        Of the nodes that are there.
    """
    selecting = Selecting(labels)
    return tuple(selecting.where(device, names) for device in layout.devices)


def offers_of(layout: Layout, places: Sequence[Json | None], watts: Sequence[int | None]) -> dict[str, Offer]:
    """Return what is to be offered, by the slice's name; of each device its place, and its watts."""
    made = {}
    for device, where, amount in zip(layout.devices, places, watts, strict=True):
        if where is not None:
            level = layout.levels[device.level]
            offer = Offer(device.pool, level, where, NO_LIMIT_W if amount is None else amount)
            made[offer.name] = offer
    return made


def open_levels(layout: Layout, asked: Iterable[str]) -> dict[str, Offer]:
    """Return offers without a limit for levels that pods claim at and that are none any more: they would wait for ever.

    Parameters
    ----------
    layout : Layout
    asked : iterable of str
        Levels that templates of live pods name.
    """
    gone = sorted(set(asked) - set(layout.levels))[:MOST_LEVELS]
    offers = (Offer(no_limit(level), level, {"allNodes": True}, NO_LIMIT_W) for level in gone)
    return {offer.name: offer for offer in offers}


class Selecting:
    """Says for which nodes a device is, by as few values of one label as there can be.

    A scheduler parses a slice's selector anew for every node that it tries, and checks each of its values.

    Parameters
    ----------
    labels : mapping of node name to labels
        Of the nodes that are there.
    """

    def __init__(self, labels: Mapping[str, Labels]) -> None:
        self._labels = labels
        self._holders: dict[str, dict[str, set[str]]] = {}
        for name, own in labels.items():
            for key, value in own.items():
                self._holders.setdefault(key, {}).setdefault(value, set()).add(name)

    def where(self, device: Device, names: Sequence[str]) -> Json | None:
        """Return a part of a slice's spec; None where there is no such node."""
        there = [names[column] for column in device.nodes if names[column] in self._labels]
        if not there:
            return None
        if device.limited and device.row == NO_ROW:
            return {"nodeName": there[0]}
        if len(there) == len(self._labels):
            return {"allNodes": True}
        key, values = self._shortest(set(there)) or self._by_hostname(there)
        if not values:
            return None
        expression = {"key": key, "operator": "In", "values": values}
        return {"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}

    def _shortest(self, wanted: set[str]) -> tuple[str, list[str]] | None:
        best: tuple[str, list[str]] | None = None
        for key in sorted(self._labels[min(wanted)]):
            values = {self._labels[name].get(key) for name in wanted}
            if best is not None and len(values) >= len(best[1]):
                continue
            chosen = [value for value in values if value is not None]
            if len(chosen) == len(values) and sum(len(self._holders[key][each]) for each in chosen) == len(wanted):
                best = (key, sorted(chosen))
        return best

    def _by_hostname(self, there: Sequence[str]) -> tuple[str, list[str]]:
        """Those nodes whose hostname is theirs alone; others take no pod that claims."""
        holders = self._holders.get(HOSTNAME, {})
        own = (self._labels[name].get(HOSTNAME) for name in there)
        return HOSTNAME, sorted(value for value in own if value is not None and len(holders[value]) == 1)


def offer_seen(seen: SeenSlice) -> Offer | None:
    """Read a slice back; None for one that says something else than we would."""
    spec = seen.spec
    where: Json = {}
    if spec.node_name:
        where["nodeName"] = spec.node_name
    if spec.all_nodes:
        where["allNodes"] = True
    if spec.node_selector is not None:
        where["nodeSelector"] = spec.node_selector
    try:
        (device,) = msgspec.convert(spec.devices or [], list[_Device])
        watts = parse_quantity((device.capacity or {})[WATTS].value)
    except (ValueError, KeyError, InputError):
        return None
    level = ((device.attributes or {}).get("level") or _Attribute()).string
    if not device.allow_multiple_allocations or device.name != DEVICE or watts.denominator != 1:
        return None
    return Offer(spec.pool.name, level, where, int(watts))


class _Attribute(Narrow, frozen=True):
    string: str = ""


class _Capacity(Narrow, frozen=True):
    value: RawQuantity


class _Device(Narrow, frozen=True):
    name: str = ""
    allow_multiple_allocations: bool = False
    attributes: dict[str, _Attribute] | None = None
    capacity: dict[str, _Capacity] | None = None
