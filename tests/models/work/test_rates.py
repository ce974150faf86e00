"""What pods do a second, from samples: restarts, engines, copies, and what cannot be true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.api.capping_policy import PerformancePowerRatio
from powerplane.models.telemetry.readings import Entity, SeriesBlock
from powerplane.models.work.metrics import KSERVE, VLLM, metric_of
from powerplane.models.work.rates import WINDOW_S, pod_rates

NOW_S = 1_790_000_000.0
PROMPT, GENERATION = VLLM.meanings
GAUGE = metric_of(PerformancePowerRatio(target=1, metric="busy"))


def block(meaning, *series, every_s=15.0, ends_s=NOW_S):
    """Series as (pod, values) or (pod, values, scrape)."""
    entities = tuple(Entity(namespace="llm", pod=each[0]) for each in series)
    kept = tuple(each[2] if len(each) > 2 else ("vllm", f"{each[0]}:8000", "", "") for each in series)
    lengths = [len(each[1]) for each in series]
    at_s = np.concatenate([ends_s - every_s * np.arange(n)[::-1] for n in lengths])
    value = np.concatenate([np.array(each[1], dtype=float) for each in series])
    return SeriesBlock(meaning, entities, np.concatenate(([0], np.cumsum(lengths))), at_s, value, kept)


def steady(per_second, samples=8, start=1000.0, every_s=15.0):
    return [start + per_second * every_s * i for i in range(samples)]


def rate_of(metric, *blocks):
    return pod_rates(metric, blocks, NOW_S).per_second.get(("llm", "a"))


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_prompt_and_generation_add_up(prompt, generation):
    found = rate_of(VLLM, block(PROMPT, ("a", steady(prompt))), block(GENERATION, ("a", steady(generation))))
    assert found == pytest.approx(prompt + generation, rel=1e-6, abs=1e-6)


def test_half_of_the_metric_is_not_known_and_not_half_the_work():
    found = pod_rates(VLLM, [block(PROMPT, ("a", steady(10)))], NOW_S)
    assert (found.per_second, found.refused["partial"]) == ({}, 1)
    both = pod_rates(
        VLLM, [block(PROMPT, ("a", steady(10)), ("b", steady(1))), block(GENERATION, ("a", steady(1)))], NOW_S
    )
    assert set(both.per_second) == {("llm", "a")}
    assert both.refused["partial"] == 1


def test_engines_of_one_pod_add_up():
    (meaning,) = KSERVE.meanings
    assert rate_of(KSERVE, block(meaning, ("a", steady(10)), ("a", steady(5)))) == pytest.approx(15)


def test_a_pod_that_is_scraped_twice_works_once():
    (meaning,) = KSERVE.meanings
    twice = [("a", steady(10), ("one", "i", "", "")), ("a", steady(10), ("two", "i", "", ""))]
    assert rate_of(KSERVE, block(meaning, *twice)) == pytest.approx(10)


@given(st.integers(1, 6), st.floats(1, 1e5), st.floats(0, 1e9))
def test_a_restart_neither_adds_work_nor_takes_any(at, per_second, start):
    values = steady(per_second, start=start + 1e3)
    after = [value - values[at] for value in values[at:]]
    (meaning,) = KSERVE.meanings
    found = pod_rates(KSERVE, [block(meaning, ("a", values[:at] + after))], NOW_S)
    assert found.refused["reset"] == 1
    if ("llm", "a") in found.per_second:
        assert found.per_second["llm", "a"] == pytest.approx(per_second, rel=1e-6)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8))
def test_whatever_samples_say_a_rate_is_finite_and_not_negative(values):
    (meaning,) = KSERVE.meanings
    for metric, told in ((KSERVE, meaning), (GAUGE, GAUGE.meanings[0])):
        for found in pod_rates(metric, [block(told, ("a", values))], NOW_S).per_second.values():
            assert 0 <= found <= 1e12


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e13])
def test_a_gauge_that_cannot_be_true_is_refused(value):
    found = pod_rates(GAUGE, [block(GAUGE.meanings[0], ("a", [5.0, value]), ("b", [7.0]))], NOW_S)
    assert found.per_second.get(("llm", "a"), 5.0) == 5.0
    assert found.per_second["llm", "b"] == 7.0
    assert sum(found.refused.values()) >= 1


def test_a_counter_that_leaps_beyond_any_work_does_not_count_the_leap():
    (meaning,) = KSERVE.meanings
    found = pod_rates(KSERVE, [block(meaning, ("a", [*steady(10, 7), 1e18]))], NOW_S)
    assert found.per_second["llm", "a"] == pytest.approx(10)
    assert found.refused["absurd"] == 1


def test_stale_samples_are_not_known():
    (meaning,) = KSERVE.meanings
    old = block(meaning, ("a", steady(10)), ends_s=NOW_S - 50)
    assert pod_rates(KSERVE, [old], NOW_S).refused["stale"] == 1
    assert not pod_rates(KSERVE, [old], NOW_S).per_second
    late = block(meaning, ("a", steady(10)), ends_s=NOW_S - 40)
    assert rate_of(KSERVE, late) == pytest.approx(10)


def test_one_sample_of_a_counter_says_nothing_yet():
    (meaning,) = KSERVE.meanings
    assert pod_rates(KSERVE, [block(meaning, ("a", [10.0]))], NOW_S).refused["short"] == 1


def test_nothing_done_is_known_to_be_nothing():
    (meaning,) = KSERVE.meanings
    assert rate_of(KSERVE, block(meaning, ("a", [7.0] * 8))) == 0


def test_the_window_is_longer_than_two_slow_scrapes():
    (meaning,) = KSERVE.meanings
    slow = block(meaning, ("a", steady(10, 3, every_s=55.0)), every_s=55.0)
    assert WINDOW_S > 2 * 55
    assert rate_of(KSERVE, slow) == pytest.approx(10)
