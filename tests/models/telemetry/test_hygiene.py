"""Each thing that may be wrong with samples: found, named, counted, and never a watt of it used."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.telemetry.series import (
    CPU,
    CPU_JOULES,
    DCGM,
    IPMI,
    NOW_S,
    POD_USE,
    SCRAPE_S,
    Sample,
    answer,
    block,
    by_node,
    counter,
    gauge,
    meaning,
    noisy,
)

from powerplane.models.telemetry.hygiene import Judged, judge
from powerplane.models.telemetry.readings import Entity, SourceReading
from powerplane.models.telemetry.remembered import SourceMemory
from powerplane.models.telemetry.rules import DEFAULT_RULES, Rules
from powerplane.models.telemetry.verdicts import BY_NAME

NODE = Entity("n1")


def judged(metric: str, samples: list[Sample], memory: SourceMemory | None = None, at_s: float = NOW_S) -> Judged:
    """One series of one metric, judged."""
    reading = answer(block(meaning(metric), [(NODE, samples)]), at_s=at_s)
    return judge(reading, memory or SourceMemory(), DEFAULT_RULES)


def value_of(found: Judged) -> float:
    return float(found.blocks[0].value[0])


def test_a_good_gauge_is_its_last_sample_and_as_old_as_that() -> None:
    found = judged(IPMI, gauge(noisy(300), until_s=NOW_S - 4))
    assert (value_of(found), found.blocks[0].age_s[0], found.found) == (300, 4, {})


def test_a_good_counter_is_its_rate() -> None:
    found = judged(CPU_JOULES, counter(120))
    assert value_of(found) == pytest.approx(120)
    assert found.found == {}


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (math.nan, "nan"),
        (math.inf, "infinite"),
        (-math.inf, "infinite"),
        (-5.0, "negative"),
        (9.3e12, "absurd"),
        (9223372036854775794.0, "blank"),
        (2147483632.0, "blank"),
        (140737488355328.0, "blank"),
    ],
)
def test_a_sample_that_cannot_be_is_dropped_and_counted_and_the_good_one_before_it_counts(
    bad: float, name: str
) -> None:
    found = judged(DCGM, gauge([301.5, 300.2, bad]))
    assert (value_of(found), found.blocks[0].age_s[0]) == (300.2, SCRAPE_S)
    assert found.found == {name: 1}


@pytest.mark.parametrize(("bad", "name"), [(math.nan, "nan"), (-5.0, "negative"), (math.inf, "infinite")])
def test_a_series_of_nothing_but_bad_samples_has_no_value_and_says_why(bad: float, name: str) -> None:
    found = judged(IPMI, gauge([bad, bad]))
    assert math.isnan(value_of(found))
    assert (found.blocks[0].reason, found.found) == ((name,), {name: 1})


def test_a_sample_from_the_future_is_dropped() -> None:
    found = judged(IPMI, [*gauge(noisy(300)), (NOW_S + 60, 9.0)])
    assert (value_of(found), found.found) == (300, {"future": 1})


def test_samples_of_a_clock_that_is_ahead_are_as_old_as_they_are_behind_its_newest() -> None:
    # Stamped ten seconds ahead: the newest was taken just now, and nothing is fresher than that.
    samples = gauge(noisy(300))
    lead_s = NOW_S + 10.0 - max(at_s for at_s, _ in samples)
    found = judged(IPMI, [(at_s + lead_s, value) for at_s, value in samples])
    assert (value_of(found), found.blocks[0].age_s[0], found.found) == (300, 0.0, {"future": 1})


def test_samples_of_a_clock_that_is_ahead_grow_old_where_no_newer_ones_come() -> None:
    samples = [(at_s + 40.0, value) for at_s, value in gauge(noisy(300))]
    memory, ages = SourceMemory(), []
    for i in range(5):
        found = judged(IPMI, samples, memory, NOW_S + SCRAPE_S * i)
        memory = found.memory
        ages.append(float(found.blocks[0].age_s[0]))
    assert ages == [0, 15, 30, 45, 60]


def test_a_sample_without_a_time_is_dropped() -> None:
    found = judged(IPMI, [*gauge(noisy(300)), (math.nan, 9.0)])
    assert (value_of(found), found.found) == (300, {"undated": 1})


def test_samples_out_of_order_are_put_in_order() -> None:
    samples = gauge([310.0, 305.0, 300.0])
    found = judged(IPMI, [samples[2], samples[0], samples[1]])
    assert (value_of(found), found.found) == (300, {"disordered": 1})


def test_of_two_values_at_one_time_the_higher_counts() -> None:
    samples = gauge([310.0, 305.0])
    found = judged(IPMI, [*samples, (NOW_S, 320.0), (NOW_S, 290.0)])
    assert (value_of(found), found.found) == (320, {"repeated": 1})


def test_a_value_told_twice_is_nothing_to_tell() -> None:
    samples = gauge(noisy(300))
    assert judged(IPMI, [*samples, samples[-1]]).found == {}


@pytest.mark.parametrize("start", [0.0, 7.0, 40_000.0])
def test_a_counter_that_fell_goes_on_after_the_fall_and_is_never_negative(start: float) -> None:
    rising = counter(120, count=6)
    after = [(at_s, start + (at_s - rising[3][0]) * 120) for at_s, _ in rising[3:]]
    found = judged(CPU_JOULES, [*rising[:3], *after])
    assert value_of(found) == pytest.approx(120)
    assert found.found == {"reset": 1}


def test_a_counter_that_has_just_fallen_keeps_the_rate_before_the_fall_as_old_as_that_is() -> None:
    found = judged(CPU_JOULES, [*counter(120, until_s=NOW_S - SCRAPE_S), (NOW_S, 3.0)])
    assert value_of(found) == pytest.approx(120)
    assert found.blocks[0].age_s[0] == SCRAPE_S


def test_a_counter_that_leaps_beyond_any_node_is_followed_without_the_leap() -> None:
    samples = [(at_s, value + (1e15 if at_s > NOW_S - 20 else 0)) for at_s, value in counter(120)]
    found = judged(CPU_JOULES, samples)
    assert value_of(found) == pytest.approx(120)
    assert found.found == {"absurd": 1}


def test_a_counter_with_one_sample_has_no_rate_until_the_next() -> None:
    first = judged(CPU_JOULES, [(NOW_S, 5e4)])
    assert math.isnan(value_of(first))
    assert (first.blocks[0].reason, first.found) == (("short",), {"short": 1})
    later = judged(CPU_JOULES, [(NOW_S + 15, 5e4 + 1800)], first.memory, NOW_S + 15)
    assert value_of(later) == pytest.approx(120)


def test_a_counter_that_stands_still_is_frozen_and_not_0_watts() -> None:
    found = judged(CPU_JOULES, gauge([5e4] * 6))
    assert math.isnan(value_of(found))
    assert found.found == {"frozen": 1, "zero": 1}


def test_a_reading_that_stays_the_same_to_the_bit_is_frozen_also_over_many_rounds() -> None:
    memory, states = SourceMemory(), []
    for i in range(16):
        found = judged(IPMI, gauge([301.25] * 2, until_s=NOW_S + 15 * i), memory, NOW_S + 15 * i)
        memory = found.memory
        states.append(found.blocks[0].reason[0])
    assert states == [""] * 11 + ["frozen"] * 5


def test_whole_watts_may_stay_the_same_for_longer() -> None:
    assert value_of(judged(IPMI, gauge([301.0] * 20))) == 301
    assert judged(IPMI, gauge([301.0] * 61)).found == {"frozen": 1}


def test_a_reading_that_moves_again_is_believed_again() -> None:
    frozen = judged(IPMI, gauge([301.25] * 20))
    again = judged(IPMI, gauge([301.25, 302.5], until_s=NOW_S + 15), frozen.memory, NOW_S + 15)
    assert (value_of(again), again.found) == (302.5, {})


def test_two_live_series_of_one_thing_count_once_and_the_higher_one() -> None:
    reading = answer(block(meaning(IPMI), [(NODE, gauge(noisy(300))), (NODE, gauge(noisy(320)))]))
    found = judge(reading, SourceMemory(), DEFAULT_RULES)
    assert len(found.blocks[0].entities) == 1
    assert (value_of(found), found.found) == (320, {"doubled": 1})


def test_a_series_whose_exporter_has_moved_gives_way_to_the_new_one() -> None:
    old, new = gauge(noisy(500), until_s=NOW_S - 60), gauge(noisy(300, 3))
    found = judge(answer(block(meaning(IPMI), [(NODE, old), (NODE, new)])), SourceMemory(), DEFAULT_RULES)
    assert (value_of(found), found.found) == (300, {})


def test_a_device_that_goes_to_another_pod_is_the_same_device() -> None:
    def card(pod: str) -> Entity:
        return Entity("n1", "ml", pod, "", "", "GPU-1")

    first = judge(answer(block(meaning(DCGM), [(card("a"), gauge(noisy(300)))])), SourceMemory(), DEFAULT_RULES)
    reading = answer(block(meaning(DCGM), [(card("b"), gauge(noisy(310), until_s=NOW_S + 15))]), at_s=NOW_S + 15)
    second = judge(reading, first.memory, DEFAULT_RULES)
    assert (len(second.blocks[0].entities), second.found) == (1, {})


def test_pods_that_share_a_device_are_no_doubled_series() -> None:
    series = [(Entity("n1", "ml", pod, "", "", "GPU-1"), gauge(noisy(300))) for pod in ("a", "b")]
    found = judge(answer(block(meaning(DCGM), series)), SourceMemory(), DEFAULT_RULES)
    assert (len(found.blocks[0].entities), found.found) == (1, {})


def test_a_series_that_vanishes_is_missed_held_and_then_given_up() -> None:
    memory = judged(IPMI, gauge(noisy(300))).memory
    told = []
    for i in range(1, 5):
        found = judge(SourceReading("ipmi", NOW_S + 15 * i, NOW_S + 15 * i), memory, DEFAULT_RULES)
        memory = found.memory
        told.append((value_of(found), found.blocks[0].reason[0], found.found.get("missing")))
    assert told[:2] == [(300, "", 1), (300, "", 1)]
    assert all(math.isnan(value) and (reason, number) == ("missing", 1) for value, reason, number in told[2:])


def test_a_source_that_does_not_answer_leaves_its_samples_to_grow_old() -> None:
    memory = judged(IPMI, gauge(noisy(300))).memory
    found = judge(SourceReading("ipmi", 0, NOW_S + 30, error="refused"), memory, DEFAULT_RULES)
    assert (value_of(found), found.blocks[0].age_s[0], found.found["no answer"]) == (300, 30, 1)
    found = judge(SourceReading("ipmi", 0, NOW_S + 45, error="refused"), found.memory, DEFAULT_RULES)
    assert math.isnan(value_of(found))


def test_a_pod_that_has_gone_is_not_missed() -> None:
    pod = Entity("n1", "shop", "web", "")
    first = judge(answer(block(meaning(POD_USE), [(pod, counter(0.5))])), SourceMemory(), DEFAULT_RULES)
    second = judge(SourceReading("kubelet", NOW_S + 15, NOW_S + 15), first.memory, DEFAULT_RULES)
    assert (second.blocks, second.found) == ((), {})


def test_late_samples_are_held_and_stale_ones_are_not() -> None:
    late = judged(IPMI, gauge(noisy(300), until_s=NOW_S - 40))
    assert (value_of(late), late.found) == (300, {"late": 1})
    stale = judged(IPMI, gauge(noisy(300), until_s=NOW_S - 45))
    assert math.isnan(value_of(stale))
    assert (stale.blocks[0].reason, stale.found) == (("stale",), {"stale": 1})


def test_a_source_that_is_read_once_a_minute_is_not_late_after_half_of_one() -> None:
    found = judged(IPMI, gauge(noisy(300), until_s=NOW_S - 50, every_s=60))
    assert (value_of(found), found.found, found.blocks[0].interval_s) == (300, {}, 60)


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_clock_that_is_not_ours_is_told_and_ages_are_by_the_clock_of_the_samples(skew_s: float) -> None:
    series = [(NODE, gauge(noisy(300), until_s=NOW_S - skew_s - 4))]
    found = judge(answer(block(meaning(IPMI), series), skew_s=skew_s), SourceMemory(), DEFAULT_RULES)
    assert (value_of(found), found.blocks[0].age_s[0], found.found) == (300, 4, {"clock skew": 1})


def test_an_answer_that_is_kept_somewhere_grows_old() -> None:
    kept = answer(block(meaning(IPMI), [(NODE, gauge(noisy(300)))]))
    memory = judge(kept, SourceMemory(), DEFAULT_RULES).memory
    late = SourceReading(kept.source, kept.evaluated_s, NOW_S + 60, kept.blocks)
    found = judge(late, memory, DEFAULT_RULES)
    assert math.isnan(value_of(found))
    assert found.found["stale"] == 1


def test_a_clock_that_is_put_back_does_not_keep_old_samples_young() -> None:
    memory = judged(IPMI, gauge(noisy(900))).memory
    found = judged(IPMI, gauge(noisy(300), until_s=NOW_S - 7200), memory, NOW_S - 7200)
    assert value_of(found) == 300


@pytest.mark.parametrize("metric", [CPU, DCGM])
def test_a_lit_part_without_draw_is_no_reading(metric: str) -> None:
    found = judged(metric, gauge([*noisy(100), 0.0]))
    assert math.isnan(value_of(found))
    assert found.found == {"zero": 1}


def test_what_could_not_be_read_is_counted_with_the_rest() -> None:
    reading = SourceReading("ipmi", NOW_S, NOW_S, refused={"unlabelled": 3})
    assert judge(reading, SourceMemory(), DEFAULT_RULES).found == {"unlabelled": 3}


def test_every_verdict_is_one_that_is_documented() -> None:
    known = {"unlabelled", "malformed"}
    reading = by_node(IPMI, {"a": [1.0, math.nan], "b": [math.inf] * 3, "c": [-1.0], "d": [300.1] * 40})
    found = judge(reading, SourceMemory(), DEFAULT_RULES).found
    assert set(found) <= set(BY_NAME) | known
    assert len(found) >= 4


odd_values = st.one_of(
    st.floats(),
    st.floats(0, 1000),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 2.0**63, 140737488355328.0, 1e-320]),
)
odd_times = st.one_of(
    st.floats(), st.floats(NOW_S - 300, NOW_S + 10), st.integers(-20, 1).map(lambda i: NOW_S + 15 * i)
)
odd_samples = st.lists(st.tuples(odd_times, odd_values), max_size=8)
odd_metrics = st.sampled_from([IPMI, CPU, CPU_JOULES, DCGM, POD_USE])


@given(odd_metrics, st.lists(st.tuples(st.sampled_from("abc"), odd_samples), max_size=5), st.integers(1, 3))
def test_whatever_comes_a_value_is_a_believable_number_and_its_age_is_not_negative(
    metric: str, series: list[tuple[str, list[Sample]]], rounds: int
) -> None:
    memory = SourceMemory()
    rules = Rules()
    for i in range(rounds):
        reading = answer(block(meaning(metric), [(Entity(name, "ns", name), each) for name, each in series]))
        found = judge(reading, memory, rules, NOW_S + 15 * i)
        memory = found.memory
        for each in found.blocks:
            values = each.value[~np.isnan(each.value)]
            assert ((values >= 0) & np.isfinite(values)).all()
            assert (each.age_s >= 0).all()
            assert not np.isnan(each.age_s).any()
            assert all(
                (reason == "") != math.isnan(value) for reason, value in zip(each.reason, each.value, strict=True)
            )
        assert all(number > 0 for number in found.found.values())
