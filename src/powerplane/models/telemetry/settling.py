"""What each node counts as: measured, held, or its worst case; and what is remembered of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.believing import Believed
from powerplane.models.telemetry.candidates import Candidate
from powerplane.models.telemetry.envelope import Envelopes
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.faults import LATE_SCRAPES
from powerplane.models.telemetry.node_readings import NodeReadings, NodeState
from powerplane.models.telemetry.readings import Floats
from powerplane.models.telemetry.remembered import NodeMemory
from powerplane.models.telemetry.rules import Rules

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Dark:
    """Nodes without draw: by which candidate, since when it says so, and whether it has said so for long enough."""

    candidate: NDArray[np.int64]
    since_s: Floats
    settled: Mask


def settle(
    nodes: Sequence[NodeFacts],
    believed: Believed,
    envelopes: Envelopes,
    past: NodeMemory,
    *,
    now_s: float,
    rules: Rules,
) -> tuple[NodeMemory, NodeReadings]:
    """Say what each node counts as.

    Parameters
    ----------
    nodes : sequence of NodeFacts, length N
    believed : Believed
    envelopes : Envelopes
    past : NodeMemory
        Of the same nodes in the same order.
    now_s : float
    rules : Rules
    """
    choice, candidates = believed.choice, believed.candidates
    dark = _dark(believed, envelopes, past, now_s, rules)
    chosen = np.where(dark.settled, dark.candidate, choice.candidate)
    now = chosen >= 0
    # What has been found frozen since was not good either.
    trusted = np.array([_still_trusted(candidates, name, row) for row, name in enumerate(past.source)], dtype=np.bool_)
    # A clock that was put back leaves readings in its future.
    remembered = ~now & trusted & (now_s < past.until_s) & (past.at_s <= now_s + rules.future_s)
    worst = ~now & ~remembered
    watts = np.where(now, _pick(candidates, chosen, "watts"), past.watts)
    watts = np.where(worst, np.fmax(_worst_watts(candidates, envelopes, rules), past.watts), watts)
    at_s = np.where(now, now_s - _pick(candidates, chosen, "age_s"), past.at_s)
    fresh = (choice.fresh & (chosen == choice.candidate)) | dark.settled
    state: tuple[NodeState, ...] = tuple(
        "worst" if w else "measured" if f else "held" for w, f in zip(worst.tolist(), fresh.tolist(), strict=True)
    )
    source = tuple(
        candidates[place].source if place >= 0 else known if held else ""
        for place, known, held in zip(chosen.tolist(), past.source, remembered.tolist(), strict=True)
    )
    scrape_s = _pick(candidates, chosen, "scrape_s")
    memory = NodeMemory(
        rows={node.name: row for row, node in enumerate(nodes)},
        watts=np.where(now & ~dark.settled, watts, past.watts),
        at_s=at_s,
        until_s=np.where(now, at_s + rules.missed * scrape_s, past.until_s),
        source=tuple(s or known for s, known in zip(source, past.source, strict=True)),
        rest_watts=believed.rest_watts,
        least_parts=believed.least_parts,
        dark_since_s=dark.since_s,
        runs=believed.runs,
        round_s=now_s,
    )
    told = NodeReadings(
        at_s=now_s,
        nodes=tuple(node.name for node in nodes),
        watts=watts,
        state=state,
        source=source,
        age_s=np.where(np.isfinite(at_s), np.maximum(now_s - at_s, 0.0), np.inf),
        why=_why(believed, dark, chosen),
        dark=frozenset(nodes[row].name for row in np.flatnonzero(dark.settled).tolist()),
        cpu_watts=_first_known(candidates, "cpu_watts", len(nodes)),
        dram_watts=_first_known(candidates, "dram_watts", len(nodes)),
        gpu_watts=believed.gpu.measured,
    )
    return memory, told


def _dark(believed: Believed, envelopes: Envelopes, past: NodeMemory, now_s: float, rules: Rules) -> _Dark:
    """Ensures that a node counts as dark only if the wall says so again and again, and nothing else says otherwise.

    Its kubelet must not report, no source may tell of any draw, and a fresh wall reading must have been below what
    its management controller draws for a stated while.
    """
    count = len(envelopes.idle)
    candidate = np.full(count, -1, dtype=np.int64)
    for place, each in enumerate(believed.candidates):
        fresh = each.age_s <= LATE_SCRAPES * each.scrape_s
        with np.errstate(invalid="ignore"):
            low = (each.watts >= 0) & (each.watts < rules.dark_share * envelopes.idle)
        if each.kind == "wall":
            candidate = np.where((candidate < 0) & low & fresh, place, candidate)
    alive = (believed.choice.candidate >= 0) | (np.nan_to_num(believed.gpu.measured) > 0)
    for each in believed.candidates:
        if each.kind == "parts":
            alive |= np.nan_to_num(each.least) > 0
    alive |= np.nan_to_num(believed.busy_cores) > 0
    maybe = (candidate >= 0) & ~alive & ~envelopes.ready
    # A reading that has been the same for a while has been dark for as long.
    same_s = np.nan_to_num(_pick(believed.candidates, candidate, "since_s"))
    since_s = np.where(maybe, np.fmin(past.dark_since_s, now_s - same_s), np.nan)
    with np.errstate(invalid="ignore"):
        settled = maybe & (now_s - since_s >= rules.dark_s)
    return _Dark(candidate, since_s, settled)


def _worst_watts(candidates: Sequence[Candidate], envelopes: Envelopes, rules: Rules) -> Floats:
    """The most that nodes may draw: their peak; where a source says more, the most that would be believed."""
    more = np.zeros(len(envelopes.peak), dtype=np.bool_)
    for each in candidates:
        more |= each.reason == "too high"
    return np.where(more, rules.high_share * envelopes.peak, envelopes.peak)


def _still_trusted(candidates: Sequence[Candidate], source: str, row: int) -> bool:
    return not any(each.source == source and each.reason[row].startswith("frozen") for each in candidates)


def _pick(candidates: Sequence[Candidate], chosen: NDArray[np.int64], name: str) -> Floats:
    """A column of each node's candidate; NaN where it has none."""
    result = np.full(len(chosen), np.nan)
    for place, each in enumerate(candidates):
        result = np.where(chosen == place, getattr(each, name), result)
    return result


def _first_known(candidates: Sequence[Candidate], name: str, count: int) -> Floats:
    result = np.full(count, np.nan)
    for each in candidates:
        result = np.where(np.isnan(result), getattr(each, name), result)
    return result


def _why(believed: Believed, dark: _Dark, chosen: NDArray[np.int64]) -> tuple[str, ...]:
    """What was wrong, a sentence a source, for each node."""
    words: list[list[str]] = [[] for _ in chosen]
    for place, each in enumerate(believed.candidates):
        for row in np.flatnonzero(each.reason != "").tolist():
            if not (dark.settled[row] and chosen[row] == place):
                words[row].append(f"{each.source}: {each.reason[row]}")
        for row in np.flatnonzero(each.disagrees).tolist():
            words[row].append(f"{each.source}: disagrees, the higher counts")
    by_parts = np.zeros(len(chosen), dtype=np.bool_)
    for place, each in enumerate(believed.candidates):
        by_parts |= (chosen == place) & (each.kind == "parts")
    for row in np.flatnonzero(by_parts & (believed.gpu.watts > np.nan_to_num(believed.gpu.measured))).tolist():
        words[row].append("accelerators: not all measured, the others count at their limit")
    for row in np.flatnonzero(dark.settled).tolist():
        words[row].append(f"{believed.candidates[int(chosen[row])].source}: dark, and the node is not ready")
    return tuple("; ".join(each) for each in words)
