"""Problems made in memory, small or large, for the solver's tests."""

import numpy as np
from scipy import sparse

from powerplane.solver.problem import UNBOUNDED, NodeType, Problem

CURVE = ((0, 10, 50, 100), (110, 230, 410, 620))
"""Utilisation in percent and watts: a typical concave server curve."""


def cell(
    pods: int,
    nodes: int,
    seed: int,
    *,
    rack_size: int = 20,
    linear: bool = True,
    utilisation: float = 0.6,
    cut: float = 0.10,
    slack: float = 0.12,
    classes: int = 150,
) -> Problem:
    """Return a repair cell: a third of the racks cut under their draw, the others with some headroom."""
    rng = np.random.default_rng(seed)
    cores = np.array([32, 64, 96, 128])[rng.integers(0, 4, nodes)]
    weight = 1 / np.arange(1, classes + 1) ** 1.1
    count = rng.multinomial(pods, weight / weight.sum())
    size = rng.lognormal(0, 0.8, classes)
    scale = utilisation * cores.sum() * 1000 / (size * count).sum()
    cpu = np.maximum(10, np.minimum(size * scale, 16000).astype(np.int64) // 10 * 10)
    memory = (cpu * rng.uniform(1, 6, classes)).astype(np.int64) * 2**20
    share = rng.uniform(0.4, 0.95, classes)
    use = (cpu * share).astype(np.int64) * 1000
    requests = np.stack([cpu, memory, np.ones(classes, dtype=np.int64), use], axis=1)
    allocatable = np.stack([cores * 1000, cores * 6 * 2**30, np.full(nodes, 250), cores * 1_000_000], axis=1).astype(
        np.int64
    )
    place = least_allocated(rng.permutation(np.repeat(np.arange(classes), count)), requests, allocatable)
    types = tuple(_node_type(int(c), linear) for c in (32, 64, 96, 128))
    return assemble(
        place, requests, use, allocatable, types, np.searchsorted([32, 64, 96, 128], cores), rack_size, cut, slack, rng
    )


def _node_type(cores: int, linear: bool) -> NodeType:
    idle, peak = {32: (110, 350), 64: (150, 480), 96: (190, 640), 128: (240, 800)}[cores]
    if linear:
        return NodeType(f"c{cores}", np.array([0, cores * 1_000_000]), np.array([idle * 1000, peak * 1000]))
    knots = np.array([0, 10, 50, 100]) * cores * 10_000
    watts = idle + (peak - idle) * np.array([0, 0.24, 0.6, 1.0])
    return NodeType(f"c{cores}", knots, (watts * 1000).astype(np.int64))


def least_allocated(pods, requests, allocatable):
    """Place pods one by one where the most is left; return the counts, shape (C, N)."""
    counts = np.zeros((len(requests), len(allocatable)), dtype=np.int64)
    free = allocatable.copy()
    for c in pods:
        fits = (free >= requests[c]).all(axis=1)
        score = np.where(fits, ((free - requests[c])[:, :2] / allocatable[:, :2]).sum(axis=1), -1)
        n = int(score.argmax())
        if fits[n]:
            counts[c, n] += 1
            free[n] -= requests[c]
    return counts


def assemble(counts, requests, use, allocatable, types, node_type, rack_size, cut, slack, rng):
    """Put racks, budgets and arrays together."""
    classes, nodes = counts.shape
    loads = use @ counts
    watts = np.array(
        [int(np.ceil(np.interp(loads[n], types[t].knots_ucores, types[t].knots_mw))) for n, t in enumerate(node_type)]
    )
    racks = -(-nodes // rack_size)
    rack = np.arange(nodes) // rack_size
    draw = np.bincount(rack, weights=watts, minlength=racks)
    hot = rng.permutation(racks)[: max(1, racks // 3)]
    budget = np.where(np.isin(np.arange(racks), hot), draw * (1 - cut), draw * (1 + slack)).astype(np.int64)
    weights = sparse.csr_array((np.ones(nodes, dtype=np.int64), (rack, np.arange(nodes))), shape=(racks, nodes))
    node, pod = np.nonzero(counts.T)
    return Problem(
        node_names=tuple(f"node-{n}" for n in range(nodes)),
        resource_names=("cpu", "memory", "pods", "cpu-use"),
        class_names=tuple(f"class-{c}" for c in range(classes)),
        allocatable=allocatable,
        node_type=node_type.astype(np.int32),
        types=types,
        node_budget_mw=np.full(nodes, UNBOUNDED),
        requests=requests,
        use_ucores=use,
        accelerator_mw=np.zeros(classes, dtype=np.int64),
        move_cost=1000 + np.minimum(50, requests[:, 1] // 2**30),
        movable=np.ones(classes, dtype=bool),
        allowed_set=np.zeros(classes, dtype=np.int32),
        allowed=np.ones((1, nodes), dtype=bool),
        cell_node=node.astype(np.int32),
        cell_class=pod.astype(np.int32),
        cell_count=counts.T[node, pod].astype(np.int32),
        row_weights=weights,
        row_scale=1,
        row_budget_mw=budget,
        row_domain=tuple(f"rack-{r}" for r in range(racks)),
        row_lost=("",) * racks,
    )
