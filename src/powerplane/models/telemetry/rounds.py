"""One round: what the sources said becomes one figure a node, and the memory for the next round."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from powerplane.models.telemetry.believing import Believed, believe
from powerplane.models.telemetry.envelope import Envelopes
from powerplane.models.telemetry.facts import NodeFacts, NodeRows
from powerplane.models.telemetry.hygiene import Judged, judge
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.telemetry.pod_rounds import pod_readings
from powerplane.models.telemetry.readings import SourceReading
from powerplane.models.telemetry.remembered import Memory, SourceMemory
from powerplane.models.telemetry.rules import DEFAULT_RULES, Rules
from powerplane.models.telemetry.settling import settle

NODE_VERDICTS = ("partial", "too low", "too high", "wrong unit", "below parts", "outvoted")
"""Reasons that are given to whole nodes; others have been counted with their series."""


def follow(
    memory: Memory,
    readings: Sequence[SourceReading],
    nodes: Sequence[NodeFacts],
    now_s: float,
    rules: Rules = DEFAULT_RULES,
) -> tuple[Memory, NodeReadings, PodReadings]:
    """Take in what the sources said in one round.

    Parameters
    ----------
    memory : Memory
        From the round before; ``Memory()`` before the first.
    readings : sequence of SourceReading
        At most one a source.
    nodes : sequence of NodeFacts, length N
        Every node of the cluster.
    now_s : float
        Unix seconds by our clock.
    rules : Rules

    Returns
    -------
    memory : Memory
        For the next round.
    nodes : NodeReadings
        Of every node, in their order: measured, held while younger than three scrapes, else at its worst case.
    pods : PodReadings
    """
    judged = _judged(memory, readings, now_s, rules)
    names = NodeRows(nodes, readings)
    past = memory.nodes.of(tuple(node.name for node in nodes))
    envelopes = Envelopes.of(nodes)
    believed = believe(judged, names, envelopes, past, rules)
    renewed, told = settle(nodes, believed, envelopes, past, now_s=now_s, rules=rules)
    found = _found(judged, believed)
    sources = {one.source: one.memory for one in judged}
    return Memory(sources, renewed), replace(told, found=found), pod_readings(judged, nodes, names)


def _found(judged: Sequence[Judged], believed: Believed) -> dict[tuple[str, str], int]:
    """How often each verdict was found in each source."""
    found: Counter[tuple[str, str]] = Counter()
    for one in judged:
        found.update({(one.source, name): number for name, number in one.found.items()})
    for source, number in believed.unmatched.items():
        found[source, "unmatched"] += number
    for each in believed.candidates:
        names = [reason.partition(" (")[0] for reason in each.reason[each.reason != ""].tolist()]
        found.update((each.source, name) for name in names if name in NODE_VERDICTS)
        if number := int(np.count_nonzero(each.disagrees)):
            found[each.source, "disagrees"] += number
    return dict(sorted(found.items()))


def _judged(memory: Memory, readings: Sequence[SourceReading], now_s: float, rules: Rules) -> list[Judged]:
    """Judge each answer; a source that was not asked is one that did not answer."""
    asked = {reading.source: reading for reading in readings}
    silent = (source for source in memory.sources if source not in asked)
    every = [*asked.values(), *(SourceReading(source, 0.0, now_s, error="not asked") for source in silent)]
    return [judge(one, memory.sources.get(one.source, SourceMemory()), rules, now_s) for one in every]
