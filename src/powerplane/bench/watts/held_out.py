"""A site followed in time: demand learnt round by round, and for each window what was foretold beside what came."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.watts.daily_use import Use
from powerplane.bench.watts.site import Floats, Site
from powerplane.models.demand.memory import DemandMemory, owners
from powerplane.models.demand.spreads import DomainSpreads, SiteSpreads, domain_spreads, site_spreads
from powerplane.models.draws import NodeKind, node_kinds
from powerplane.models.incidence import compile_incidence


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one run.

    Parameters
    ----------
    step_s : float
        One round: a step of use.
    learning : int
        Steps of history before the first window.
    window : int
        Steps of a window; its draw is its highest step.
    warm, held : int
        Windows that only teach the calibration, and windows after them.
    again : int
        Windows after which spreads are computed anew.
    """

    step_s: float
    learning: int
    window: int
    warm: int
    held: int
    again: int

    @property
    def windows(self) -> int:
        """Windows, warm and held out."""
        return self.warm + self.held

    @property
    def before(self) -> int:
        """Steps before the first held-out window."""
        return self.learning + self.window * self.warm

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.learning + self.window * self.windows


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """V windows of K domains, watts.

    Parameters
    ----------
    spreads : tuple of DomainSpreads
        What was foretold, each for ``again`` windows.
    drawn : float64 array, shape (V, K)
        The highest step of each window.
    node_watts : float32 array, shape (N, T)
        Of the whole run.
    site : SiteSpreads
        What was known when the first held-out window began.
    """

    timing: Timing
    spreads: tuple[DomainSpreads, ...]
    drawn: Floats
    node_watts: NDArray[np.float32]
    site: SiteSpreads

    def at(self, window: int) -> DomainSpreads:
        """Spreads that stood before a window."""
        return self.spreads[window // self.timing.again]


def follow(site: Site, uses: Iterator[Use], timing: Timing) -> Followed:
    """Learn the demand, and foretell each window from what came before it only."""
    snapshot = site.snapshot
    memory = DemandMemory()
    rows = memory.rows(owners(snapshot))
    kinds, incidence = node_kinds(snapshot), compile_incidence(snapshot.topology, snapshot.node_names)
    placed = site.placed
    watts = np.zeros((len(snapshot.nodes), timing.steps), dtype=np.float32)
    spreads: list[DomainSpreads] = []
    known: SiteSpreads | None = None
    step = 0
    for use in uses:
        count = min(use.cores.shape[1], timing.steps - step)
        cards = np.where(site.card_watts[:, None] > 0, use.watts, np.nan)
        watts[:, step : step + count] = node_watts(kinds, placed @ use.cores, placed @ use.watts)[:, :count]
        for at in range(count):
            ahead = step - timing.learning
            if ahead >= 0 and ahead % (timing.window * timing.again) == 0:
                spreads.append(domain_spreads(snapshot, memory.demand()))
            if step == timing.before:
                known = site_spreads(snapshot, memory.demand())
            memory.observe(rows, use.cores[:, at], cards[:, at], step * timing.step_s)
            step += 1
        if step >= timing.steps:
            break
    if known is None:
        raise ValueError(
            f"the use ends after {step} steps, before the {timing.before} that come before held-out windows"
        )
    held = watts[:, timing.learning :].astype(np.float64)
    domains = incidence.weights @ held / incidence.scale
    drawn = domains.reshape(len(domains), timing.windows, timing.window).max(axis=2).T
    return Followed(timing, tuple(spreads), drawn, watts, known)


def node_watts(kinds: tuple[NodeKind, ...], cores: Floats, watts: Floats) -> Floats:
    """Draw of each node, shape (N, T)."""
    result = watts.copy()
    for kind in kinds:
        result[kind.nodes] += np.interp(cores[kind.nodes] * 1e6, kind.knots_ucores, kind.knots_mw) / 1000
    return result
