"""Figures as the checker compares and tells them."""

from fractions import Fraction

TOLERANCE_MW = 10
"""What a stated figure may be off by: a hundredth of a watt."""


def watts(milliwatts: Fraction | int) -> str:
    """Milliwatts as watts, for messages."""
    return f"{float(milliwatts) / 1000:.3f} W"


def grace_mw(nodes: int) -> int:
    """Return what rounding can explain: plans round each node's draw up to the milliwatt, the checker does not."""
    return TOLERANCE_MW + nodes


def limit_mw(budget_mw: int, before_mw: Fraction, changed_nodes: int) -> Fraction:
    """Return the most that may be drawn: the budget; where it was found broken, no more than was found."""
    if before_mw <= budget_mw:
        return Fraction(budget_mw)
    return before_mw + grace_mw(changed_nodes)
