"""Draws as linear terms of a mixed-integer program, bent curves included."""

from dataclasses import dataclass

from powerplane.solver.curve_pieces import Segment
from powerplane.solver.highs import LinearModel

MICRO, MILLI = 1e6, 1e3


@dataclass(slots=True, eq=False)
class Draw:
    """A node's draw in watts: a constant and a linear part over a model's columns."""

    constant: float
    columns: list[int]
    values: list[float]

    def add(self, constant: float, columns: list[int], values: list[float]) -> None:
        """Add to both parts; columns may repeat."""
        self.constant += constant
        self.columns.extend(columns)
        self.values.extend(values)


def choose_piece(model: LinearModel, pieces: list[Segment], draw: Draw) -> tuple[list[int], list[int]]:
    """Ensures that a bent curve's draw is that of the one piece its use is on (the multiple-choice formulation).

    Croxton, Gendron, Magnanti (2003): its relaxation is the curve's convex envelope, the best a linear one can be.
    """
    chosen, part = [], []
    for piece in pieces:
        low, high = piece.low / MICRO, piece.high / MICRO
        literal, amount = model.column(0, 0, 1, whole=True), model.column(0, 0, high)
        model.row([amount, literal], [1, -low], lower=0)
        model.row([amount, literal], [1, -high], upper=0)
        draw.add(0, [literal, amount], [piece.watts_at(0), piece.slope])
        chosen.append(literal)
        part.append(amount)
    return chosen, part
