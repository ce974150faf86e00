"""What all who watch pods and nodes read of them in the same way: gates, refusals, wishes, and room.

A watch brings what a server let through, so that what cannot be read counts as nothing here, and is no error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from powerplane.models.errors import InputError
from powerplane.models.objects import Affinity, Narrow, PodSpec, RawQuantity, Toleration
from powerplane.models.quantities import LARGEST, MILLI, parse_quantity
from powerplane.models.requests import Amounts, pod_requests, whole_units

FINISHED: Final = ("Succeeded", "Failed")
"""Phases in which a pod holds nothing any more."""

UNSCHEDULABLE: Final = "Unschedulable"

ROOM: Final = ("cpu", "memory", "pods")
"""Resources whose room decides whether a pod can go to a node: milli-cores, bytes, pods."""


class SchedulingGate(Narrow, frozen=True):
    """A scheduling gate."""

    name: str = ""


class GatedPodSpec(PodSpec, frozen=True):
    """A pod's spec with its gates."""

    scheduling_gates: tuple[SchedulingGate, ...] | None = None


class SeenCondition(Narrow, frozen=True):
    """A condition of a pod's status."""

    type: str = ""
    status: str = ""
    reason: str = ""

    @property
    def refuses(self) -> bool:
        """Whether it says that the scheduler's last attempt found no node."""
        return self.type == "PodScheduled" and self.status == "False" and self.reason == UNSCHEDULABLE


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a pod may go, alike for all pods of one kind.

    Parameters
    ----------
    key : str
        Equal for equal wishes.
    node_selector, affinity, tolerations
        As in its spec.
    """

    key: str
    node_selector: tuple[tuple[str, str], ...]
    affinity: Affinity | None
    tolerations: tuple[Toleration, ...]


def wish_of(spec: PodSpec, *also: Any) -> Wish:
    """Return what a pod asks of its node; pods that differ in ``also`` differ in the key."""
    selector = tuple(sorted((spec.node_selector or {}).items()))
    affinity = Affinity(node_affinity=spec.affinity.node_affinity) if spec.affinity else None
    tolerations = spec.tolerations or ()
    told = msgspec.json.encode((*also, selector, affinity, tolerations), order="deterministic")
    return Wish(blake2b(told, digest_size=12).hexdigest(), selector, affinity, tolerations)


def readable_requests(spec: PodSpec) -> Amounts:
    """Requests; of a pod whose requests cannot be read, none: the API server lets no such pod through."""
    try:
        return pod_requests(spec)
    except InputError:
        return {}


def room_asked(amounts: Amounts) -> tuple[int, ...]:
    """Whole units of ``ROOM`` that a pod requests.

    Raises
    ------
    InputError
        For more than can be summed up exactly.
    """
    return tuple(whole_units(each, amounts[each]) if each in amounts else 0 for each in ROOM)


def room_offered(allocatable: Mapping[str, RawQuantity]) -> tuple[int, ...]:
    """Whole units of ``ROOM`` that a node offers."""
    return tuple(offered_units(each, allocatable.get(each, 0)) for each in ROOM)


def offered_units(resource: str, text: RawQuantity) -> int:
    """Amount in whole units, rounded down; 0 for what cannot be read or is negative."""
    try:
        amount = parse_quantity(text) * (MILLI if resource == "cpu" else 1)
    except InputError:
        return 0
    return min(max(int(amount), 0), LARGEST)
