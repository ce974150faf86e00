from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.truths import keep_pods, make_truth

from powerplane.simulator.sensors.bank import Sensors
from powerplane.simulator.sensors.faults import (
    Doubled,
    Down,
    Frozen,
    Lies,
    Missing,
    Restarted,
    Says,
    Skewed,
)
from powerplane.simulator.sensors.models import SENSORS, with_changes

EXACT = with_changes(gain_share=0.0, noise=0.0, noise_share=0.0, step=0.0, window_s=0.0, delay_s=0.0, period_s=0.0)
NODE_1 = frozenset({"node-1"})


def watch(sensors, truths, every_s=1.0, from_s=1000.0):
    return [sensors.observe(truth, from_s + i * every_s) for i, truth in enumerate(truths)]


def values(said, source, what):
    return said.readings[source, what].value.tolist()


def test_without_noise_gauges_say_the_truth_and_counters_add_it_up():
    truth = make_truth()
    said = watch(Sensors(0, models=EXACT), [truth] * 11)
    assert values(said[-1], "ipmi", "power") == truth.wall_watts.tolist()
    joules = said[-1].readings["kepler", "package total"].value - said[0].readings["kepler", "package total"].value
    assert joules == pytest.approx(truth.cpu_watts * 10)
    assert values(said[-1], "cadvisor", "pod") == pytest.approx([5.0] * 6)


@settings(max_examples=30)
@given(watts=st.floats(20, 3000), seed=st.integers(0, 1000), name=st.sampled_from(["bmc", "meter"]))
def test_every_reading_of_a_steady_draw_lies_within_the_stated_error(watts, seed, name):
    source, what = {"bmc": ("ipmi", "power"), "meter": ("node-exporter", "power")}[name]
    truth = make_truth(watts=watts)
    said = watch(Sensors(seed, [source]), [truth] * 12)
    error = np.abs(said[-1].readings[source, what].value - truth.wall_watts)
    assert (error <= [SENSORS[name].error(each) for each in truth.wall_watts]).all()


def test_readings_are_multiples_of_the_step_and_differ_from_device_to_device():
    truth = replace(make_truth(40), wall_watts=np.full(40, 1000.0))
    read = watch(Sensors(3, ["ipmi"]), [truth] * 9)[-1].readings["ipmi", "power"].value
    assert (read % 2 == 0).all()
    assert len(set(read.tolist())) > 3


def test_a_window_says_the_mean_of_its_seconds_and_no_sooner_than_its_delay():
    models = with_changes(EXACT, window_s=4.0, delay_s=2.0)
    low, high = make_truth(1, 0, 0, watts=100.0), make_truth(1, 0, 0, watts=200.0)
    said = watch(Sensors(0, ["ipmi"], models), [low] * 10 + [high] * 8)
    read = [values(each, "ipmi", "power")[0] for each in said]
    # The step is at 9.5 s to the left of the first high moment: the truth has been so since the moment before.
    assert read[10] == pytest.approx(100.0)
    assert read[13] == pytest.approx(150.0)
    assert read[15] == pytest.approx(200.0)


def test_between_two_periods_the_same_reading_is_said_again_and_devices_read_at_moments_of_their_own():
    models = with_changes(EXACT, period_s=10.0)
    truths = [make_truth(8, 0, 0, watts=100.0 + i) for i in range(40)]
    said = watch(Sensors(0, ["ipmi"], models), truths)
    read = np.array([each.readings["ipmi", "power"].value for each in said])
    changes = (np.diff(read, axis=0) != 0).sum(axis=0)
    assert set(changes.tolist()) <= {3, 4}
    assert len({tuple(np.flatnonzero(column).tolist()) for column in np.diff(read, axis=0).T}) > 1


def test_the_same_seed_says_the_same_and_another_seed_does_not():
    truths = [make_truth(watts=300.0 + i) for i in range(6)]
    one, two, other = (watch(Sensors(seed, ["ipmi", "kepler"]), truths)[-1] for seed in (5, 5, 6))
    assert values(one, "ipmi", "power") == values(two, "ipmi", "power")
    assert values(one, "kepler", "package") != values(other, "kepler", "package")


def test_kepler_and_node_exporter_read_the_same_zone_with_the_same_calibration():
    said = watch(Sensors(1), [make_truth()] * 20)
    gauge = said[-1].readings["kepler", "package"].value
    counters = [each.readings["node-exporter", "package"].value for each in said]
    # Calibrations differ by far more than one gauge's noise.
    assert gauge == pytest.approx((counters[-1] - counters[-11]) / 10, rel=3.1 * SENSORS["rapl"].noise_share)


def test_a_zone_counter_wraps_where_the_hardware_does():
    truth = make_truth(1, 0, 0, watts=20_000.0)
    said = watch(Sensors(0, ["node-exporter"]), [truth] * 60)
    read = [values(each, "node-exporter", "package")[0] for each in said]
    assert max(read) < 262_144
    assert sum(b < a for a, b in pairwise(read)) in (2, 3)


def test_pods_that_come_and_go_keep_their_counters():
    truth = make_truth(pods=4)
    sensors = Sensors(0, ["cadvisor"], EXACT)
    sensors.observe(truth, 0.0)
    sensors.observe(truth, 10.0)
    said = sensors.observe(keep_pods(truth, [3, 1]), 20.0)
    assert values(said, "cadvisor", "pod") == pytest.approx([10.0, 10.0])
    said = sensors.observe(truth, 30.0)
    assert values(said, "cadvisor", "pod") == pytest.approx([5.0, 15.0, 5.0, 15.0])


def test_a_node_without_power_says_nothing_and_its_counters_start_again():
    truth = make_truth()
    dark = replace(truth, lit=np.array([True, False, True, True]), wall_watts=truth.wall_watts * [1, 0, 1, 1])
    said = watch(Sensors(0, models=EXACT), [truth] * 5 + [dark] * 2 + [truth] * 3)
    assert said[5].readings["ipmi", "power"].there.tolist() == [True, False, True, True]
    assert values(said[7], "kepler", "package total")[1] == pytest.approx(truth.cpu_watts[1])
    assert values(said[7], "kepler", "package total")[0] == pytest.approx(truth.cpu_watts[0] * 7)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_as_many_readings_drop_out_as_stated(share):
    said = watch(Sensors(0, ["ipmi"], with_changes(EXACT, dropout_share=share)), [make_truth(100, 0, 0)] * 50)
    lost = 1 - np.mean([each.readings["ipmi", "power"].there for each in said])
    assert lost == pytest.approx(share, abs=0.03)


def test_a_frozen_sensor_says_its_last_reading_until_it_thaws():
    truths = [make_truth(watts=300.0 + 10 * i) for i in range(6)]
    said = watch(Sensors(0, ["ipmi"], EXACT, [Frozen("ipmi", NODE_1, 1002.0, 1004.5)]), truths)
    assert [values(each, "ipmi", "power")[1] for each in said] == [301, 311, 311, 311, 311, 351]
    assert [values(each, "ipmi", "power")[0] for each in said] == [300, 310, 320, 330, 340, 350]


@pytest.mark.parametrize("times", [10.0, 0.1])
def test_a_source_that_lies_by_a_factor_lies_in_gauges_and_in_rates_alike(times):
    truth = make_truth()
    said = watch(Sensors(0, models=EXACT, faults=[Lies("kepler", NODE_1, times=times)]), [truth] * 3)
    assert values(said[-1], "kepler", "package")[1] == pytest.approx(truth.cpu_watts[1] * times)
    before, after = (values(each, "kepler", "package total")[1] for each in said[-2:])
    assert after - before == pytest.approx(truth.cpu_watts[1] * times)
    assert values(said[-1], "kepler", "package")[0] == pytest.approx(truth.cpu_watts[0])
    assert values(said[-1], "ipmi", "power") == truth.wall_watts.tolist()


@pytest.mark.parametrize("value", [nan, inf, -50.0, 0.0, 1e15])
def test_a_sensor_says_whatever_a_fault_puts_into_its_mouth_and_only_that_sensor(value):
    said = watch(Sensors(0, models=EXACT, faults=[Says("ipmi", NODE_1, value=value, what="power")]), [make_truth()] * 2)
    read = values(said[-1], "ipmi", "power")
    assert read[1] == value or (isnan(value) and isnan(read[1]))
    assert read[0] == 300.0
    assert values(said[-1], "ipmi", "celsius")[1] == 55.0


def test_spikes_come_as_often_as_stated():
    faults = [Says("ipmi", value=-1.0, share=0.2)]
    said = watch(Sensors(0, ["ipmi"], EXACT, faults), [make_truth(100, 0, 0)] * 40)
    spikes = np.mean([each.readings["ipmi", "power"].value == -1.0 for each in said])
    assert spikes == pytest.approx(0.2, abs=0.03)


def test_an_exporter_that_restarts_counts_from_nothing_once():
    truth = make_truth()
    said = watch(Sensors(0, models=EXACT, faults=[Restarted("kepler", NODE_1, from_s=1005.0)]), [truth] * 9)
    read = [values(each, "kepler", "package total") for each in said]
    assert read[5][1] == 0.0
    assert read[8][1] == pytest.approx(3 * truth.cpu_watts[1])
    assert read[8][0] == pytest.approx(8 * truth.cpu_watts[0])


@pytest.mark.parametrize("fault", [Missing, Down])
def test_what_is_missing_is_not_there_and_the_rest_is(fault):
    said = watch(Sensors(0, ["ipmi", "kepler"], EXACT, [fault("ipmi", NODE_1)]), [make_truth()] * 2)
    assert said[-1].readings["ipmi", "power"].there.tolist() == [True, False, True, True]
    assert said[-1].readings["kepler", "package"].there.all()


def test_a_wrong_clock_dates_samples_and_a_replica_doubles_them():
    faults = [Skewed("ipmi", NODE_1, seconds=-90.0), Doubled("kepler", NODE_1)]
    said = watch(Sensors(0, models=EXACT, faults=faults), [make_truth()] * 2)
    spoken = said[-1].readings["ipmi", "power"]
    assert (spoken.taken_s - said[-1].at_s).tolist() == [0.0, -90.0, 0.0, 0.0]
    assert said[-1].readings["kepler", "pod package"].doubled.tolist() == [False, True, False, False, False, True]


def test_a_fault_may_be_switched_on_while_it_runs():
    sensors = Sensors(0, ["ipmi"], EXACT)
    assert sensors.observe(make_truth(), 0.0).readings["ipmi", "power"].there.all()
    sensors.faults = (Missing("ipmi"),)
    assert not sensors.observe(make_truth(), 1.0).readings["ipmi", "power"].there.any()


def test_a_cluster_of_nothing_has_sensors_that_say_nothing():
    said = watch(Sensors(0), [make_truth(0, 0, 0)] * 2)
    assert all(len(each.value) == 0 for each in said[-1].readings.values())
