"""Histories of nodes: what cannot be believed is a gap, what is not measured is at its worst, and nothing is 0 W."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from powerplane.models.demand.node_history import believed, complete, thawed, whole_watts
from powerplane.models.telemetry.facts import NodeFacts

STEP_S = 900.0
SAMPLES = st.one_of(st.just(np.nan), st.floats(50, 250))
FACTS = (NodeFacts("n1", 100, 200), NodeFacts("n2", 100, 200), NodeFacts("off", 100, 200, ready=False))


def node_watts(elements=SAMPLES):
    return st.integers(1, 40).flatmap(lambda steps: arrays(np.float64, (3, steps), elements=elements))


@given(node_watts())
def test_after_filling_every_node_draws_something_at_every_step(watts):
    found = complete(watts, FACTS, 0.0, STEP_S)
    assert np.isfinite(found.watts).all()
    assert (found.watts >= 50).all()


@given(node_watts())
def test_filling_changes_no_sample_of_a_node_that_is_measured(watts):
    found = complete(watts, FACTS, 0.0, STEP_S)
    kept = np.isfinite(watts) & ~found.unmeasured[:, None]
    assert (found.watts[kept] == watts[kept]).all()
    assert not found.filled[kept].any()


@given(node_watts())
def test_a_node_without_a_sample_for_two_hours_counts_at_its_peak_throughout(watts):
    found = complete(watts, FACTS, 0.0, STEP_S)
    recent = np.isfinite(watts[:, -9:]).any(axis=1)
    assert (found.unmeasured == ~recent).all()
    assert (found.watts[~recent] == 200).all()


@given(node_watts(st.one_of(st.just(np.nan), st.just(np.inf), st.floats(-1e9, 1e9))))
def test_what_is_believed_is_a_sample_that_such_a_node_can_draw(watts):
    found = believed(watts, FACTS)
    kept = np.isfinite(found)
    assert (found[kept] == watts[kept]).all()
    assert (found[kept] > 0).all()
    assert (found[kept] <= 250).all()
    assert (found[:2][kept[:2]] >= 50).all()


@pytest.mark.parametrize("factor", [1000.0, 10.0, 0.1, 0.001, 0.0, -1.0])
def test_no_reading_in_another_unit_is_believed_of_a_lit_node(factor):
    watts = np.random.default_rng(0).uniform(110, 190, (2, 50))
    assert np.isnan(believed(factor * watts, FACTS[:2])).all()


def test_a_frozen_sensor_is_a_gap_from_where_it_froze():
    watts = np.random.default_rng(0).uniform(110, 190, (1, 50))
    watts[0, 20:] = 140.25
    found = thawed(watts, STEP_S)
    assert np.isfinite(found[0, :20]).all()
    assert np.isnan(found[0, 20:]).all()


def test_a_quiet_meter_of_whole_watts_may_repeat_itself_for_two_hours():
    watts = np.repeat([[120.0, 121.0, 120.0, 122.0]], 8, axis=1)
    assert np.isfinite(thawed(watts, STEP_S)).all()
    assert np.isnan(thawed(np.full((1, 9), 120.0), STEP_S)).all()


@given(
    arrays(np.float64, (3, 5), elements=st.floats(1, 150)),
    arrays(np.float64, (3, 5), elements=st.one_of(st.just(np.nan), st.floats(0, 30))),
)
def test_a_whole_node_draws_no_less_than_its_parts_nor_than_its_idle(cpu, dram):
    whole = whole_watts(cpu, dram, np.full((3, 5), np.nan), FACTS)
    assert (whole >= cpu + np.nan_to_num(dram)).all()
    assert (whole >= 100).all()


def test_accelerators_that_nobody_measures_count_at_their_limit():
    facts = (NodeFacts("gpu", 100, 1000, accelerators=2, accelerator_peak_watts=400),)
    parts = np.full((1, 4), 50.0)
    unknown = whole_watts(parts, parts, np.full((1, 4), np.nan), facts)
    known = whole_watts(parts, parts, np.full((1, 4), 150.0), facts)
    assert unknown - known == pytest.approx(800 - 150)


def test_a_counter_that_stands_still_is_no_idle_node():
    still = np.array([[60.0, 0.0, 61.0]])
    nothing = np.full((1, 3), np.nan)
    assert np.isnan(whole_watts(still, nothing, nothing, FACTS[:1])).tolist() == [[False, True, False]]
