"""Fans and temperature beside a curve: found where they tell something, and left out where they do not.

The machines here are made by other laws than the model's: two masses that warm one after the other, leakage that is
exponential in the temperature, fans that a controller turns in steps by the inlet air, and sensors with noise.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.models.watts.synthetic import PRIOR, true_watts

from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.heat_fit import HeatFit, HeatHistory, fit_heat
from powerplane.models.watts.samples import NodeSamples

STEP_S = 60.0
COUNT = 1440
NAN = np.full(COUNT, np.nan)


@dataclass(frozen=True)
class Machine:
    """What is true of one machine."""

    fan_watts: float = 0.0
    leakage: float = 0.0
    fans_by: str = "air"


def day(machine: Machine, seed: int = 1) -> tuple[NodeSamples, Floats, Floats]:
    """A day of a machine: samples, rpm and package temperature as its sensors say them."""
    random = np.random.default_rng(seed)
    load = np.clip(np.repeat(random.uniform(0, 1, COUNT // 15), 15) + random.normal(0, 0.02, COUNT), 0, 1)
    curve = true_watts(load)
    # Three cycles, none of which ends with a block.
    inlet = 26 + 6 * np.sin(2 * np.pi * np.arange(COUNT) * 3.3 / COUNT)
    sink, case = np.empty(COUNT), np.empty(COUNT)
    sink[0] = case[0] = inlet[0]
    for place in range(1, COUNT):
        case[place] = case[place - 1] + (curve[place] * 0.06 + inlet[place] - case[place - 1]) * (1 - np.exp(-0.2))
        sink[place] = sink[place - 1] + (case[place] + curve[place] * 0.05 - sink[place - 1]) * (1 - np.exp(-0.6))
    asked = (inlet - 15) / 20 if machine.fans_by == "air" else 0.2 + 0.7 * load
    speed = np.clip(np.round(asked, 1) if machine.fans_by == "air" else asked, 0.2, 1.0)
    usual = 22 + 0.11 * curve
    leakage = curve * np.expm1(machine.leakage * (sink - usual))
    watts = curve + machine.fan_watts * speed**3 + leakage + random.normal(0, 3, COUNT)
    rpm = speed * 12_000 * (1 + random.normal(0, 0.01, COUNT))
    samples = NodeSamples.of_series(np.arange(COUNT) * STEP_S, load, watts)
    return samples, rpm, np.round(sink + random.normal(0, 0.5, COUNT))


def fitted(*parts: tuple[NodeSamples, Floats, Floats]) -> HeatFit:
    found = fit_heat(HeatHistory.joined(parts), PRIOR)
    assert found is not None
    return found


def test_fans_that_turn_by_the_air_are_found_and_lower_the_error_of_later_blocks() -> None:
    samples, rpm, _ = day(Machine(fan_watts=80.0))
    found = fitted((samples, rpm, NAN))
    assert found.kept == "fans"
    assert found.fan_watts == pytest.approx(80.0 * (rpm.max() / 12_000) ** 3, rel=0.15)
    assert found.held["fans"].terms < 0.7 * found.held["fans"].curve
    assert found.fans is not None
    assert found.fans.most_watts < 120


def test_fans_that_turn_with_the_load_alone_are_left_to_the_curve() -> None:
    samples, rpm, _ = day(Machine(fan_watts=80.0, fans_by="load"))
    found = fitted((samples, rpm, NAN))
    assert found.kept == ""
    assert found.tied == ("fans",)
    assert found.fans is None


def test_fans_that_draw_nothing_of_note_are_not_kept() -> None:
    samples, rpm, _ = day(Machine(fan_watts=0.0))
    found = fitted((samples, rpm, NAN))
    assert found.kept == ""
    assert found.fan_watts < 10


def test_leakage_and_the_lag_of_the_package_are_found() -> None:
    samples, _, celsius = day(Machine(leakage=0.006))
    found = fitted((samples, NAN, celsius))
    assert found.kept == "temperature"
    assert found.heat is not None
    assert found.heat.leakage_share == pytest.approx(0.006, rel=0.25)
    assert found.heat.kelvin_per_watt == pytest.approx(0.11, rel=0.25)
    # Between those of the two masses.
    assert 100 < found.heat.lag_s < 300


def test_a_temperature_that_costs_nothing_is_reported_and_not_kept() -> None:
    samples, _, celsius = day(Machine())
    found = fitted((samples, NAN, celsius))
    assert found.kept == ""
    assert found.heat is not None
    assert found.heat.leakage_share < 0.001


def test_two_nodes_of_one_type_share_their_fans_whatever_order_they_come_in() -> None:
    parts = [(samples, rpm, NAN) for samples, rpm, _ in (day(Machine(fan_watts=80.0), seed) for seed in (1, 2))]
    one, other = fitted(*parts), fitted(*reversed(parts))
    assert one.kept == other.kept == "fans"
    assert one.fan_watts == pytest.approx(other.fan_watts, rel=0.02)


def test_nothing_is_said_of_few_samples_or_without_sensors() -> None:
    samples, rpm, _ = day(Machine(fan_watts=80.0))
    assert fit_heat(HeatHistory.joined([(samples, NAN, NAN)]), PRIOR) is None
    assert fit_heat(HeatHistory.joined([(samples[:100], rpm[:100], NAN[:100])]), PRIOR) is None


def test_readings_that_cannot_be_true_are_passed_over() -> None:
    samples, rpm, celsius = day(Machine(fan_watts=80.0))
    watts = samples.watts.copy()
    watts[::50], watts[7] = np.nan, 1e9
    rpm[::40], rpm[3], celsius[5] = np.nan, 65_535.0, 255.0
    bad = NodeSamples(samples.at_s, samples.now, samples.before, watts)
    found = fitted((bad, rpm, celsius))
    assert "fans" in found.kept
    assert found.samples < COUNT


@pytest.mark.parametrize("seed", range(4))
def test_a_temperature_that_follows_the_fans_own_air_is_not_kept_beside_them(seed: int) -> None:
    machine = day(Machine(fan_watts=80.0), seed=seed)
    found = fitted(machine)
    assert found.kept == "fans"
    # At the highest speed seen.
    assert found.fan_watts == pytest.approx(80.0 * (machine[1].max() / 12_000) ** 3, rel=0.2)


def test_one_wild_speed_does_not_make_all_others_small() -> None:
    samples, rpm, _ = day(Machine(fan_watts=80.0))
    wild = np.where(np.arange(COUNT) == COUNT // 2, 49_999.0, rpm)
    assert fitted((samples, wild, NAN)).held["fans"].terms == pytest.approx(
        fitted((samples, rpm, NAN)).held["fans"].terms, rel=0.05
    )


def test_fans_that_stand_still_tell_nothing() -> None:
    samples, _, _ = day(Machine())
    found = fitted((samples, np.zeros(COUNT), NAN))
    assert (found.tied, found.held) == (("fans",), {})


def test_a_temperature_that_follows_within_a_step_has_no_lag() -> None:
    samples, _, _ = day(Machine())
    found = fitted((samples, NAN, np.round(22 + 0.1 * samples.watts, 2)))
    assert found.heat is not None
    assert found.heat.lag_s == 0.0
