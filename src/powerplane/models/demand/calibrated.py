"""Calibration by name: each domain learns from its own windows, and keeps what it learnt when others come or go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from powerplane.models.demand.calibration import KEPT, RATE, Calibration, start_calibration
from powerplane.models.demand.margins import LEVEL
from powerplane.models.demand.spreads import DomainSpreads
from powerplane.models.demand.together import normal_factor
from powerplane.models.errors import InputError


class DomainCheckpoint(msgspec.Struct, frozen=True):
    """What is kept of one domain between runs.

    Parameters
    ----------
    alpha : float
    scores : tuple of float
        Oldest first, in deviations, to a thousandth.
    windows, missed : int
    """

    alpha: float
    scores: tuple[float, ...]
    windows: int
    missed: int


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedDomains:
    """Calibrations of K domains.

    Parameters
    ----------
    names : tuple of str
    calibration : Calibration
    """

    names: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=lambda: start_calibration(LEVEL, np.zeros(0)))

    def learn(self, spreads: DomainSpreads, drawn_mw: Mapping[str, float]) -> "CalibratedDomains":
        """Return the calibrations after one more window.

        Parameters
        ----------
        spreads : DomainSpreads
            What was foretold before the window; domains that are new in it start with the model's own factors, those
            that are no longer in it are forgotten.
        drawn_mw : mapping of str to float
            The highest draw of each domain in the window; a domain that is missing or NaN was not measured, and
            learns nothing.
        """
        known = self._of(spreads)
        drawn = np.array([drawn_mw.get(name, np.nan) for name in known.names], dtype=np.float64)
        rows = _alive(spreads)
        away = drawn - spreads.mean_mw[rows] - spreads.extra_mw[rows]
        deviation = spreads.deviation_mw[rows]
        # Of what does not vary nothing can be learnt in deviations.
        scores = np.divide(away, deviation, out=np.full(len(away), np.nan), where=deviation > 0)
        return replace(known, calibration=known.calibration.learn(scores))

    def factors(self) -> dict[str, float]:
        """Deviations to take for the next window, by domain."""
        return dict(zip(self.names, self.calibration.factors().tolist(), strict=True))

    def lasting(self, spreads: DomainSpreads) -> dict[str, float]:
        """Deviations to take for a placement that stays, by domain; of all domains of the spreads."""
        known = self._of(spreads)
        normal = normal_factor(known.calibration.level, spreads.skewness[_alive(spreads)])
        return dict(zip(known.names, known.calibration.lasting(normal).tolist(), strict=True))

    def checkpoint(self) -> dict[str, DomainCheckpoint]:
        """Return what to keep, by domain."""
        one = self.calibration
        return {
            name: DomainCheckpoint(
                float(one.alpha[row]), _oldest_first(one, row), int(one.windows[row]), int(one.missed[row])
            )
            for row, name in enumerate(self.names)
        }

    def _of(self, spreads: DomainSpreads) -> "CalibratedDomains":
        """The calibrations of a spread's domains, in its order."""
        rows = _alive(spreads)
        names = tuple(spreads.domain[row] for row in rows)
        if names == self.names:
            return self
        old, row_of = self.calibration, {name: row for row, name in enumerate(self.names)}
        new = start_calibration(old.level, spreads.skewness[rows], old.rate)
        here = [at for at, name in enumerate(names) if name in row_of]
        there = [row_of[names[at]] for at in here]
        for column in ("alpha", "scores", "next_slot", "windows", "missed"):
            getattr(new, column)[here] = getattr(old, column)[there]
        return CalibratedDomains(names, new)


def restored_calibration(
    kept: Mapping[str, DomainCheckpoint], level: float = LEVEL, rate: float = RATE
) -> CalibratedDomains:
    """Return the calibrations of a checkpoint.

    Raises
    ------
    InputError
        For one that no calibration can have written.
    """
    start = start_calibration(level, np.zeros(len(kept)), rate)
    for row, (name, one) in enumerate(kept.items()):
        sound = np.isfinite([one.alpha, *one.scores]).all() and len(one.scores) <= KEPT
        if not (sound and 0 <= one.missed <= one.windows and abs(one.alpha) <= 2 + one.windows):
            raise InputError(f"the calibration of domain {name!r} cannot be read", "delete it; it is learnt anew")
        start.scores[row, : len(one.scores)] = one.scores
        start.scores[row, len(one.scores) :] = np.nan
        start.next_slot[row] = len(one.scores) % KEPT
        start.alpha[row], start.windows[row], start.missed[row] = one.alpha, one.windows, one.missed
    return CalibratedDomains(tuple(kept), start)


def _alive(spreads: DomainSpreads) -> list[int]:
    """Rows of domains with all that they draw through alive: those that are measured."""
    return [row for row, lost in enumerate(spreads.lost) if not lost]


def _oldest_first(calibration: Calibration, row: int) -> tuple[float, ...]:
    slot = int(calibration.next_slot[row])
    scores = np.roll(calibration.scores[row], -slot)
    return tuple(np.round(scores[np.isfinite(scores)], 3).tolist())
