"""What a run leaves behind: arrays over its seconds, and the figures that are read off them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from powerplane.models.frames import DrawFrame
from powerplane.models.snapshot import NO_BUDGET
from powerplane.simulator.power import Reading


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a second."""

    seconds: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What happened, second by second. T seconds, D domains in the topology's order, N nodes, P pods.

    Parameters
    ----------
    domains : tuple of str
    domain_mw, budget_mw, rating_mw : int64 arrays, shape (T, D)
        Draw, and as the heat left them budget and breaker rating (``NO_BUDGET`` where there is none), in milliwatts.
    heat : float64 array, shape (T, D)
        Share of the heat that trips each breaker.
    dark : bool array, shape (T, D)
    node_mw : int64 array, shape (T, N)
    down : int64 array, shape (T,)
        Pods (other than DaemonSets', which live and die with their node) that did not serve for want of power.
    moving : int64 array, shape (T,)
        Pods between their stop and their being ready elsewhere.
    events : tuple of Event
    tripped : dict
        Second at which each tripped breaker opened.
    moved, waves : int
        Moves and waves that came to their end.
    broken : tuple of Reading
        Budgets broken in the last second by what the nodes then drew, also those that only one more lost feed would
        break.
    node : int32 array, shape (P,)
        Where the pods are at the end.
    """

    domains: tuple[str, ...]
    domain_mw: NDArray[np.int64]
    budget_mw: NDArray[np.int64]
    rating_mw: NDArray[np.int64]
    heat: NDArray[np.float64]
    dark: NDArray[np.bool_]
    node_mw: NDArray[np.int64]
    down: NDArray[np.int64]
    moving: NDArray[np.int64]
    events: tuple[Event, ...]
    tripped: dict[str, int]
    moved: int
    waves: int
    broken: tuple[Reading, ...]
    node: NDArray[np.int32]

    @property
    def seconds(self) -> int:
        """Simulated seconds, T."""
        return len(self.down)

    @property
    def lost_pods(self) -> int:
        """The most pods that were down at the same time."""
        return int(self.down.max())

    @property
    def lost_pod_minutes(self) -> float:
        """Minutes summed over pods that were down for want of power."""
        return float(self.down.sum()) / 60

    @property
    def moving_pod_minutes(self) -> float:
        """Minutes summed over pods between their stop and their being ready elsewhere."""
        return float(self.moving.sum()) / 60

    def times_over(self, domain: str) -> NDArray[np.float64]:
        """Draw of a domain over its breaker's rating, shape (T,)."""
        i = self.domains.index(domain)
        return self.domain_mw[:, i] / self.rating_mw[:, i]

    def seconds_over(self, domain: str) -> int:
        """Seconds for which a domain drew more than its breaker's rating."""
        return int((self.times_over(domain) > 1).sum())

    def dark_minutes(self, domain: str) -> float:
        """Minutes for which a domain was without power."""
        return float(self.dark[:, self.domains.index(domain)].sum()) / 60

    def peak_heat(self, domain: str) -> float:
        """The most that a breaker came to, as a share of the heat that trips it."""
        return float(self.heat[:, self.domains.index(domain)].max())

    def frames(self, every_s: int = 15) -> tuple[DrawFrame, ...]:
        """Return what each domain drew every ``every_s`` seconds, for a report."""
        return tuple(self._frames(every_s))

    def _frames(self, every_s: int) -> Iterator[DrawFrame]:
        for second in range(0, self.seconds, every_s):
            for i, domain in enumerate(self.domains):
                budget = int(self.budget_mw[second, i])
                yield DrawFrame(
                    seconds=float(second),
                    domain=domain,
                    watts=int(self.domain_mw[second, i]) / 1000,
                    budget_watts=inf if budget == NO_BUDGET else budget / 1000,
                    dark=bool(self.dark[second, i]),
                )
