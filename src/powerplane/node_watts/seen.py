"""What the controller sees at one moment, in columns, and what it may ask for."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.partition import Demand, PartitionRows
from powerplane.solver.partition_rows import Ints

Mask = NDArray[np.bool_]
Kind = Literal["watts", "close", "open"]
Outcome = Literal["done", "refused", "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Nodes, pods and budgets as our own watches show them.

    Parameters
    ----------
    names, versions : tuple of str, length N
        Nodes and the resource versions in which they were seen.
    listed : int64 array, shape (N,)
        Allocatable watts; 0 where the node does not list any.
    upper : int64 array, shape (N,)
        The greater of capacity and allocatable: a kubelet copies the one over the other.
    untrue : bool array, shape (N,)
        Nodes that list 0, or a capacity other than the allocatable: to be written again at once.
    closed : bool array, shape (N,)
        Nodes that carry our taint.
    absent : bool array, shape (N,)
        Nodes that are gone while pods are still bound to them: their watts count, and nothing can be written.
    bound, nominated : int64 arrays, shape (N,)
        Watts requested by pods that are bound to each node, and by pods that are nominated to it and not yet bound.
    rows : PartitionRows
        K rows, the nodes' base watts already taken off.
    row_names : tuple of (str, str), length K
        Domain and the feed that the row takes as lost.
    row_scale : int
        What weights and limits are scaled by.
    cap, ability : int64 arrays, shape (N,)
        Most watts by the node's own budget; watts above the bound ones that it could use.
    free : int64 array, shape (N, R)
        Room left for pods.
    demands : tuple of Demand
        Pods that no node can take now.
    allowed : bool array, shape (M, N)
    """

    names: tuple[str, ...]
    versions: tuple[str, ...]
    listed: Ints
    upper: Ints
    untrue: Mask
    closed: Mask
    absent: Mask
    bound: Ints
    nominated: Ints
    rows: PartitionRows
    row_names: tuple[tuple[str, str], ...]
    row_scale: int
    cap: Ints
    ability: Ints
    free: Ints
    demands: tuple[Demand, ...]
    allowed: Mask

    @property
    def bare(self) -> Mask:
        """Nodes that list nothing, not even 0: no kubelet counts what is not listed."""
        bare: Mask = (self.listed == 0) & ~self.untrue & ~self.absent
        return bare

    @property
    def keep(self) -> Ints:
        """Watts that must stay listed: those of bound pods, and of nominated ones so far as they are listed."""
        keep: Ints = np.maximum(self.bound, np.minimum(self.bound + self.nominated, self.listed))
        return keep


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one node, valid only for the version in which the node was seen.

    Parameters
    ----------
    kind : "watts", "close" or "open"
        Set the number, or put our taint on, or take it off.
    watts : int
        For "watts": the number, 0 to remove it.
    """

    node: str
    version: str
    kind: Kind
    watts: int = 0


@dataclass(frozen=True, slots=True)
class Excess:
    """A row that cannot be held by numbers alone: others have to shed these watts."""

    domain: str
    lost: str
    watts: int


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to write now, and what stands.

    Parameters
    ----------
    writes : tuple of Write
        In the order of their urgency.
    waiting : int
        Nodes to which a write was already on its way.
    unserved : int
        Waiting pods that no shift of watts helps.
    excess : tuple of Excess
    """

    writes: tuple[Write, ...]
    waiting: int
    unserved: int
    excess: tuple[Excess, ...]
