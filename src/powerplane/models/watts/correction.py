"""What the latest measurement says about the next moment, kept apart from the curve.

A curve says what a load draws as a rule. The load that runs now draws more or less: its instructions, its clock, the
temperature. How much shows in the latest measurement as a *factor* on the dynamic watts, and holds until the load
changes its kind. A factor says nothing of a node that idles, which has an *offset* of its own, and little of one whose
load has just fallen; so both are trusted by what they have been worth, in each of four situations apart. Each node has
its own; all of them are one value of arrays, replaced at every round.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from powerplane.models.telemetry.readings import Floats, Integers

IDLE, FALLING, RISING, STEADY = range(4)

LOADED = 0.15
"""Share of the model's whole span above which a node is not idle: below, a factor says little."""

MOVED = 0.1
"""Relative change of the dynamic watts since the sample before from which a load is rising or falling."""

LOWEST, HIGHEST = 0.25, 4.0
"""Bounds of a factor: beyond, it is the measurement that is wrong."""

IDLE_SWING = 0.5
"""Bound of an offset, as a share of the idle watts."""

LEARNING = 0.07
"""Weight of the newest error in the mean error of a situation: about the last fifteen count."""

UNTRIED = 0.1
"""Relative error that each kind of prediction starts with."""

HALF_LIFE_S = 3600.0
"""Age at which half of what a factor says is left."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What is said about N nodes before they are measured.

    Parameters
    ----------
    watts : float64 array, shape (N,)
        The answer: between the two others, nearer to the one that has been right.
    plain, factored : float64 arrays, shape (N,)
        Without and with the latest measurement.
    situation : int64 array, shape (N,)
    """

    watts: Floats
    plain: Floats
    factored: Floats
    situation: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What models say of N nodes at one moment; see ``loads``.

    Parameters
    ----------
    plain : float64 array, shape (N,)
        The best that counters can say.
    idle, dynamic, dynamic_before : float64 arrays, shape (N,)
        By the monotone model: idle watts, and those above it, now and at the sample before.
    span : float64 array, shape (N,)
        Watts from idle to peak.
    """

    plain: Floats
    idle: Floats
    dynamic: Floats
    dynamic_before: Floats
    span: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What the latest measurements of N nodes have taught.

    Parameters
    ----------
    factor : float64 array, shape (N,)
        Of the dynamic watts, when the load was last steady.
    offset : float64 array, shape (N,)
        Watts measured less watts predicted, when the node was last idle.
    at_s : float64 array, shape (N, 2)
        When the factor and the offset were measured; minus infinity for never.
    errors : float64 array, shape (N, 4, 2)
        Mean relative error in each situation, of the plain and of the factored prediction.
    """

    factor: Floats
    offset: Floats
    at_s: Floats
    errors: Floats

    @classmethod
    def start(cls, nodes: int) -> Self:
        """Return what is known of nodes that were never measured: nothing."""
        never = np.full((nodes, 2), -np.inf)
        return cls(np.ones(nodes), np.zeros(nodes), never, np.full((nodes, 4, 2), UNTRIED))

    def predict(self, load: Load, now_s: float) -> Prediction:
        """Say what nodes draw now, by their counters and by what was measured before."""
        situation = situations(load)
        left = np.exp2(-np.maximum(now_s - self.at_s, 0.0) / HALF_LIFE_S)
        factored = load.idle + (1.0 + (self.factor - 1.0) * left[:, 0]) * load.dynamic
        idle = situation == IDLE
        factored = np.maximum(np.where(idle, load.plain + self.offset * left[:, 1], factored), 0.0)
        squares = self.errors[np.arange(len(factored)), situation] ** 2 + 1e-12
        trust = squares[:, 0] / squares.sum(axis=1)
        # Before the first measurement there is nothing to trust.
        trust = np.where(np.isfinite(np.where(idle, self.at_s[:, 1], self.at_s[:, 0])), trust, 0.0)
        return Prediction((1.0 - trust) * load.plain + trust * factored, load.plain, factored, situation)

    def followed(self, load: Load, said: Prediction, measured: Floats, at_s: float) -> Self:
        """Learn from measurements; NaN for nodes without one.

        Parameters
        ----------
        load : Load
            At the time of the measurement.
        said : Prediction
            What was said about it beforehand, by whatever was known then.
        measured : float64 array, shape (N,)
        at_s : float
        """
        seen = np.isfinite(measured) & (measured > 0)
        watts = np.where(seen, measured, 1.0)
        rows = np.flatnonzero(seen)
        errors = self.errors.copy()
        new = np.abs(np.stack([said.plain, said.factored], axis=1) - watts[:, None]) / watts[:, None]
        place = (rows, said.situation[rows])
        errors[place] += LEARNING * (np.minimum(new[rows], 1.0) - errors[place])
        situation = situations(load)
        steady, idle = seen & (situation == STEADY), seen & (situation == IDLE)
        ratio = (watts - load.idle) / np.where(load.dynamic > 0, load.dynamic, 1.0)
        bound = load.idle * IDLE_SWING
        return replace(
            self,
            factor=np.where(steady, np.clip(ratio, LOWEST, HIGHEST), self.factor),
            offset=np.where(idle, np.clip(watts - load.plain, -bound, bound), self.offset),
            at_s=np.where(np.stack([steady, idle], axis=1), at_s, self.at_s),
            errors=errors,
        )


def situations(load: Load) -> Integers:
    """Tell idle, falling, rising and steady nodes apart; shape (N,)."""
    change = load.dynamic - load.dynamic_before
    moved = MOVED * np.maximum(load.dynamic, load.dynamic_before)
    found: Integers = np.select(
        [load.dynamic <= LOADED * load.span, change < -moved, change > moved], [IDLE, FALLING, RISING], STEADY
    ).astype(np.int64)
    return found
