"""The straight pieces of a power curve that a node can reach."""

from dataclasses import dataclass

from powerplane.solver.tables import CurveTable


@dataclass(frozen=True, slots=True)
class Segment:
    """One straight piece of a curve: draw = base + rise/run × (use − low)."""

    low: int
    high: int
    base: int
    rise: int
    run: int

    def at(self, use: int) -> int:
        """Milliwatts at a use, rounded up."""
        return self.base - (-(self.rise * (use - self.low)) // self.run)

    @property
    def slope(self) -> float:
        """Watts per core."""
        return self.rise / self.run * 1e3

    def watts_at(self, use: int) -> float:
        """Watts on this piece's line at a use in micro-cores, also beyond its ends."""
        return (self.base + self.rise * (use - self.low) / self.run) / 1e3


def reachable_segments(curves: CurveTable, kind: int, low: int, high: int) -> list[Segment]:
    """Pieces of a type's curve that a use from ``low`` to ``high`` can fall on; flat beyond the last knot."""
    knots, draws = curves.use[kind].tolist(), curves.mw[kind].tolist()
    pieces = [
        Segment(knots[i], knots[i + 1], draws[i], draws[i + 1] - draws[i], knots[i + 1] - knots[i])
        for i in range(len(knots) - 1)
        if knots[i + 1] > knots[i] and knots[i] <= high and knots[i + 1] >= low
    ]
    if high > knots[-1]:
        pieces.append(Segment(knots[-1], high, draws[-1], 0, 1))
    return _merged(pieces)


def _merged(pieces: list[Segment]) -> list[Segment]:
    """Join neighbouring pieces of one slope."""
    merged = pieces[:1]
    for piece in pieces[1:]:
        last = merged[-1]
        if last.rise * piece.run == piece.rise * last.run:
            merged[-1] = Segment(last.low, piece.high, last.base, last.rise + piece.rise, last.run + piece.run)
        else:
            merged.append(piece)
    return merged
