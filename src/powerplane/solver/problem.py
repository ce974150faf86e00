"""The problem in integer arrays: pod classes on nodes, what nodes and domains can carry, what a move costs.

Everything is an integer (milli-cores, bytes, micro-cores of use, milliwatts, thousandths of a move), so that no
answer depends on the order of a sum.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

ONE_MOVE = 1000
"""The cost of moving one ordinary pod, in the units of ``Problem.move_cost``."""

UNBOUNDED = np.iinfo(np.int64).max
"""The budget of a node or row that may draw anything."""


@dataclass(frozen=True, slots=True, eq=False)
class TopologyRule:
    """A rule between pods that counts them by the zones of a topology key.

    Parameters
    ----------
    kind : "anti-affinity", "affinity" or "spread"
        anti-affinity: no zone holds a carrier and another pod of the targets. affinity: a carrier's zone holds a
        target (the carrier may be the first of its own targets). spread: a zone that takes a carrier holds at most
        ``max_skew`` more targets than the emptiest counted zone.
    name : str
        For explanations.
    carriers, targets : int32 arrays
        Classes that carry the rule, and classes that it counts.
    zone : int32 array, shape (N,)
        Zone of each node; -1 where the node lacks the key.
    zone_count : int
    max_skew : int
        Spread only.
    min_zones : int
        Spread only: with fewer counted zones than this, the emptiest counts as 0 (minDomains).
    counted : bool array, shape (N,)
        Spread only: nodes whose pods and zones count (inclusion policies).
    """

    kind: Literal["anti-affinity", "affinity", "spread"]
    name: str
    carriers: NDArray[np.int32]
    targets: NDArray[np.int32]
    zone: NDArray[np.int32]
    zone_count: int
    counted: NDArray[np.bool_]
    max_skew: int = 0
    min_zones: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DisruptionBudget:
    """At most ``allowed`` pods of these classes may be down at the same time."""

    name: str
    classes: NDArray[np.int32]
    allowed: int


@dataclass(frozen=True, slots=True, eq=False)
class NodeType:
    """Nodes with one power curve and one size.

    Parameters
    ----------
    knots_ucores, knots_mw : int64 arrays, shape (K,)
        Use in micro-cores, rising, and draw in milliwatts, never falling.
    """

    name: str
    knots_ucores: NDArray[np.int64]
    knots_mw: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What should be decided. N nodes, C classes, R resources, K power rows, S allowed sets, P cells.

    Parameters
    ----------
    node_names, resource_names, class_names : tuples of str
        N, R and C names, for messages.
    allocatable : int64 array, shape (N, R)
        What each node offers. The last resource is "cpu-use": micro-cores of predicted use, of which no target may be
        given more than it has.
    node_type : int32 array, shape (N,)
        Row of ``types``.
    types : tuple of NodeType
    node_budget_mw : int64 array, shape (N,)
        ``UNBOUNDED`` where there is none.
    requests : int64 array, shape (C, R)
        What a pod of each class takes.
    use_ucores, accelerator_mw : int64 arrays, shape (C,)
        Predicted CPU use and accelerator draw of a pod of each class.
    move_cost : int64 array, shape (C,)
        Cost of moving one pod, ``ONE_MOVE`` for an ordinary one.
    movable : bool array, shape (C,)
        False where no plan may move such pods.
    allowed_set : int32 array, shape (C,)
        Row of ``allowed``.
    allowed : bool array, shape (S, N)
        Nodes that new pods of a class may land on (taints, node affinity, cordon, volumes).
    cell_node, cell_class, cell_count : int32 arrays, shape (P,)
        The placement found: this many pods of the class on the node; sorted by node, then class, counts above 0.
    row_weights : int64 CSR array, shape (K, N)
        Share of each node's draw that a power row carries, times ``row_scale``.
    row_scale : int
    row_budget_mw : int64 array, shape (K,)
        ``row_weights @ watts <= row_budget_mw * row_scale`` must hold; ``UNBOUNDED`` where there is none.
    row_domain, row_lost : tuples of str
        The domain of each row, and the feed that it takes as lost ("" for none).
    rules : tuple of TopologyRule
    disruption_budgets : tuple of DisruptionBudget
    ambient : bool array, shape (C,), or None
        Classes that go to sleep with their node (DaemonSets, mirror pods); None for no class.
    """

    node_names: tuple[str, ...]
    resource_names: tuple[str, ...]
    class_names: tuple[str, ...]
    allocatable: NDArray[np.int64]
    node_type: NDArray[np.int32]
    types: tuple[NodeType, ...]
    node_budget_mw: NDArray[np.int64]
    requests: NDArray[np.int64]
    use_ucores: NDArray[np.int64]
    accelerator_mw: NDArray[np.int64]
    move_cost: NDArray[np.int64]
    movable: NDArray[np.bool_]
    allowed_set: NDArray[np.int32]
    allowed: NDArray[np.bool_]
    cell_node: NDArray[np.int32]
    cell_class: NDArray[np.int32]
    cell_count: NDArray[np.int32]
    row_weights: sparse.csr_array
    row_scale: int
    row_budget_mw: NDArray[np.int64]
    row_domain: tuple[str, ...]
    row_lost: tuple[str, ...]
    rules: tuple[TopologyRule, ...] = ()
    disruption_budgets: tuple[DisruptionBudget, ...] = ()
    ambient: NDArray[np.bool_] | None = None

    @property
    def node_count(self) -> int:
        """Number of nodes, N."""
        return len(self.node_names)

    @property
    def class_count(self) -> int:
        """Number of pod classes, C."""
        return len(self.class_names)
