r"""How a meter's time stands to its counters', found from the samples themselves.

A counter is an average over the interval since the sample before. A meter in a processor (RAPL) averages over the same
interval; a meter at the wall reports its own moment at the end of it, or a moving average of its own, late. To the
first order of a load that changes evenly, the counter that belongs to the watts is

.. math:: \hat{u} = u_t + \kappa (u_t - u_{t-1})

with κ = 0 where both cover the same time, 1/2 for a meter of the interval's end, and below 0 for one that is late
(-1: by a whole interval). A curve is then fitted to what belongs together, instead of to the blur of every step of
load.
"""

from collections.abc import Callable

import numpy as np

from powerplane.models.telemetry.readings import Floats

TIMINGS = (-1.0, -0.5, 0.0, 0.5, 1.0)
WORTH = 0.02
"""Share by which another timing has to lower the loss before it is believed."""

FEWEST = 64
"""Samples below which both are taken to cover the same time."""


def aligned(now: Floats, before: Floats, timing: float, scale: Floats) -> Floats:
    """Return the counters that belong to the watts; shape (M, C), within 0 and their scale where they were before."""
    if timing == 0:
        return now
    found: Floats = np.clip(now + timing * (now - before), 0.0, np.maximum(scale, now))
    return found


def choose_timing(losses: Callable[[float], float], samples: int, present: float) -> float:
    """Return the timing with the least loss; the present one where no other is worth a change.

    Parameters
    ----------
    losses : callable
        Loss of a fit with a timing.
    samples : int
        How many it rests on.
    present : float
    """
    if samples < FEWEST:
        return present
    by_timing = {timing: losses(timing) for timing in TIMINGS}
    best = min(TIMINGS, key=lambda timing: by_timing[timing])
    return best if by_timing[best] < (1.0 - WORTH) * by_timing[present] else present
