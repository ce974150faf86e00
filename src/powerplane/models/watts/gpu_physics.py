r"""How fast an accelerator works under a power limit, and what it draws: frequency, voltage, and a host beside it.

At a share f of its highest clock, a kernel that would draw D at full clock draws

.. math:: P(f) = P_0 + (D - P_0) \cdot \begin{cases} f^3 & f \ge k \\ k^2 f & f < k \end{cases}

since dynamic power goes with clock times voltage squared: above the *knee* k voltage falls with the clock, below it
voltage is at its floor and only the clock falls. A limit L picks the highest f with P(f) ≤ L. So above the knee a watt
less costs little speed (the cube root), and below it as much as it is worth: throughput falls off a cliff.

Kernels differ: their demands D are spread evenly around a mean, and the hungriest meet the limit first. And a step of
work waits for the host as well as for the accelerator, which overlap: its time is a soft maximum of both, so that a
job fed too slowly does not slow down under a mild limit, but fills its pauses.

Sources: T. Mudge, "Power: a first-class architectural design constraint", IEEE Computer 34 (2001), for the cube;
S. Williams, A. Waterman and D. Patterson, "Roofline", CACM 52 (2009), for the saturation.
"""

from dataclasses import dataclass

import numpy as np

from powerplane.models.telemetry.readings import Floats

SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Demands of kernels around the mean, in spreads."""

OVERLAP = 6.0
"""Norm of the soft maximum of host and accelerator: 1 would be one after the other, infinite full overlap."""

KEEPS_BELOW = 0.99
"""Share of its limit at which a card that is limited settles."""

SLOWEST = 0.05
"""Lowest share of the clock, so that no limit stands still."""

WAITING = 0.1
"""Share of the way from idle to its demand that a card draws between kernels, its clocks up."""


@dataclass(frozen=True, slots=True)
class GpuShape:
    """One workload on one model of card.

    Parameters
    ----------
    idle_watts : float
        The card without work, P_0.
    demand_watts : float
        Mean of what its kernels would draw at full clock; may exceed what the card allows.
    spread : float
        Half the width of the demands, as a share of the mean above idle; from 0 to 1.
    knee : float
        Share of the highest clock below which voltage no longer falls; from 0 to 1.
    memory : float
        Share of a kernel's time at full clock that waits for memory, whose clock no limit changes; from 0 to 1.
    pressure : float
        Time that the accelerator needs at full clock over that of the host: above 1 the accelerator is what is waited
        for.
    speed : float
        Throughput without a limit, in the user's unit.
    """

    idle_watts: float
    demand_watts: float
    spread: float
    knee: float
    memory: float
    pressure: float
    speed: float

    def throughput(self, limit_watts: Floats) -> Floats:
        """Return the throughput at each limit."""
        longest = _step(np.ones(1), self.pressure)
        found: Floats = self.speed * longest / _step(self._slowness(limit_watts).mean(axis=1), self.pressure)
        return found

    def watts(self, limit_watts: Floats) -> Floats:
        """Return the mean draw at each limit."""
        slowness = self._slowness(limit_watts)
        kept = np.maximum(limit_watts * KEEPS_BELOW, self.idle_watts)[:, None]
        drawn = np.minimum(self._demands(), kept)
        busy = (slowness * drawn).sum(axis=1) / slowness.sum(axis=1)
        share = self.pressure * slowness.mean(axis=1) / _step(slowness.mean(axis=1), self.pressure)
        waiting = np.minimum(self.idle_watts + WAITING * (self.demand_watts - self.idle_watts), busy)
        found: Floats = share * busy + (1.0 - share) * waiting
        return found

    def _demands(self) -> Floats:
        return self.idle_watts + (self.demand_watts - self.idle_watts) * (1.0 + self.spread * SPREAD)

    def _slowness(self, limit_watts: Floats) -> Floats:
        """Return by how much each kernel takes longer at each limit; shape (L, kernels)."""
        above = np.maximum(self._demands() - self.idle_watts, 1e-9)
        room = np.maximum(limit_watts * KEEPS_BELOW - self.idle_watts, 0.0)[:, None] / above
        clock = np.where(room >= self.knee**3, np.cbrt(room), room / self.knee**2)
        slowness: Floats = self.memory + (1.0 - self.memory) / np.clip(clock, SLOWEST, 1.0)
        return slowness


def _step(slowness: Floats, pressure: float) -> Floats:
    """Time of one step of work, in units of the host's."""
    time: Floats = (1.0 + (pressure * slowness) ** OVERLAP) ** (1.0 / OVERLAP)
    return time
