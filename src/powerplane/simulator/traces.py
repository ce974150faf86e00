"""Load over time: a day's shape, a week's, smooth chance, and bursts. Each is a function of time and seed alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOUR_S, DAY_S, WEEK_S = 3600.0, 86_400.0, 604_800.0
SATURDAY = 5

WAVES = 6
FASTEST_WAVE_S, SLOWEST_WAVE_S = 300.0, 14_400.0
"""Smooth chance is a sum of sines with periods between these."""


@dataclass(frozen=True, slots=True, eq=False)
class Bursts:
    """Sudden loads that come at random moments, rise at once and fade.

    Parameters
    ----------
    at_s, lasts_s, times : float64 arrays, shape (B,)
        When each begins, the time constant of its fading, and how many times the usual load it adds.
    """

    at_s: Floats
    lasts_s: Floats
    times: Floats

    def added(self, at_s: Floats) -> Floats:
        """Times the usual load that bursts add at some moments."""
        total = np.zeros(len(at_s))
        for begin, lasts, times in zip(self.at_s, self.lasts_s, self.times, strict=True):
            since = at_s - begin
            near = (since >= 0) & (since < 8 * lasts)
            total[near] += times * np.exp(-since[near] / lasts)
        return total


def draw_bursts(random: np.random.Generator, duration_s: float, per_day: float, minutes: float, times: float) -> Bursts:
    """Draw bursts for a whole simulation: Poisson in time, exponential in height."""
    count = int(random.poisson(per_day * duration_s / DAY_S))
    at_s = np.sort(random.uniform(0, duration_s, count))
    return Bursts(at_s, 60 * minutes * random.uniform(0.5, 1.5, count), random.exponential(times, count))


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Load as people make it.

    Parameters
    ----------
    hours, shares : tuple of float
        Points of a day's shape, joined by straight lines, the last one to the first.
    weekend : float
        Times the load on Saturday and Sunday.
    chance : float
        Standard deviation of smooth chance about the shape, as a share of it.
    phases, periods_s : float64 arrays, shape (WAVES,)
        Of that chance.
    bursts : Bursts or None
    begins_s : float
        Second of the week, from Monday midnight, at which the simulation begins.
    """

    hours: tuple[float, ...]
    shares: tuple[float, ...]
    weekend: float = 1.0
    chance: float = 0.0
    phases: Floats = field(default_factory=lambda: np.zeros(WAVES))
    periods_s: Floats = field(default_factory=lambda: np.full(WAVES, HOUR_S))
    bursts: Bursts | None = None
    begins_s: float = 0.0

    def level(self, at_s: Floats) -> Floats:
        """Load at some seconds of the simulation."""
        clock = at_s + self.begins_s
        level = np.interp((clock % DAY_S) / HOUR_S, self.hours, self.shares, period=24.0)
        if self.weekend != 1.0:
            level = np.where((clock % WEEK_S) // DAY_S >= SATURDAY, self.weekend * level, level)
        if self.chance:
            waves = np.sin(self.phases[:, None] + 2 * np.pi * at_s[None, :] / self.periods_s[:, None])
            level = level * (1.0 + self.chance * np.sqrt(2.0 / WAVES) * waves.sum(axis=0))
        if self.bursts is not None:
            level = level * (1.0 + self.bursts.added(at_s))
        result: Floats = np.maximum(level, 0.0)
        return result


def draw_waves(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw phases and periods of smooth chance."""
    periods = np.exp(random.uniform(np.log(FASTEST_WAVE_S), np.log(SLOWEST_WAVE_S), WAVES))
    return random.uniform(0, 2 * np.pi, WAVES), periods
