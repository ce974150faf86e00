"""Power rows in whole watts: what stands above each node, and what it leaves."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]

PLENTY = 1 << 40
"""Watts that no row limits; products with weights stay within 63 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class PartitionRows:
    """K rows over N nodes: row k holds when ``weights[k] @ watts <= limit[k]``.

    Parameters
    ----------
    weights : int64 CSR array, shape (K, N)
        Share of a node's watts that a row carries, scaled to integers; no explicit zeros.
    limit : int64 array, shape (K,)
        In scaled whole watts, what is no pod's already taken off; below 0 where that alone is too much.
    wide_row, wide_weight : int64 arrays, shape (N, depth)
        The rows of each node, filled up with row K (which leaves ``PLENTY``) and weight 1.
    """

    weights: sparse.csr_array
    limit: Ints
    wide_row: Ints
    wide_weight: Ints

    def load(self, watts: Ints) -> Ints:
        """Scaled watts that each row carries, shape (K,)."""
        return np.asarray(self.weights @ watts, dtype=np.int64)

    def slack(self, watts: Ints) -> Ints:
        """What each row leaves beside these watts, scaled; below 0 where it is broken."""
        return np.asarray(self.limit - self.load(watts), dtype=np.int64)

    def room(self, slack: Ints) -> Ints:
        """Watts that each node alone may add, shape (N,), none below 0."""
        left = np.append(slack, PLENTY)
        columns = (left[rows] // weights for rows, weights in zip(self.wide_row.T, self.wide_weight.T, strict=True))
        start = np.full(len(self.wide_row), PLENTY, dtype=np.int64)
        return np.maximum(reduce(np.minimum, columns, start), 0)

    def room_of(self, slack: Ints, node: int) -> int:
        """Watts that one node may add; below 0 where a row of it is broken."""
        rows = zip(self.wide_row[node].tolist(), self.wide_weight[node].tolist(), strict=True)
        return min((int(slack[row]) // weight for row, weight in rows if row < len(slack)), default=PLENTY)

    def take(self, slack: Ints, node: int, watts: int) -> None:
        """Take watts of one node off the slack of its rows, in place."""
        for row, weight in zip(self.wide_row[node].tolist(), self.wide_weight[node].tolist(), strict=True):
            if row < len(slack):
                slack[row] -= weight * watts

    def members(self, row: int) -> tuple[Ints, Ints]:
        """Nodes of a row and their weights."""
        start, end = self.weights.indptr[row], self.weights.indptr[row + 1]
        return self.weights.indices[start:end].astype(np.int64), self.weights.data[start:end]


def partition_rows(weights: sparse.csr_array, limit: Ints) -> PartitionRows:
    """Prepare rows.

    Parameters
    ----------
    weights : int64 CSR array, shape (K, N)
        None negative.
    limit : int64 array, shape (K,)
    """
    kept = weights.copy()
    kept.eliminate_zeros()
    rows, nodes = kept.shape
    columns = kept.tocsc()
    count = np.diff(columns.indptr)
    depth = int(count.max(initial=0))
    wide_row = np.full((nodes, depth), rows, dtype=np.int64)
    wide_weight = np.ones((nodes, depth), dtype=np.int64)
    node = np.repeat(np.arange(nodes), count)
    at = np.arange(len(node)) - np.repeat(columns.indptr[:-1], count)
    wide_row[node, at] = columns.indices
    wide_weight[node, at] = columns.data
    return PartitionRows(kept, np.minimum(limit, PLENTY), wide_row, wide_weight)
