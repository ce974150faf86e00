"""The measurement of forecasts: nothing is told from what comes later, and everyone is judged alike."""

from dataclasses import replace

import numpy as np
import pytest

from powerplane.bench.watts import forecasts
from powerplane.bench.watts.forecasts import HORIZON, METHODS, STEPS_PER_DAY, THRESHOLDS, alarms, brier, foretell
from powerplane.bench.watts.weeks import STEP_S, Weeks


def weeks(seed=0, domains=2) -> Weeks:
    rng = np.random.default_rng(seed)
    at = STEP_S * np.arange((forecasts.HISTORY_DAYS + forecasts.HELD_DAYS) * STEPS_PER_DAY)
    true = 1000 + 200 * np.cos(2 * np.pi * at / 86_400) + 15 * rng.standard_normal((domains, len(at)))
    seen = np.where(rng.random(true.shape) < 0.005, np.nan, true)
    return Weeks(("rack",) * domains, true, seen)


@pytest.fixture(scope="module")
def short():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecasts, "HISTORY_DAYS", 15)
        patch.setattr(forecasts, "HELD_DAYS", 2)
        made = weeks()
        yield made, foretell(made)


def test_each_round_is_told_by_every_method_and_the_last_rounds_lack_a_truth(short):
    made, told = short
    rounds = 2 * STEPS_PER_DAY - HORIZON
    assert set(told) == set(METHODS)
    for one in told.values():
        assert one.missed.shape == (rounds, 2, HORIZON)
        assert one.breach.shape == (rounds, 2)
    assert made.true.shape[1] == 17 * STEPS_PER_DAY


def test_what_comes_later_does_not_change_what_was_told(short, monkeypatch):
    made, told = short
    monkeypatch.setattr(forecasts, "HISTORY_DAYS", 15)
    cut = 16 * STEPS_PER_DAY
    changed = replace(made, seen=made.seen.copy())
    changed.seen[:, cut:] += 400
    other = foretell(changed)
    before = cut - 15 * STEPS_PER_DAY
    for method in METHODS:
        assert other[method].breach[:before] == pytest.approx(told[method].breach[:before], nan_ok=True)
    assert other["ours"].breach[before + 1 :] != pytest.approx(told["ours"].breach[before + 1 :], nan_ok=True)


def test_on_plain_days_ours_is_nearest_and_its_interval_holds(short):
    _, told = short
    off = {method: np.nanmean(one.missed[:, :, -1]) for method, one in told.items()}
    assert off["ours"] == min(off.values())
    assert np.nanmean(told["ours"].within) == pytest.approx(0.9, abs=0.05)


def test_a_higher_threshold_raises_no_more_hits_and_a_missing_probability_no_alarm(short, monkeypatch):
    made, told = short
    monkeypatch.setattr(forecasts, "HISTORY_DAYS", 15)
    records = alarms(made, told["ours"], THRESHOLDS)[1:]
    hits = [record.hits for record in records]
    assert hits == sorted(hits, reverse=True)
    nothing = replace(told["ours"], breach=np.full_like(told["ours"].breach, np.nan))
    assert alarms(made, nothing, (0.0,))[0].hits == 0
    assert np.isnan(brier(made, nothing)).all()


@pytest.mark.data
@pytest.mark.slow
def test_ours_is_nearer_than_last_value_and_last_day_on_a_seed_of_its_own(data_dir, monkeypatch):
    monkeypatch.setattr(forecasts, "SEEDS", (11,))
    table = forecasts.measure(data_dir)
    off = table.headings.index("off 4 h")
    holds = table.headings.index("90 % holds, 4 h")
    for at in (0, 3):
        ours, value, day = (float(row[off].strip("*%")) for row in table.rows[at : at + 3])
        assert ours < value
        assert ours < day
        assert 86 <= float(table.rows[at][holds].strip("*%")) <= 94
