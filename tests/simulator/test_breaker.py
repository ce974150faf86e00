from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.breakers import Breaker
from powerplane.simulator.breaker import BreakerHeat, derate, heat_after, seconds_to_trip

BREAKER = Breaker(40_000_000, ((1.05, 3600.0), (1.2, 600.0), (1.35, 180.0), (2.0, 40.0), (5.0, 2.0)))


def seconds_held(breaker: Breaker, load_mw: float, most: int) -> int | None:
    heat = BreakerHeat()
    for second in range(1, most + 1):
        heat = heat_after(heat, breaker, load_mw, 1)
        if heat.tripped:
            return second
    return None


@pytest.mark.parametrize(("times_over", "seconds"), BREAKER.curve)
def test_a_breaker_trips_at_each_point_of_its_curve_on_the_second(times_over: float, seconds: float) -> None:
    assert seconds_held(BREAKER, times_over * BREAKER.rating_mw, 4000) == seconds


@given(times_over=st.floats(1.05, 6.0))
def test_a_constant_load_trips_at_the_first_whole_second_of_its_curve(times_over: float) -> None:
    expected = seconds_to_trip(BREAKER, times_over * BREAKER.rating_mw)
    held = seconds_held(BREAKER, times_over * BREAKER.rating_mw, 4000)
    assert held in (ceil(expected - 1e-6), ceil(expected))


@given(loads=st.lists(st.floats(0, 1.0), max_size=50))
def test_loads_within_the_rating_never_warm_a_breaker(loads: list[float]) -> None:
    heat = BreakerHeat()
    for load in loads:
        heat = heat_after(heat, BREAKER, load * BREAKER.rating_mw, 3600)
    assert heat == BreakerHeat()


@given(light=st.floats(0, 6), heavy=st.floats(0, 6))
def test_a_heavier_load_never_trips_later(light: float, heavy: float) -> None:
    light, heavy = sorted((light, heavy))
    rating = BREAKER.rating_mw
    assert seconds_to_trip(BREAKER, heavy * rating) <= seconds_to_trip(BREAKER, light * rating)


def test_between_two_points_the_time_to_trip_lies_on_their_line_on_logarithmic_axes() -> None:
    middle = (1.2 * 1.35) ** 0.5
    assert seconds_to_trip(BREAKER, middle * BREAKER.rating_mw) == pytest.approx((600 * 180) ** 0.5)


def test_half_the_time_to_trip_twice_trips_and_a_rest_between_puts_it_off() -> None:
    load = 1.2 * BREAKER.rating_mw
    half = heat_after(BreakerHeat(), BREAKER, load, 300)
    assert half.share == pytest.approx(0.5)
    assert heat_after(half, BREAKER, load, 300).tripped
    rested = heat_after(half, BREAKER, 0.9 * BREAKER.rating_mw, 900)
    assert 0 < rested.share < half.share
    assert not heat_after(rested, BREAKER, load, 300).tripped


def test_a_tripped_breaker_stays_open() -> None:
    tripped = heat_after(BreakerHeat(), BREAKER, 6 * BREAKER.rating_mw, 10)
    assert heat_after(tripped, BREAKER, 0, 1e6).tripped


def test_heat_around_it_makes_a_breaker_trip_at_a_load_that_it_carried_before() -> None:
    load = 1.0 * BREAKER.rating_mw
    assert seconds_to_trip(BREAKER, load) == inf
    assert seconds_to_trip(derate(BREAKER, 0.85), load) < 1000
