"""How long and how much the extender holds for pods that are not seen bound, and what it counts meanwhile."""

from dataclasses import dataclass, field

from powerplane.scheduler_extender.trust import TrustRules


@dataclass(frozen=True, slots=True)
class HoldRules:
    """How long and how much is held for pods that are not seen bound.

    Parameters
    ----------
    lapse_s : float
        After which a hold is let go. The scheduler binds within seconds.
    volume_lapse_s : float
        The same for a pod with claims, whose volumes the scheduler may bind first (its own limit is 600 s).
    trust : TrustRules
        What a namespace may hold whose pods are never bound.
    refused_for_s : float
        How long a refused pod is remembered, to be woken when room comes.
    """

    lapse_s: float = 30.0
    volume_lapse_s: float = 660.0
    trust: TrustRules = field(default_factory=TrustRules)
    refused_for_s: float = 600.0


@dataclass(slots=True)
class Tallies:
    """Counted from the start, for metrics."""

    steered: int = 0
    steered_astray: int = 0
    lapsed: int = 0
    crowded: int = 0
    foreign_binds: int = 0
    house_failures: int = 0
