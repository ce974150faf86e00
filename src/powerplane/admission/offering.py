"""Which lock a cluster offers to policies that leave the choice to us: from what is seen of it, and why.

In this order, each where it is there: what the scheduler's own accounting holds without asking anybody (the nodes'
watts), what it asks us about (the extender), what it allocates itself at a price for each node that it tries (claims),
and what keeps a pod from it until there are watts (the gate).
"""

from dataclasses import dataclass

from powerplane.models.api.capping_policy import Lock

ASKED_WITHIN_S = 3600.0
"""A scheduler that has pods to place asks at once; where there were none for this long, it is not known to ask."""


@dataclass(frozen=True, slots=True)
class LockSigns:
    """What is seen of each lock.

    Parameters
    ----------
    nodes, listing : int
        Nodes that take pods, and those of them that list watts.
    asked_ago_s : float or None
        Since the scheduler last asked our extender; None where it never did.
    claims : bool
        Whether the API server counts what claims share of a device, and our domains are kept there as such.
    releaser : bool
        Whether somebody lets pods go that wait behind our gate.
    """

    nodes: int = 0
    listing: int = 0
    asked_ago_s: float | None = None
    claims: bool = False
    releaser: bool = False

    @property
    def asks(self) -> bool:
        """Whether the scheduler is known to ask our extender."""
        return self.asked_ago_s is not None and self.asked_ago_s <= ASKED_WITHIN_S


@dataclass(frozen=True, slots=True)
class Offer:
    """A lock and why it is the one.

    Parameters
    ----------
    lock : Lock
        Auto where there is none: watts are requested all the same, for whoever comes to count them.
    why : str
    """

    lock: Lock
    why: str


def offer(signs: LockSigns) -> Offer:
    """Choose the lock for policies that say Auto.

    Parameters
    ----------
    signs : LockSigns
    """
    if signs.nodes and signs.listing == signs.nodes:
        return Offer("Partition", f"every node that takes pods ({signs.nodes:,}) lists watts")
    some = f"{signs.listing:,} of {signs.nodes:,} nodes list watts" if signs.listing else "no node lists watts"
    if signs.asks:
        return Offer("Extender", f"{some}, and the scheduler asks our extender")
    if signs.claims:
        return Offer("Claims", f"{some}, no scheduler asks us, and domains are kept as devices to claim from")
    if signs.releaser:
        return Offer("Gate", f"{some}, no scheduler asks us, and waiting pods are let go as headroom comes")
    return Offer("Auto", f"{some}, no scheduler asks our extender, domains are no devices, and nobody lets pods go")
