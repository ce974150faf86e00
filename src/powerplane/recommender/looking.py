"""What the meters say: a cheap look at nodes again and again, and a whole one with pods for a snapshot."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from powerplane.adapters.site import Site
from powerplane.adapters.telemetry.following import Follower, Opened, Round
from powerplane.models.demand.arrays import Floats
from powerplane.models.quantities import MILLI
from powerplane.models.telemetry.domains import DomainReading, read_domains
from powerplane.recommender.seeing import Ground
from powerplane.recommender.violations import why_untold
from powerplane.recommender.working import ReadsWork


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Where watts are read from.

    Parameters
    ----------
    nodes : Opened
        Tells whole nodes, and is asked often.
    whole : Opened
        Tells nodes and pods, and is asked for each snapshot.
    node_history, pod_history : Opened or None
        Of a Prometheus, asked on threads of their own; None: nothing is foreseen by history, or learned from it.
    work : ReadsWork or None
        Tells what pods do, and is asked on a thread of its own; None: nothing is known of it.
    """

    nodes: Opened
    whole: Opened
    node_history: Opened | None = None
    pod_history: Opened | None = None
    work: ReadsWork | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at every domain.

    Parameters
    ----------
    at_s : float
        Unix seconds.
    round : Round
    domains : tuple of DomainReading
        Empty where there is trouble.
    trouble : str
        Why nothing can be said; "" where something can.
    """

    at_s: float
    round: Round
    domains: tuple[DomainReading, ...] = ()
    trouble: str = ""

    @property
    def watts(self) -> Floats:
        """Draw of each domain with a budget of its own reckoning; NaN where too little is measured."""
        return np.array([np.nan if why_untold(each) else each.draw_mw / MILLI for each in self.domains])


class Looker:
    """Follows both sources. Not for several threads at once.

    Parameters
    ----------
    sources : Sources
    now : callable
        Unix seconds.
    """

    def __init__(self, sources: Sources, now: Callable[[], float]) -> None:
        self._now = now
        self._nodes = Follower(sources.nodes, now)
        self._whole = Follower(sources.whole, now)

    def look(self, ground: Ground) -> Look:
        """Look at nodes."""
        return self._look(self._nodes, ground)

    def whole(self, ground: Ground) -> Look:
        """Look at nodes and pods."""
        return self._look(self._whole, ground)

    def _look(self, follower: Follower, ground: Ground) -> Look:
        found = follower.now(ground.site)
        at_s = self._now()
        if trouble := found.trouble or _unmeasured(found, ground.site):
            return Look(at_s, found, (), trouble)
        return Look(at_s, found, read_domains(ground.site.book, found.nodes))


def _unmeasured(round_: Round, site: Site) -> str:
    """Say that no node is measured, and why the first is not; "" where one is."""
    if any(state != "worst" for state in round_.nodes.state):
        return ""
    why = next((f" ({name}: {why})" for name, why in zip(round_.nodes.nodes, round_.nodes.why, strict=True) if why), "")
    return f"none of {len(site.facts)} nodes is measured{why}"
