"""Heat and fans: the cube, the lag, and that a settled machine is on its curve."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.watts.thermal import TYPICAL_FANS, Heat, fit_fans


def test_half_the_speed_takes_an_eighth_of_the_watts() -> None:
    full, half = TYPICAL_FANS.at_speed(np.array([1.0, 0.5])).tolist()
    assert half == pytest.approx(full / 8)
    assert TYPICAL_FANS.speed(np.array([half]))[0] == pytest.approx(0.5)


def test_fans_that_follow_a_power_law_are_found_again() -> None:
    server = np.array([300.0, 450.0, 700.0, 900.0])
    fans = fit_fans(server, 60.0 * (server / 500.0) ** 1.5)
    assert fans.growth == pytest.approx(1.5)
    assert fans.settled(np.array([500.0]))[0] == pytest.approx(60.0)


@given(st.floats(50, 1500), st.floats(20, 90), st.floats(0, 1e5), st.floats(0, 1e5))
def test_one_long_step_of_time_is_as_good_as_two_short_ones(
    watts: float, celsius: float, first: float, second: float
) -> None:
    heat = Heat()
    assert heat.after(heat.after(celsius, watts, first), watts, second) == pytest.approx(
        heat.after(celsius, watts, first + second)
    )


@given(st.floats(50, 1500))
def test_a_settled_machine_draws_what_its_curve_says(watts: float) -> None:
    heat = Heat()
    assert heat.watts_at(heat.settled(watts), watts, TYPICAL_FANS) == pytest.approx(watts)


def test_after_a_step_of_load_the_draw_creeps_up_to_the_curve() -> None:
    heat = Heat()
    cold = heat.settled(200.0)
    draws = [heat.watts_at(heat.after(cold, 600.0, seconds), 600.0, TYPICAL_FANS) for seconds in (0, 60, 300, 3600)]
    assert draws == sorted(draws)
    assert draws[0] < 0.92 * 600
    assert draws[-1] == pytest.approx(600, rel=1e-3)


@pytest.mark.data
def test_the_typical_fans_are_those_of_the_published_table(data_dir: Path) -> None:
    server, fans = np.loadtxt(data_dir / "power/greensku/server_fan_power.csv", delimiter=",", skiprows=1).T[:2]
    error = np.abs(TYPICAL_FANS.settled(server) / fans - 1)
    assert error[0] < 0.19
    assert (error[1:] < 0.12).all()
    found = fit_fans(server, fans)
    assert found.growth == pytest.approx(TYPICAL_FANS.growth, abs=0.01)
    assert found.settled(np.array([600.0])) == pytest.approx(TYPICAL_FANS.settled(np.array([600.0])), rel=0.01)
