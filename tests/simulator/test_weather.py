from hypothesis import given
from hypothesis import strategies as st

from powerplane.simulator.weather import HeatWave, derating, fan_share

WAVE = HeatWave(24.0, 39.0, 10, 240)


def test_the_air_warms_from_its_first_to_its_last_second_and_stays() -> None:
    assert [WAVE.celsius_at(second) for second in (0, 10, 125, 240, 9999)] == [24.0, 24.0, 31.5, 39.0, 39.0]


@given(celsius=st.floats(-10, 60), more=st.floats(0, 20))
def test_warmer_air_never_costs_fewer_fan_watts_nor_leaves_more_rating(celsius: float, more: float) -> None:
    assert fan_share(celsius) <= fan_share(celsius + more) <= 1
    assert derating(celsius) >= derating(celsius + more) > 0


def test_at_ordinary_temperatures_nothing_is_derated_and_fans_draw_a_tenth() -> None:
    assert derating(24.0) == 1.0
    assert 0.08 < fan_share(24.0) < 0.12
