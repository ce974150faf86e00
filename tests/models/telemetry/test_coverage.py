from math import inf

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.telemetry.coverage import better_sources, cover, spacing_s, who_measures, with_told_aliases
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

NOW = 1_790_000_000.0
IPMI = next(one for one in MEANINGS if one.metric == "ipmi_dcmi_power_consumption_current_watts")
KEPLER = next(one for one in MEANINGS if one.metric == "kepler_node_cpu_watts" and one.quantity == "cpu watts")
DRAM = next(one for one in MEANINGS if one.metric == "kepler_node_cpu_watts" and one.quantity == "dram watts")
INFO = next(one for one in MEANINGS if one.metric == "kube_node_info")


def block(meaning, samples, kept=()):
    """Series of (entity or node's name, ages of its samples, the oldest first)."""
    entities = tuple(Entity(node=name) if isinstance(name, str) else name for name, _ in samples)
    ages = [list(own) for _, own in samples]
    offsets = np.cumsum([0, *map(len, ages)]).astype(np.int64)
    at_s = np.array([NOW - age for own in ages for age in own], dtype=np.float64)
    return SeriesBlock(meaning, entities, offsets, at_s, np.ones(len(at_s)), kept)


def answer(source, *blocks, **more):
    return SourceReading(source, NOW, NOW, tuple(blocks), **more)


def nodes(**aliases):
    return [NodeFacts(name, 100.0, 300.0, tuple(own)) for name, own in aliases.items()]


def test_a_metric_is_told_with_its_series_its_nodes_and_the_ages_of_its_newest_samples():
    (found,) = cover([answer("ipmi", block(IPMI, [("n1", [40, 10]), ("n2", [70, 25])]))], nodes(n1=[], n2=[], n3=[]))
    (metric,) = found.metrics
    assert (metric.metric, metric.quantity, metric.unit, metric.series) == (IPMI.metric, "node watts", "W", 2)
    assert metric.nodes == {"n1", "n2"}
    assert (metric.newest_age_s, metric.oldest_age_s) == (10, 25)
    assert metric.interval_s == 37.5
    assert found.is_there


def test_one_metric_of_two_quantities_is_told_for_each():
    blocks = (block(KEPLER, [("n1", [0])]), block(DRAM, [("n1", [0])]))
    (found,) = cover([answer("kepler", *blocks)], nodes(n1=[]))
    assert [metric.quantity for metric in found.metrics] == ["cpu watts", "dram watts"]


def test_names_that_stand_for_no_node_or_for_several_are_told_apart():
    series = [("10.0.0.1:9290", [0]), ("stranger:9290", [0]), ("bmc", [0]), ("", [0])]
    (found,) = cover([answer("ipmi", block(IPMI, series))], nodes(n1=["10.0.0.1", "bmc"], n2=["bmc"]))
    assert found.metrics[0].nodes == {"n1"}
    assert found.unknown == ("stranger:9290", "(no name)")
    assert found.ambiguous == ("bmc",)


def test_what_a_source_lacks_and_why_it_did_not_answer_go_along():
    found = cover([answer("ipmi", missing=("a",), refused={"malformed": 2}, error="refused")], nodes(n1=[]))[0]
    assert (found.missing, found.refused, found.error, found.is_there) == (("a",), {"malformed": 2}, "refused", False)
    assert found.nodes_with(["node watts"]) == frozenset()


def test_addresses_that_kube_state_metrics_tells_name_the_scraped_instance():
    info = answer("kube-state-metrics", block(INFO, [("n1", [0])], (("10.0.0.1",),)))
    ipmi = answer("ipmi", block(IPMI, [("10.0.0.1:9290", [0])]))
    known = nodes(n1=[])
    assert cover([info, ipmi], known)[1].metrics[0].nodes == frozenset()
    assert cover([info, ipmi], with_told_aliases(known, [info, ipmi]))[1].metrics[0].nodes == {"n1"}


def test_nothing_told_leaves_the_nodes_as_they_are():
    known = nodes(n1=["a"])
    assert with_told_aliases(known, []) == tuple(known)


def test_samples_without_a_time_have_no_age():
    undated = block(IPMI, [("n1", [inf])])
    (found,) = cover([answer("ipmi", undated)], nodes(n1=[]))
    assert found.metrics[0].newest_age_s == inf


def test_better_sources_are_those_before_the_chosen_one_that_measure_any_node_those_of_this_node_first():
    found = cover(
        [answer("ipmi", block(IPMI, [("n1", [0])])), answer("kepler", block(KEPLER, [("n1", [0]), ("n2", [0])]))],
        nodes(n1=[], n2=[], n3=[]),
    )
    found = who_measures(found)
    assert list(found) == ["ipmi", "kepler"]
    assert better_sources(found, "n1", "ipmi") == ()
    assert better_sources(found, "n1", "kepler") == ("ipmi",)
    assert better_sources(found, "n2", "") == ("kepler", "ipmi")
    assert better_sources(found, "n3", "") == ("ipmi", "kepler")


@given(st.lists(st.lists(st.floats(0.5, 100), max_size=6), max_size=5))
def test_the_spacing_is_within_the_steps_of_the_series_and_never_across_them(steps):
    series = [(f"n{i}", np.cumsum([0, *own])[::-1].tolist()) for i, own in enumerate(steps)]
    spacing = spacing_s(block(IPMI, series))
    every = [step for own in steps for step in own]
    if every:
        assert min(every) - 1e-3 <= spacing <= max(every) + 1e-3
    else:
        assert spacing == 0
