"""How a meter's time stands to its counters': found from the samples, and left alone where nothing is gained."""

import numpy as np
import pytest
from tests.models.watts.synthetic import PRIOR, true_watts

from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.node_fit import NodeFit
from powerplane.models.watts.samples import NodeSamples
from powerplane.models.watts.timing import aligned, choose_timing

RANDOM = np.random.default_rng(1)
LOAD = np.repeat(RANDOM.uniform(0, 1, 150), RANDOM.integers(5, 15, 150))
"""Use of the machine at the end of each interval."""


def samples(counter: Floats, watts: Floats) -> NodeSamples:
    noise = np.random.default_rng(2).normal(0, 2, len(watts))
    return NodeSamples.of_series(15.0 * np.arange(len(watts)), counter, watts + noise)


RAMPS = 0.5 + 0.48 * np.sin(np.arange(1500) / 2.3)
"""A load that rises and falls evenly."""


def averaged(load: Floats) -> Floats:
    """Return what a counter says of a load that changes evenly over each interval."""
    return (load + np.concatenate([load[:1], load[:-1]])) / 2


def test_a_meter_of_the_same_interval_as_the_counter_needs_no_shift() -> None:
    assert NodeFit.start(PRIOR).follow(samples(LOAD, true_watts(LOAD))).timing == 0.0


def test_a_meter_of_the_intervals_end_is_ahead_of_a_counter_that_averages() -> None:
    fit = NodeFit.start(PRIOR).follow(samples(averaged(RAMPS), true_watts(RAMPS)))
    assert fit.timing == 0.5
    assert fit.error.curve_mape < 0.03


def test_a_meter_that_is_late_by_an_interval_is_found_late() -> None:
    late = np.concatenate([LOAD[:1], LOAD[:-1]])
    fit = NodeFit.start(PRIOR).follow(samples(LOAD, true_watts(late)))
    assert fit.timing == -1.0
    assert fit.error.curve_mape < 0.02


def test_the_curve_is_that_of_a_load_that_stays_whatever_the_timing() -> None:
    fit = NodeFit.start(PRIOR).follow(samples(averaged(RAMPS), true_watts(RAMPS)))
    at = np.linspace(0.05, 0.95, 19)
    assert fit.curve_watts(at) == pytest.approx(true_watts(at), rel=0.08)


def test_what_belongs_to_the_watts_stays_within_the_machine() -> None:
    now, before = np.array([[0.9], [0.1], [1.2]]), np.array([[0.2], [0.9], [1.2]])
    assert aligned(now, before, 1.0, np.array([1.0]))[:, 0].tolist() == [1.0, 0.0, 1.2]
    assert aligned(now, before, 0.0, np.array([1.0])) is now


def test_another_timing_is_believed_only_where_it_is_worth_a_change() -> None:
    assert choose_timing(lambda timing: 100.0 - timing, 1000, 0.0) == 0.0
    assert choose_timing(lambda timing: 100.0 - 10 * timing, 1000, 0.0) == 1.0
    assert choose_timing(lambda timing: 100.0 - 10 * timing, 10, 0.0) == 0.0
