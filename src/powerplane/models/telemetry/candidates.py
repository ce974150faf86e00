"""What each source says of whole nodes: at the wall, or by adding parts up, with the rest that parts do not show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.envelope import Envelopes
from powerplane.models.telemetry.node_sums import NodeSums
from powerplane.models.telemetry.readings import Floats
from powerplane.models.telemetry.rules import Rules

Mask = NDArray[np.bool_]
Words = NDArray[np.object_]


@dataclass(slots=True, eq=False)
class Candidate:
    """What one source says of N nodes, while it is being judged; arrays of shape (N,).

    Parameters
    ----------
    source : str
    kind : "wall" or "parts"
    watts : float64 array
        Of the whole node; NaN where the source has no value.
    least, shown : float64 arrays
        What the node draws at the least by this source: the parts alone; and the same with their losses. NaN of a wall,
        and the latter where accelerators are not measured.
    age_s, scrape_s : float64 arrays
    reason : object array of str
        Why the value is not used; "" where it may be, and where the source does not know the node.
    told : bool array
        Whether the source knows the node.
    cpu_watts, dram_watts, gpu_watts : float64 arrays
    disagrees : bool array
        Whether it was far from the one that counts.
    """

    source: str
    kind: Literal["wall", "parts"]
    watts: Floats
    least: Floats
    shown: Floats
    age_s: Floats
    scrape_s: Floats
    since_s: Floats
    reason: Words
    told: Mask
    cpu_watts: Floats
    dram_watts: Floats
    gpu_watts: Floats
    disagrees: Mask

    @property
    def usable(self) -> Mask:
        """Which values may be used."""
        usable: Mask = ~np.isnan(self.watts) & (self.reason == "")
        return usable

    def refuse(self, mask: Mask, reason: str | Words) -> None:
        """Refuse some values, unless they are refused already."""
        rows = mask & (self.reason == "") & ~np.isnan(self.watts)
        self.reason[rows] = reason if isinstance(reason, str) else reason[rows]


def wall_candidate(source: str, sums: NodeSums, parts: "Parts", envelopes: Envelopes) -> Candidate:
    """What a source reads at the wall."""
    nothing = np.full(len(sums.value), np.nan)
    return _candidate(source, "wall", sums, parts, figures=(sums.value.copy(), nothing, nothing), envelopes=envelopes)


def parts_candidate(
    source: str,
    measured: tuple[NodeSums, NodeSums | None],
    gpu: "GpuParts",
    rest: Floats,
    envelopes: Envelopes,
    *,
    rules: Rules,
) -> Candidate:
    """Add up what a source says of parts.

    ``wall ≥ (1 + loss)·(processors + memory) + accelerators + rest``, and never below idle.

    Parameters
    ----------
    source : str
    measured : pair of NodeSums
        Of processors and of memory, the latter None where the source does not tell it.
    gpu : GpuParts
    rest : float64 array, shape (N,)
        What the node draws outside of its parts.
    """
    cpu, dram = measured
    known = dram.value if dram is not None else np.full(len(cpu.value), np.nan)
    memory = np.where(np.isnan(known), rules.dram_share * cpu.value, known)
    least = cpu.value + np.nan_to_num(known) + np.nan_to_num(gpu.measured)
    shown = (1 + rules.loss_share) * (cpu.value + memory) + gpu.watts
    guessed = np.nan_to_num(gpu.measured) < gpu.watts
    watts = np.maximum(shown + rest, np.maximum(envelopes.idle + gpu.watts, least))
    parts = Parts(cpu.value, known, gpu.measured)
    return _candidate(
        source, "parts", cpu, parts, figures=(watts, least, np.where(guessed, np.nan, shown)), envelopes=envelopes
    )


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Measured parts of N nodes; NaN where not measured."""

    cpu_watts: Floats
    dram_watts: Floats
    gpu_watts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class GpuParts:
    """Accelerators of N nodes.

    Parameters
    ----------
    measured : float64 array, shape (N,)
        All of a node's; NaN where not measured.
    watts : float64 array, shape (N,)
        What they count as: those that are not measured at their limit, 0 where there are none.
    """

    measured: Floats
    watts: Floats

    @classmethod
    def of(cls, sums: Sequence[NodeSums], envelopes: Envelopes) -> "GpuParts":
        """Of the first source that tells."""
        measured, devices = np.full(len(envelopes.idle), np.nan), np.zeros(len(envelopes.idle))
        for each in sums:
            fresh = np.isnan(measured) & ~np.isnan(each.value)
            measured, devices = np.where(fresh, each.value, measured), np.where(fresh, each.devices, devices)
        unseen = np.maximum(envelopes.accelerators - devices, 0) * envelopes.accelerator_peak
        return cls(measured, np.nan_to_num(measured) + unseen)


def rest_watts(learned: Floats, least_parts: Floats, envelopes: Envelopes, rules: Rules) -> Floats:
    """What a node draws outside of its parts: as learned, else its idle draw less the least that its parts drew.

    Fans, disks, boards and losses are ``idle − (1 + loss)·least parts``; of a node that has been busy ever since that
    is too little, and no less than a stated part of idle counts.
    """
    from_idle = envelopes.idle - (1 + rules.loss_share) * least_parts
    stated = np.fmax(from_idle, rules.rest_share * envelopes.idle)
    return np.where(np.isnan(learned), stated, learned)


def _candidate(
    source: str,
    kind: Literal["wall", "parts"],
    sums: NodeSums,
    parts: Parts,
    *,
    figures: tuple[Floats, Floats, Floats],
    envelopes: Envelopes,
) -> Candidate:
    watts, least, shown = figures
    count = len(watts)
    return Candidate(
        source=source,
        kind=kind,
        watts=watts,
        least=least,
        shown=shown,
        age_s=sums.age_s,
        scrape_s=np.where(np.isnan(envelopes.scrape_s), sums.interval_s, envelopes.scrape_s),
        since_s=sums.since_s,
        reason=sums.reason.copy(),
        told=sums.told,
        cpu_watts=parts.cpu_watts,
        dram_watts=parts.dram_watts,
        gpu_watts=parts.gpu_watts,
        disagrees=np.zeros(count, dtype=np.bool_),
    )
