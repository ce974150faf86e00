"""Pods' rows are asked for as far back as a rate needs, once it is known how far that is."""

import numpy as np
import pytest

from powerplane.adapters.telemetry.windows import Windows
from powerplane.models.telemetry.metrics import SCRAPED, meanings_for, meanings_of
from powerplane.models.telemetry.readings import Entity, Meaning, SeriesBlock

POD = meanings_for("pod cpu cores")[0]
NODE = meanings_of("ipmi")[0]


def block(meaning: Meaning, every_s: float, samples: int, series: int = 3) -> SeriesBlock:
    at_s = np.tile(np.arange(samples) * every_s, series)
    offsets = np.arange(series + 1) * samples
    return SeriesBlock(meaning, tuple(Entity(pod=f"p{each}") for each in range(series)), offsets, at_s, at_s)


@pytest.mark.parametrize(("every_s", "window_s"), [(5.0, 90.0), (15.0, 90.0), (30.0, 150.0), (60.0, 200.0)])
def test_five_scrapes_are_enough_and_90_seconds_the_least(every_s: float, window_s: float) -> None:
    windows = Windows()
    assert windows.window_s(POD, 200.0) == 150.0, "two samples of the slowest scrape that is usual"
    windows.learn(block(POD, every_s, 4))
    assert windows.window_s(POD, 200.0) == window_s
    assert windows.window_s(POD, 60.0) == 60.0, "never more than is asked for"


def test_nodes_are_always_asked_for_in_full() -> None:
    windows = Windows()
    windows.learn(block(NODE, 15.0, 4))
    assert windows.window_s(NODE, 300.0) == 300.0


def test_when_a_scrape_slows_down_the_whole_window_is_asked_for_again() -> None:
    windows = Windows()
    windows.learn(block(POD, 5.0, 4))
    windows.learn(block(POD, 0.0, 1))
    assert windows.window_s(POD, 200.0) == 200.0


def test_every_row_has_a_window() -> None:
    windows = Windows()
    for meaning in SCRAPED:
        windows.learn(block(meaning, 15.0, 3))
        assert 90.0 <= windows.window_s(meaning, 200.0) <= 200.0
