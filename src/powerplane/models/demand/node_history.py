"""Histories of nodes' watts made fit to be summed: what cannot be believed is a gap, and no gap is ever 0 W.

A short gap holds the last sample. A node whose newest sample is older than that counts at its worst case, over the
whole history and from now on: what it draws is not known, and a change of it is not what a forecast is to learn. A
longer gap of any other node counts as its median, and is remembered: a domain of which much is filled so has a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.arrays import Floats, Rows
from powerplane.models.demand.forecast import STALE_S
from powerplane.models.telemetry.envelope import Envelopes
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.rules import DEFAULT_RULES, Rules

Mask = NDArray[np.bool_]

LEAST_PARTS_QUANTILE = 0.01
"""Of a node's processors and memory over the history: what they draw without work."""

SAME, SAME_WHOLE_S = 4, 7200.0
"""Equal samples in a row that are a frozen sensor; of whole watts, for how long they must be equal."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeHistory:
    """Watts of N nodes over T even steps.

    Parameters
    ----------
    last_s : float
        Unix seconds of the newest step.
    step_s : float
    watts : float64 array, shape (N, T)
        Finite everywhere.
    filled : bool array, shape (N, T)
        Where a node that is measured now was not, and counts as its median.
    unmeasured : bool array, shape (N,)
        Nodes that count at their worst case.
    peak_watts : float64 array, shape (N,)
    """

    last_s: float
    step_s: float
    watts: Floats
    filled: Mask
    unmeasured: Mask
    peak_watts: Floats


def whole_watts(
    cpu: Floats, dram: Floats, gpu: Floats, facts: Sequence[NodeFacts], rules: Rules = DEFAULT_RULES
) -> Floats:
    """Estimate whole nodes by their parts, as readings of the present are: losses, and the rest that no part shows.

    Parameters
    ----------
    cpu, dram, gpu : float64 arrays, shape (N, T)
        NaN where not measured. Accelerators that are not measured count at their limit.
    facts : sequence of NodeFacts, length N
    rules : Rules
    """
    known = Envelopes.of(facts)
    # No lit processor draws nothing: its counter stands still.
    cpu = np.where(cpu > 0, cpu, np.nan)
    memory = np.where(np.isfinite(dram), dram, rules.dram_share * cpu)
    limit = known.accelerators * known.accelerator_peak
    cards = np.where(np.isfinite(gpu), gpu, limit[:, None])
    least = _low(cpu + np.nan_to_num(dram))
    loss = 1 + rules.loss_share
    rest = np.fmax(known.idle - loss * least, rules.rest_share * known.idle)
    return np.maximum(loss * (cpu + memory) + cards + rest[:, None], known.idle[:, None] + cards)


def believed(watts: Floats, facts: Sequence[NodeFacts], rules: Rules = DEFAULT_RULES) -> Floats:
    """Make gaps of samples that no such node draws.

    Parameters
    ----------
    watts : float64 array, shape (N, T)
    facts : sequence of NodeFacts, length N
    rules : Rules
    """
    known = Envelopes.of(facts)
    # A node that its kubelet reports of is lit.
    low = np.where(known.ready, rules.low_share * known.idle, 0.0)[:, None]
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(watts) & (watts > 0) & (watts >= low) & (watts <= rules.high_share * known.peak[:, None])
    return np.where(sound, watts, np.nan)


def thawed(watts: Floats, step_s: float) -> Floats:
    """Make gaps of the samples of a frozen sensor: those that stay the same to the bit for too long.

    Parameters
    ----------
    watts : float64 array, shape (N, T)
        As a sensor said them.
    step_s : float
    """
    same = _same_for(watts)
    most = np.where(watts == np.round(watts), max(SAME, round(SAME_WHOLE_S / step_s)), SAME)
    return np.where(same > most, np.nan, watts)


def complete(watts: Floats, facts: Sequence[NodeFacts], last_s: float, step_s: float) -> NodeHistory:
    """Fill every gap.

    Parameters
    ----------
    watts : float64 array, shape (N, T)
        NaN in gaps; T of 1 or more.
    facts : sequence of NodeFacts, length N
    last_s, step_s : float
    """
    peak = Envelopes.of(facts).peak
    steps = np.arange(watts.shape[1])
    seen = np.isfinite(watts)
    newest = np.maximum.accumulate(np.where(seen, steps, -1), axis=1)
    is_held = (newest >= 0) & ((steps - newest) * step_s <= STALE_S)
    held = np.where(is_held, np.take_along_axis(watts, np.maximum(newest, 0), axis=1), np.nan)
    unmeasured: Mask = ~is_held[:, -1]
    filled = ~is_held & ~unmeasured[:, None]
    result = np.where(filled, _medians(watts)[:, None], held)
    return NodeHistory(last_s, step_s, np.where(unmeasured[:, None], peak[:, None], result), filled, unmeasured, peak)


def _medians(watts: Floats) -> Floats:
    """Median of each row's known samples, shape (N,); NaN without any."""
    return _quantile(watts, 0.5)


def _low(watts: Floats) -> Floats:
    return _quantile(watts, LEAST_PARTS_QUANTILE)


def _quantile(watts: Floats, share: float) -> Floats:
    found = np.full(len(watts), np.nan)
    some = np.isfinite(watts).any(axis=1)
    found[some] = np.nanquantile(watts[some], share, axis=1)
    return found


def _same_for(watts: Floats) -> Rows:
    """How many equal samples in a row, gaps between them aside, each sample is one of; 0 in gaps."""
    found = np.zeros(watts.shape, dtype=np.int64)
    for row, samples in enumerate(watts):
        at = np.flatnonzero(np.isfinite(samples))
        if len(at):
            run = np.concatenate([[0], np.cumsum(np.diff(samples[at]) != 0)])
            found[row, at] = np.bincount(run)[run]
    return found
