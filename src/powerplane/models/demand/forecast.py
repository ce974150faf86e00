"""What domains will draw in the next hours: seasons, plus how far off them they are now, plus honest intervals.

The forecast for h steps ahead is the season then, plus a regression of what will be left on what is left now, over the
last three hours, over the last day, and at that time yesterday. Errors are those that such forecasts made in the
history, whole paths of them, made around the same time of day: intervals and the probability of a breach are read off
them (split conformal prediction; Vovk, Gammerman and Shafer, *Algorithmic learning in a random world*, 2005). Where the
history is too short for seasons, the last value stands in for them, and its errors are widened by how little there is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.demand.ahead import Ahead
from powerplane.models.demand.arrays import Floats, Rows, ratio
from powerplane.models.demand.buckets import believable
from powerplane.models.demand.confidence import DAY_S
from powerplane.models.demand.seasons import LEAST_SPAN_S, Seasons, fit_seasons

STALE_S = 7200.0
"""A domain whose newest sample is older is foretold by its season alone."""

NEAR_S = 3 * 3600.0
"""Errors count that were made at most this far from the present time of day."""

LEAST_PATHS = 60
MOST_ORIGINS = 1400
"""Moments of the history from which errors are kept, at the most: every second one of four weeks of 15 minutes."""

RIDGE = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Draws of D domains at even steps.

    Parameters
    ----------
    last_s : float
        Unix seconds of the newest step.
    step_s : float
    watts : float64 array, shape (D, T)
        NaN in gaps; what is infinite or negative becomes a gap.
    """

    last_s: float
    step_s: float
    watts: Floats

    def __post_init__(self) -> None:
        if not self.watts.shape[1] or not self.step_s > 0:
            raise ValueError(f"a history has {self.watts.shape[1]} steps of {self.step_s} s")
        object.__setattr__(self, "watts", np.where(believable(self.watts), self.watts, np.nan))

    @property
    def at_s(self) -> Floats:
        """Unix seconds of each step, shape (T,)."""
        return self.last_s + self.step_s * np.arange(1 - self.watts.shape[1], 1)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """A model of D domains, made from a history; good for some hours, then made anew.

    Parameters
    ----------
    step_s : float
    horizon : int
        Steps ahead.
    seasons : Seasons
    slopes : float64 array, shape (D, horizon + late, 4)
        Of what is left, on what is left now, over three hours, over a day, and yesterday.
    errors : float32 array, shape (D, O, horizon + late + 1)
        What forecasts from O moments of the history missed by, NaN in gaps; last, what the season alone did.
    origin_s : float64 array, shape (O,)
    seasonal : bool array, shape (D,)
        Domains with history enough for seasons; the others take the last value.
    samples : int64 array, shape (D,)
        Steps of the history that were seen.
    """

    step_s: float
    horizon: int
    seasons: Seasons
    slopes: Floats
    errors: NDArray[np.float32]
    origin_s: Floats
    seasonal: NDArray[np.bool_]
    samples: Rows

    def ahead(self, recent: History) -> Ahead:
        """Foretell from the newest samples.

        Parameters
        ----------
        recent : History
            Of the same domains and step: a day and a few hours at least, or all there is.
        """
        late = self.slopes.shape[1] - self.horizon
        watts = recent.watts
        ages = _ages(watts)
        age = ages[:, -1]
        fresh = age <= late
        steps = np.arange(1, self.horizon + 1)
        target = np.asarray(recent.last_s + self.step_s * steps, dtype=np.float64)
        # A sample that is some steps old is a forecast from then, that many steps longer.
        index = np.minimum(np.where(fresh, age, 0), late)[:, None] + steps - 1
        season = self.seasons.at(target)
        left = _left(watts, self.seasons, recent.at_s)
        state = _state(left, self.step_s)[:, -1]
        yesterday = _yesterday(left, self.step_s, steps)
        slopes = np.take_along_axis(self.slopes, index[:, :, None], axis=1)
        carried = np.einsum("dhk,dk->dh", slopes[:, :, :3], state) + slopes[:, :, 3] * yesterday
        point = season + np.where(fresh[:, None], carried, 0.0)
        last = np.take_along_axis(watts, np.maximum(watts.shape[1] - 1 - age, 0)[:, None], axis=1)
        watts_ahead = np.where(self.seasonal[:, None], point, last)
        errors = self._near(recent.last_s, index, fresh)
        days = np.asarray(self.samples * self.step_s / DAY_S, dtype=np.float64)
        doubt = np.where(self.samples > 1, 1 + ratio(np.ones(len(days)), days, np.inf), np.inf)
        return Ahead(target, np.maximum(watts_ahead, 0), errors, doubt)

    def _near(self, now_s: float, index: Rows, fresh: NDArray[np.bool_]) -> Floats:
        """Errors of forecasts made around this time of day, shape (D, E, H)."""
        away = np.abs((self.origin_s - now_s + DAY_S / 2) % DAY_S - DAY_S / 2)
        here = np.flatnonzero(away <= NEAR_S)
        chosen = self.errors[:, here] if len(here) >= LEAST_PATHS else self.errors
        alone = chosen.shape[2] - 1
        column = np.where(fresh[:, None], index, alone)
        return np.take_along_axis(chosen, column[:, None, :], axis=2).astype(np.float64)


def fit_forecast(history: History, horizon: int) -> Forecast:
    """Fit a forecast to a history.

    Parameters
    ----------
    history : History
        Three weeks of 15-minute means are plenty; less will do.
    horizon : int
        Steps ahead; 1 or more.

    Notes
    -----
    300 domains with three weeks of history take about a second, and foretelling from the result some hundredths of
    one: fit every few hours, foretell every round.
    """
    if horizon < 1:
        raise ValueError(f"a horizon of {horizon} steps foretells nothing")
    step_s, watts, at_s = history.step_s, history.watts, history.at_s
    late = int(STALE_S // step_s)
    seasons = fit_seasons(at_s, watts)
    samples = np.isfinite(watts).sum(axis=1)
    spanned = samples * step_s
    seasonal = spanned >= 0.8 * LEAST_SPAN_S
    left = seasons.left_out
    origins = np.arange(0, watts.shape[1], max(2, watts.shape[1] // MOST_ORIGINS))
    state, now = _state(left, step_s)[:, origins], watts[:, origins]
    reach = horizon + late
    slopes = np.zeros((len(watts), reach, 4))
    errors = np.full((len(watts), len(origins), reach + 1), np.nan, dtype=np.float32)
    for ahead in range(1, reach + 1):
        came = _shifted(left, ahead)[:, origins]
        known = np.concatenate([state, _yesterday_of(left, step_s, ahead)[:, origins, None]], axis=2)
        slopes[:, ahead - 1] = _regress(known, came)
        missed = came - (known @ slopes[:, ahead - 1, :, None])[:, :, 0]
        last = _shifted(watts, ahead)[:, origins] - now
        errors[:, :, ahead - 1] = np.where(seasonal[:, None], missed, last)
    errors[:, :, reach] = np.where(seasonal[:, None], left[:, origins], errors[:, :, reach - 1])
    return Forecast(step_s, horizon, seasons, slopes, errors, at_s[origins], seasonal, samples)


def _left(watts: Floats, seasons: Seasons, at_s: Floats) -> Floats:
    """What samples differ from the season; the same as was left in the history's own fit but for that."""
    return watts - seasons.at(at_s)


def _state(left: Floats, step_s: float) -> Floats:
    """Now, over three hours, over a day: shape (D, T, 3); 0 where nothing is known."""
    return np.stack(
        [
            _mean_back(left, 1),
            _mean_back(left, max(round(3 * 3600 / step_s), 1)),
            _mean_back(left, max(round(DAY_S / step_s), 1)),
        ],
        axis=2,
    )


def _mean_back(left: Floats, steps: int) -> Floats:
    """Mean of the last steps that are known, at each step; the newest known one where that is all."""
    seen = np.isfinite(left)
    filled = np.where(seen, left, 0.0)
    if steps == 1:
        newest = np.maximum.accumulate(np.where(seen, np.arange(left.shape[1]), -1), axis=1)
        return np.where(newest >= 0, np.take_along_axis(filled, np.maximum(newest, 0), axis=1), 0.0)
    total, count = (np.cumsum(np.pad(part, ((0, 0), (steps, 0))), axis=1) for part in (filled, seen.astype(np.float64)))
    return ratio(total[:, steps:] - total[:, :-steps], count[:, steps:] - count[:, :-steps], otherwise=0.0)


def _shifted(columns: Floats, ahead: int) -> Floats:
    """What stood ``ahead`` steps later; NaN past the end."""
    result = np.full(columns.shape, np.nan)
    result[:, : max(columns.shape[1] - ahead, 0)] = columns[:, ahead:]
    return result


def _yesterday_of(left: Floats, step_s: float, ahead: int) -> Floats:
    """What was left a day before the target, at each origin; 0 where not known."""
    back = round(DAY_S / step_s) - ahead
    result = np.zeros(left.shape)
    if 0 <= back < left.shape[1]:
        result[:, back:] = np.nan_to_num(left[:, : left.shape[1] - back])
    return result


def _yesterday(left: Floats, step_s: float, steps: Rows) -> Floats:
    """What was left a day before each target, from the newest step, shape (D, H); 0 where not known."""
    at = left.shape[1] - 1 + steps - round(DAY_S / step_s)
    known = (at >= 0) & (at < left.shape[1])
    return np.where(known, np.nan_to_num(left[:, np.clip(at, 0, left.shape[1] - 1)]), 0.0)


def _regress(known: Floats, came: Floats) -> Floats:
    """Ridge regression of what came on what was known, shape (D, 4)."""
    seen = np.isfinite(came)
    here = np.where(seen[:, :, None], known, 0.0)
    products = here.transpose(0, 2, 1) @ here
    moments = (here.transpose(0, 2, 1) @ np.where(seen, came, 0.0)[:, :, None])[:, :, 0]
    scale = np.trace(products, axis1=1, axis2=2) / 4 / np.maximum(seen.sum(axis=1), 1)
    damped = products + (RIDGE * scale + 1e-9)[:, None, None] * np.eye(4)
    result: Floats = np.linalg.solve(damped, moments[:, :, None])[:, :, 0]
    return result


def _ages(watts: Floats) -> Rows:
    """Steps since the newest sample, at each step; the whole length where there is none."""
    steps = np.arange(watts.shape[1])
    newest = np.maximum.accumulate(np.where(np.isfinite(watts), steps, -watts.shape[1]), axis=1)
    return steps - newest
