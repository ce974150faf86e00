"""Sums of what only counts together, from series that were recorded apart, each with its own times."""

from collections.abc import Sequence

import numpy as np

from powerplane.models.telemetry.readings import Floats

HELD_S = 90.0
"""How long a part counts after its last sample: longer than two slow scrapes."""


def summed(parts: Sequence[tuple[Floats, Floats]]) -> tuple[list[float], list[float]]:
    """Add series up as Prometheus would at each of their times, and date each sum by the oldest sample in it.

    A sum is made once all parts have begun that begin together: one that lacks a part would jump when it comes.

    Parameters
    ----------
    parts : sequence of (float64 array, float64 array)
        Times, rising, and values of each series, one sample at least.

    Returns
    -------
    at_s, values : list of float
        Each time once, the first sum of it.
    """
    first_s = np.array([at_s[0] for at_s, _ in parts])
    begin_s = first_s[first_s <= first_s.min() + HELD_S].max()
    moments = np.unique(np.concatenate([at_s for at_s, _ in parts]))
    moments = moments[moments >= begin_s]
    total, oldest_s = np.zeros(len(moments)), np.full(len(moments), np.inf)
    for at_s, value in parts:
        last = np.searchsorted(at_s, moments, side="right") - 1
        counts = (last >= 0) & (moments - at_s[last] <= HELD_S)
        # A part that is no number must not vanish in the sum.
        total[counts] += value[last[counts]]
        oldest_s[counts] = np.minimum(oldest_s[counts], at_s[last[counts]])
    found: dict[float, float] = {}
    for taken_s, amount in zip(oldest_s.tolist(), total.tolist(), strict=True):
        found.setdefault(taken_s, amount)
    return list(found), list(found.values())
