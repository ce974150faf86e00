"""Histories of pods: at which steps they are read, and from whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.pod_histories import LEAST_STEP_S, MOST_VALUES, USUAL_STEP_S, open_histories
from powerplane.adapters.telemetry.pod_history import pod_rows
from powerplane.models.telemetry.metrics import SCRAPED
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES
from powerplane.models.telemetry.readings import Entity, SeriesBlock, SourceReading

CPU = {row.source: row for row in reversed(SCRAPED) if row.quantity == "pod cpu cores" and row.pod}
SOURCES = [source for source in POD_USE_SOURCES if source in CPU]


def block(meaning, pods=1, steps=3) -> SeriesBlock:
    entities = tuple(Entity(namespace="shop", pod=f"p{i}") for i in range(pods))
    at = np.tile(1000.0 + 60.0 * np.arange(steps), pods)
    return SeriesBlock(meaning, entities, np.arange(pods + 1) * steps, at, np.ones(len(at)))


class Live:
    """Has one source's metric alone, and keeps what it was asked."""

    def __init__(self, source: str):
        self.source, self.asked = source, []

    def history(self, meaning, start_s, end_s, step_s):
        self.asked.append((meaning.source, end_s - start_s, step_s))
        return block(meaning, pods=int(meaning.source == self.source))


class Pages:
    """A recording with metrics of several sources."""

    def __init__(self, *sources):
        self.sources = sources

    def read(self, now_s, window_s):
        self.window = (now_s, window_s)
        return (SourceReading("all", now_s, now_s, tuple(block(CPU[source]) for source in self.sources)),)


@given(st.floats(60, 30 * 86_400), st.integers(0, 200_000))
def test_no_more_values_are_read_than_the_most_and_steps_are_never_shorter_than_a_scrape(history_s, pods):
    step_s = open_histories(Opened(Live(""), (), "http://x"), history_s, pods, print).step_s
    assert step_s >= LEAST_STEP_S
    assert history_s / step_s * pods <= MOST_VALUES * 1.000001
    assert step_s <= USUAL_STEP_S or history_s / USUAL_STEP_S * pods >= MOST_VALUES


def test_a_live_source_is_asked_by_preference_until_one_has_series():
    live, said = Live(SOURCES[-1]), []
    histories = open_histories(Opened(live, (), "http://x"), 3600.0, 9, said.append)
    (found,) = histories.blocks("pod cpu cores", POD_USE_SOURCES)
    assert found.meaning.source == SOURCES[-1]
    assert histories.step_s == 60.0
    asked = [source for source, _, _ in live.asked]
    assert asked == sorted(asked, key=POD_USE_SOURCES.index)
    assert {(span, step) for _, span, step in live.asked} == {(3600.0, 60.0)}
    assert said
    assert all(each.startswith("reading the history of ") for each in said)


def test_a_live_source_without_series_of_pods_has_none():
    assert open_histories(Opened(Live(""), (), "http://x"), 3600.0, 9, print).blocks("pod cpu cores", SOURCES) == []


@pytest.mark.skipif(len(SOURCES) < 2, reason="one source tells pods' use")
def test_a_recording_gives_every_source_that_counts_the_preferred_first():
    pages = Pages(*reversed(SOURCES))
    histories = open_histories(Opened(pages, (1000.0, 1015.0, 1045.0), "dir"), 3600.0, 9, print)
    assert pages.window == (1045.0, 3600.0)
    assert histories.step_s == 15.0
    assert [found.meaning.source for found in histories.blocks("pod cpu cores", SOURCES)] == SOURCES
    assert [found.meaning.source for found in histories.blocks("pod cpu cores", SOURCES[1:])] == SOURCES[1:]
    assert histories.blocks("gpu watts", SOURCES) == []


def test_a_recording_of_one_moment_has_the_least_step():
    assert open_histories(Opened(Pages(), (1000.0,), "dir"), 3600.0, 9, print).step_s == LEAST_STEP_S


def test_a_prometheus_is_never_asked_for_what_only_another_api_tells():
    for quantity in ("pod cpu cores", "gpu watts"):
        for row in pod_rows(quantity, (*POD_USE_SOURCES, *GPU_SOURCES)):
            assert row.metric.replace(":", "_").isidentifier(), row.metric
