"""Why a node cannot take a pod, in words that the scheduler can count: the same on every node, without a number."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from powerplane.models.power_tree import Ints, PowerTree
from powerplane.scheduler_extender.ledger import Ledger

UNKNOWN = "node is not known to powerplane yet"
OWN_BUDGET = "too little power left under the node's own budget"
ELSEWHERE = "the pod is planned for another node than the one that was asked about: ask about all"
BEHIND = "the pod that this one may follow by a plan is not seen leaving yet"
BROKEN_TREE = "the power domains of this cluster make no tree: see `kubectl get powerdomains`"


def row_reasons(tree: PowerTree) -> tuple[str, ...]:
    """What is said of each row that binds."""
    return tuple(
        f"too little power left under the budget of its {kind}" + (", were a feed lost" if lost else "")
        for kind, lost in zip(tree.row_kind, tree.row_lost, strict=True)
    )


class Refusals:
    """Reasons for one pod over one state of the books.

    Parameters
    ----------
    ledger : Ledger
    demand_mw : int64 array, shape (N,)
    words : sequence of str, shape (K,)
        ``row_reasons`` of the ledger's tree.
    """

    def __init__(self, ledger: Ledger, demand_mw: Ints, words: Sequence[str]) -> None:
        self._ledger = ledger
        self._demand_mw = demand_mw
        self._words = words

    def by_node(self, columns: Ints) -> list[str]:
        """The reason of each of some nodes."""
        ledger = self._ledger
        own = ledger.node_room_mw[columns] <= ledger.tree.group_room(ledger.row_free)[ledger.tree.group[columns]]
        rows = ledger.tree.binding_row(ledger.row_free)[ledger.tree.group[columns]]
        words = (*self._words, OWN_BUDGET)
        return [words[row] for row in np.where(own, len(self._words), rows).tolist()]

    def curable(self, columns: Ints, priority: int) -> NDArray[np.bool_]:
        """Whether pods of a lower priority on the node draw as much as is wanting: preemption may help, shape (C,)."""
        wanting = self._demand_mw[columns] - self._ledger.room_mw[columns]
        curable: NDArray[np.bool_] = self._ledger.lower_mw(priority)[columns] >= wanting
        return curable
