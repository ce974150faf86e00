"""Random small problems, written out field by field."""

import numpy as np
from hypothesis import strategies as st
from scipy import sparse

from powerplane.solver.problem import UNBOUNDED, DisruptionBudget, NodeType, Problem, TopologyRule

TYPES = (
    NodeType("small", np.array([0, 8_000_000]), np.array([100_000, 260_000])),
    NodeType("large", np.array([0, 1_600_000, 8_000_000, 16_000_000]), np.array([150_000, 260_000, 420_000, 700_000])),
)
CPU = np.array([8000, 16000])


@st.composite
def problems(draw, rules=True):
    """Nodes of two types in racks under one row; pods wherever they fit; some racks with too small a budget."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes = draw(st.integers(2, 9))
    classes = draw(st.integers(1, 6))
    racks = draw(st.integers(1, min(3, nodes)))
    kind = rng.integers(0, 2, nodes).astype(np.int32)
    cpu = rng.integers(200, 4000, classes)
    memory = rng.integers(100, 6000, classes)
    use = cpu * rng.integers(100, 1000, classes)
    requests = np.stack([cpu, memory, np.ones_like(cpu), use], axis=1)
    allocatable = np.stack([CPU[kind], 2 * CPU[kind], np.full(nodes, 12), CPU[kind] * 1000], axis=1)
    allowed = np.stack([np.ones(nodes, dtype=bool), rng.random(nodes) < 0.7])
    allowed_set = rng.integers(0, 2, classes).astype(np.int32)
    counts = fill(rng, allocatable, requests, allowed[allowed_set])
    made = draw(st.booleans()) and rules
    rule, counts = rule_of(rng, counts, nodes) if made else ((), counts)
    rack = np.arange(nodes) % racks
    weights = sparse.csr_array(np.vstack([rack == r for r in range(racks)] + [np.ones(nodes)]).astype(np.int64) * 2)
    accelerator = rng.integers(0, 2, classes) * rng.integers(0, 30_000, classes)
    watts = draw_mw(kind, counts.T @ use) + counts.T @ accelerator
    factor = rng.choice([900, 950, 1000, 1100, 1300], racks + 1)
    budget = (weights @ watts) // 2 * factor // 1000
    budget[rng.random(racks + 1) < 0.2] = UNBOUNDED
    node_budget = np.where(rng.random(nodes) < 0.3, watts * rng.choice([900, 1100], nodes) // 1000, UNBOUNDED)
    cell_node, cell_class = np.nonzero(counts.T)
    names = [f"rack-{r}" for r in range(racks)] + ["row"]
    return Problem(
        node_names=tuple(f"node-{n}" for n in range(nodes)),
        resource_names=("cpu", "memory", "pods", "cpu-use"),
        class_names=tuple(f"class-{c}" for c in range(classes)),
        allocatable=allocatable.astype(np.int64),
        node_type=kind,
        types=TYPES,
        node_budget_mw=node_budget.astype(np.int64),
        requests=requests.astype(np.int64),
        use_ucores=use.astype(np.int64),
        accelerator_mw=accelerator.astype(np.int64),
        move_cost=rng.choice([500, 1000, 2000], classes).astype(np.int64),
        movable=rng.random(classes) < 0.85,
        allowed_set=allowed_set,
        allowed=allowed,
        cell_node=cell_node.astype(np.int32),
        cell_class=cell_class.astype(np.int32),
        cell_count=counts[cell_class, cell_node].astype(np.int32),
        row_weights=weights,
        row_scale=2,
        row_budget_mw=budget.astype(np.int64),
        row_domain=tuple(names),
        row_lost=("",) * (racks + 1),
        rules=rule,
        disruption_budgets=(DisruptionBudget("none", np.array([0], dtype=np.int32), int(rng.integers(0, 2))),),
    )


def fill(rng, allocatable, requests, allowed):
    """Put random pods on random nodes for as long as a try in a row of ten fits."""
    free = allocatable.copy()
    counts = np.zeros((len(requests), len(allocatable)), dtype=np.int64)
    misses = 0
    while misses < 10 and counts.sum() < 60:
        c, n = rng.integers(len(requests)), rng.integers(len(allocatable))
        if allowed[c, n] and (free[n] >= requests[c]).all():
            counts[c, n] += 1
            free[n] -= requests[c]
            misses = 0
        else:
            misses += 1
    return counts


def rule_of(rng, counts, nodes):
    """A rule of one of two kinds, and the counts thinned until it holds."""
    zones = int(rng.integers(2, nodes + 1))
    zone = (np.arange(nodes) % zones).astype(np.int32)
    if rng.random() < 0.3:
        zone[0] = -1
    carrier = np.array([0], dtype=np.int32)
    targets = np.unique([0, int(rng.integers(len(counts)))]).astype(np.int32)
    every = np.ones(nodes, dtype=bool)
    counts = counts.copy()
    if rng.random() < 0.5:
        for z in range(zones):
            here = np.flatnonzero(zone == z)
            if counts[0][here].any():
                home = here[counts[0][here].argmax()]
                counts[np.ix_(targets, here)] = 0
                counts[0, home] = 1
        return (TopologyRule("anti-affinity", "apart", carrier, targets, zone, zones, every),), counts
    counts[0, zone < 0] = 0
    per_zone = np.array([counts[targets][:, zone == z].sum() for z in np.unique(zone[zone >= 0])])
    skew = max(1, int(per_zone.max() - per_zone.min()))
    return (TopologyRule("spread", "even", carrier, targets, zone, zones, every, skew),), counts


def draw_mw(kind, use):
    """Draw by the curves, one node at a time, in Python's integers."""
    result = []
    for k, u in zip(kind.tolist(), use.tolist(), strict=True):
        knots, watts = TYPES[k].knots_ucores.tolist(), TYPES[k].knots_mw.tolist()
        capped = min(u, knots[-1])
        i = next(i for i in range(1, len(knots)) if capped <= knots[i])
        span, rise = knots[i] - knots[i - 1], watts[i] - watts[i - 1]
        result.append(watts[i - 1] + -(-(rise * (capped - knots[i - 1])) // span))
    return np.array(result, dtype=np.int64)
