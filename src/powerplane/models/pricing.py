"""What it costs to move a pod, in thousandths of an ordinary move."""

from dataclasses import dataclass
from math import log10

from powerplane.models.snapshot import PodTemplate

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Pricing:
    """The price list; every amount in thousandths of an ordinary move.

    Parameters
    ----------
    base : int
        Any move.
    priority_decade : int
        Added for each power of ten of a positive priority: priority 100,000 adds five.
    negative_priority : int
        Added for a negative priority; such pods are meant to give way.
    settling : int
        Added while a pod is younger than ``settling_seconds``: let it settle, and do not move it twice in a row.
    settling_seconds : int
    memory_gib : int
        Added for each whole GiB of the memory request, up to ``memory_most``: of two equal pods, the smaller moves.
    memory_most : int
    uncontrolled_times : int
        Factor for a pod without a controller, which nothing makes anew after an eviction.
    """

    base: int = 1000
    priority_decade: int = 1000
    negative_priority: int = -500
    settling: int = 1000
    settling_seconds: int = 600
    memory_gib: int = 1
    memory_most: int = 50
    uncontrolled_times: int = 10

    @property
    def assumption(self) -> str:
        """The price list in one sentence, for a plan's assumptions."""
        return (
            "A move costs 1, plus the decimal logarithm of the pod's priority"
            f" (a negative priority: {self.negative_priority / 1000:+g}),"
            f" plus {self.settling / 1000:g} for a pod younger than {self.settling_seconds} s,"
            f" plus {self.memory_gib / 1000:g} per GiB of memory request (at most {self.memory_most / 1000:g});"
            f" {self.uncontrolled_times} times as much for a pod without a controller."
        )


DEFAULT_PRICING = Pricing()


def move_cost(
    template: PodTemplate,
    started_s: int,
    as_of_s: int,
    memory_bytes: int = 0,
    *,
    pricing: Pricing = DEFAULT_PRICING,
    owners_recorded: bool = True,
) -> int:
    """Cost of moving one pod, in thousandths of an ordinary move.

    Parameters
    ----------
    template : PodTemplate
    started_s, as_of_s : int
        The pod's start (0 where unknown: then it counts as settled) and the snapshot's moment, seconds since the epoch.
    memory_bytes : int
        The pod's memory request.
    pricing : Pricing
    owners_recorded : bool
        False where no pod of the snapshot has an owner: then that this one has none says nothing.
    """
    cost = pricing.base + _priority(template.priority, pricing) + max(0, template.worth)
    cost += pricing.settling if is_settling(started_s, as_of_s, pricing) else 0
    cost += min(pricing.memory_most, memory_bytes // GIB * pricing.memory_gib)
    return cost * pricing.uncontrolled_times if owners_recorded and not template.owner else cost


def is_settling(started_s: int, as_of_s: int, pricing: Pricing = DEFAULT_PRICING) -> bool:
    """Whether a pod started so lately that it should be let settle."""
    return started_s > 0 and as_of_s - started_s < pricing.settling_seconds


def _priority(priority: int, pricing: Pricing) -> int:
    if priority < 0:
        return pricing.negative_priority
    return round(pricing.priority_decade * log10(1 + priority))
