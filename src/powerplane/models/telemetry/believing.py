"""What all sources say of whole nodes, each held against what a node can draw and against the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.candidates import (
    Candidate,
    GpuParts,
    Parts,
    parts_candidate,
    rest_watts,
    wall_candidate,
)
from powerplane.models.telemetry.choosing import Choice, choose
from powerplane.models.telemetry.envelope import Envelopes
from powerplane.models.telemetry.facts import NodeRows
from powerplane.models.telemetry.faults import LATE_SCRAPES
from powerplane.models.telemetry.hygiene import Judged, JudgedBlock
from powerplane.models.telemetry.node_sums import NodeSums, node_sums
from powerplane.models.telemetry.precedence import PRECEDENCE
from powerplane.models.telemetry.readings import Floats, Integers, Quantity
from powerplane.models.telemetry.remembered import NodeMemory, Run
from powerplane.models.telemetry.rules import NODE_QUANTITIES, Rules

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Believed:
    """What a round says of N nodes.

    Parameters
    ----------
    candidates : tuple of Candidate
        In order of precedence, each refused where it cannot be believed.
    choice : Choice
    gpu : GpuParts
    busy_cores : float64 array, shape (N,)
        CPUs in use; NaN where not measured.
    rest_watts, least_parts : float64 arrays, shape (N,)
        As remembered from now on.
    runs : dict of Run by candidate
    unmatched : dict of int by source
        Things of nodes that the cluster does not have.
    """

    candidates: tuple[Candidate, ...]
    choice: Choice
    gpu: GpuParts
    busy_cores: Floats
    rest_watts: Floats
    least_parts: Floats
    runs: dict[str, Run]
    unmatched: dict[str, int]


class Sums:
    """Each quantity of each node by each source.

    Parameters
    ----------
    judged : sequence of Judged
    names : NodeRows
    envelopes : Envelopes
    rules : Rules
    """

    def __init__(self, judged: Sequence[Judged], names: NodeRows, envelopes: Envelopes, rules: Rules) -> None:
        self._count = len(envelopes.idle)
        self._found: dict[tuple[Quantity, str], list[tuple[JudgedBlock, Integers]]] = {}
        self.unmatched: dict[str, int] = {}
        busy = _busy_devices(judged)
        for one in judged:
            for block in one.blocks:
                if block.meaning.quantity not in NODE_QUANTITIES:
                    continue
                rows = names.rows(entity.node for entity in block.entities)
                if strangers := int((rows < 0).sum()):
                    self.unmatched[one.source] = self.unmatched.get(one.source, 0) + strangers
                if block.meaning.quantity == "gpu watts":
                    block = _held_to_devices(block, rows, busy, envelopes, rules=rules)  # noqa: PLW2901  # what is read on is the held one
                self._found.setdefault((block.meaning.quantity, one.source), []).append((block, rows))

    def sources(self, quantity: Quantity) -> list[str]:
        """Who tells a quantity, by precedence; one that has no place in it comes last."""
        order = PRECEDENCE[quantity]
        told = [source for what, source in self._found if what == quantity]
        return sorted(told, key=lambda source: (order.index(source) if source in order else len(order), source))

    def of(self, quantity: Quantity, source: str) -> NodeSums | None:
        """One quantity by one source."""
        found = self._found.get((quantity, source), [])
        return node_sums([block for block, _ in found], [rows for _, rows in found], self._count)

    def each(self, quantity: Quantity) -> list[NodeSums]:
        """One quantity by every source that tells it, by precedence."""
        return [sums for source in self.sources(quantity) if (sums := self.of(quantity, source))]


def believe(
    judged: Sequence[Judged], names: NodeRows, envelopes: Envelopes, past: NodeMemory, *, now_s: float, rules: Rules
) -> Believed:
    """Hold what sources say of nodes against what these can draw, and against each other.

    Parameters
    ----------
    judged : sequence of Judged
    names : NodeRows
    envelopes : Envelopes
        Of the N nodes.
    past : NodeMemory
        Of the same nodes in the same order.
    now_s : float
    rules : Rules
    """
    sums = Sums(judged, names, envelopes, rules)
    gpu = GpuParts.of(sums.each("gpu watts"), envelopes)
    busy_cores = _first_of(sums.each("node cpu cores"), len(envelopes.idle))
    measured: list[tuple[str, NodeSums, NodeSums | None]] = []
    least_parts = past.least_parts
    for source in sums.sources("cpu watts"):
        if cpu := sums.of("cpu watts", source):
            measured.append((source, cpu, sums.of("dram watts", source)))
            dram = measured[-1][2]
            least_parts = np.fmin(least_parts, cpu.value + (np.nan_to_num(dram.value) if dram else 0.0))
    cpu_watts = _first_of([cpu for _, cpu, _ in measured], len(envelopes.idle))
    dram_watts = _first_of([dram for _, _, dram in measured if dram], len(envelopes.idle))
    parts = Parts(cpu_watts, dram_watts, gpu.measured)
    rest = rest_watts(past.rest_watts, least_parts, envelopes, rules)
    walls = [(source, wall) for source in sums.sources("node watts") if (wall := sums.of("node watts", source))]
    candidates = [
        *(wall_candidate(source, wall, parts, envelopes) for source, wall in walls),
        *(
            parts_candidate(source, (cpu, memory), gpu, rest, envelopes, rules=rules)
            for source, cpu, memory in measured
        ),
    ]
    least = envelopes.least(busy_cores, gpu.measured, rules)
    runs = {}
    for one in candidates:
        one.refuse(~np.isnan(one.watts), envelopes.faults(one.watts, least, rules))
        key = f"{one.source}/{one.kind}"
        runs[key] = _run(past.runs.get(key), one.watts, busy_cores)
        swing = runs[key].high_cores - runs[key].low_cores
        moved = (envelopes.cores > 0) & (swing > rules.busy_cores_share * envelopes.cores)
        one.refuse(moved & (one.since_s >= np.maximum(rules.frozen_busy_s, rules.missed * one.scrape_s)), "frozen")
    choice = choose(candidates, len(envelopes.idle), rules)
    return Believed(
        candidates=tuple(candidates),
        choice=choice,
        gpu=gpu,
        busy_cores=busy_cores,
        rest_watts=_learned_rest(candidates, choice, past, now_s - past.round_s, rules),
        least_parts=least_parts,
        runs=runs,
        unmatched=sums.unmatched,
    )


def _learned_rest(
    candidates: Sequence[Candidate], choice: Choice, past: NodeMemory, elapsed_s: float, rules: Rules
) -> Floats:
    """What nodes draw outside of their parts, where a wall reading stands beside them: up at once, down slowly."""
    parts = next((each for each in candidates if each.kind == "parts"), None)
    if parts is None:
        return past.rest_watts
    by_wall = np.zeros(len(choice.watts), dtype=np.bool_)
    for place, each in enumerate(candidates):
        by_wall |= (choice.candidate == place) & (each.kind == "wall")
    fresh = (
        by_wall & choice.fresh & parts.usable & ~np.isnan(parts.shown) & (parts.age_s <= LATE_SCRAPES * parts.scrape_s)
    )
    now = np.maximum(choice.watts - parts.shown, 0.0)
    fallen = past.rest_watts - (past.rest_watts - now) * min(max(elapsed_s / rules.learn_s, 0.0), 1.0)
    return np.where(fresh, np.fmax(now, np.where(np.isnan(fallen), now, fallen)), past.rest_watts)


def _first_of(sums: Sequence[NodeSums], count: int) -> Floats:
    result = np.full(count, np.nan)
    for each in sums:
        result = np.where(np.isnan(result), each.value, result)
    return result


def _busy_devices(judged: Sequence[Judged]) -> dict[tuple[str, str], float]:
    """Share of time in which accelerators work, by node as the source calls it, and device."""
    busy: dict[tuple[str, str], float] = {}
    for one in judged:
        for block in one.blocks:
            if block.meaning.quantity == "gpu utilisation":
                for entity, share in zip(block.entities, block.value.tolist(), strict=True):
                    key = entity.node, entity.device
                    busy[key] = max(busy.get(key, 0.0), 0.0 if np.isnan(share) else share)
    return busy


def _held_to_devices(
    block: JudgedBlock, rows: Integers, busy: dict[tuple[str, str], float], envelopes: Envelopes, *, rules: Rules
) -> JudgedBlock:
    """Refuse accelerators that draw more or less than one can."""
    ours = np.flatnonzero((rows >= 0) & ~np.isnan(block.value))
    devices = [block.entities[place] for place in ours.tolist()]
    shares = np.array([busy.get((device.node, device.device), np.nan) for device in devices], dtype=np.float64)
    faults = envelopes.device_faults(block.value[ours], rows[ours], shares, rules)
    if not (faults != "").any():
        return block
    value, reason = block.value.copy(), list(block.reason)
    for place, fault in zip(ours.tolist(), faults.tolist(), strict=True):
        if fault:
            value[place], reason[place] = np.nan, fault
    return replace(block, value=value, reason=tuple(reason))


def _run(past: Run | None, watts: Floats, busy_cores: Floats) -> Run:
    """Follow the use of CPU for as long as a reading stays the same to the bit."""
    if past is None:
        return Run(watts, busy_cores, busy_cores)
    same = watts == past.watts
    return Run(
        watts,
        np.where(same, np.fmin(past.low_cores, busy_cores), busy_cores),
        np.where(same, np.fmax(past.high_cores, busy_cores), busy_cores),
    )
