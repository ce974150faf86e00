"""What held in a simulated cluster during a stretch of time, and what happened there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.machines import Load
from powerplane.simulator.power import Wiring

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened, as a sentence."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What held during a stretch of time. N nodes, D domains.

    Parameters
    ----------
    at_s, lasted_s : float
    load : Load
    domain_watts, budget_watts, factor : float64 arrays, shape (D,)
        Carried; allowed, as the heat leaves it; share of its rating that each breaker keeps.
    asked, done : float
        CPUs' worth of work: what all owners want done, and what is.
    limited : float
        Of that, what power limits cost.
    asked_devices, done_devices : float
        The same for accelerators, in devices at full speed.
    lost, moving, waiting : int
        Pods that do not serve since their node lost power, are between two nodes, or wait for a node.
    wiring : Wiring
        Who is fed by what.
    limits_s : float64 array, shape (D,)
        Seconds in which each breaker would trip from cold at this load, infinite where never.
    """

    at_s: float
    lasted_s: float
    load: Load
    domain_watts: Floats
    budget_watts: Floats
    factor: Floats
    asked: float
    done: float
    limited: float
    asked_devices: float
    done_devices: float
    lost: int
    moving: int
    waiting: int
    wiring: Wiring
    limits_s: Floats
