"""Demand from history: what pods used at equal steps of the last hours or days, taken in step by step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerplane.models.demand.arrays import Floats, Rows
from powerplane.models.demand.memory import DemandMemory
from powerplane.models.telemetry.readings import SeriesBlock
from powerplane.models.telemetry.rules import MOST

Name = tuple[str, str]
"""Namespace and pod."""

MISSED_STEPS = 2.5
"""Two samples of a counter further apart than so many steps say nothing about any one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class PodHistory:
    """What P pods used at T equal steps; NaN where nothing is known.

    Parameters
    ----------
    start_s, step_s : float
        Unix seconds of the first step, and between two.
    cores, accelerator_watts : float64 arrays, shape (P, T)
    """

    start_s: float
    step_s: float
    cores: Floats
    accelerator_watts: Floats

    def teach(self, memory: DemandMemory, owners: Iterable[str]) -> int:
        """Let a memory take the history in, oldest step first; return how many steps had a figure.

        Parameters
        ----------
        memory : DemandMemory
            Changed in place.
        owners : iterable of str
            Of each pod.
        """
        rows = memory.rows(owners)
        known = np.flatnonzero((~np.isnan(self.cores) | ~np.isnan(self.accelerator_watts)).any(axis=0))
        for step in known.tolist():
            at_s = self.start_s + step * self.step_s
            memory.observe(rows, self.cores[:, step], self.accelerator_watts[:, step], at_s)
        return len(known)


def read_history(
    names: Sequence[Name], cores: Sequence[SeriesBlock], gpu_watts: Sequence[SeriesBlock], step_s: float
) -> PodHistory | None:
    """Put histories of pods on one grid; None where there is none.

    Parameters
    ----------
    names : sequence of (namespace, pod)
        Pods of the cluster; history of other pods is passed over.
    cores, gpu_watts : sequence of SeriesBlock
        Rows of "pod cpu cores" and "gpu watts", counters or gauges; of several blocks each pod is taken from the
        first that has it. A pod's devices add up.
    step_s : float
        Time between two values; more than 0.
    """
    blocks = [block for block in (*cores, *gpu_watts) if len(block.at_s)]
    if not names or not blocks:
        return None
    start_s = min(float(block.at_s.min()) for block in blocks)
    end_s = max(float(block.at_s.max()) for block in blocks)
    steps = round((end_s - start_s) / step_s) + 1
    grid = _Grid({name: row for row, name in enumerate(names)}, start_s, step_s, steps)
    return PodHistory(start_s, step_s, grid.of(cores), grid.of(gpu_watts))


def take_history(
    memory: DemandMemory,
    owner_of: Mapping[Name, str],
    cores: Sequence[SeriesBlock],
    gpu_watts: Sequence[SeriesBlock],
    step_s: float,
) -> int:
    """Let a memory take histories of pods in, by owner; see ``read_history`` and ``PodHistory.teach``."""
    history = read_history(list(owner_of), cores, gpu_watts, step_s)
    return history.teach(memory, owner_of.values()) if history is not None else 0


class _Grid:
    """P pods by T steps.

    Parameters
    ----------
    row_of : mapping of Name to int
    start_s, step_s : float
    steps : int
    """

    def __init__(self, row_of: Mapping[Name, int], start_s: float, step_s: float, steps: int) -> None:
        self._row_of = row_of
        self._start_s = start_s
        self._step_s = step_s
        self._steps = steps

    def of(self, blocks: Sequence[SeriesBlock]) -> Floats:
        """Values of pods, NaN where there are none, shape (P, T)."""
        result = np.full((len(self._row_of), self._steps), np.nan)
        for block in blocks:
            found = self._block(block)
            empty = np.isnan(result).all(axis=1)
            result[empty] = found[empty]
        return result

    def _block(self, block: SeriesBlock) -> Floats:
        pods = np.array(
            [self._row_of.get((entity.namespace, entity.pod), -1) for entity in block.entities], dtype=np.int64
        )
        series = np.repeat(np.arange(len(pods)), np.diff(block.offsets))
        values = self._values(block, series)
        most = MOST.get(block.meaning.quantity, np.inf)
        usable = (pods[series] >= 0) & (values >= 0) & (values <= most)  # false for NaN
        at = np.clip(np.round((block.at_s - self._start_s) / self._step_s), 0, self._steps - 1).astype(np.int64)
        cell = pods[series] * self._steps + at
        return self._summed(cell[usable], series[usable], values[usable])

    def _values(self, block: SeriesBlock, series: Rows) -> Floats:
        """Figures in the quantity's own unit; of a counter its rate up to each sample, NaN where there is none."""
        if block.meaning.kind == "gauge" or len(series) < 2:
            scaled: Floats = block.value * block.meaning.scale
            return scaled if block.meaning.kind == "gauge" else np.full(len(series), np.nan)
        rates = np.full(len(series), np.nan)
        elapsed, rise = np.diff(block.at_s), np.diff(block.value)
        # A counter that falls was reset somewhere in between: what it would have shown is not known.
        sound = (np.diff(series) == 0) & (elapsed > 0) & (elapsed <= MISSED_STEPS * self._step_s) & (rise >= 0)
        rates[1:][sound] = rise[sound] / elapsed[sound] * block.meaning.scale
        return rates

    def _summed(self, cell: Rows, series: Rows, values: Floats) -> Floats:
        """Sum over a pod's series of one mean a step each."""
        # A series that has two samples in one step counts once, by its mean.
        count = int(series.max(initial=0)) + 1
        key, place = np.unique(cell * count + series, return_inverse=True)
        mean = np.bincount(place, values) / np.maximum(np.bincount(place), 1)
        shape = (len(self._row_of), self._steps)
        total = np.bincount(key // count, mean, minlength=shape[0] * shape[1])
        seen = np.bincount(key // count, minlength=shape[0] * shape[1]) > 0
        result: Floats = np.where(seen, total, np.nan).reshape(shape)
        return result
