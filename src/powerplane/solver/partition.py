"""Watts divided among nodes: whole numbers that hold every budget, moved only for a reason.

First every node keeps what its pods request. Then pods that wait each get their watts on one node that has room for
them. What is left is spread towards the nodes that can use it. Numbers that stand are kept where they can be, so that
little is written.
"""

from dataclasses import dataclass, replace

import numpy as np

from powerplane.solver.partition_fill import Change, adjust, spread
from powerplane.solver.partition_needs import Demand, ExactStep, Ground, Placement, place
from powerplane.solver.partition_rows import Ints, PartitionRows

__all__ = ["Demand", "Division", "Ground", "PartitionRows", "Shares", "divide"]


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """What is to be divided, in whole watts.

    Parameters
    ----------
    ground : Ground
        Rows, floors, caps and room of N nodes, and the nodes that each kind of pod may use.
    demands : tuple of Demand
        Pods that wait.
    current : int64 array, shape (N,)
        What each node lists now; 0 for nothing.
    ability : int64 array, shape (N,)
        Watts above its floor that each node could use; the spread goes in this proportion and no further.
    change : Change
        When numbers that hold are changed all the same.
    exact : callable or None
        Asked for a placement of the demands where greedy leaves pods out.
    """

    ground: Ground
    demands: tuple[Demand, ...]
    current: Ints
    ability: Ints
    change: Change
    exact: ExactStep | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Watts of each node, and what they are for.

    Parameters
    ----------
    target : int64 array, shape (N,)
        What each node should list; 0 for nothing at all.
    needed : int64 array, shape (N,)
        The part that bound pods and the placed demands ask for.
    placement : Placement
        Pods that wait, by node.
    """

    target: Ints
    needed: Ints
    placement: Placement


def divide(division: Division) -> Shares:
    """Divide the watts.

    The target holds every row that the floors hold; under a row that they break, no node gets more than its floor.
    A node's own cap is kept likewise.

    Parameters
    ----------
    division : Division
    """
    ground = division.ground
    placement = place(ground, division.demands, division.current, division.exact)
    needed = ground.floor + placement.watts
    ideal = spread(replace(ground, floor=needed), division.ability, division.change.reserve_percent)
    target = adjust(replace(ground, floor=needed), division.current, ideal, division.change)
    return Shares(target, np.asarray(needed), placement)
