"""Histories of metrics into samples that a fit can learn from: one utilisation and one wall power a node and step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.telemetry.readings import Floats, Integers, SeriesBlock
from powerplane.models.watts.samples import NodeSamples

IDLE_QUANTILE = 0.01
"""Of an accelerator's watts over the history: what it draws without work."""

ENOUGH = 0.5
"""Share of the best covered source's samples from which on a better source is preferred."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal steps of time, both ends included."""

    start_s: float
    step_s: float
    count: int

    @property
    def at_s(self) -> Floats:
        """Unix seconds of each step."""
        return self.start_s + self.step_s * np.arange(self.count, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One quantity of N nodes over T steps, devices added up.

    Parameters
    ----------
    total : float64 array, shape (N, T)
        NaN where any device of the node is missing.
    above_idle : float64 array, shape (N, T)
        The same less what each device draws without work.
    devices: int64 array, shape (N,)
        How many were added up.
    """

    total: Floats
    above_idle: Floats
    devices: Integers

    @property
    def mean(self) -> Floats:
        """Of a node's devices, shape (N, T): what a temperature or a speed is."""
        found: Floats = self.total / np.maximum(self.devices, 1)[:, None]
        return found


def tabulate(blocks: Sequence[SeriesBlock], nodes: Sequence[str], grid: Grid, match: Callable[[str], str]) -> Table:
    """Put metrics of one quantity and source into one table, in the quantity's unit.

    Parameters
    ----------
    blocks : sequence of SeriesBlock
        Alternatives, the better one first: a device that an earlier one has is not taken from a later one. Rows of
        different parts add up.
    nodes : sequence of str
    grid : Grid
    match : callable
        The node that a name in a series means, "" for none.
    """
    place = {name: row for row, name in enumerate(nodes)}
    devices: dict[tuple[int, str, str], Floats] = {}
    origin: dict[tuple[int, str], int] = {}
    for number, block in enumerate(blocks):
        for series, entity in enumerate(block.entities):
            row = place.get(match(entity.node))
            if row is None or origin.setdefault((row, block.meaning.part), number) != number:
                continue
            span = slice(block.offsets[series], block.offsets[series + 1])
            values = _on_grid(block.at_s[span], block.value[span], grid)
            if block.meaning.kind == "counter":
                values = _rates(values, grid.step_s)
            key = (row, block.meaning.part, entity.device)
            known = devices.get(key)
            scaled = values * block.meaning.scale
            devices[key] = scaled if known is None else np.where(np.isfinite(known), known, scaled)
    total, above = (np.full((len(nodes), grid.count), np.nan) for _ in range(2))
    number_of = np.zeros(len(nodes), dtype=np.int64)
    for (row, _, _), values in devices.items():
        number_of[row] += 1
        finite = values[np.isfinite(values)]
        idle = float(np.quantile(finite, IDLE_QUANTILE)) if len(finite) else 0.0
        for table, added in ((total, values), (above, np.maximum(values - idle, 0.0))):
            table[row] = added if np.isnan(table[row]).all() else table[row] + added
    return Table(total, above, number_of)


def choose_watts(tables: Mapping[str, Floats], nodes: int) -> tuple[list[str], Floats]:
    """Take each node's watts from the first source that covers it well.

    Parameters
    ----------
    tables : mapping of float64 array, shape (N, T)
        By source, the most believed first.
    nodes : int

    Returns
    -------
    tuple
        The source of each node, "" for none, and watts of shape (N, T).
    """
    sources = list(tables)
    if not sources:
        return [""] * nodes, np.full((nodes, 0), np.nan)
    counts = np.array([np.isfinite(tables[source]).sum(axis=1) for source in sources])
    good = (counts > 0) & (counts >= ENOUGH * counts.max(axis=0))
    first = np.argmax(good, axis=0)
    watts = np.stack([tables[sources[place]][row] for row, place in enumerate(first)])
    return [sources[place] if good[place, row] else "" for row, place in enumerate(first)], watts


def or_nothing(table: Floats) -> Floats:
    """Return a table with 0 for nodes that have none of it at all; a node that misses some of it stays unknown."""
    filled = table.copy()
    filled[~np.isfinite(table).any(axis=1)] = 0.0
    return filled


def node_samples(watts: Floats, cores: Floats, capacity_cores: float | None, grid: Grid) -> NodeSamples:
    """Pair one node's watts with its use.

    Parameters
    ----------
    watts, cores : float64 arrays, shape (T,)
        NaN where not measured; such steps are left out.
    capacity_cores : float or None
        The node's allocatable CPUs; the counter is then a utilisation, otherwise cores.
    grid : Grid
    """
    there = np.isfinite(watts) & np.isfinite(cores)
    return NodeSamples.of_series(grid.at_s[there], cores[there] / (capacity_cores or 1.0), watts[there])


def _on_grid(at_s: Floats, value: Floats, grid: Grid) -> Floats:
    """Put the samples of one series on the grid; the last of several in a step."""
    found = np.full(grid.count, np.nan)
    steps = np.round((at_s - grid.start_s) / grid.step_s)
    within = (steps >= 0) & (steps < grid.count)
    found[steps[within].astype(np.int64)] = value[within]
    return found


def _rates(values: Floats, step_s: float) -> Floats:
    """Rise a second over each step; a fall is a restart, whose step is left out."""
    rates = np.diff(values, prepend=np.nan) / step_s
    return np.where(rates >= 0, rates, np.nan)
