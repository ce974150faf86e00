"""Throughput and watts of an accelerator at any power limit, refined by what was measured at some."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Self

import numpy as np
from scipy.optimize import least_squares

from powerplane.models.envelopes import GpuEnvelope
from powerplane.models.errors import InputError
from powerplane.models.telemetry.readings import Floats
from powerplane.models.watts.gpu_physics import KEEPS_BELOW, GpuShape

TIME_NOISE, WATTS_NOISE = 0.03, 0.02
"""Relative noise of a measured throughput, and of measured watts."""

DEMAND, DEMAND_DOUBT = 0.9, 0.25
"""Demand as a share of the way from idle to the highest limit, and what is not known of its logarithm."""

LEAST_DEMAND = 0.4

SPREAD, SPREAD_DOUBT = 0.2, 0.1
KNEE, KNEE_DOUBT = 0.84, 0.05
MEMORY, MEMORY_DOUBT = 0.05, 0.2
PRESSURE, PRESSURE_DOUBT = 1.6, 0.7
"""Accelerator over host, and what is not known of its logarithm: most jobs wait for the accelerator."""

UNIT_DOUBT = 3.0
"""What is not known of the logarithm of the throughput's unit: next to nothing is."""

DOUBTS = np.array([DEMAND_DOUBT, SPREAD_DOUBT, KNEE_DOUBT, MEMORY_DOUBT, PRESSURE_DOUBT, UNIT_DOUBT])

KNEE_SLOWDOWN = 0.07
"""What work slows by at a catalogue's knee: that is the lowest limit measured with less than 0.1."""


@dataclass(frozen=True, slots=True)
class LimitPoint:
    """What was measured at one limit.

    Parameters
    ----------
    limit_watts : float
    watts : float
        Mean draw; NaN where not measured.
    throughput : float
        Work a second in any unit; NaN where not measured.
    """

    limit_watts: float
    watts: float
    throughput: float


@dataclass(frozen=True, slots=True)
class GpuLimitModel:
    """One workload on one card.

    Parameters
    ----------
    shape : GpuShape
        The best known.
    max_watts : float
        Highest power limit.
    min_limit_watts : float
        Lowest that the driver takes; the card's idle draw where that is not known.
    points : tuple of LimitPoint
        What it rests on, besides the catalogue.
    """

    shape: GpuShape
    max_watts: float
    min_limit_watts: float
    points: tuple[LimitPoint, ...] = ()

    @classmethod
    def of_card(cls, card: GpuEnvelope) -> Self:
        """Return what the catalogue says: a job that waits for the card, throughput 1 without a limit."""
        return cls(_typical(card), card.max_watts, card.min_limit_watts or card.idle_watts)

    def refined(self, points: Sequence[LimitPoint]) -> Self:
        """Fit the workload to measured points; the parameters that few points leave open stay typical.

        Raises
        ------
        InputError
            When no point has a limit, a throughput and watts that can be true.
        """
        known = tuple(point for point in points if _usable(point))
        if not known:
            raise InputError(
                "no point says what the card draws or does at a limit", "give limits in watts with watts or throughput"
            )
        return type(self)(_fit(self.shape, known), self.max_watts, self.min_limit_watts, known)

    def throughput(self, limit_watts: float) -> float:
        """Return the throughput at a limit, in the unit of the points; without points as a share of the highest."""
        return float(self.shape.throughput(np.array([limit_watts]))[0])

    def watts(self, limit_watts: float) -> float:
        """Return the mean draw at a limit, of a card that the workload has to itself."""
        return float(self.shape.watts(np.array([limit_watts]))[0])

    def slowdown(self, limit_watts: float) -> float:
        """Return how much longer work takes than at the highest limit: 0.1 for a tenth."""
        return self.throughput(self.max_watts) / self.throughput(limit_watts) - 1.0

    @property
    def knee_watts(self) -> float:
        """Limit below which the clock falls with the watts, for the mean of the workload's kernels."""
        above = self.shape.demand_watts - self.shape.idle_watts
        return (self.shape.idle_watts + above * self.shape.knee**3) / KEEPS_BELOW

    def lowest_limit(self, slowdown: float) -> float:
        """Return the lowest limit that slows work by at most this, in whole watts, rounded up."""
        low, high = int(self.min_limit_watts), int(np.ceil(self.max_watts))
        while low < high:
            middle = (low + high) // 2
            if self.slowdown(middle) <= slowdown:
                high = middle
            else:
                low = middle + 1
        return float(low)


def _typical(card: GpuEnvelope) -> GpuShape:
    """Return the workload that meets the catalogue's knee, where it has one: it slows there as was measured."""

    def demanding(share: float) -> GpuShape:
        demand = card.idle_watts + share * (card.max_watts - card.idle_watts)
        return GpuShape(card.idle_watts, demand, SPREAD, KNEE, MEMORY, PRESSURE, 1.0)

    if card.knee is None:
        return demanding(DEMAND)
    limits = np.array([card.max_watts, card.knee * card.max_watts])
    low, high = LEAST_DEMAND, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        full, at_knee = demanding(middle).throughput(limits)
        low, high = (middle, high) if full / at_knee - 1.0 < KNEE_SLOWDOWN else (low, middle)
    return demanding(low)


def _usable(point: LimitPoint) -> bool:
    if not 0 < point.limit_watts < inf:
        return False
    return 0 < point.watts < inf or 0 < point.throughput < inf


def _fit(prior: GpuShape, points: Sequence[LimitPoint]) -> GpuShape:
    """Most probable shape: squared logarithms of what was measured, soft beyond their noise, and of the prior."""
    limits = np.array([point.limit_watts for point in points])
    watts = np.array([point.watts for point in points])
    speeds = np.array([point.throughput for point in points])
    has_watts, has_speed = (np.isfinite(values) & (values > 0) for values in (watts, speeds))
    unit = float(np.median(speeds[has_speed])) if has_speed.any() else 1.0

    def shape(at: Floats) -> GpuShape:
        demand = prior.idle_watts + (prior.demand_watts - prior.idle_watts) * exp(at[0])
        spread, knee, memory = (float(value) for value in at[1:4])
        return GpuShape(prior.idle_watts, demand, spread, knee, memory, exp(at[4]), unit * exp(at[5]))

    def misses(at: Floats) -> Floats:
        tried = shape(at)
        drawn = np.log(tried.watts(limits[has_watts]) / watts[has_watts]) / WATTS_NOISE
        done = np.log(tried.throughput(limits[has_speed]) / speeds[has_speed]) / TIME_NOISE
        doubts = (at - centre) / DOUBTS
        return np.concatenate([_soft(drawn), _soft(done), doubts])

    centre = np.array([0.0, prior.spread, prior.knee, prior.memory, log(prior.pressure), 0.0])
    low, high = [-2.0, 0.0, 0.4, 0.0, -2.0, -3.0], [1.5, 0.9, 0.97, 0.9, 3.0, 3.0]
    starts = [centre + np.array([0.0, 0.0, 0.0, 0.0, shift, 0.1]) for shift in (0.0, -0.6)]
    found = [least_squares(misses, start, bounds=(low, high), max_nfev=300) for start in starts]
    return shape(min(found, key=lambda result: float(result.cost)).x)


def _soft(misses: Floats) -> Floats:
    """Signed square roots of 2(√(1 + m²) - 1): squares near 0, and no point that is far off pulls the rest along."""
    return np.sign(misses) * np.sqrt(2.0 * (np.sqrt(1.0 + misses**2) - 1.0))
