"""What ``powerplane top`` says in data: the form of ``-o json`` and ``-o yaml``. Units are in the fields' names."""

from typing import Literal

from powerplane.models.plan import Wire
from powerplane.models.telemetry.node_readings import NodeState

DomainState = Literal["held", "at risk", "broken", "broken by assumption", "no budget"]
"""held: under its budget. at risk: held, and broken once a feed is lost. broken by assumption: only because nodes
without a usable sample count at their worst case."""


class SourceShare(Wire, frozen=True):
    """What one source contributes to a domain's draw; "worst" stands for nodes that count at their worst case."""

    source: str
    nodes: int
    watts: float


class BreakerView(Wire, frozen=True):
    """A domain's breaker at its present load.

    Attributes
    ----------
    times_rating : float
        Draw over rating.
    trips_in_seconds : float or None
        How long a cold breaker would bear the present draw; None: for ever.
    """

    rating_watts: float
    times_rating: float
    trips_in_seconds: float | None


class LossView(Wire, frozen=True):
    """The situation in which a domain draws most: with this feed lost.

    Attributes
    ----------
    trips_in_seconds : float or None
        How long its breaker would bear that; None: for ever, or it has none.
    """

    feed: str
    draw_watts: float
    headroom_watts: float | None
    trips_in_seconds: float | None


class StateCount(Wire, frozen=True):
    """Nodes by state: measured now; held at the last good sample; counting at their worst case."""

    measured: int
    held: int
    worst: int


class DomainView(Wire, frozen=True):
    """One domain.

    Attributes
    ----------
    budget_watts, headroom_watts, share : float or None
        None without a budget. Share: draw over budget.
    draw_watts : float
        With all feeds alive; nodes without a usable sample count at their worst case.
    worst_case_watts : float
        Part of the draw that is assumed for nodes without a usable sample.
    state : DomainState
    if_lost : LossView or None
        None where no loss adds to its draw.
    sources : tuple of SourceShare
        The largest first.
    age_seconds : float or None
        Of the oldest sample that the draw rests on; None where it rests on none.
    """

    name: str
    kind: str
    parents: tuple[str, ...]
    state: DomainState
    budget_watts: float | None
    draw_watts: float
    worst_case_watts: float
    headroom_watts: float | None
    share: float | None
    if_lost: LossView | None
    breaker: BreakerView | None
    node_states: StateCount
    sources: tuple[SourceShare, ...]
    age_seconds: float | None


class NodeView(Wire, frozen=True):
    """One node.

    Attributes
    ----------
    source : str
        Who measured it; "" at its worst case.
    why : str
        What was wrong with this source, or with better ones.
    """

    name: str
    domain: str
    state: NodeState
    draw_watts: float
    budget_watts: float | None
    source: str
    age_seconds: float | None
    why: str


class TopView(Wire, frozen=True):
    """Everything at one moment.

    Attributes
    ----------
    at_seconds : float
        Unix time.
    draw_watts : float
        Of all nodes.
    broken : tuple of str
        Domains and nodes that draw more than their budgets now.
    broken_by_assumption : tuple of str
        Those of them that only do because of the worst case of nodes without a usable sample.
    outside : tuple of str
        Nodes that are in no domain.
    found : dict of str to int
        Bad series of this round by "source: reason".
    assumptions : tuple of str
        What was assumed of nodes and domains, a sentence each.
    trouble : str
        Why no source answered in this round; "" where one did.
    nodes : tuple of NodeView or None
        With ``--nodes``.
    """

    at_seconds: float
    draw_watts: float
    node_states: StateCount
    broken: tuple[str, ...]
    broken_by_assumption: tuple[str, ...]
    domains: tuple[DomainView, ...]
    outside: tuple[str, ...]
    found: dict[str, int]
    assumptions: tuple[str, ...] = ()
    trouble: str = ""
    nodes: tuple[NodeView, ...] | None = None
