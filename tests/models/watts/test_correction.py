"""The latest measurement: a factor on what is above idle, trusted by what it has been worth."""

import numpy as np
import pytest

from powerplane.models.watts.correction import Correction, Load


def load(dynamic: float, before: float, idle: float = 100.0) -> Load:
    return Load(*(np.array([value]) for value in (idle + dynamic, idle, dynamic, before, 200.0)))


def follow(correction: Correction, now: Load, measured: float, at_s: float) -> Correction:
    return correction.followed(now, correction.predict(now, at_s), np.array([measured]), at_s)


def test_a_node_that_was_never_measured_is_predicted_by_its_counters() -> None:
    now = load(100, 100)
    assert Correction.start(1).predict(now, 0.0).watts.tolist() == [200.0]


def test_a_load_that_draws_more_than_usual_goes_on_doing_so() -> None:
    correction, now = Correction.start(1), load(100, 100)
    for step in range(40):
        correction = follow(correction, now, 250.0, 15.0 * step)
    assert correction.predict(now, 600.0).watts[0] == pytest.approx(250, rel=0.02)
    assert correction.predict(load(160, 160), 600.0).watts[0] == pytest.approx(340, rel=0.02)


def test_what_it_taught_fades() -> None:
    correction, now = Correction.start(1), load(100, 100)
    for step in range(10):
        correction = follow(correction, now, 250.0, 15.0 * step)
    assert correction.predict(now, 1e6).watts[0] == pytest.approx(200, abs=1)


def test_a_missing_measurement_teaches_nothing_and_never_counts_as_0_watts() -> None:
    correction, now = Correction.start(1), load(100, 100)
    for measured in (np.nan, 0.0, -3.0):
        after = follow(correction, now, measured, 15.0)
        assert after.factor.tolist() == [1.0]
        assert np.array_equal(after.errors, correction.errors)


def test_an_absurd_measurement_moves_the_factor_no_further_than_its_bound() -> None:
    correction = follow(Correction.start(1), load(100, 100), 90_000.0, 0.0)
    assert correction.predict(load(100, 100), 1.0).watts[0] <= 100 + 4 * 100


def test_a_factor_that_has_been_wrong_is_not_believed() -> None:
    """Measurements that alternate make the latest one worthless."""
    correction, now = Correction.start(1), load(100, 100)
    for step in range(60):
        correction = follow(correction, now, 150.0 if step % 2 else 250.0, 15.0 * step)
    assert abs(correction.predict(now, 900.0).watts[0] - 200) < 15


def test_an_idle_node_that_has_warmed_is_predicted_warm() -> None:
    correction, now = Correction.start(1), load(5, 5)
    for step in range(40):
        correction = follow(correction, now, 120.0, 15.0 * step)
    assert correction.predict(now, 600.0).watts[0] == pytest.approx(120, rel=0.01)
    assert correction.factor.tolist() == [1.0]


def test_nodes_do_not_learn_from_each_other() -> None:
    many = Load(*(np.array([value, value]) for value in (200.0, 100.0, 100.0, 100.0, 200.0)))
    correction = Correction.start(2)
    for step in range(40):
        said = correction.predict(many, 15.0 * step)
        correction = correction.followed(many, said, np.array([260.0, np.nan]), 15.0 * step)
    first, second = correction.predict(many, 600.0).watts
    assert first == pytest.approx(260, rel=0.02)
    assert second == 200.0
