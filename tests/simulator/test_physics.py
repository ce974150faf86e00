import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.simulator.limits import NO_LIMIT, OUT_OF_BAND, RAPL, LimitBank, Means
from powerplane.simulator.physics import (
    SPEED_AT_KNEE,
    approach,
    device_speed_at,
    speed_at,
    token_watts_share,
)
from powerplane.simulator.throttling import cut

shares = st.floats(0, 1)


@given(low=shares, high=shares)
def test_more_watts_never_mean_less_speed(low: float, high: float) -> None:
    low, high = sorted((low, high))
    slow, fast = speed_at(np.array([low, high]))
    assert 0 <= slow <= fast <= 1
    knee, idle = np.full(2, 0.6), np.full(2, 0.1)
    slow, fast = device_speed_at(np.array([low, high]), knee, idle)
    assert 0 <= slow <= fast <= 1
    slow, fast = token_watts_share(np.array([low, high]))
    assert 0 <= slow <= fast <= 1


def test_full_watts_are_full_speed_the_knee_is_cheap_and_below_it_work_falls_steeply() -> None:
    one = np.ones(1)
    assert speed_at(one)[0] == 1.0
    assert speed_at(np.array([0.25]))[0] == pytest.approx(0.5)
    assert device_speed_at(one, 0.6 * one, 0.1 * one)[0] == 1.0
    assert device_speed_at(0.6 * one, 0.6 * one, 0.1 * one)[0] == pytest.approx(SPEED_AT_KNEE)
    above = 1 - device_speed_at(np.array([0.8]), 0.6 * one, 0.1 * one)[0]
    below = SPEED_AT_KNEE - device_speed_at(np.array([0.4]), 0.6 * one, 0.1 * one)[0]
    assert below > 5 * above
    assert device_speed_at(0.1 * one, 0.6 * one, 0.1 * one)[0] == 0.0


def test_a_card_that_serves_tokens_draws_half_as_soon_as_it_is_asked_anything() -> None:
    assert token_watts_share(np.zeros(1))[0] == 0.0
    assert token_watts_share(np.array([0.3]))[0] > 0.55
    assert token_watts_share(np.ones(1))[0] == pytest.approx(0.95, abs=0.01)


@given(value=st.floats(-50, 150), goal=st.floats(-50, 150), parts=st.integers(1, 20))
def test_a_lag_is_the_same_in_one_step_as_in_many(value: float, goal: float, parts: int) -> None:
    once = approach(np.array([value]), np.array([goal]), 60.0, 45.0)
    many = np.array([value])
    for _ in range(parts):
        many = approach(many, np.array([goal]), 60.0 / parts, 45.0)
    assert many == pytest.approx(once)


@given(
    orders=st.lists(
        st.tuples(st.floats(0, 100), st.floats(50, 900), st.floats(100, 800), st.sampled_from([0.0, 0.5, 40.0])),
        min_size=1,
        max_size=8,
    )
)
def test_the_last_order_holds_after_its_reaction_time_and_never_below_the_lowest(
    orders: list[tuple[float, float, float, float]],
) -> None:
    bank, now_s = LimitBank(1, np.array([80.0])), 0.0
    for wait_s, watts, draw, dead_s in orders:
        now_s += wait_s
        means = Means("test", dead_s, 3.0)
        bank.order(np.array([0]), np.array([watts]), now_s, np.array([draw]), means)
        assert bank.in_force(now_s + means.reaction_s)[0] == pytest.approx(bank.target[0])
        assert bank.target[0] == max(watts, 80.0)


def test_orders_faster_than_the_dead_time_do_not_put_each_other_off() -> None:
    bank, row = LimitBank(1, np.array([80.0])), np.array([0])
    for second in range(0, 60, 3):
        bank.order(row, np.array([300.0 - second]), float(second), np.array([400.0]), OUT_OF_BAND)
        assert second >= 40 or bank.in_force(second)[0] == NO_LIMIT
    assert bank.in_force(60.0)[0] < 400.0
    assert bank.in_force(57.0 + OUT_OF_BAND.reaction_s)[0] == pytest.approx(243.0)


def test_a_limit_that_is_taken_away_binds_nobody() -> None:
    bank, row = LimitBank(1, np.array([80.0])), np.array([0])
    bank.order(row, np.array([200.0]), 0.0, np.array([300.0]), RAPL)
    assert bank.in_force(0.0)[0] == NO_LIMIT
    assert 200.0 < bank.in_force(2.0)[0] < 300.0
    bank.order(row, np.array([NO_LIMIT]), 10.0, np.array([200.0]), RAPL)
    assert bank.in_force(10.4)[0] == 200.0
    assert bank.in_force(10.5)[0] == NO_LIMIT


@given(
    watts=st.lists(st.floats(50, 900), min_size=2, max_size=12),
    need=st.floats(1, 4000),
    seed=st.integers(0, 100),
)
def test_a_cut_takes_what_is_needed_where_that_is_there_and_from_the_least_important_first(
    watts: list[float], need: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    draw = np.array(watts)
    lowest = 0.5 * draw
    groups = random.integers(0, 3, len(draw))
    weights = random.choice([0.0, 0.5, 1.0], len(draw))
    limits = cut(draw, weights, need, lowest, groups)
    assert (limits[weights == 0] == NO_LIMIT).all()
    held = np.minimum(draw, limits)
    assert (held >= lowest - 1e-6).all()
    taken = float((weights * (draw - held)).sum())
    possible = float((weights * (draw - lowest)).sum())
    assert taken == pytest.approx(min(need, possible), rel=1e-6, abs=1e-6)
    touched = groups[(weights > 0) & (held < draw - 1e-6)]
    if len(touched):
        spared = (weights > 0) & (groups < touched.max())
        assert held[spared] == pytest.approx(lowest[spared], rel=1e-6)
