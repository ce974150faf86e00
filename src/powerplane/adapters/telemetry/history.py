"""Values over hours and days by range queries, in pieces that Prometheus answers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from powerplane.adapters.telemetry import promql
from powerplane.adapters.telemetry.prometheus_answer import columns
from powerplane.adapters.telemetry.prometheus_api import PrometheusApi
from powerplane.models.telemetry.readings import Entity, Floats, Meaning, SeriesBlock

MOST_POINTS = 10_000
"""Of a series in one answer; Prometheus refuses more than 11,000."""


class History:
    """Reads the history of rows.

    Parameters
    ----------
    api : PrometheusApi
    node_labels : tuple of str
    timeout_s : float
        For each piece.
    """

    def __init__(self, api: PrometheusApi, node_labels: tuple[str, ...], timeout_s: float) -> None:
        self._api = api
        self._node_labels = node_labels
        self._timeout_s = timeout_s

    def read(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        """See ``PrometheusSource.history``."""
        pieces = [self._piece(meaning, *piece, step_s) for piece in _pieces(start_s, end_s, step_s)]
        return pieces[0] if len(pieces) == 1 else _joined(meaning, pieces)

    def _piece(self, meaning: Meaning, start_s: float, end_s: float, step_s: float) -> SeriesBlock:
        query = promql.sums(meaning, self._node_labels) if meaning.sum_over else promql.selector(meaning)
        parameters = {"query": query, "start": repr(start_s), "end": repr(end_s), "step": repr(step_s)}
        asked = replace(meaning, where=()) if meaning.sum_over else meaning
        body = self._api.get("/api/v1/query_range", parameters, self._timeout_s)
        return replace(columns(asked, body, self._node_labels)[0], meaning=meaning)


def _pieces(start_s: float, end_s: float, step_s: float) -> Iterator[tuple[float, float]]:
    """Starts and ends, each at most ``MOST_POINTS`` steps long, one step apart."""
    steps = max(0, int((end_s - start_s) / step_s + 1e-9))
    for first in range(0, steps + 1, MOST_POINTS):
        last = min(first + MOST_POINTS - 1, steps)
        yield start_s + first * step_s, start_s + last * step_s


def _joined(meaning: Meaning, pieces: list[SeriesBlock]) -> SeriesBlock:
    """Pieces one after the other; series of one entity side by side stay apart within each piece."""
    found: dict[tuple[Entity, int], list[tuple[Floats, Floats]]] = {}
    kept: dict[tuple[Entity, int], tuple[str, ...]] = {}
    for piece in pieces:
        times: dict[Entity, int] = {}
        for row, entity in enumerate(piece.entities):
            key = (entity, times.get(entity, 0))
            times[entity] = key[1] + 1
            span = slice(piece.offsets[row], piece.offsets[row + 1])
            found.setdefault(key, []).append((piece.at_s[span], piece.value[span]))
            if piece.kept:
                kept.setdefault(key, piece.kept[row])
    lengths = [sum(len(at_s) for at_s, _ in parts) for parts in found.values()]
    empty = [np.empty(0)]
    return SeriesBlock(
        meaning,
        tuple(entity for entity, _ in found),
        np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        np.concatenate([at_s for parts in found.values() for at_s, _ in parts] or empty),
        np.concatenate([value for parts in found.values() for _, value in parts] or empty),
        tuple(kept.values()),
    )
