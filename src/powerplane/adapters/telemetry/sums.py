"""Sums that Prometheus makes of what only counts together, as samples with true times.

A sum is asked for at a few steps together with the time of the oldest sample in it. The time of the step is not a
sample's; so the sum is dated by that sample, and a step that brought nothing new is left out.
"""

from collections import Counter
from dataclasses import replace

from powerplane.adapters.telemetry.prometheus_answer import Samples, Series, block, matrix, padded
from powerplane.adapters.telemetry.promql import PART, STAMP, VALUE
from powerplane.models.telemetry.labels import labels_read
from powerplane.models.telemetry.readings import Meaning, SeriesBlock


def columns_of_sums(
    meaning: Meaning, body: bytes, node_labels: tuple[str, ...], since_s: float
) -> tuple[SeriesBlock, Counter[str]]:
    """Turn the answer to ``promql.summed`` into a row's block, without what is older than ``since_s``.

    Raises
    ------
    MatrixError
    """
    # Which parts count was asked of the server; what they were summed over is gone from the answer.
    named = replace(meaning, node=(*node_labels, *meaning.node), where=())
    decoder = matrix((PART, *padded(labels_read(named))))
    answered, warnings = decoder.decode(body)
    refused = Counter({"partial answer": warnings} if warnings else {})
    halves: dict[tuple[str, ...], dict[str, Samples]] = {}
    for (part, *labels), samples in answered:
        halves.setdefault(tuple(labels), {})[part] = samples
    series = [
        Series(labels, dated)
        for labels, parts in halves.items()
        if (dated := _dated(parts.get(VALUE, []), parts.get(STAMP, []), since_s))
    ]
    return block(meaning, named, decoder.labels[1:], series, refused), refused


def _dated(values: Samples, stamps: Samples, since_s: float) -> Samples:
    """Values at their true times, the first of each time, in order."""
    taken = {at_step: float(at_s) for at_step, at_s in stamps}
    found: dict[float, float] = {}
    for at_step, value in values:
        at_s = taken.get(at_step)
        if at_s is not None and at_s >= since_s:
            found.setdefault(at_s, float(value))
    return sorted(found.items())
