"""Watts of a node from its curve, exactly: no rounding, no floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, inf, lcm

from powerplane.models.curves import PowerCurve


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a node's curve: ``(offset + rise * use) / denominator`` milliwatts at so many micro-cores.

    Parameters
    ----------
    left, right : int or inf
        The whole micro-cores before which it does not begin, and up to which it holds.
    end : int or inf
        The first whole micro-core that lies wholly beyond it.
    """

    left: int
    right: float
    end: float
    offset: int
    rise: int
    denominator: int

    @property
    def slope(self) -> Fraction:
        """Milliwatts per micro-core."""
        return Fraction(self.rise, self.denominator)


def pieces_of(curve: PowerCurve, capacity_ucores: int) -> tuple[Piece, ...]:
    """Cut a curve into pieces over the micro-cores of a node of some size, the last one flat beyond full use.

    A node without CPU draws as if idle without use, and as if full with any.
    """
    size = capacity_ucores if capacity_ucores > 0 else 1
    shares = curve.utilisation if capacity_ucores > 0 else (Fraction(0), Fraction(1))
    watts = curve.milliwatts if capacity_ucores > 0 else (curve.milliwatts[0], curve.milliwatts[-1])
    knots = zip((share * size for share in shares), watts, strict=True)
    pieces = [_piece(*left, *right) for left, right in pairwise(knots)]
    return (*pieces, Piece(size, inf, inf, curve.milliwatts[-1], 0, 1))


def _piece(left: Fraction, low: int, right: Fraction, high: int) -> Piece:
    rise = (high - low) / (right - left)
    offset = low - rise * left
    denominator = lcm(rise.denominator, offset.denominator)
    return Piece(int(left), int(right), ceil(right), int(offset * denominator), int(rise * denominator), denominator)


def milliwatts(pieces: Sequence[Piece], use_ucores: int) -> Fraction:
    """Draw at a use, in milliwatts, without accelerators."""
    for piece in pieces:
        if use_ucores <= piece.right:
            return Fraction(piece.offset + piece.rise * use_ucores, piece.denominator)
    raise AssertionError("the last piece has no end")


def slopes(pieces: Sequence[Piece], low_ucores: int, high_ucores: int) -> tuple[Fraction, Fraction]:
    """Flattest and steepest slope of the draw between two uses, in milliwatts per micro-core."""
    found = [piece.slope for piece in pieces if piece.left < high_ucores and low_ucores < piece.end]
    if not found:  # no slope matters where the use cannot change
        return Fraction(0), Fraction(0)
    return min(found), max(found)
