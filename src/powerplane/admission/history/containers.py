"""What containers used, for requests that are to be filled in: CPU at all times, memory by the highest of each day."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from powerplane.adapters.telemetry.pod_history import Historian, first_history
from powerplane.admission.filling import Usual
from powerplane.admission.history.pace import RULES, STEP_S, Pace, Span, since
from powerplane.admission.history.pods import SeenPod
from powerplane.models.demand.bank import HistogramBank
from powerplane.models.demand.buckets import CORES, Buckets
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.histogram import DecayingHistogram
from powerplane.models.demand.history import Name, PodHistory, read_history
from powerplane.models.demand.memory import FORGET_S, LEAST_DAYS
from powerplane.models.telemetry.readings import Meaning, SeriesBlock

MEMORY: Final = Buckets("memory bytes, 10 MB to 1 TB by 5 %", first=1e7, most=1e12)
CONTAINER_CPU: Final = Meaning(
    "container_cpu_usage_seconds_total",
    "cadvisor",
    "pod cpu cores",
    "counter",
    "s",
    namespace=("namespace",),
    pod=("pod",),
    container=("container",),
    where=(("container", "~.+"), ("image", "~.+")),
)
CONTAINER_MEMORY: Final = replace(
    CONTAINER_CPU, metric="container_memory_working_set_bytes", quantity="pod memory bytes", kind="gauge", unit="B"
)

Key = tuple[str, str]
"""Workload and container."""


@dataclass(slots=True)
class ContainerLearner:
    """Learns containers' CPU and memory, by workload and container."""

    source: Historian
    _row_of: dict[Key, int] = field(default_factory=dict)
    _cores: HistogramBank = field(default_factory=lambda: HistogramBank(CORES))
    _peaks: dict[Key, dict[int, float]] = field(default_factory=dict)
    _pace: Pace = field(default_factory=Pace)

    def learn(self, pods: Mapping[Name, SeenPod], now_s: float) -> bool:
        """Read one piece; see ``PodLearner.learn``."""
        owners = {
            (namespace, f"{name}/{container}"): (pod.owner, container)
            for (namespace, name), pod in pods.items()
            if pod.owner
            for container in pod.containers
        }
        if (piece := self._pace.next(len(owners), now_s)) is None:
            return False
        span, behind = piece
        cores, memory = (self._read(meaning, list(owners), span) for meaning in (CONTAINER_CPU, CONTAINER_MEMORY))
        keys = list(owners.values())
        if cores is not None:
            self._take_cores(cores, keys)
        if memory is not None:
            self._take_memory(memory, keys)
        self._pace.until_s = span[1]
        self._forget(now_s)
        return behind

    def usual(self) -> dict[str, dict[str, Usual]]:
        """Return what containers use, by workload; those seen for less than ten minutes are left out."""
        found: dict[str, dict[str, Usual]] = {}
        target, days = self._cores.bounds(RULES)[:, 1], self._cores.days(RULES)
        for (owner, container), row in self._row_of.items():
            if days[row] >= LEAST_DAYS:
                found.setdefault(owner, {})[container] = Usual(float(target[row]), self._memory((owner, container)))
        return found

    def _read(self, meaning: Meaning, names: list[Name], span: Span) -> PodHistory | None:
        blocks = [_by_container(block) for block in first_history(self.source, [meaning], span)]
        return since(read_history(names, blocks, [], STEP_S), span)

    def _take_cores(self, used: PodHistory, keys: list[Key]) -> None:
        rows = np.array([self._row_of.setdefault(key, len(self._row_of)) for key in keys], dtype=np.int64)
        at, step = np.nonzero(~np.isnan(used.cores))
        self._cores.grow(len(self._row_of))
        self._cores.add(rows[at], used.cores[at, step], np.asarray(used.start_s + step * used.step_s, dtype=np.float64))

    def _take_memory(self, used: PodHistory, keys: list[Key]) -> None:
        days = ((used.start_s + np.arange(used.cores.shape[1]) * used.step_s) // DAY_S).astype(np.int64)
        for day in np.unique(days).tolist():
            part = used.cores[:, days == day]
            for at in np.flatnonzero(~np.isnan(part).all(axis=1)).tolist():
                peaks = self._peaks.setdefault(keys[at], {})
                peaks[day] = max(peaks.get(day, 0.0), float(np.nanmax(part[at])))

    def _memory(self, key: Key) -> float | None:
        """Bytes; the highest of each day counts as of that day's end."""
        if not (peaks := self._peaks.get(key)):
            return None
        ends = np.array(list(peaks), dtype=np.float64) * DAY_S
        found = DecayingHistogram(MEMORY).add(np.array(list(peaks.values())), ends).percentile(RULES.target)
        return found if np.isfinite(found) else None

    def _forget(self, now_s: float) -> None:
        oldest = (now_s - FORGET_S) // DAY_S
        for key, peaks in list(self._peaks.items()):
            self._peaks[key] = {day: peak for day, peak in peaks.items() if day >= oldest}
            if not self._peaks[key]:
                del self._peaks[key]
        rows = np.flatnonzero(self._cores.last_s >= now_s - FORGET_S)
        if len(rows) < len(self._row_of):
            self._cores.keep(rows)
            keys = list(self._row_of)
            self._row_of = {keys[row]: at for at, row in enumerate(rows.tolist())}


def _by_container(block: SeriesBlock) -> SeriesBlock:
    """Name each series by pod and container together."""
    entities = tuple(each._replace(pod=f"{each.pod}/{each.container}") for each in block.entities)
    return replace(block, entities=entities)
