"""What a generated repair cell is: its size, its budgets, its constraints, all stated in one value."""

from dataclasses import dataclass, replace
from typing import Literal

from powerplane.models.errors import UsageError

CurveShape = Literal["linear", "knots"]
UsageShape = Literal["class", "noisy"]


@dataclass(frozen=True, slots=True)
class CellSpec:
    """A repair cell: a cluster in good order, until a third of its racks lose part of their budget.

    Parameters
    ----------
    name : str
        The cell's family, as tables print it.
    pods, nodes : int
    cut : float
        Part of their present draw that the racks of the chosen third must shed.
    slack : float
        Part of their present draw that the other racks may add.
    utilisation : float
        Sum of CPU requests over allocatable CPU.
    curve : "linear" or "knots"
        Two knots, or the four (0, 10, 50, 100 %) of a concave curve.
    usage : "class" or "noisy"
        Whether pods of a class use the same, or each something else.
    rack_size : int
        Nodes in a rack; ten racks make a row.
    constrained : bool
        Taints, zones, required anti-affinity, spread, disruption budgets, priorities and a DaemonSet.
    """

    name: str
    pods: int
    nodes: int
    cut: float = 0.10
    slack: float = 0.12
    utilisation: float = 0.60
    curve: CurveShape = "linear"
    usage: UsageShape = "class"
    rack_size: int = 20
    constrained: bool = False

    def __post_init__(self) -> None:
        mend = "give pods and nodes above 0, a utilisation and a cut between 0 and 1, a slack of 0 or more"
        if self.pods < 1 or self.nodes < 1 or self.rack_size < 1:
            raise UsageError(f"a cell of {self.pods} pods, {self.nodes} nodes, racks of {self.rack_size}", mend)
        if not (0 < self.utilisation < 1 and 0 <= self.cut < 1 and self.slack >= 0):
            raise UsageError(
                f"a cell of utilisation {self.utilisation:g}, cut {self.cut:g} and slack {self.slack:g}", mend
            )
        if self.constrained and self.pods < 2 * self.nodes:
            raise UsageError(
                f"{self.pods} pods on {self.nodes} nodes, where each node has a pod of the DaemonSet",
                "give a constrained cell two pods a node, or more",
            )

    @property
    def rack_count(self) -> int:
        """Number of racks; the last may be short."""
        return -(-self.nodes // self.rack_size)


_PLAIN = CellSpec("slack", 10_000, 500)

KINDS: dict[str, CellSpec] = {
    "slack": _PLAIN,
    "knots": replace(_PLAIN, name="knots", curve="knots"),
    "noisy": replace(_PLAIN, name="noisy", usage="noisy"),
    # The same cut with a third of the slack, so that single moves get stuck; snug lies between.
    "snug": replace(_PLAIN, name="snug", cut=0.07, slack=0.04, utilisation=0.85),
    "tight": replace(_PLAIN, name="tight", slack=0.04, utilisation=0.85),
    "packed": replace(_PLAIN, name="packed", slack=0.04, utilisation=0.92),
    "infeasible": replace(_PLAIN, name="infeasible", cut=0.30, slack=0.01),
    "constrained": replace(_PLAIN, name="constrained", constrained=True),
}
"""The families, by name; pods and nodes are given by ``cell``."""

SMALL_CLUSTER_NODES = 100
"""Below this many nodes a rack has 5, so that there are racks to move between."""


def cell(kind: str, pods: int, nodes: int, *, single_rack: bool = False) -> CellSpec:
    """Return a family's cell of one size.

    Raises
    ------
    UsageError
        For an unknown kind, or a size that the kind cannot have.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind of cell named {kind!r}", f"use one of: {', '.join(KINDS)}")
    rack_size = nodes if single_rack else 5 if nodes < SMALL_CLUSTER_NODES else 20
    name = f"{kind}-{_short(pods)}x{_short(nodes)}{'-single' if single_rack else ''}"
    return replace(KINDS[kind], name=name, pods=pods, nodes=nodes, rack_size=rack_size)


def _short(number: int) -> str:
    return f"{number // 1000}k" if number >= 1000 and number % 1000 == 0 else str(number)
