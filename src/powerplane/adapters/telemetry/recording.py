"""Samples gathered series by series from recorded pages and answers, and handed out for any moment."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from powerplane.adapters.telemetry.recorded_sums import summed
from powerplane.models.telemetry.labels import Labels, counts, entity_of
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock

SeriesKey = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Series:
    """One series, or the sum of those that only count together."""

    entity: Entity
    kept: tuple[str, ...]
    at_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Row:
    """The samples of one row of the declared table."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self._series: dict[SeriesKey | Entity, _Series] = {}
        self._unlabelled: list[float] = []
        self._sums: dict[Entity, _Series] = {}
        self._parts: dict[Entity, dict[SeriesKey, _Series]] = {}

    def add(self, labels: Labels, value: float, at_s: float) -> None:
        """Take in a sample, if the row is about it."""
        if not counts(self.meaning, labels):
            return
        entity = entity_of(self.meaning, labels)
        if entity is None:
            self._unlabelled.append(at_s)
        elif self.meaning.sum_over:
            self._add_part(entity, labels, value, at_s)
        else:
            series = self._made(tuple(sorted(labels.items())), entity, labels)
            series.at_s.append(at_s)
            series.values.append(value)

    def add_series(self, labels: Labels, samples: Iterable[tuple[float, float]]) -> None:
        """Take in a series of an answer, which has samples of many times, if the row is about it."""
        entity = entity_of(self.meaning, labels)
        if entity is None or not self.meaning.sum_over:
            for at_s, value in samples:
                self.add(labels, value, at_s)
        elif counts(self.meaning, labels):
            key = tuple(sorted(labels.items()))
            part = self._parts.setdefault(entity, {}).setdefault(key, _Series(entity, self._kept(labels)))
            for at_s, value in samples:
                part.at_s.append(at_s)
                part.values.append(value)

    def end_page(self) -> None:
        """Close the sums of a page: each is as old as its oldest part."""
        for entity, part in self._sums.items():
            series = self._series.setdefault(entity, _Series(entity, part.kept))
            series.at_s.append(min(part.at_s))
            series.values.append(math.fsum(part.values))
        self._sums.clear()

    def settle(self) -> None:
        """Put each series in order of time; of two samples of one time the first stays, as in Prometheus."""
        for entity, parts in self._parts.items():
            known = [part for part in parts.values() if part.at_s]
            for part in known:
                _put_in_order(part)
            if known:
                at_s, values = summed([(np.array(part.at_s), np.array(part.values)) for part in known])
                series = self._series.setdefault(entity, _Series(entity, known[0].kept))
                series.at_s += at_s
                series.values += values
        self._parts.clear()
        for series in self._series.values():
            _put_in_order(series)

    def block(self, since_s: float, until_s: float) -> tuple[SeriesBlock | None, Counter[str]]:
        """Samples later than ``since_s`` and not later than ``until_s``; None where there is none."""
        unlabelled = sum(since_s < at_s <= until_s for at_s in self._unlabelled)
        refused = Counter({"unlabelled": unlabelled} if unlabelled else {})
        spans = [
            (series, slice(bisect_right(series.at_s, since_s), bisect_right(series.at_s, until_s)))
            for series in self._series.values()
        ]
        spans = [(series, span) for series, span in spans if span.stop > span.start]
        if not spans:
            return None, refused
        lengths = [span.stop - span.start for _, span in spans]
        return SeriesBlock(
            self.meaning,
            tuple(series.entity for series, _ in spans),
            np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
            np.array([at_s for series, span in spans for at_s in series.at_s[span]], dtype=np.float64),
            np.array([value for series, span in spans for value in series.values[span]], dtype=np.float64),
            tuple(series.kept for series, _ in spans) if self.meaning.kept else (),
        ), refused

    def _made(self, key: SeriesKey, entity: Entity, labels: Labels) -> _Series:
        known = self._series.get(key)
        if known is None:
            known = self._series[key] = _Series(entity, self._kept(labels))
        return known

    def _add_part(self, entity: Entity, labels: Labels, value: float, at_s: float) -> None:
        # A part that is no number must not vanish in the sum: fsum hands NaN and infinities on.
        part = self._sums.setdefault(entity, _Series(entity, self._kept(labels)))
        part.at_s.append(at_s)
        part.values.append(value)

    def _kept(self, labels: Labels) -> tuple[str, ...]:
        return tuple(labels.get(label, "") for label in self.meaning.kept)


def _put_in_order(series: _Series) -> None:
    ordered: dict[float, float] = {}
    for at_s, value in sorted(zip(series.at_s, series.values, strict=True), key=lambda pair: pair[0]):
        ordered.setdefault(at_s, value)
    series.at_s, series.values = list(ordered), list(ordered.values())
