"""What the samples of each series come to, and of several series of one thing the one that counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.rates import rates
from powerplane.models.telemetry.readings import Entity, Floats, Integers, Meaning
from powerplane.models.telemetry.remembered import SeriesMemory
from powerplane.models.telemetry.rules import Rules
from powerplane.models.telemetry.samples import Samples, unchanged_since

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Things:
    """E things that are measured, and the slots of their series: slot e is thing e's first; further ones come after.

    Parameters
    ----------
    entities : tuple of Entity
        Those of this answer, then those that are remembered.
    of_slot : int64 array
        Thing of each slot.
    several : bool array, shape (E,)
        Whether it has more than one series.
    twins : bool array, shape (E,)
        Whether two of its series name the very same, pod and container included.
    """

    entities: tuple[Entity, ...]
    of_slot: Integers
    several: Mask
    twins: Mask

    def __len__(self) -> int:
        return len(self.entities)


def slots_of(
    entities: Sequence[Entity], memory: SeriesMemory, seen_after_s: float, *, devices: bool
) -> tuple[Things, Integers]:
    """Number things and their series.

    Parameters
    ----------
    entities : sequence of Entity, length S
    memory : SeriesMemory
    seen_after_s : float
        Remembered things that were seen since count as well.
    devices : bool
        Whether things are nodes and their devices, whichever pod holds one.

    Returns
    -------
    things : Things
    slot : int64 array, shape (S,)
        Slot of each series.
    """
    keys = [Entity(node=each.node, device=each.device) for each in entities] if devices else entities
    rows: dict[Entity, int] = {}
    thing = np.fromiter((rows.setdefault(key, len(rows)) for key in keys), np.int64, len(keys))
    further = np.ones(len(thing), dtype=np.bool_)
    further[np.unique(thing, return_index=True)[1]] = False
    seen = memory.seen_s
    names = (*rows, *(e for e, row in memory.rows.items() if seen[row] > seen_after_s and e not in rows))
    slot = thing.copy()
    slot[further] = len(names) + np.arange(int(further.sum()))
    several, twins = np.zeros(len(names), dtype=np.bool_), np.zeros(len(names), dtype=np.bool_)
    several[thing[further]] = True
    known: set[Entity] = set()
    for row in np.flatnonzero(several[thing]).tolist() if further.any() else ():
        twins[thing[row]] |= entities[row] in known
        known.add(entities[row])
    return Things(names, np.concatenate([np.arange(len(names)), thing[further]]), several, twins), slot


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What samples come to, one figure a slot or a thing.

    Parameters
    ----------
    value, at_s : float64 arrays
        In exported units (of a counter: a second), and when it was true; NaN where there is none.
    raw, last_s : float64 arrays
        The last sample.
    since_s : float64 array
        Since when that has been the same.
    whole : bool array
        Whether all samples there are have been the same.
    sampled, reset, absurd : bool arrays
        Whether there is a sample; whether a counter fell, or leapt.
    """

    value: Floats
    at_s: Floats
    raw: Floats
    last_s: Floats
    since_s: Floats
    whole: Mask
    sampled: Mask
    reset: Mask
    absurd: Mask

    def of(self, rows: Integers) -> "Figures":
        """Those of some rows."""
        return Figures(*(getattr(self, name)[rows] for name in self.__slots__))


def figures_of(samples: Samples, meaning: Meaning, interval_s: float, rules: Rules) -> Figures:
    """Work out each slot's figure: its last sample, or its rate."""
    end, there = samples.ends()
    nothing = np.full(samples.count, np.nan)
    raw, last_s = nothing.copy(), nothing.copy()
    raw[there], last_s[there] = samples.value[end[there]], samples.at_s[end[there]]
    since_s, whole = unchanged_since(samples)
    never = np.zeros(samples.count, dtype=np.bool_)
    if meaning.kind == "gauge":
        return Figures(raw, last_s, raw, last_s, since_s, whole, there, never, never)
    found = rates(
        samples,
        span_s=max(rules.rate_s, 2.5 * interval_s),
        gap_s=rules.gap_s,
        most=rules.most.get(meaning.quantity, np.inf) / meaning.scale,
    )
    return Figures(found.value, found.at_s, raw, last_s, since_s, whole, there, found.reset, found.absurd)


def best_of_each(figures: Figures, things: Things, interval_s: float) -> tuple[Figures, Mask]:
    """Of several series of one thing, take the highest of those that are live.

    A series is live while its last figure is no more than a scrape older than the freshest: where an exporter has been
    moved, its old series stay in the window for a while.

    Returns
    -------
    figures : Figures
        One a thing.
    doubled : bool array
        Things with more than one live series that name the very same; several pods may share one device.
    """
    count = len(things)
    if len(things.of_slot) == count:
        return figures, np.zeros(count, dtype=np.bool_)
    at_s = np.where(np.isnan(figures.at_s), -np.inf, figures.at_s)
    freshest = np.full(count, -np.inf)
    np.maximum.at(freshest, things.of_slot, at_s)
    live = np.isfinite(at_s) & (at_s >= freshest[things.of_slot] - interval_s)
    value = np.where(live, figures.value, -np.inf)
    order = np.lexsort((value, live, things.of_slot))
    last = np.append(things.of_slot[order][1:] != things.of_slot[order][:-1], True)
    doubled = (np.bincount(things.of_slot[live], minlength=count) > 1) & things.twins
    return figures.of(order[last]), doubled
