"""From samples of work to what each pod does a second: counters' rates, restarts left out, what cannot be true refused.

Several series of one pod add up (engines, codes, methods). Where two scrapes bring the same pod, the higher sum counts
and never both: what is scraped twice was done once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.telemetry.figures import Figures, figures_of
from powerplane.models.telemetry.readings import Floats, SeriesBlock
from powerplane.models.telemetry.rules import Rules
from powerplane.models.telemetry.samples import usable_samples, usual_interval_s
from powerplane.models.work.metrics import WorkMetric

WINDOW_S = 120.0
"""Over which a rate is taken: many requests, and no more than two rounds."""

MOST_PER_SECOND = 1e12
"""Of one series: more than any pod does of anything that is counted, bytes of its memory included."""

RULES = Rules(rate_s=WINDOW_S, most={"throughput": MOST_PER_SECOND})

PodName = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class PodRates:
    """What pods do by one metric.

    Parameters
    ----------
    metric : WorkMetric
    per_second : mapping
        By namespace and name; a pod that is not here is not known, and does not do nothing.
    refused : mapping of str to int
        Series that were not used, by reason.
    """

    metric: WorkMetric
    per_second: Mapping[PodName, float] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


def pod_rates(metric: WorkMetric, blocks: Iterable[SeriesBlock], evaluated_s: float) -> PodRates:
    """Return what each pod does.

    Parameters
    ----------
    metric : WorkMetric
    blocks : iterable of SeriesBlock
        Of its meanings.
    evaluated_s : float
        When they were asked for, by the source's clock.

    Notes
    -----
    A pod of which one part of the metric is missing or stale is not known: half of its work would look like bad work.
    """
    refused: Counter[str] = Counter()
    parts = {block.meaning.metric: _of_block(block, evaluated_s, refused) for block in blocks}
    if len(parts) < len(metric.meanings):
        lone = set().union(*(each.keys() for each in parts.values()))
        return PodRates(metric, {}, dict(refused + Counter(partial=len(lone))))
    found = [parts[meaning.metric] for meaning in metric.meanings]
    whole = set(found[0]).intersection(*found[1:])
    partial = set().union(*found) - whole
    refused.update(Counter(partial=len(partial)))
    return PodRates(metric, {pod: sum(part[pod] for part in found) for pod in whole}, dict(+refused))


def _of_block(block: SeriesBlock, evaluated_s: float, refused: Counter[str]) -> dict[PodName, float]:
    """Each pod's sum over its series, of the scrape that brings most of it."""
    count = len(block.entities)
    samples, notes = usable_samples(block, np.zeros(count), evaluated_s, RULES)
    interval_s = usual_interval_s(samples)
    figures = figures_of(samples, block.meaning, interval_s if np.isfinite(interval_s) else RULES.scrape_s, RULES)
    stale = ~(evaluated_s - figures.at_s <= stale_s(interval_s))
    absurd = figures.value > MOST_PER_SECOND
    usable = np.isfinite(figures.value) & ~stale & ~absurd
    for reason, mask in notes.items():
        refused[reason] += int(mask.sum())
    refused.update(_why(figures, stale, absurd))
    sums: dict[PodName, dict[tuple[str, ...], float]] = {}
    for row in np.flatnonzero(usable).tolist():
        entity, scrape = block.entities[row], block.kept[row] if block.kept else ()
        of_pod = sums.setdefault((entity.namespace, entity.pod), {})
        of_pod[scrape] = of_pod.get(scrape, 0.0) + float(figures.value[row])
    return {pod: max(of_scrape.values()) for pod, of_scrape in sums.items()}


def _why(figures: Figures, stale: np.ndarray, absurd: np.ndarray) -> Counter[str]:
    known = np.isfinite(figures.value)
    return Counter(
        short=int((figures.sampled & ~known).sum()),
        stale=int((known & stale).sum()),
        absurd=int(((known & ~stale & absurd) | figures.absurd).sum()),
        reset=int(figures.reset.sum()),
    )


def stale_s(interval_s: float) -> float:
    """Age from which on a sample counts no more: of three scrapes, as of watts."""
    scrape_s = interval_s if np.isfinite(interval_s) else RULES.scrape_s
    return RULES.missed * min(max(scrape_s, 1.0), RULES.slowest_scrape_s)


def in_order_of(rates: PodRates, pods: Iterable[PodName]) -> Floats:
    """Rates of some pods, NaN where not known."""
    return np.array([rates.per_second.get(pod, np.nan) for pod in pods], dtype=np.float64)
