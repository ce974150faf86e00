"""Prometheus' answers, decoded straight into columns.

The JSON of 100,000 series is some 70 MB. It is decoded by msgspec into the few labels that a row needs and nothing
else, and the numbers, which Prometheus writes as strings, into floats on the way.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from powerplane.models.telemetry.labels import entity_of, labels_read
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock

Samples = list[tuple[float, float | Literal["+Inf"]]]
"""Time and value; the one spelling of an infinity that msgspec takes for a string is left one."""


class Series(NamedTuple):
    """One series: its labels as ``labels`` orders them, and its samples in order."""

    labels: tuple[str, ...]
    samples: Samples


class MatrixError(ValueError):
    """The body is not what Prometheus answers with."""


class Matrix:
    """Decodes answers with some labels.

    Parameters
    ----------
    labels : tuple of str
        Those wanted, two or more.
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        fields = [(f"l{place}", str, "") for place in range(len(labels))]
        names = {f"l{place}": label for place, label in enumerate(labels)}
        metric = msgspec.defstruct("Metric", fields, rename=names, gc=False)
        series = msgspec.defstruct("Series", [("metric", metric), ("values", Samples, [])], gc=False)
        several = list[series]  # type: ignore[valid-type]  # a struct that is made at run time
        data = msgspec.defstruct("Data", [("resultType", Literal["matrix"]), ("result", several)])
        answer = msgspec.defstruct(
            "Answer", [("status", Literal["success"]), ("data", data), ("warnings", list[str] | None, None)]
        )
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer, strict=False)
        self._labels: Callable[[Any], tuple[str, ...]] = attrgetter(*(name for name, *_ in fields))

    def decode(self, body: bytes) -> tuple[list[Series], int]:
        """Return the series that have samples, and how many warnings came with them.

        Raises
        ------
        MatrixError
            For anything else than a matrix.
        """
        try:
            answer = self._decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise MatrixError(f"not an answer of Prometheus: {error}") from error
        found = [Series(self._labels(each.metric), each.values) for each in answer.data.result if each.values]
        return found, len(answer.warnings or ())


@lru_cache(maxsize=256)
def matrix(labels: tuple[str, ...]) -> Matrix:
    """Return the decoder for some labels; making one costs a millisecond."""
    return Matrix(labels)


def columns(meaning: Meaning, body: bytes, node_labels: tuple[str, ...] = ()) -> tuple[SeriesBlock, Counter[str]]:
    """Turn an answer into a row's block.

    Parameters
    ----------
    meaning : Meaning
    body : bytes
        JSON of a matrix.
    node_labels : tuple of str
        Labels that name the node, before the row's own.

    Returns
    -------
    SeriesBlock
    Counter of str
        Series that could not be read, by reason: "unlabelled", and "partial answer" a warning.

    Raises
    ------
    MatrixError
    """
    named = replace(meaning, node=(*node_labels, *meaning.node))
    decoder = matrix(padded(labels_read(named)))
    series, warnings = decoder.decode(body)
    refused = Counter({"partial answer": warnings} if warnings else {})
    return block(meaning, named, decoder.labels, series, refused), refused


def padded(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels, and enough more that there are two."""
    return labels if len(labels) > 1 else (*labels, "__name__", "job")[:2]


def block(
    meaning: Meaning, named: Meaning, labels: tuple[str, ...], series: list[Series], refused: Counter[str]
) -> SeriesBlock:
    """Put series into columns; what names nobody is counted as "unlabelled".

    Parameters
    ----------
    meaning, named : Meaning
        The row as declared, and as entities are named.
    """
    shared: dict[str, str] = {}
    entities: list[Entity] = []
    kept: list[tuple[str, ...]] = []
    lengths: list[int] = []
    flat: list[tuple[float, float | Literal["+Inf"]]] = []
    places = tuple(labels.index(label) for label in meaning.kept)
    for each in series:
        entity = entity_of(named, dict(zip(labels, each.labels, strict=True)))
        if entity is None:
            refused["unlabelled"] += 1
            continue
        entities.append(Entity(*(shared.setdefault(text, text) for text in entity)))
        if places:
            kept.append(tuple(each.labels[place] for place in places))
        lengths.append(len(each.samples))
        flat.extend(each.samples)
    pairs = np.array(flat, dtype=np.float64).reshape(-1, 2)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)
    return SeriesBlock(meaning, tuple(entities), offsets, pairs[:, 0].copy(), pairs[:, 1].copy(), tuple(kept))
