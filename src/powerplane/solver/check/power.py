"""Watts of a node from its curve, exactly: no rounding, no floats."""

from fractions import Fraction
from itertools import pairwise

from powerplane.models.curves import PowerCurve


def utilisation(use_ucores: int, capacity_ucores: int) -> Fraction:
    """Share of a node's CPU in use, at most 1; a node without CPU is idle or fully used."""
    if use_ucores >= capacity_ucores:
        return Fraction(1 if use_ucores > 0 else 0)
    return Fraction(use_ucores, capacity_ucores)


def milliwatts(curve: PowerCurve, use_ucores: int, capacity_ucores: int) -> Fraction:
    """Draw at a use, in milliwatts, without accelerators."""
    at = utilisation(use_ucores, capacity_ucores)
    knots = zip(curve.utilisation, curve.milliwatts, strict=True)
    for (left, low), (right, high) in pairwise(knots):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return Fraction(curve.milliwatts[-1])


def slopes(curve: PowerCurve, low_ucores: int, high_ucores: int, capacity_ucores: int) -> tuple[Fraction, Fraction]:
    """Flattest and steepest slope of the draw between two uses, in milliwatts per micro-core."""
    if capacity_ucores <= 0:  # the whole rise comes with the first micro-core
        return Fraction(0), Fraction(curve.milliwatts[-1] - curve.milliwatts[0])
    low, high = Fraction(low_ucores, capacity_ucores), Fraction(high_ucores, capacity_ucores)
    knots = zip(curve.utilisation, curve.milliwatts, strict=True)
    found = [
        Fraction(above - below) / ((right - left) * capacity_ucores)
        for (left, below), (right, above) in pairwise(knots)
        if left < high and low < right
    ]
    if high > 1 or not found:  # flat beyond full use; no slope matters where the use cannot change
        found.append(Fraction(0))
    return min(found), max(found)
