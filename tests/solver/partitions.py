"""Divisions of watts made by hand or at random, for the solver's tests."""

import numpy as np
from scipy import sparse

from powerplane.solver.partition import Demand, Division, Ground
from powerplane.solver.partition_fill import Change
from powerplane.solver.partition_rows import partition_rows


def division(rows, limits, *, floor, cap, current, ability=None, free=None, demands=(), allowed=None, change=None):
    """A division from plain lists; a demand is (watts, requests, count, priority), with an allowed row of its own."""
    nodes = len(floor)
    weights = sparse.csr_array(np.array(rows, dtype=np.int64).reshape(len(rows), nodes))
    ground = Ground(
        rows=partition_rows(weights, np.array(limits, dtype=np.int64)),
        floor=np.array(floor, dtype=np.int64),
        cap=np.array(cap, dtype=np.int64),
        free=np.array(free or [[10, 10]] * nodes, dtype=np.int64),
        allowed=np.array(allowed or [[True] * nodes] * max(1, len(demands)), dtype=np.bool_),
    )
    made = tuple(Demand(f"d{i}", w, r, count, i, priority) for i, (w, r, count, priority) in enumerate(demands))
    ability = np.array(ability or [0] * nodes, dtype=np.int64)
    return Division(ground, made, np.array(current, dtype=np.int64), ability, change or Change())


def plain_rows(problem):
    """Weights and limits as lists, for sums that share nothing with what is tested."""
    return problem.ground.rows.weights.toarray().tolist(), [int(limit) for limit in problem.ground.rows.limit]


def two_feeds(*, nodes, feed_watts, **more):
    """One rack on two feeds: each carries half, all of it when the other is lost."""
    rows = [[1] * nodes, [1] * nodes, [2] * nodes, [2] * nodes]
    nothing = [0] * nodes
    return division(rows, [2 * feed_watts] * 4, floor=nothing, cap=[10**6] * nodes, current=nothing, **more)


def large_division(nodes=5000, seed=1, waiting=200, rack_size=20):
    """Racks of 20 on two feeds, rows of ten racks, tight; nodes list what an equal share gives."""
    rng = np.random.default_rng(seed)
    rack = np.arange(nodes) // rack_size
    racks = int(rack[-1]) + 1
    everywhere = np.arange(nodes)
    parts = [
        (rack, everywhere, np.full(nodes, 2)),
        (racks + rack // 10, everywhere, np.full(nodes, 2)),
    ]
    first = racks + (racks - 1) // 10 + 1
    parts += [(np.full(nodes, first + i), everywhere, np.full(nodes, weight)) for i, weight in enumerate((1, 1, 2, 2))]
    row, column, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights = sparse.csr_array(sparse.coo_array((weight.astype(np.int64), (row, column)), shape=(first + 4, nodes)))
    floor = rng.integers(0, 250, nodes)
    slack = 60 * nodes
    rack_limit = 2 * (np.bincount(rack, weights=floor).astype(np.int64) + 60 * rack_size)
    row_limit = np.add.reduceat(rack_limit, np.arange(0, racks, 10)) * 98 // 100
    feed = int(floor.sum()) + slack
    limit = np.concatenate([rack_limit, row_limit, [2 * feed] * 4]).astype(np.int64)
    ground = Ground(
        partition_rows(weights, limit),
        floor.astype(np.int64),
        np.full(nodes, 500, dtype=np.int64),
        rng.integers(0, 16_000, (nodes, 2)).astype(np.int64),
        np.ones((1, nodes), dtype=np.bool_),
    )
    demands = tuple(
        Demand(f"d{i}", int(rng.integers(20, 200)), (int(rng.integers(100, 4000)), 1), 4, 0)
        for i in range(waiting // 4)
    )
    ability = rng.integers(0, 300, nodes).astype(np.int64)
    return Division(ground, demands, (floor + 55).astype(np.int64), ability, Change())
