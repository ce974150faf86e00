"""Whatever sources say, no node is 0 W, NaN, or less than what was believed of it, by accident."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.telemetry.series import (
    CPU,
    CPU_JOULES,
    DCGM,
    HWMON,
    IPMI,
    NODE_USE,
    NOW_S,
    PLATFORM,
    POD_USE,
    RAPL,
    Sample,
    answer,
    block,
    meaning,
)

from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.models.telemetry.rules import DEFAULT_RULES
from powerplane.models.telemetry.verdicts import BY_NAME

NODES = [
    NodeFacts("n1", 100, 400, aliases=("10.0.0.1",), cores=64),
    NodeFacts("n2", 150, 150 + 8 * 700, accelerators=8, accelerator_peak_watts=700),
    NodeFacts("n3", 60, 500, ready=False, scrape_s=30),
]
LEAST = {node.name: DEFAULT_RULES.low_share * node.idle_watts for node in NODES}
METRICS = [IPMI, HWMON, PLATFORM, CPU, CPU_JOULES, RAPL, DCGM, NODE_USE, POD_USE]

values = st.one_of(
    st.floats(),
    st.floats(50, 700),
    st.integers(50, 700).map(float),
    st.sampled_from([0.0, -0.0, 0.3, math.nan, math.inf, -math.inf, 2.0**63, 2147483632.0, 1e-320, 1e6, 3e8]),
)
times = st.one_of(st.integers(-20, 1).map(lambda i: 15.0 * i), st.floats(-400, 20), st.sampled_from([math.nan, 1e12]))
samples = st.lists(st.tuples(times, values), max_size=6)
whose = st.builds(
    Entity,
    node=st.sampled_from(["n1", "10.0.0.1:9290", "n2", "n3", "elsewhere", ""]),
    namespace=st.just("ns"),
    pod=st.sampled_from(["", "a", "b"]),
    device=st.sampled_from(["", "GPU-1", "GPU-2"]),
)
answers = st.dictionaries(st.sampled_from(METRICS), st.lists(st.tuples(whose, samples), max_size=4), max_size=4)
clocks = st.sampled_from([0.0, 0.0, 3600.0, -3600.0, 1.0])


def reading_of(metric: str, series: list[tuple[Entity, list[Sample]]], at_s: float, skew_s: float) -> SourceReading:
    moved = [(who, [(at_s + when - skew_s, value) for when, value in each]) for who, each in series]
    return answer(block(meaning(metric), moved), at_s=at_s, skew_s=skew_s)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(answers, clocks, st.sampled_from([15.0, 15.0, 0.0, 200.0, -30.0])), min_size=1, max_size=5))
def test_a_node_counts_as_something_believable_or_as_its_worst_case_whatever_comes(
    rounds: list[tuple[dict[str, list[tuple[Entity, list[Sample]]]], float, float]],
) -> None:
    memory, now_s, believed = Memory(), NOW_S, dict(LEAST)
    for told, skew_s, later_s in rounds:
        now_s += later_s
        readings = [reading_of(metric, series, now_s, skew_s) for metric, series in told.items()]
        memory, nodes, pods = follow(memory, readings, NODES, now_s)
        assert np.isfinite(nodes.watts).all()
        assert not np.isnan(nodes.age_s).any()
        columns = zip(NODES, nodes.watts.tolist(), nodes.state, nodes.source, strict=True)
        for node, watts, state, source in columns:
            if node.name in nodes.dark:
                continue
            assert watts >= LEAST[node.name]
            assert (state == "worst") == (source == "")
            if state == "worst":
                assert watts >= max(node.peak_watts, believed[node.name])
            else:
                believed[node.name] = watts
        assert not nodes.dark - {"n3"}
        for figures in (pods.cpu_cores, pods.gpu_watts, pods.share_watts):
            known = figures[~np.isnan(figures)]
            assert (np.isfinite(known) & (known >= 0)).all()
        assert {name for _, name in nodes.found} <= set(BY_NAME)


@settings(deadline=None, max_examples=30)
@given(answers)
def test_a_round_is_a_pure_function_of_what_goes_in(told: dict[str, list[tuple[Entity, list[Sample]]]]) -> None:
    readings = [reading_of(metric, series, NOW_S, 0.0) for metric, series in told.items()]
    first, second = (follow(Memory(), readings, NODES, NOW_S)[1] for _ in range(2))
    assert first.watts.tolist() == second.watts.tolist()
    assert (first.state, first.source, first.why, first.found) == (
        second.state,
        second.source,
        second.why,
        second.found,
    )


@given(st.integers(1, 200), st.floats(110, 390))
def test_a_good_reading_that_stops_is_held_or_worst_and_never_less(seconds: int, watts: float) -> None:
    good = reading_of(IPMI, [(Entity("n1"), [(-15.0, watts - 1), (0.0, watts)])], NOW_S, 0.0)
    memory, _, _ = follow(Memory(), [good], NODES[:1], NOW_S)
    _, nodes, _ = follow(memory, [], NODES[:1], NOW_S + seconds)
    assert nodes.watts[0] == (watts if seconds < 45 else 400)
