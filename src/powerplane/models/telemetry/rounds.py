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
from powerplane.models.telemetry.sensed import SENSED, sensed
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
        Of one source several may come, such as of two Prometheus servers: always in the same order.
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
    every = tuple(judged.values())
    believed = believe(every, names, envelopes, past, now_s=now_s, rules=rules)
    renewed, told = settle(nodes, believed, envelopes, past, now_s=now_s, rules=rules)
    found = _found(every, believed)
    sources = {key: one.memory for key, one in judged.items()}
    inlet, fans = (sensed(every, names, len(nodes), quantity) for quantity in SENSED)
    told = replace(told, found=found, inlet_celsius=inlet, fan_rpm=fans)
    return Memory(sources, renewed), told, pod_readings(every, nodes, names, rules)


def _found(judged: Sequence[Judged], believed: Believed) -> dict[tuple[str, str], int]:
    """How often each verdict was found in each source."""
    found: Counter[tuple[str, str]] = Counter()
    for one in judged:
        for name, number in one.found.items():
            found[one.source, name] += number
    for source, number in believed.unmatched.items():
        found[source, "unmatched"] += number
    for each in believed.candidates:
        names = [reason.partition(" (")[0] for reason in each.reason[each.reason != ""].tolist()]
        found.update((each.source, name) for name in names if name in NODE_VERDICTS)
        if number := int(np.count_nonzero(each.disagrees)):
            found[each.source, "disagrees"] += number
    return dict(sorted(found.items()))


def _judged(memory: Memory, readings: Sequence[SourceReading], now_s: float, rules: Rules) -> dict[str, Judged]:
    """Judge each answer; a source that was not asked is one that did not answer."""
    asked: dict[str, SourceReading] = {}
    times: Counter[str] = Counter()
    for reading in readings:
        times[reading.source] += 1
        number = times[reading.source]
        asked[reading.source if number == 1 else f"{reading.source} {number}"] = reading
    for key, known in memory.sources.items():
        if now_s - (known.received_s or 0.0) > rules.forget_s:
            continue
        asked.setdefault(key, SourceReading(known.source, 0.0, now_s, error="not asked"))
    return {key: judge(one, memory.sources.get(key, SourceMemory()), rules, now_s) for key, one in asked.items()}
