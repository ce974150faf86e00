"""Tight cells for the question what a partition of watts strands: racks, rows, two feeds, and pods that arrive."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from powerplane.bench.fleet import MACHINES, MIB_PER_CORE
from powerplane.solver.partition import Ground, PartitionRows
from powerplane.solver.partition_rows import partition_rows

SCALE = 2
KINDS = {"small pods": (8, 40), "mixed pods": (10, 160), "large pods": (90, 320)}
"""Watts of the pods of each kind of cell, from and to."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A cell.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    nodes, rack_size : int
    tightness : float
        Watts of all arriving pods over what the rack budgets leave.
    """

    kind: str
    nodes: int
    rack_size: int = 10
    tightness: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalCell:
    """A cluster with base loads, and pods that arrive one by one.

    Parameters
    ----------
    ground : Ground
        No pods yet; nodes have CPU, memory and pod slots.
    cores : int64 array, shape (N,)
    watts : int64 array, shape (P,)
    requests : int64 array, shape (P, 3)
    """

    ground: Ground
    cores: NDArray[np.int64]
    watts: NDArray[np.int64]
    requests: NDArray[np.int64]


def draw_cell(spec: Arrivals, seed: int) -> ArrivalCell:
    """Draw a cell from a seed."""
    rng = np.random.default_rng([seed, spec.nodes, list(KINDS).index(spec.kind)])
    machine = rng.integers(0, len(MACHINES), spec.nodes)
    cores = np.array([MACHINES[m].cores for m in machine], dtype=np.int64)
    idle = np.array([MACHINES[m].idle_watts for m in machine], dtype=np.int64)
    peak = np.array([MACHINES[m].peak_watts for m in machine], dtype=np.int64)
    cap = (peak * 9 // 10 - idle).astype(np.int64)
    rack = np.arange(spec.nodes) // spec.rack_size
    # Racks leave between a third and four fifths of what their nodes could draw.
    leave = rng.uniform(0.33, 0.8, rack[-1] + 1)
    racks = (np.bincount(rack, weights=cap) * leave).astype(np.int64)
    low, high = KINDS[spec.kind]
    kinds = np.unique(rng.integers(low, high + 1, 12))
    count = int(spec.tightness * racks.sum() / kinds.mean())
    of_kind = rng.integers(0, len(kinds), count)
    watts = kinds[of_kind].astype(np.int64)
    # CPU is asked for in step with watts, half as tight as power is; memory likewise with its own noise.
    cpu_of = np.maximum(50, (kinds * rng.uniform(60, 110, len(kinds))).astype(np.int64))
    memory_of = np.maximum(64, (cpu_of * MIB_PER_CORE / 1000 * rng.uniform(0.5, 1.2, len(kinds))).astype(np.int64))
    requests = np.stack([cpu_of[of_kind], memory_of[of_kind], np.ones(count, dtype=np.int64)], axis=1)
    free = np.stack([cores * 1000, cores * MIB_PER_CORE, np.full(spec.nodes, 110)], axis=1).astype(np.int64)
    ground = Ground(
        _rows(rack, racks),
        np.zeros(spec.nodes, dtype=np.int64),
        cap,
        free,
        np.ones((1, spec.nodes), dtype=np.bool_),
    )
    return ArrivalCell(ground, cores, watts, requests)


def _rows(rack: NDArray[np.int64], racks: NDArray[np.int64]) -> PartitionRows:
    """Racks, rows of five racks, and two feeds that all racks share, each also with the other lost."""
    nodes, count = len(rack), len(racks)
    rows = -(-count // 5)
    everywhere = np.arange(nodes)
    parts = [(rack, np.full(nodes, SCALE)), (count + rack // 5, np.full(nodes, SCALE))]
    parts += [(np.full(nodes, count + rows + i), np.full(nodes, w)) for i, w in enumerate((1, SCALE, 1, SCALE))]
    row = np.concatenate([part for part, _ in parts])
    weight = np.concatenate([part for _, part in parts]).astype(np.int64)
    column = np.tile(everywhere, len(parts))
    weights = sparse.csr_array(sparse.coo_array((weight, (row, column)), shape=(count + rows + 4, nodes)))
    row_watts = np.add.reduceat(racks, np.arange(0, count, 5)) * 97 // 100
    feed = int(row_watts.sum()) * 98 // 100
    limit = SCALE * np.concatenate([racks, row_watts, [feed] * 4]).astype(np.int64)
    return partition_rows(weights, limit)
