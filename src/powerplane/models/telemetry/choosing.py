"""Which source a node is counted by: the first by precedence that can be believed, held against the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.telemetry.candidates import Candidate
from powerplane.models.telemetry.faults import LATE_SCRAPES
from powerplane.models.telemetry.readings import Floats
from powerplane.models.telemetry.rules import Rules

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What N nodes are counted by; arrays of shape (N,).

    Parameters
    ----------
    candidate : int64 array
        Place of the candidate; -1 where none can be believed now.
    watts, age_s : float64 arrays
        NaN and infinite where none can.
    fresh : bool array
        Whether no scrape has been missed.
    """

    candidate: NDArray[np.int64]
    watts: Floats
    age_s: Floats
    fresh: Mask


def choose(candidates: Sequence[Candidate], count: int, rules: Rules) -> Choice:
    """Take the first fresh candidate of each node, or the first that is held; of two that disagree the higher.

    Parameters
    ----------
    candidates : sequence of Candidate
        In order of precedence; what cannot be believed has a reason already, and gets one here.
    count : int
        N.
    """
    if not candidates:
        nobody = np.full(count, -1, dtype=np.int64)
        return Choice(nobody, np.full(count, np.nan), np.full(count, np.inf), np.zeros(count, dtype=np.bool_))
    _outvote(candidates, rules)
    _hold_against_parts(candidates, rules)
    watts = np.stack([np.where(each.usable, each.watts, np.nan) for each in candidates])
    fresh = np.stack([each.usable & (each.age_s <= LATE_SCRAPES * each.scrape_s) for each in candidates])
    held = np.stack([each.usable & (each.age_s < rules.missed * each.scrape_s) for each in candidates])
    rank = np.where(fresh, 0, np.where(held, 1, 2))
    # The first of the best rank.
    first = np.argmin(rank, axis=0)
    some = rank[first, np.arange(count)] < 2
    chosen = np.where(some, first, -1)
    chosen = _higher_of_two(candidates, watts, fresh, chosen, rules)
    columns = np.arange(count)
    ages = np.stack([each.age_s for each in candidates])
    return Choice(
        candidate=chosen,
        watts=np.where(some, watts[chosen, columns], np.nan),
        age_s=np.where(some, ages[chosen, columns], np.inf),
        fresh=some & fresh[chosen, columns],
    )


def _outvote(candidates: Sequence[Candidate], rules: Rules) -> None:
    """Refuse one of three or more that is far from two others which agree."""
    if len(candidates) < 3:
        return
    watts = np.stack([np.where(each.usable, each.watts, np.nan) for each in candidates])
    for one, candidate in enumerate(candidates):
        others = np.delete(watts, one, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            low, high = np.fmin.reduce(others), np.fmax.reduce(others)
            agree = (np.count_nonzero(~np.isnan(others), axis=0) >= 2) & (high - low <= 2 * rules.agree_share * high)
            far = (watts[one] > rules.outvoted_times * high) | (watts[one] * rules.outvoted_times < low)
        candidate.refuse(agree & far, "outvoted")


def _hold_against_parts(candidates: Sequence[Candidate], rules: Rules) -> None:
    """Refuse a wall reading that is below what the node's parts draw."""
    for parts in candidates:
        if parts.kind != "parts":
            continue
        least = np.where(parts.usable, parts.least, -np.inf) * (1 - rules.below_parts_share)
        for wall in candidates:
            if wall.kind == "wall":
                with np.errstate(invalid="ignore"):
                    wall.refuse(wall.usable & (wall.watts < least), "below parts")


def _higher_of_two(
    candidates: Sequence[Candidate],
    watts: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    chosen: NDArray[np.int64],
    rules: Rules,
) -> NDArray[np.int64]:
    """Let the highest fresh candidate count where it is far above the chosen one, and tell of it."""
    columns = np.arange(len(chosen))
    result = chosen.copy()
    for place, candidate in enumerate(candidates):
        ours = watts[result, columns]
        # What is estimated from parts is no more than a guess above them: a wall reading is not raised to it.
        walls = np.array([each.kind == "wall" for each in candidates])[result]
        comparable = (chosen >= 0) & (place != result) & fresh[place] & (walls == (candidate.kind == "wall"))
        with np.errstate(invalid="ignore"):
            apart = np.abs(watts[place] - ours) > rules.agree_share * np.fmax(watts[place], ours)
        told = comparable & apart
        above = told & (watts[place] > ours)
        for row in np.flatnonzero(told).tolist():
            candidate.disagrees[row] = True
        result[above] = place
    return result
