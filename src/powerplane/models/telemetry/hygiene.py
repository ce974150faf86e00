"""One answer of one source, judged: for each thing that it measures a value in the quantity's own unit, or why not.

Pure: what must be known from earlier rounds is passed in, and comes back renewed.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.faults import ThingStates, faults
from powerplane.models.telemetry.figures import best_of_each, figures_of, slots_of
from powerplane.models.telemetry.past import Past
from powerplane.models.telemetry.readings import Entity, Floats, Integers, Meaning, SeriesBlock, SourceReading
from powerplane.models.telemetry.remembered import SeriesMemory, SourceMemory
from powerplane.models.telemetry.rules import NODE_QUANTITIES, Rules
from powerplane.models.telemetry.samples import (
    Samples,
    in_order,
    leads,
    usable_samples,
    usual_interval_s,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedBlock:
    """What one metric tells of E things, present and remembered ones.

    Parameters
    ----------
    meaning : Meaning
    entities : tuple of Entity
        Length E, each once; of nodes and their devices by those names only.
    value : float64 array, shape (E,)
        In the quantity's own unit (watts, cores); NaN where there is none to use. Not yet held against what a node
        can draw.
    age_s : float64 array, shape (E,)
        Of the sample that it rests on; infinite where there is none.
    since_s : float64 array, shape (E,)
        For how long the value has been the same to the bit.
    reason : tuple of str
        Why there is no value; "" where there is one.
    interval_s : float
        Time between two samples.
    series : tuple of Entity
        What each series of the answer names, its pod included.
    thing : int64 array, shape (S,)
        Which of the E each series is about.
    """

    meaning: Meaning
    entities: tuple[Entity, ...]
    value: Floats
    age_s: Floats
    since_s: Floats
    reason: tuple[str, ...]
    interval_s: float
    series: tuple[Entity, ...]
    thing: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What an answer comes to.

    Parameters
    ----------
    source : str
    blocks : tuple of JudgedBlock
        In the source's order, so that the first of one quantity is its best.
    found : dict of int by verdict
        Bad series.
    memory : SourceMemory
        For the next round.
    """

    source: str
    blocks: tuple[JudgedBlock, ...]
    found: dict[str, int] = field(default_factory=dict)
    memory: SourceMemory = field(default_factory=SourceMemory)


@dataclass(frozen=True, slots=True)
class Clock:
    """When an answer is judged: ``evaluated_s`` by the source's clock is ``delay_s`` ago; now by ours is ``now_s``."""

    evaluated_s: float
    delay_s: float
    now_s: float

    def age_s(self, at_s: Floats) -> Floats:
        """Age of moments of the source's clock; infinite for NaN."""
        age = np.maximum(np.maximum(self.evaluated_s - at_s, 0.0) + self.delay_s, 0.0)
        return np.where(np.isnan(age), np.inf, age)


def judge(reading: SourceReading, memory: SourceMemory, rules: Rules, now_s: float | None = None) -> Judged:
    """Judge what a source said.

    Parameters
    ----------
    reading : SourceReading
    memory : SourceMemory
        Of this source, from the round before; ``SourceMemory()`` at first.
    rules : Rules
    now_s : float, optional
        Unix seconds by our clock; when the answer came, where it is not given.
    """
    now_s = reading.received_s if now_s is None else now_s
    found: Counter[str] = Counter(reading.refused)
    if not reading.error:
        memory = _with_clock(reading, memory)
        if abs(reading.received_s - reading.evaluated_s) > rules.skew_s:
            found["clock skew"] += 1
    else:
        found["no answer"] += 1
    clock = _clock(memory, now_s, rules)
    blocks, metrics = [], {}
    present = {block.meaning: block for block in reading.blocks}
    gone = [meaning for meaning in memory.metrics if meaning not in present and meaning.quantity in NODE_QUANTITIES]
    for meaning, block in (present | {meaning: _nothing(meaning) for meaning in gone}).items():
        known = memory.metrics.get(meaning) or SeriesMemory()
        judged, metrics[meaning] = judge_block(block, known, clock, rules, found)
        blocks.append(judged)
    counted = {name: number for name, number in found.items() if number}
    return Judged(reading.source, tuple(blocks), counted, replace(memory, metrics=metrics))


def _with_clock(reading: SourceReading, memory: SourceMemory) -> SourceMemory:
    """Remember when an answer first came: one that comes again was kept somewhere on its way, and is as old as that."""
    if reading.evaluated_s == memory.evaluated_s:
        return memory
    return replace(memory, source=reading.source, evaluated_s=reading.evaluated_s, received_s=reading.received_s)


def _clock(memory: SourceMemory, now_s: float, rules: Rules) -> Clock:
    """Return the clock of the last answer: ages are taken by the source's own, so that a wrong one does no harm.

    What has passed since the answer is by our clock; if that has been put back, nothing is known of it.
    """
    if memory.evaluated_s is None or memory.received_s is None:
        return Clock(0.0, float("inf"), now_s)
    passed_s = now_s - memory.received_s
    return Clock(memory.evaluated_s, passed_s if passed_s >= -rules.future_s else float("inf"), now_s)


def _nothing(meaning: Meaning) -> SeriesBlock:
    empty = np.empty(0, dtype=np.float64)
    return SeriesBlock(meaning, (), np.zeros(1, dtype=np.int64), empty, empty)


def judge_block(
    block: SeriesBlock, memory: SeriesMemory, clock: Clock, rules: Rules, found: Counter[str]
) -> tuple[JudgedBlock, SeriesMemory]:
    """Judge one metric.

    Parameters
    ----------
    block : SeriesBlock
    memory : SeriesMemory
        Of this metric.
    clock : Clock
    rules : Rules
    found : Counter
        Counts are added to it.
    """
    meaning = block.meaning
    lasting = meaning.quantity in NODE_QUANTITIES
    seen_after_s = clock.now_s - rules.forget_s if lasting else np.inf
    things, slot = slots_of(block.entities, memory, seen_after_s, devices=lasting)
    thing = things.of_slot[slot]
    past = Past(memory, things, clock.evaluated_s + rules.future_s)
    lead = leads(block, clock.evaluated_s, rules, past.leads(thing))
    samples, told = usable_samples(block, lead.lead_s, clock.evaluated_s, rules)
    samples = past.joined_to(in_order(slot[samples.series], samples.at_s, samples.value, len(things.of_slot))[0])
    interval_s = _interval_s(samples, memory, rules)
    figures, doubled = best_of_each(figures_of(samples, meaning, interval_s, rules), things, interval_s)
    notes = {name: _of_things(mask, thing, len(things)) for name, mask in told.items()}
    notes |= {"doubled": doubled, "reset": figures.reset, "absurd": notes.get("absurd", False) | figures.absurd}
    since_s = past.since_s(figures)
    here = _of_things(np.ones(len(thing), dtype=np.bool_), thing, len(things))
    value, age_s = figures.value * meaning.scale, clock.age_s(figures.at_s)
    still_s = np.where(np.isnan(since_s), 0.0, clock.age_s(since_s))
    state = ThingStates(meaning, value, age_s, still_s, figures, here, interval_s)
    wrong = faults(state, notes, rules)
    reasons = np.full(len(things), "", dtype=object)
    for name, mask in wrong.items():
        reasons[mask & (reasons == "")] = name
    gone = (~here & lasting) | (reasons == "missing")
    for name, mask in {**wrong, **notes, "late": state.late(rules), "missing": gone}.items():
        found[name] += int(np.count_nonzero(mask))
    value = np.where(reasons == "", value, np.nan)
    rows = {entity: row for row, entity in enumerate(things.entities)}
    renewed = SeriesMemory(
        rows=rows,
        at_s=figures.last_s,
        value=figures.raw,
        since_s=since_s,
        newest_s=past.renewed("newest_s", thing, lead.newest_s),
        lead_s=past.renewed("lead_s", thing, lead.lead_s),
        seen_s=past.renewed("seen_s", thing, np.full(len(thing), clock.now_s)),
        interval_s=interval_s,
    )
    entities, reason = things.entities, tuple(reasons.tolist())
    return JudgedBlock(meaning, entities, value, age_s, still_s, reason, interval_s, block.entities, thing), renewed


def _interval_s(samples: Samples, memory: SeriesMemory, rules: Rules) -> float:
    seen_s = usual_interval_s(samples)
    usual_s = seen_s if seen_s > 0 else memory.interval_s or rules.scrape_s
    return min(max(usual_s, 1.0), rules.slowest_scrape_s)


def _of_things(mask: Mask, thing: Integers, count: int) -> Mask:
    result = np.zeros(count, dtype=np.bool_)
    result[thing[mask]] = True
    return result
