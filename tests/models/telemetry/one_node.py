"""Rounds with one node of 100 W idle and 400 W at peak, with 64 CPUs, where nothing else is said."""

from collections.abc import Mapping

from tests.models.telemetry.series import (
    DCGM,
    IPMI,
    NODE_USE,
    NOW_S,
    answer,
    block,
    by_node,
    counter,
    gauge,
    meaning,
    noisy,
)

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_readings import NodeReadings
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow


def facts(name: str = "n1", **more: object) -> NodeFacts:
    return NodeFacts(**({"name": name, "idle_watts": 100, "peak_watts": 400, "cores": 64} | more))


def cards(count: int, **more: object) -> NodeFacts:
    """A node with accelerators of 700 W each."""
    return facts(peak_watts=400 + 700 * count, accelerators=count, accelerator_peak_watts=700, **more)


def one(
    *readings: SourceReading, node: NodeFacts | None = None, memory: Memory | None = None, now_s: float = NOW_S
) -> tuple[Memory, NodeReadings]:
    """One round with one node."""
    memory, nodes, _ = follow(memory or Memory(), readings, [node or facts()], now_s)
    return memory, nodes


def told(nodes: NodeReadings) -> tuple[float, str, str]:
    return round(float(nodes.watts[0]), 3), nodes.state[0], nodes.source[0]


def wall(watts: float, metric: str = IPMI, **when: float) -> SourceReading:
    return by_node(metric, {"n1": noisy(watts)}, **when)


def busy(cores: float, until_s: float = NOW_S) -> SourceReading:
    return answer(block(meaning(NODE_USE), [(Entity("n1"), counter(cores, until_s=until_s))]), at_s=until_s)


def gpus(values: Mapping[str, float], pods: Mapping[str, str] | None = None, until_s: float = NOW_S) -> SourceReading:
    held = pods or {}
    series = [
        (
            Entity("n1", "ml" if name in held else "", held.get(name, ""), "", "", name),
            gauge(noisy(watts), until_s=until_s),
        )
        for name, watts in values.items()
    ]
    return answer(block(meaning(DCGM), series), at_s=until_s)
