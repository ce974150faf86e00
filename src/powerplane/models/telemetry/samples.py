"""Samples in ragged columns: which may be used, in the order of time, each time once."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.readings import Floats, Integers, SeriesBlock
from powerplane.models.telemetry.rules import NOISY, Rules

Mask = NDArray[np.bool_]

BLANKS = (9_223_372_036_854_775_792, 140_737_488_355_328, 2_147_483_632)
"""First of each four numbers that DCGM writes for no value: of 64 bits, of floats, of 32 bits (dcgm_structs.h)."""

SLACK = 1e6
"""What may be in another unit is left to the node's envelope, which names it."""

MOST_AHEAD_S = 45.0
"""How far ahead a clock may be for its samples still to be dated, by its own newest one."""

OLDEST_S = 1e9
"""No sample is decades old: such a time is none."""

BLANK_FLOOR = 9.2e18
"""No reading is that high, while DCGM's blanks of 64 bits, as floats, are some number above it."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """M samples of S series, by series and then by time, each time once.

    Parameters
    ----------
    series : int64 array, shape (M,)
        Row of each sample's series, never falling.
    at_s, value : float64 arrays, shape (M,)
    count : int
        S.
    """

    series: Integers
    at_s: Floats
    value: Floats
    count: int

    def bounds(self) -> tuple[Integers, Integers]:
        """First sample of each series and the one after its last, shape (S,) each; equal where it has none."""
        rows = np.arange(self.count)
        return np.searchsorted(self.series, rows, side="left"), np.searchsorted(self.series, rows, side="right")

    def ends(self) -> tuple[Integers, Mask]:
        """Last sample of each series, shape (S,), and which series have one; 0 where none."""
        first, after = self.bounds()
        there = after > first
        return np.where(there, after - 1, 0), there


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """How far the clocks that date S series are ahead of their source's; arrays of shape (S,).

    Parameters
    ----------
    newest_s : float64 array
        When the newest sample says that it was taken; minus infinity for none.
    lead_s : float64 array
        What is taken off all of the series' times; 0 for clocks that are not ahead.
    """

    newest_s: Floats
    lead_s: Floats


def leads(block: SeriesBlock, evaluated_s: float, rules: Rules, before: Leads) -> Leads:
    """Find clocks that are ahead: a newest sample cannot be newer than the answer, and is taken to be as old.

    Where no newer sample has come since the round before, the lead is what it was: else samples of such a clock would
    look fresh for as long as it is ahead.

    Parameters
    ----------
    block : SeriesBlock
    evaluated_s : float
    rules : Rules
    before : Leads
        As remembered; NaN where nothing is.
    """
    newest_s = np.full(len(block.entities), -np.inf)
    series = np.repeat(np.arange(len(newest_s)), np.diff(block.offsets))
    np.maximum.at(newest_s, series, np.where(np.isfinite(block.at_s), block.at_s, -np.inf))
    ahead_s = newest_s - evaluated_s
    now_s = np.where((ahead_s > rules.future_s) & (ahead_s <= MOST_AHEAD_S), ahead_s, 0.0)
    return Leads(newest_s, np.where(newest_s == before.newest_s, np.fmax(before.lead_s, now_s), now_s))


def usable_samples(
    block: SeriesBlock, lead_s: Floats, evaluated_s: float, rules: Rules
) -> tuple[Samples, dict[str, Mask]]:
    """Take what can be used of a block.

    Parameters
    ----------
    block : SeriesBlock
    lead_s : float64 array, shape (S,)
        How far each series' clock is ahead.
    evaluated_s : float
        When its source answered, by the source's clock.
    rules : Rules

    Returns
    -------
    samples : Samples
    notes : dict of bool arrays by verdict, shape (S,)
        Which series had such samples.
    """
    count = len(block.entities)
    series = np.repeat(np.arange(count), np.diff(block.offsets))
    block = replace(block, at_s=block.at_s - lead_s[series]) if lead_s.any() else block
    faults = sample_faults(block, evaluated_s, rules)
    notes = {name: _any(series, mask, count) for name, mask in faults.items() if mask.any()}
    if lead_s.any():
        notes["future"] = notes.get("future", False) | (lead_s > 0)
    good = ~np.logical_or.reduce(list(faults.values()))
    series, at_s, value = series[good], block.at_s[good], block.value[good]
    same = series[1:] == series[:-1]
    fallen = same & (at_s[1:] < at_s[:-1])
    if fallen.any():
        notes["disordered"] = _any(series[1:], fallen, count)
    samples, repeated = in_order(series, at_s, value, count)
    if repeated.any():
        notes["repeated"] = repeated
    return samples, notes


def sample_faults(block: SeriesBlock, evaluated_s: float, rules: Rules) -> dict[str, Mask]:
    """What is wrong with each sample, by verdict; each sample under the first that fits."""
    value, at_s, meaning = block.value, block.at_s, block.meaning
    most = rules.most.get(meaning.quantity, np.inf) if meaning.kind == "gauge" else np.inf
    if meaning.quantity in NOISY:
        most *= SLACK
    undated = ~np.isfinite(at_s) | (at_s < evaluated_s - OLDEST_S)
    with np.errstate(invalid="ignore", over="ignore"):
        checks = {
            "undated": undated,
            "future": at_s > evaluated_s + rules.future_s,
            "nan": np.isnan(value),
            "infinite": np.isinf(value),
            "blank": is_blank(value),
            "negative": value < 0 if meaning.quantity not in ("celsius", "info") else np.zeros(len(value), np.bool_),
            "absurd": value * meaning.scale > most,
        }
    left = np.ones(len(value), dtype=np.bool_)
    faults = {}
    for name, mask in checks.items():
        faults[name] = mask & left
        left &= ~mask
    return faults


def is_blank(value: Floats) -> Mask:
    """Which values are no values."""
    blank: Mask = value >= BLANK_FLOOR
    for first in BLANKS[1:]:
        blank |= (value >= first) & (value <= first + 3) & (value == np.floor(value))
    return blank


def in_order(series: Integers, at_s: Floats, value: Floats, count: int) -> tuple[Samples, Mask]:
    """Sort by series and time; of several values at one time the highest counts. Which series had such, shape (S,)."""
    step = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (at_s[1:] > at_s[:-1]))
    if step.all():
        return Samples(series, at_s, value, count), np.zeros(count, dtype=np.bool_)
    order = np.lexsort((value, at_s, series))
    series, at_s, value = series[order], at_s[order], value[order]
    twice = (series[1:] == series[:-1]) & (at_s[1:] == at_s[:-1])
    repeated = _any(series[1:], twice & (value[1:] != value[:-1]), count)
    last = np.append(~twice, True)
    return Samples(series[last], at_s[last], value[last], count), repeated


def with_remembered(samples: Samples, rows: Integers, at_s: Floats, value: Floats) -> Samples:
    """Add one remembered sample to some series (rows, shape (R,), rising), unless they have samples of that time."""
    first, after = samples.bounds()
    first, after = first[rows], after[rows]
    empty = first == after
    edge = max(len(samples.at_s) - 1, 0)
    times = samples.at_s if len(samples.at_s) else np.zeros(1)
    before = empty | (at_s < times[np.minimum(first, edge)])
    behind = ~before & (at_s > times[np.maximum(after - 1, 0)])
    added = before | behind
    place = np.where(before, first, after)[added]
    return Samples(
        series=np.insert(samples.series, place, rows[added]),
        at_s=np.insert(samples.at_s, place, at_s[added]),
        value=np.insert(samples.value, place, value[added]),
        count=samples.count,
    )


def unchanged_since(samples: Samples) -> tuple[Floats, Mask]:
    """Since when each series has had its last value, shape (S,), and whether that is true of all of its samples.

    The time is that of the first sample of the last run of bit-identical values; NaN for a series without samples.
    """
    first, _ = samples.bounds()
    end, there = samples.ends()
    fresh = np.ones(len(samples.value), dtype=np.bool_)
    fresh[1:] = (samples.series[1:] != samples.series[:-1]) | (samples.value[1:] != samples.value[:-1])
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0)) if len(fresh) else first
    run = start[end] if len(start) and there.any() else np.zeros(samples.count, dtype=np.int64)
    since = np.full(samples.count, np.nan)
    since[there] = samples.at_s[run[there]]
    return since, there & (run == first)


def usual_interval_s(samples: Samples) -> float:
    """Median time between two samples of a series; NaN where no series has two."""
    same = samples.series[1:] == samples.series[:-1]
    steps = np.diff(samples.at_s)[same]
    return float(np.median(steps)) if len(steps) else float("nan")


def _any(series: Integers, mask: Mask, count: int) -> Mask:
    result = np.zeros(count, dtype=np.bool_)
    result[series[mask]] = True
    return result
