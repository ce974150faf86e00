"""What a pod's work per watt adds to the price of moving it: pods that do much with a watt, or too little, move last.

A move costs work: the pod starts anew, and draws meanwhile. Of two pods that bring as many watts the one of less work
per watt goes; and a workload that is at its target's edge is not pushed below it. These are prices and no rules, and
small: whoever writes a policy or a metric buys no more than a priority of ninety-nine does.
"""

from collections.abc import Mapping

MOST_RANK, STEPS = 1000, 4
"""Thousandths of an ordinary move for the best work per watt by a metric, in steps: noise is not to change prices."""

AT_RISK = 2000
"""For pods whose target is missed, or nearly."""

NEAR = 0.1
"""Share of the target above it up to which it is nearly missed."""


def rank_worths(per_watt: Mapping[str, float]) -> dict[str, int]:
    """Return what workloads that are known by one metric are worth beside each other.

    Parameters
    ----------
    per_watt : mapping
        By workload; none is below 0.
    """
    best = max(per_watt.values(), default=0.0)
    if best <= 0:
        return dict.fromkeys(per_watt, 0)
    return {owner: round(value / best * STEPS) * MOST_RANK // STEPS for owner, value in per_watt.items()}


def target_worth(per_watt: float, target: float) -> int:
    """Return what a target adds: all where it is missed or nearly, else nothing."""
    return AT_RISK if per_watt < target * (1.0 + NEAR) else 0
