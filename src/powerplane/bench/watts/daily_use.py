"""Use over time, made up but stated: services that follow the day, and batch that comes and goes.

For each interactive service (not best effort): a level of 25 to 60 % of the request; a daily swing of 20 to 60 % of it,
highest around 14 h give or take 2 h, for one service in six around 2 h (another continent's); weekends at 60 to
100 %; noise of its own (8 %, correlated over 30 minutes) and about one burst a day (times 1.4 to 2.2, 20 minutes).
For each best-effort service: pods that run, at 70 to 100 %, for 45 minutes on average and rest for 30, longer in the
day than at night. For each pod: a factor of its own that lasts (20 %), and noise (15 %, correlated over 15 minutes).
Cards follow the same use of their range, a little higher where batch runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from powerplane.bench.watts.site import Floats, Integers, Site

STEP_S = 300.0
STEPS_PER_DAY = 288
BATCH = "BE"


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A stretch of use: ``cores`` and ``watts`` (of accelerators), each of shape (P, T)."""

    cores: Floats
    watts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Services:
    """Traits of S services."""

    batch: Integers
    level: Floats
    swing: Floats
    peak_h: Floats
    weekend: Floats


@dataclass(slots=True, eq=False)
class _Noise:
    """First-order noise of unit variance for many series, which goes on where the last stretch ended."""

    keep: float
    last: Floats

    def next(self, steps: int, random: np.random.Generator) -> Floats:
        shocks = random.standard_normal((len(self.last), steps), dtype=np.float32) * np.sqrt(1 - self.keep**2)
        result, _ = lfilter([1.0], [1.0, -self.keep], shocks, axis=1, zi=self.keep * self.last[:, None])
        self.last = result[:, -1].copy()
        return np.asarray(result, dtype=np.float64)


def daily_use(site: Site, days: int, random: np.random.Generator) -> Iterator[Use]:
    """Use of the site's pods, a day at a time, in steps of five minutes."""
    services = _draw(site, random)
    count, pods = len(site.service_qos), len(site.service)
    of_service = _Noise(float(np.exp(-STEP_S / 1800)), random.standard_normal(count))
    of_pod = _Noise(float(np.exp(-STEP_S / 900)), random.standard_normal(pods))
    lasting = np.exp(0.2 * random.standard_normal(pods))
    running = random.random(pods) < 0.6
    for day in range(days):
        level = _levels(services, day, random) * (1 + 0.08 * of_service.next(STEPS_PER_DAY, random))
        share = level[site.service] * lasting[:, None] * (1 + 0.15 * of_pod.next(STEPS_PER_DAY, random))
        on, running = _batch(running, random)
        is_batch = services.batch[site.service].astype(np.bool_)
        share = np.clip(np.where(is_batch[:, None], share * on, share), 0.01, 1.0)
        boost = np.where(is_batch, 1.1, 1.0)[:, None]
        yield Use(
            cores=share * site.request_cores[:, None],
            watts=np.minimum(share * boost, 1) * site.card_watts[:, None],
        )


def _draw(site: Site, random: np.random.Generator) -> _Services:
    count = len(site.service_qos)
    batch = np.array([qos == BATCH for qos in site.service_qos], dtype=np.int64)
    elsewhere = random.random(count) < 1 / 6
    return _Services(
        batch=batch,
        level=np.where(batch, random.uniform(0.7, 1.0, count), random.uniform(0.25, 0.6, count)),
        swing=np.where(batch, 0.0, random.uniform(0.2, 0.6, count)),
        peak_h=np.where(elsewhere, 2.0, 14.0) + 2 * random.standard_normal(count),
        weekend=np.where(batch, 1.0, random.uniform(0.6, 1.0, count)),
    )


def _levels(services: _Services, day: int, random: np.random.Generator) -> Floats:
    """Level of each service over one day, shape (S, T)."""
    hour = np.arange(STEPS_PER_DAY) * 24 / STEPS_PER_DAY
    angle = (hour[None, :] - services.peak_h[:, None]) * 2 * np.pi / 24
    shape = 1 + services.swing[:, None] * (np.cos(angle) + 0.25 * np.cos(2 * angle))
    level = services.level[:, None] * shape * np.where(day % 7 >= 5, services.weekend, 1.0)[:, None]
    for service in np.flatnonzero((random.random(len(level)) < 0.8) & (services.batch == 0)).tolist():
        start, steps = int(random.integers(STEPS_PER_DAY)), 1 + int(random.exponential(4))
        level[service, start : start + steps] *= random.uniform(1.4, 2.2)
    return level


def _batch(running: NDArray[np.bool_], random: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Whether each pod's batch runs, shape (P, T), and at the end."""
    on = np.empty((len(running), STEPS_PER_DAY))
    for step in range(STEPS_PER_DAY):
        night = np.cos((step / STEPS_PER_DAY - 2 / 24) * 2 * np.pi)
        ends, starts = STEP_S / (2700 * (1 + 0.3 * night)), STEP_S / (1800 * (1 - 0.3 * night))
        dice = random.random(len(running))
        running = np.where(running, dice >= ends, dice < starts)
        on[:, step] = np.where(running, 1.0, 0.02)
    return on, running
