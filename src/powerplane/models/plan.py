"""The plan: which pods move where, in which wave, why, and what that does to every domain.

The wire form (camelCase JSON) is a contract that other tools read and write; its schema is generated from these
structs.
"""

from typing import Literal

import msgspec

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
"""optimal: proven best. feasible: budgets hold, perhaps not at the least cost. infeasible: proven that no plan holds
all budgets; the plan is the least overload found. unknown: no plan that holds them was found in time, nor a proof."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the wire structs."""


class Move(Wire, frozen=True):
    """A pod leaves one node for another.

    Attributes
    ----------
    watts : float
        What leaves the source node's draw with the pod, by the node's curve, in watts.
    wave : int
        From 1; moves of a wave may run at the same time.
    because : tuple of str
        Domains whose budget breaks without this move, or the rule that asks for it.
    """

    namespace: str
    pod: str
    uid: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    watts: float
    wave: int
    because: tuple[str, ...] = ()


class DomainDraw(Wire, frozen=True):
    """What the plan does to one domain, in watts.

    Attributes
    ----------
    budget_watts : float or None
        None where the domain has no budget.
    lost : str
        The feed whose loss is the domain's worst case; "" when all alive is. Before and after are the worst case's.
    """

    name: str
    kind: str
    budget_watts: float | None
    before_watts: float
    after_watts: float
    lost: str = ""


class NodeDraw(Wire, frozen=True):
    """What a node was measured to draw when the plan was made, and by whom.

    Attributes
    ----------
    watts : float
        What it counts as.
    state : str
        measured: a usable sample now. held: the last good one, under three scrapes old. worst: counts at its worst
        case; nothing is put on it or taken off it.
    source : str
        Who measured it; "" at its worst case.
    age_seconds : float or None
        Of the sample; None for a node never measured.
    why : str
        What was wrong with this source, or with better ones.
    idle_watts, dynamic_watts, unattributed_watts : float or None
        Parts of the watts that add up to them: without any pod, of its pods, and what no pod is known to draw. None
        at its worst case.
    """

    name: str
    watts: float
    state: Literal["measured", "held", "worst"]
    source: str
    age_seconds: float | None
    why: str = ""
    idle_watts: float | None = None
    dynamic_watts: float | None = None
    unattributed_watts: float | None = None


class Unplaced(Wire, frozen=True):
    """A pod without a node."""

    namespace: str
    pod: str
    reason: str


class Conflict(Wire, frozen=True):
    """Budgets and constraints that cannot hold together, and what would free them.

    Attributes
    ----------
    members : tuple of str
        An irreducible set: without any one of them a plan exists (as far as the proof's relaxation sees).
    remedies : tuple of str
        Changes of which each, alone, makes room; one sentence each.
    """

    members: tuple[str, ...]
    remedies: tuple[str, ...] = ()


class Plan(Wire, frozen=True):
    """A placement plan.

    Attributes
    ----------
    cost, bound : float
        In ordinary moves; for the energy objective, in watts. The bound is proven.
    gap : float or None
        (cost - bound) / bound; 0 when both are 0, None where the bound is 0 and the cost is not.
    seconds : float
        Spent solving.
    overload_watts : float
        Watts above budgets that the plan leaves, summed over domains and nodes; 0 when all hold.
    snapshot : str
        Digest of the snapshot that the plan was made from.
    sleepable : tuple of str
        Nodes that the plan leaves without workload, so that they may sleep.
    nodes : tuple of NodeDraw
        What the plan's watts rest on, where they were measured; empty where they are predicted from pods' use.
    """

    status: Status
    objective: str
    cost: float
    bound: float
    gap: float | None
    seed: int
    seconds: float
    snapshot: str
    overload_watts: float = 0.0
    assumptions: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    domains: tuple[DomainDraw, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    conflict: Conflict | None = None
    sleepable: tuple[str, ...] = ()
    nodes: tuple[NodeDraw, ...] = ()
