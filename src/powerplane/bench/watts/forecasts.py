"""Are breaches foretold, and do intervals hold: ``python -m powerplane.bench.watts.forecasts DATA``.

Ours beside last-value (what is drawn now is drawn for hours) and last-day (what was drawn at that time yesterday). Both
are given the same machinery of errors made in the past, so that they, too, tell intervals and probabilities.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.watts import daily_use, request_use
from powerplane.bench.watts.page import render_table
from powerplane.bench.watts.site import Floats, Site, read_site
from powerplane.bench.watts.table import WattsTable
from powerplane.bench.watts.weeks import STEP_S, STEPS_PER_DAY, Weeks, make_weeks
from powerplane.models.demand.ahead import Ahead
from powerplane.models.demand.alarms import ALARM_AT, NO_ALARMS, AlarmRecord, judge_alarms
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.forecast import NEAR_S, History, fit_forecast

SEEDS = (1, 2, 3)
"""Everything was set on seed 100."""

HISTORY_DAYS, HELD_DAYS = 28, 14
HORIZON = 16
QUIET = 4
THRESHOLDS = (ALARM_AT, *(percent / 100 for percent in range(2, 100, 2)))
LEVEL = 0.9
BUDGET_SHARE = 0.985
LAST_VALUE, LAST_DAY = "last value", "last day"
METHODS = ("ours", LAST_VALUE, LAST_DAY)
MORE_IS_BETTER = ("hits", "lead, min", "hits at as many")
JUDGED = ("off 1 h", "off 4 h", "hits", "misses", "false alarms", "lead, min", "Brier", "hits at as many")
_SHAPES = {
    "off 1 h": "{:.2%}",
    "off 4 h": "{:.2%}",
    "90 % holds, 1 h": "{:.1%}",
    "90 % holds, 4 h": "{:.1%}",
    "breaches": "{:.0f}",
    "hits": "{:.0f}",
    "misses": "{:.0f}",
    "false alarms": "{:.0f}",
    "lead, min": "{:.0f}",
    "Brier": "{:.4f}",
    "hits at as many": "{:.0f}",
}


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What one method foretold over the held-out weeks: R rounds, D domains.

    Parameters
    ----------
    missed : float64 array, shape (R, D, H)
        Share of the truth by which the forecast was off; NaN where there was none.
    within : float64 array, shape (R, D, H)
        1 where the interval held, 0 where not, NaN where there was no forecast.
    breach : float64 array, shape (R, D)
        Probability of a breach within the horizon; NaN for none told.
    """

    missed: Floats
    within: Floats
    breach: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One method on one seed: what it told, its alarms at each of ``THRESHOLDS``, its squared errors."""

    told: Told
    records: tuple[AlarmRecord, ...]
    brier: Floats


def measure(data: Path) -> WattsTable:
    """Run all seeds on both traces."""
    requests = request_use.read_requests(data)
    days = HISTORY_DAYS + HELD_DAYS
    traces: tuple[tuple[str, float, Callable[[Site, np.random.Generator], Iterator[daily_use.Use]]], ...] = (
        ("days, made up", daily_use.STEP_S, lambda site, random: daily_use.daily_use(site, days, random)),
        (
            "Azure requests",
            request_use.STEP_S,
            lambda site, random: request_use.request_use(site, requests, 24 * days, random),
        ),
    )
    rows: list[tuple[str, ...]] = []
    for name, step_s, uses in traces:
        told: dict[str, list[Judged]] = {method: [] for method in METHODS}
        for seed in SEEDS:
            random = np.random.default_rng(seed)
            site = read_site(data, random)
            weeks = make_weeks(site, uses(site, random), step_s, days, random)
            for method, one in foretell(weeks).items():
                told[method].append(Judged(one, alarms(weeks, one, THRESHOLDS), brier(weeks, one)))
        rows += _rows(name, told)
    return _table(rows)


def foretell(weeks: Weeks) -> dict[str, Told]:
    """Go through the held-out weeks round by round, each told from what was seen before it."""
    steps, first = weeks.true.shape[1], HISTORY_DAYS * STEPS_PER_DAY
    found: dict[str, list[tuple[Floats, Floats, Floats]]] = {method: [] for method in METHODS}
    budget = budgets(weeks)
    models: dict[str, Callable[[History], Ahead]] = {}
    for now in range(first, steps - HORIZON):
        history = History(now * STEP_S, STEP_S, weeks.seen[:, now + 1 - first : now + 1])
        if (now - first) % STEPS_PER_DAY == 0:
            models = {method: _plain(method, history).ahead for method in (LAST_VALUE, LAST_DAY)}
            models["ours"] = fit_forecast(history, HORIZON).ahead
        truth = weeks.true[:, now + 1 : now + 1 + HORIZON]
        for method, model in models.items():
            ahead = model(history)
            low, high = ahead.interval(LEVEL)
            known = np.isfinite(ahead.watts)
            within = np.where(known, (truth >= low) & (truth <= high), np.nan)
            found[method].append((np.abs(ahead.watts - truth) / truth, within, ahead.breach(budget)))
    return {method: Told(*(np.stack(part) for part in zip(*each, strict=True))) for method, each in found.items()}


def budgets(weeks: Weeks) -> Floats:
    """Budget of each domain: what it stayed under for 98.5 % of the two weeks before the held-out ones."""
    last = HISTORY_DAYS * STEPS_PER_DAY
    return np.asarray(np.quantile(weeks.true[:, last - 14 * STEPS_PER_DAY : last], BUDGET_SHARE, axis=1))


def alarms(weeks: Weeks, told: Told, thresholds: tuple[float, ...]) -> tuple[AlarmRecord, ...]:
    """Alarms of one method held against what came, one record a threshold."""
    over = _over(weeks)[:, : len(told.breach)]
    # No probability is no alarm.
    breach = np.where(np.isnan(told.breach), -1.0, told.breach).T
    return tuple(
        sum((judge_alarms(row >= at, it, HORIZON, QUIET) for row, it in zip(breach, over, strict=True)), NO_ALARMS)
        for at in thresholds
    )


def brier(weeks: Weeks, told: Told) -> Floats:
    """Squared errors of one method's probabilities, shape (R, D)."""
    over = _over(weeks)
    came = np.stack([over[:, now + 1 : now + 1 + HORIZON].any(axis=1) for now in range(len(told.breach))])
    return (told.breach - came) ** 2


def _over(weeks: Weeks) -> NDArray[np.bool_]:
    """Where the held-out weeks passed their budgets, shape (D, T)."""
    return np.asarray(weeks.true[:, HISTORY_DAYS * STEPS_PER_DAY :] > budgets(weeks)[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class _Plain:
    """A plain method with the errors that it made in a history, as ours has them.

    Parameters
    ----------
    method : str
    errors : float64 array, shape (D, T, H)
    origin_s : float64 array, shape (T,)
    """

    method: str
    errors: Floats
    origin_s: Floats

    def ahead(self, recent: History) -> Ahead:
        watts, steps = recent.watts, np.arange(1, HORIZON + 1)
        told = np.repeat(watts[:, -1:], HORIZON, axis=1) if self.method == LAST_VALUE else _yesterday(watts)
        away = np.abs((self.origin_s - recent.last_s + DAY_S / 2) % DAY_S - DAY_S / 2)
        at_s = np.asarray(recent.last_s + STEP_S * steps, dtype=np.float64)
        return Ahead(at_s, told, self.errors[:, away <= NEAR_S], np.ones(len(watts)))


def _plain(method: str, history: History) -> _Plain:
    watts = history.watts
    errors = np.full((*watts.shape, HORIZON), np.nan)
    for ahead in range(1, HORIZON + 1):
        back, end = (0 if method == LAST_VALUE else STEPS_PER_DAY - ahead), watts.shape[1] - ahead
        before = watts[:, : end - back] if method == LAST_DAY else watts[:, :end]
        errors[:, back:end, ahead - 1] = watts[:, back + ahead :] - before
    return _Plain(method, errors, history.at_s)


def _yesterday(watts: Floats) -> Floats:
    return watts[:, watts.shape[1] - STEPS_PER_DAY :][:, :HORIZON]


def _rows(trace: str, told: dict[str, list[Judged]]) -> list[tuple[str, ...]]:
    allowed = _records(told["ours"])[0].false_alarms
    figures = {method: _figures(each, allowed) for method, each in told.items()}
    # Of each column the best is known, so that what ours loses can be marked.
    best = {
        key: (max if key in MORE_IS_BETTER else min)(one[key] for one in figures.values()) for key in figures["ours"]
    }
    rows = []
    for method, one in figures.items():
        cells = {key: _SHAPES[key].format(value) for key, value in one.items()}
        if method == "ours":
            lost = [key for key in JUDGED if cells[key] != _SHAPES[key].format(best[key])]
            cells |= {key: f"**{cells[key]}**" for key in lost}
        rows.append((trace, method, *cells.values()))
    return rows


def _records(each: list[Judged]) -> list[AlarmRecord]:
    """Records of all seeds together, one a threshold."""
    return [sum(records, NO_ALARMS) for records in zip(*(one.records for one in each), strict=True)]


def _figures(each: list[Judged], allowed: int) -> dict[str, float]:
    missed = np.concatenate([one.told.missed for one in each], axis=1)
    within = np.concatenate([one.told.within for one in each], axis=1)
    records = _records(each)
    record = records[0]
    leads = np.array(record.lead_steps) * STEP_S / 60
    return {
        "off 1 h": float(np.nanmean(missed[:, :, 3])),
        "off 4 h": float(np.nanmean(missed[:, :, -1])),
        "90 % holds, 1 h": float(np.nanmean(within[:, :, 3])),
        "90 % holds, 4 h": float(np.nanmean(within[:, :, -1])),
        "breaches": float(record.hits + record.misses),
        "hits": float(record.hits),
        "misses": float(record.misses),
        "false alarms": float(record.false_alarms),
        "lead, min": float(np.median(leads)) if len(leads) else 0.0,
        "Brier": float(np.nanmean(np.concatenate([one.brier for one in each], axis=1))),
        "hits at as many": float(max((one.hits for one in records if one.false_alarms <= allowed), default=0)),
    }


def _table(rows: list[tuple[str, ...]]) -> WattsTable:
    return WattsTable(
        title="Forecasts and breaches ahead of time",
        text=(
            f"Ten racks, all rows and both feeds of the openb site, {HISTORY_DAYS} days of history, {HELD_DAYS} held "
            f"out, seeds {', '.join(map(str, SEEDS))}, in steps of 15 minutes: use as in the quantiles' table, with "
            "growth, holidays, bursts, lasting shifts and gaps laid on it (stated in `bench/watts/weeks.py`). A "
            "forecast each step, 4 hours ahead. *Off*: mean of |forecast - truth| / truth. *90 % holds*: how often "
            "the truth lay in the interval that says 90 %. Breach: passing a budget that the two weeks before kept "
            f"{BUDGET_SHARE:.1%} of the time; an alarm is raised when a breach within 4 hours has a probability of "
            f"{ALARM_AT:.0%}, for all. *Hits*: breaches with an alarm in the 4 hours before; *false alarms*: runs of "
            "alarms with no breach in the 4 hours after; *lead*: median minutes from the first alarm to the breach. "
            "*Brier*: mean squared error of the probability. *Hits at as many*: hits at the threshold at which a "
            "method raises at most as many false alarms as ours does at its own. Last value and last day have "
            "errors of their own past, around the same time of day, just as ours has, hence intervals and "
            "probabilities."
        ),
        headings=("use", "method", *_SHAPES),
        rows=tuple(rows),
        notes=(
            "Bursts and shifts are drawn without any warning, so that many of the misses cannot be foretold by anyone.",
            "A vague probability alarms often, and so has many hits and many false alarms: compare hits at as many.",
        ),
    )


def main() -> int:
    """Print the table."""
    sys.stdout.write(render_table(measure(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
