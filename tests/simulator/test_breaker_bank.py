from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.breakers import Breaker
from powerplane.simulator.breaker import BreakerHeat, derate, heat_after
from powerplane.simulator.breaker_bank import BreakerBank

BREAKERS = (
    Breaker(40_000_000, ((1.05, 3600.0), (1.2, 600.0), (1.35, 180.0), (2.0, 40.0), (5.0, 2.0))),
    Breaker(10_000_000, ((1.1, 60.0), (3.0, 1.0))),
    None,
    Breaker(5_000_000, ()),
)

loads = st.lists(
    st.tuples(st.floats(0, 4), st.floats(0.5, 300), st.sampled_from([1.0, 0.9, 0.75])), min_size=1, max_size=25
)


@given(steps=loads)
def test_a_bank_gathers_and_loses_heat_as_each_breaker_would_alone(steps: list[tuple[float, float, float]]) -> None:
    bank = BreakerBank(BREAKERS)
    heats = [BreakerHeat() for _ in BREAKERS]
    ratings = [b.rating_mw if b else 1_000_000 for b in BREAKERS]
    for times, seconds, factor in steps:
        watts = np.array([times * rating / 1000 for rating in ratings])
        bank.pass_time(bank.limits_s(watts, np.full(len(watts), factor)), seconds)
        for i, breaker in enumerate(BREAKERS):
            if breaker is not None:
                heats[i] = heat_after(heats[i], derate(breaker, factor), times * ratings[i], seconds)
    for i, heat in enumerate(heats):
        if BREAKERS[i] is not None:
            assert bank.share[i] == pytest.approx(heat.share, rel=1e-4, abs=1e-6)
            assert bool(bank.tripped[i]) == heat.tripped or heat.share == pytest.approx(1.0, abs=1e-4)
    assert bank.share[2] == bank.share[3] == 0.0


@given(times=st.floats(1.1, 3.0), before=st.floats(0, 0.9))
def test_the_first_trip_is_foretold_to_the_second(times: float, before: float) -> None:
    bank = BreakerBank(BREAKERS)
    bank.share[1] = before
    watts = np.array([0.0, times * 10_000, 0.0, 0.0])
    limits = bank.limits_s(watts, np.ones(4))
    first = bank.first_trip_s(limits)
    assert bank.pass_time(limits, first * 0.999) == []
    assert bank.pass_time(limits, first * 0.0011) == [1]
    assert bank.first_trip_s(bank.limits_s(watts, np.ones(4))) == inf


def test_a_breaker_closed_by_hand_is_cold() -> None:
    bank = BreakerBank(BREAKERS)
    bank.pass_time(bank.limits_s(np.array([0.0, 50_000.0, 0.0, 0.0]), np.ones(4)), 10)
    assert bank.tripped[1]
    bank.close(1)
    assert not bank.tripped[1]
    assert bank.share[1] == 0.0
