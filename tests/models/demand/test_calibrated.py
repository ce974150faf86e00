"""Calibration by name of domain."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from powerplane.models.demand.calibrated import CalibratedDomains, DomainCheckpoint, restored_calibration
from powerplane.models.demand.calibration import KEPT
from powerplane.models.demand.margins import margins_at
from powerplane.models.demand.spreads import DomainSpreads
from powerplane.models.errors import InputError


def spreads(*names, lost=None, deviation=10_000.0, extra=0.0) -> DomainSpreads:
    count = len(names)
    return DomainSpreads(
        domain=names,
        lost=tuple(lost or ("",) * count),
        mean_mw=np.full(count, 100_000),
        deviation_mw=np.full(count, deviation),
        skewness=np.zeros(count),
        extra_mw=np.full(count, extra),
        room_mw=np.full(count, 10**9),
        unseen=0,
    )


def run(told, draws, windows=800, start=None) -> CalibratedDomains:
    calibrated = CalibratedDomains() if start is None else start
    for _ in range(windows):
        calibrated = calibrated.learn(told, {name: draw() for name, draw in draws.items()})
    return calibrated


def noise(scale, seed):
    rng = np.random.default_rng(seed)
    return lambda: 100_000 + scale * rng.standard_normal()


def test_each_domain_learns_its_own_factor_and_keeps_it_when_others_come_and_go():
    told = spreads("a", "b")
    calibrated = run(told, {"a": noise(10_000, 0), "b": noise(30_000, 1)})
    before = calibrated.factors()
    assert before["a"] == pytest.approx(1.65, abs=0.5)
    assert before["b"] == pytest.approx(4.9, abs=1.5)
    other = spreads("c", "b")
    after = calibrated.learn(other, {})
    assert after.names == ("c", "b")
    assert after.factors()["b"] == before["b"]
    assert after.factors()["c"] == pytest.approx(1.65, abs=0.4)


def test_a_margin_by_what_was_learnt_covers_what_comes():
    told = spreads("a", extra=5_000.0)
    calibrated = run(told, {"a": noise(30_000, 2)})
    keep = margins_at(told, np.array([calibrated.lasting(told)["a"]])).keep_mw[0]
    rng = np.random.default_rng(3)
    assert (30_000 * rng.standard_normal(4000) <= keep).mean() == pytest.approx(0.95, abs=0.02)


def test_a_domain_that_was_not_measured_learns_nothing_and_is_not_taken_for_zero():
    told = spreads("a", "b")
    calibrated = run(told, {"a": noise(10_000, 0), "b": noise(10_000, 1)}, windows=50)
    for drawn in ({}, {"a": float("nan"), "b": float("nan")}):
        same = calibrated.learn(told, drawn)
        assert same.factors() == calibrated.factors()
        assert same.calibration.windows.tolist() == [50, 50]


def test_what_does_not_vary_teaches_nothing():
    still = run(spreads("a", deviation=0.0), {"a": lambda: 150_000.0}, windows=5)
    assert still.calibration.windows.tolist() == [0]


def test_only_rows_with_everything_alive_are_measured():
    told = spreads("fa", "fa", "r", lost=("", "fb", ""))
    calibrated = run(told, {"fa": noise(10_000, 0), "r": noise(10_000, 1)}, windows=3)
    assert calibrated.names == ("fa", "r")
    assert set(calibrated.lasting(told)) == {"fa", "r"}


@pytest.mark.parametrize("windows", [0, 7, KEPT - 40, KEPT, KEPT + 77])
def test_a_checkpoint_through_json_goes_on_as_if_nothing_had_been(windows):
    told = spreads("a", "b")
    one = run(told, {"a": noise(10_000, 0), "b": noise(20_000, 1)}, windows).learn(told, {"a": 120_000.0})
    text = msgspec.json.encode(one.checkpoint())
    back = restored_calibration(msgspec.json.decode(text, type=dict[str, DomainCheckpoint]))
    assert back.factors() == pytest.approx(one.factors(), abs=0.001)
    later, also = (run(told, {"a": noise(10_000, 5), "b": noise(20_000, 6)}, 90, start=start) for start in (one, back))
    assert also.factors() == pytest.approx(later.factors(), abs=0.002)
    assert also.calibration.windows.tolist() == later.calibration.windows.tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": float("nan")},
        {"alpha": 1e9},
        {"scores": (float("inf"),)},
        {"scores": (0.0,) * (KEPT + 1)},
        {"missed": 9, "windows": 3},
        {"missed": -1},
    ],
)
def test_a_checkpoint_that_nothing_can_have_written_is_refused(change):
    good = DomainCheckpoint(0.05, (0.1, 0.2), 2, 0)
    with pytest.raises(InputError, match="rack-7"):
        restored_calibration({"rack-7": msgspec.structs.replace(good, **change)})


def test_learning_leaves_the_calibration_before_it_alone():
    told = spreads("a", "b")
    before = run(told, {"a": noise(10_000, 0), "b": noise(10_000, 1)}, windows=5)
    kept = before.calibration.scores.copy()
    before.learn(replace(told, domain=("b", "a")), {"a": 1e6, "b": 1e6})
    before.learn(told, {"a": 1e6, "b": 1e6})
    assert np.array_equal(before.calibration.scores, kept, equal_nan=True)
