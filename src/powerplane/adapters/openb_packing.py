"""A static placement of the trace's pods: biggest first, best fit, down to the card.

Pods in order of the cards they take, then of CPU, each on the node where it leaves the least: of its card, of the
node's cards, of the node's CPU. Pods without cards take nodes without cards as long as there are any.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.adapters.openb_files import WHOLE_CARD, Integers, TraceNodes, TracePods

NOWHERE = -1


def pack(nodes: TraceNodes, pods: TracePods) -> NDArray[np.int32]:
    """Place the pods.

    Parameters
    ----------
    nodes : TraceNodes
    pods : TracePods

    Returns
    -------
    int32 array, shape (P,)
        Node of each pod; -1 for one that fits nowhere. CPU, memory, models and every single card are respected.
    """
    room = _Room(nodes)
    allowed = _allowed(nodes, pods)
    node = np.full(len(pods.names), NOWHERE, dtype=np.int32)
    order = np.lexsort((-pods.cpu_milli, -pods.gpu_milli))
    for pod in order.tolist():
        cards, milli = int(pods.cards[pod]), int(pods.card_milli[pod])
        cpu, memory = int(pods.cpu_milli[pod]), int(pods.memory_mib[pod])
        node[pod] = room.take(allowed[pods.models[pod]], cpu, memory, cards, milli)
    return node


class _Room:
    """What is left on every node and card."""

    def __init__(self, nodes: TraceNodes) -> None:
        most = int(nodes.cards.max(initial=0))
        self._cpu = nodes.cpu_milli.copy()
        self._memory = nodes.memory_mib.copy()
        self._cards: Integers = np.where(np.arange(most) < nodes.cards[:, None], WHOLE_CARD, 0).astype(np.int64)
        self._has_cards = nodes.cards > 0

    def take(self, allowed: NDArray[np.bool_], cpu: int, memory: int, cards: int, milli: int) -> int:
        """Give a pod the best node's room and return the node; -1 where there is none."""
        fits = allowed & (self._cpu >= cpu) & (self._memory >= memory)
        card_left = np.zeros_like(self._cpu)
        if cards:
            enough = self._cards >= milli
            fits &= enough.sum(axis=1) >= cards
            card_left = np.where(enough, self._cards - milli, WHOLE_CARD).min(axis=1, initial=WHOLE_CARD)
        rows = np.flatnonzero(fits)
        if not len(rows):
            return NOWHERE
        left = self._cards[rows].sum(axis=1)
        keys = (self._cpu[rows], left, card_left[rows]) if cards else (self._cpu[rows], self._has_cards[rows])
        node = int(rows[np.lexsort(keys)[0]])
        self._cpu[node] -= cpu
        self._memory[node] -= memory
        self._take_cards(node, cards, milli)
        return node

    def _take_cards(self, node: int, cards: int, milli: int) -> None:
        row = self._cards[node]
        # The fullest cards that still fit come first; of equals, the first.
        fullest = np.argsort(np.where(row >= milli, row, 2 * WHOLE_CARD), kind="stable")
        row[fullest[:cards]] -= milli


def _allowed(nodes: TraceNodes, pods: TracePods) -> dict[tuple[str, ...], NDArray[np.bool_]]:
    """Nodes that each set of models admits."""
    model = np.array(nodes.model)
    everywhere = np.ones(len(nodes.names), dtype=np.bool_)
    return {models: np.isin(model, models) if models else everywhere for models in set(pods.models)}
