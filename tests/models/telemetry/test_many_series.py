"""A round of 100,000 pods on 5,000 nodes takes well under two seconds of CPU, and little memory is kept."""

import time

import numpy as np
import pytest
from tests.models.telemetry.series import CPU_JOULES, IPMI, NODE_USE, NOW_S, POD_USE, SCRAPE_S, answer, meaning

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow

NODES, PODS, SAMPLES = 5_000, 100_000, 14
CPU_S = 2.0


def block(row: Meaning, entities: tuple[Entity, ...], rate: float, now_s: float) -> SeriesBlock:
    """Series of one rate, or one draw with some noise."""
    count = len(entities)
    at_s = now_s - SCRAPE_S * np.arange(SAMPLES)[::-1]
    value = 1e5 + rate * (at_s - NOW_S + 1e4) if row.kind == "counter" else rate + np.sin(at_s)
    offsets = np.arange(0, count * SAMPLES + 1, SAMPLES)
    return SeriesBlock(row, entities, offsets, np.tile(at_s, count), np.tile(value, count))


@pytest.mark.slow
def test_a_round_of_a_large_cluster_is_quick() -> None:
    facts = [NodeFacts(f"n{i}", 100, 400, (f"10.0.{i // 256}.{i % 256}",), cores=64) for i in range(NODES)]
    memory, spent = Memory(), []
    for i in range(3):
        now_s = NOW_S + SCRAPE_S * i
        nodes = tuple(Entity(f"10.0.{i // 256}.{i % 256}:9100") for i in range(NODES))
        pods = tuple(Entity(f"n{i % NODES}", "shop", f"p{i}") for i in range(PODS))
        readings = [
            answer(block(meaning(IPMI), nodes, 250.0, now_s), at_s=now_s),
            answer(block(meaning(CPU_JOULES, "cpu watts"), nodes, 120.0, now_s), at_s=now_s),
            answer(block(meaning(POD_USE), pods, 0.5, now_s), block(meaning(NODE_USE), nodes, 20.0, now_s), at_s=now_s),
        ]
        began = time.process_time()
        memory, found, used = follow(memory, readings, facts, now_s)
        spent.append(time.process_time() - began)
        assert set(found.state) == {"measured"}
        assert np.isfinite(used.cpu_cores).all()
        assert found.found == {}
    assert min(spent) < CPU_S
