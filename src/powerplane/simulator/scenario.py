"""A scenario: a cluster on a cool day, the heat that comes, the feed that is lost, and the pace of things."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.curves import PowerCurve
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.models.topology import PowerDomain, PowerTopology
from powerplane.simulator.breaker import derate
from powerplane.simulator.power import surviving
from powerplane.simulator.weather import HeatWave, derating, fan_share


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds of the simulation.

    Parameters
    ----------
    notice_s : int
        From the loss of a feed until it is seen (two scrapes of 15 s at most; here one).
    solve_s : int
        Time given to planning.
    at_once : int
        Most pods under way at the same time: a wave may be carried out in any parts, so a rate limit cannot break it.
    grace_s, start_s : tuple of (int, int)
        Least and most that a pod takes to stop after its eviction, and to be ready after it stopped.
    confirm_s : int
        Between the last ready pod and the next evictions, to see the watts come true.
    surge : float
        Times its usual use that a starting pod draws.
    not_ready_s : int
        From a node's last sign of life until its pods are given up: 50 s until it counts as unreachable, and the 300 s
        for which pods tolerate that by default (Kubernetes: node-monitor-grace-period, DefaultTolerationSeconds).
    """

    notice_s: int = 15
    solve_s: int = 10
    at_once: int = 24
    grace_s: tuple[int, int] = (3, 12)
    start_s: tuple[int, int] = (8, 20)
    confirm_s: int = 5
    surge: float = 1.1
    not_ready_s: int = 350


@dataclass(frozen=True, slots=True)
class Climate:
    """One room: its heat, and what stands in it.

    Parameters
    ----------
    heat : HeatWave
    feeds : tuple of str
        Domains whose breakers the heat derates.
    nodes : tuple of int
        Rows of the nodes whose fans speed up.
    """

    heat: HeatWave
    feeds: tuple[str, ...]
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """Everything that a run starts from; nothing of it changes.

    Parameters
    ----------
    snapshot : Snapshot
        The cluster at second 0, on a cool day; curves include what fans draw then.
    climates : tuple of Climate
    fan_mw : int64 array, shape (N,)
        What each node's fans draw at full speed, in milliwatts.
    lost_feed : str
    lost_at_s, ends_s : int
    seed : int
    pace : Pace
    """

    snapshot: Snapshot
    climates: tuple[Climate, ...]
    fan_mw: NDArray[np.int64]
    lost_feed: str
    lost_at_s: int
    ends_s: int
    seed: int
    pace: Pace = Pace()

    @property
    def survivor(self) -> str:
        """The feed that is left to the lost one's racks."""
        return next(
            feed
            for room in self.climates
            if self.lost_feed in room.feeds
            for feed in room.feeds
            if feed != self.lost_feed
        )

    @property
    def seen_at_s(self) -> int:
        """The second at which the loss is seen, and planning begins."""
        return self.lost_at_s + self.pace.notice_s

    @property
    def planned_at_s(self) -> int:
        """The second at which a plan for the loss is ready."""
        return self.seen_at_s + self.pace.solve_s

    def fans_at(self, second: int) -> NDArray[np.int64]:
        """Milliwatts that each node's fans draw above those of second 0, shape (N,), rounded up."""
        more = np.zeros(len(self.fan_mw), dtype=np.int64)
        for climate in self.climates:
            share = fan_share(climate.heat.celsius_at(second)) - fan_share(climate.heat.celsius_at(0))
            rows = list(climate.nodes)
            more[rows] = np.ceil(self.fan_mw[rows] * share)
        return more

    def domains_at(self, second: int) -> tuple[PowerDomain, ...]:
        """All domains, with breakers and the budgets above them as the heat leaves them."""
        factor = {
            feed: derating(climate.heat.celsius_at(second)) for climate in self.climates for feed in climate.feeds
        }
        domains = self.snapshot.topology.domains
        return tuple(_derated(domain, factor.get(domain.name, 1.0)) for domain in domains)

    def snapshot_at(self, second: int) -> Snapshot:
        """Return what PowerPlane plans on: the cluster at a second, a lost feed gone from its topology."""
        lost = [self.lost_feed] if second >= self.lost_at_s else []
        warmer = self.fans_at(second)
        shifted: dict[tuple[str, int], PowerCurve] = {}
        for curve, more in zip(self.snapshot.node_curve, warmer.tolist(), strict=True):
            watts = tuple(knot + more for knot in curve.milliwatts)
            shifted.setdefault((curve.name, more), PowerCurve(curve.name, curve.utilisation, watts))
        curves = zip(self.snapshot.node_curve, warmer.tolist(), strict=True)
        return replace(
            self.snapshot,
            as_of_s=self.snapshot.as_of_s + second,
            node_curve=tuple(shifted[curve.name, more] for curve, more in curves),
            topology=surviving(PowerTopology(self.domains_at(second)), lost),
        )


def _derated(domain: PowerDomain, factor: float) -> PowerDomain:
    if factor == 1.0:
        return domain
    budget = domain.budget_mw if domain.budget_mw == NO_BUDGET else int(domain.budget_mw * factor)
    return replace(domain, budget_mw=budget, breaker=domain.breaker and derate(domain.breaker, factor))
