"""Answers of sources, made by hand: a metric's name, whom it is about, and its samples as (time, value)."""

from collections.abc import Mapping, Sequence

import numpy as np

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, Meaning, Quantity, SeriesBlock, SourceReading

Sample = tuple[float, float]
NOW_S = 1_700_000_000.0
SCRAPE_S = 15.0

IPMI = "ipmi_dcmi_power_consumption_current_watts"
PLATFORM = "kepler_platform_watts"
HWMON = "node_hwmon_power_average_watt"
CPU = "kepler_node_cpu_watts"
CPU_JOULES = "kepler_node_cpu_joules_total"
RAPL = "node_rapl_package_joules_total"
DCGM = "DCGM_FI_DEV_POWER_USAGE"
NODE_USE = "node_cpu_usage_seconds_total"
POD_USE = "pod_cpu_usage_seconds_total"


def meaning(metric: str, quantity: Quantity | None = None) -> Meaning:
    """The declared row of a metric; the first, where it has several."""
    return next(row for row in MEANINGS if row.metric == metric and quantity in (None, row.quantity))


def block(row: Meaning, series: Sequence[tuple[Entity, Sequence[Sample]]]) -> SeriesBlock:
    """Series in columns, each series' samples in the order given."""
    counts = [len(samples) for _, samples in series]
    every = [sample for _, samples in series for sample in samples]
    return SeriesBlock(
        meaning=row,
        entities=tuple(entity for entity, _ in series),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        at_s=np.array([at_s for at_s, _ in every], dtype=np.float64),
        value=np.array([value for _, value in every], dtype=np.float64),
        kept=tuple(() for _ in series) if row.kept else (),
    )


def answer(*blocks: SeriesBlock, at_s: float = NOW_S, skew_s: float = 0.0) -> SourceReading:
    """What one source said; by its clock, which is ``skew_s`` behind ours."""
    return SourceReading(blocks[0].meaning.source, at_s - skew_s, at_s, blocks)


def gauge(values: Sequence[float], *, until_s: float = NOW_S, every_s: float = SCRAPE_S) -> list[Sample]:
    """Samples of a gauge, the last one now."""
    first_s = until_s - every_s * (len(values) - 1)
    return [(first_s + every_s * i, value) for i, value in enumerate(values)]


def counter(rate: float, *, count: int = 5, until_s: float = NOW_S, start: float = 5e4) -> list[Sample]:
    """Samples of a counter that rises evenly, the last one now."""
    return [(until_s - SCRAPE_S * i, start + rate * SCRAPE_S * (count - i)) for i in reversed(range(count))]


def noisy(watts: float, count: int = 5, step: float = 0.7) -> list[float]:
    """Values around a draw, no two of them the same; the last one is the draw."""
    return [watts + step * (count - 1 - i) * (-1) ** i for i in range(count)]


def by_node(metric: str, values: Mapping[str, Sequence[float]], **when: float) -> SourceReading:
    """One gauge's answer for several nodes."""
    series = [(Entity(node), gauge(each, **when)) for node, each in values.items()]
    return answer(block(meaning(metric), series), at_s=when.get("until_s", NOW_S))
