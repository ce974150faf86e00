"""Laws of servers and accelerators, as functions of arrays: what limits cost, what fans draw, how LLM servers draw."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sum_by(rows: NDArray[np.integer], weights: Floats, count: int) -> Floats:
    """Sum weights by row, shape (count,): ``np.bincount``, which takes a fifth of the time of ``np.add.at``."""
    result: Floats = np.bincount(rows, weights, count)  # type: ignore[assignment]  # weighted sums are float64
    return result


PACKAGE_OF_IDLE, PACKAGE_OF_DYNAMIC = 0.40, 0.75
MEMORY_OF_IDLE, MEMORY_OF_DYNAMIC = 0.15, 0.10
"""Shares of a server's idle and dynamic watts (fans aside) that packages and memory draw; the rest is boards, disks and
what power supplies lose. Assumed, in the range that breakdowns of two-socket servers show."""

SLOWEST_CLOCK = 0.5
"""Share of full speed below which a processor no longer lowers its clock but skips it."""

SPEED_AT_KNEE = 0.92
"""Of full speed: catalogue knees are where work slows by less than 10 %."""
UNKNOWN_KNEE = 0.65
"""Share of the highest limit, for a model of which no knee was measured."""

PREFILL_AT_ONCE = 8.0
"""How soon requests keep an LLM server's device busy: 1 - exp(-8 · load)."""
DECODE_WATTS, BATCH_WATTS = 0.55, 0.40
"""Share of the way from idle to the highest draw with one request on the device, and what a full batch adds."""


def speed_at(share: Floats) -> Floats:
    """Processor speed at a share of its dynamic watts.

    Watts go with the clock times its voltage squared. In the upper half of the clocks the voltage falls slowly, so that
    watts go about with the square of the speed; below ``SLOWEST_CLOCK`` they go with the speed itself.

    Parameters
    ----------
    share : float64 array
        From 0 to 1.
    """
    bend = SLOWEST_CLOCK**2
    result: Floats = np.where(share >= bend, np.sqrt(np.maximum(share, 0.0)), share * (SLOWEST_CLOCK / bend))
    return result


def device_speed_at(limit_share: Floats, knee: Floats, idle_share: Floats) -> Floats:
    """Speed of an accelerator at full load under a power limit: gently down to its knee, then steeply.

    Parameters
    ----------
    limit_share, knee, idle_share : float64 arrays
        The limit, the knee and the idle draw over the highest limit. Below the knee all work is lost that the missing
        watts above idle would have done.
    """
    above = 1.0 - (1.0 - SPEED_AT_KNEE) * (1.0 - limit_share) / np.maximum(1.0 - knee, 1e-9)
    below = SPEED_AT_KNEE * (limit_share - idle_share) / np.maximum(knee - idle_share, 1e-9)
    result: Floats = np.clip(np.where(limit_share >= knee, above, below), 0.0, 1.0)
    return result


def token_watts_share(load: Floats) -> Floats:
    """Share of the way from idle to highest draw of a device that serves tokens, at a load from 0 to 1.

    Much as soon as anything is asked, little more for a full batch: published runs of one model on four cards draw 1.4
    times as much for 14 times the tokens (ML.ENERGY).
    """
    busy = 1.0 - np.exp(-PREFILL_AT_ONCE * load)
    result: Floats = busy * (DECODE_WATTS + BATCH_WATTS * np.minimum(load, 1.0))
    return result


def approach(value: Floats, goal: Floats, dt_s: float, constant_s: float) -> Floats:
    """First-order lag, exact for a goal that holds still during the step."""
    result: Floats = goal + (value - goal) * np.exp(-dt_s / constant_s)
    return result
