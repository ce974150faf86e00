"""Problems so small that every placement can be tried, and what each one draws, added up apart from the solver."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
from scipy import sparse

from powerplane.solver.problem import ONE_MOVE, UNBOUNDED, NodeType, Problem, TopologyRule
from powerplane.solver.state import found_state
from powerplane.solver.tables import compile_tables

LINE = ((0, 100), (4, 300))
CONCAVE = ((0, 100), (1, 250), (4, 301))
CONVEX = ((0, 100), (3, 130), (4, 300))
WAVY = ((0, 80), (1, 150), (2, 157), (4, 311))
CORES = 4
"""Where all these curves end: no node takes more use than that, or than it was found with."""

CURVES = (LINE, CONCAVE, CONVEX, WAVY)


def problem(found, budgets=None, racks=None, **changes):
    """Return a problem of one-core pods; ``found`` is classes × nodes, ``budgets`` are racks' watts.

    ``racks`` lists the nodes of each; each node is its own rack unless told.
    """
    found = np.array(found)
    classes, nodes = found.shape
    curve = changes.pop("curve", LINE)
    use = (np.array(changes.pop("cores", [1] * classes)) * 1_000_000).astype(np.int64)
    offered = np.array(changes.pop("offered", [8] * nodes))
    racks = [[n] for n in range(nodes)] if racks is None else racks
    node, pod_class = np.nonzero(found.T)
    fields = {
        "node_names": tuple(f"n{n}" for n in range(nodes)),
        "resource_names": ("cpu", "cpu-use"),
        "class_names": tuple(f"c{c}" for c in range(classes)),
        "allocatable": np.stack([offered * 1000, np.maximum(CORES * 1_000_000, use @ found)], axis=1),
        "node_type": np.zeros(nodes, dtype=np.int32),
        "types": (node_type(curve),),
        "node_budget_mw": np.full(nodes, UNBOUNDED),
        "requests": np.stack([use // 1000, use], axis=1),
        "use_ucores": use,
        "accelerator_mw": np.zeros(classes, dtype=np.int64),
        "move_cost": np.full(classes, ONE_MOVE),
        "movable": np.ones(classes, dtype=bool),
        "allowed_set": np.zeros(classes, dtype=np.int32),
        "allowed": np.ones((1, nodes), dtype=bool),
        "cell_node": node.astype(np.int32),
        "cell_class": pod_class.astype(np.int32),
        "cell_count": found.T[node, pod_class].astype(np.int32),
        "row_weights": sparse.csr_array(np.array([np.isin(np.arange(nodes), rack) for rack in racks], dtype=np.int64)),
        "row_scale": 1,
        "row_budget_mw": milliwatts(budgets or [None] * len(racks)),
        "row_domain": tuple(f"r{k}" for k in range(len(racks))),
        "row_lost": ("",) * len(racks),
    }
    return Problem(**(fields | changes))


def node_type(curve, name="t"):
    return NodeType(name, *(np.array([knot[i] for knot in curve]) * (1_000_000, 1000)[i] for i in (0, 1)))


def milliwatts(budgets):
    return np.array([UNBOUNDED if budget is None else round(budget * 1000) for budget in budgets])


def rule(kind, carriers, targets, zone, **more):
    counted = np.array(more.pop("counted", [True] * len(zone)))
    arrays = (np.array(each, dtype=np.int32) for each in (carriers, targets, zone))
    return TopologyRule(kind, kind, *arrays, max(zone) + 1, counted, **more)


def state_of(case):
    return found_state(compile_tables(case))


def random_problem(seed, *, nodes=3, classes=3, curve=None, ruled=False, odd=True):
    """At most two pods of each class, in two racks under one feed that may be lost; some budgets too small.

    ``odd`` mixes in node budgets, accelerators, unmovable classes, and nodes that let a class not in.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((classes, nodes), dtype=np.int64)
    for c in range(classes):
        np.add.at(found[c], rng.integers(0, nodes, rng.integers(0, 3)), 1)
    cores = rng.choice([0.5, 1, 2], classes)
    offered = np.maximum(np.ceil(cores @ found), rng.integers(2, 7, nodes))
    kinds = (CURVES[rng.integers(4)] if curve is None else curve, LINE if curve is None else curve)
    rack = np.arange(nodes) % 2
    share = np.vstack([2 * (rack == 0), 2 * (rack == 1), np.ones(nodes), 2 * (rack == 0)]).astype(np.int64)
    case = problem(
        found,
        cores=cores,
        offered=offered.astype(np.int64),
        types=tuple(node_type(kind, f"t{i}") for i, kind in enumerate(kinds)),
        node_type=rng.integers(0, 2, nodes).astype(np.int32),
        move_cost=rng.choice([500, 1000, 1700], classes),
        row_weights=sparse.csr_array(share),
        row_scale=2,
        row_budget_mw=np.full(4, UNBOUNDED),
        row_domain=("r0", "r1", "feed", "feed"),
        row_lost=("", "", "", "other"),
    )
    if odd:
        case = replace(
            case,
            accelerator_mw=rng.integers(0, 2, classes) * rng.integers(0, 40_000, classes),
            movable=rng.random(classes) < 0.85,
            allowed_set=rng.integers(0, 2, classes).astype(np.int32),
            allowed=np.stack([np.ones(nodes, dtype=bool), rng.random(nodes) < 0.7]),
        )
    if ruled:
        case = replace(case, rules=_random_rules(rng, classes, nodes))
    return _random_budgets(case, rng, odd)


def _random_rules(rng, classes, nodes):
    kinds = rng.choice(["anti-affinity", "affinity", "spread"], rng.integers(1, 3))
    made = []
    for kind in kinds:
        zone = rng.integers(-1, 2, nodes)
        zone[0] = 1
        carriers = rng.permutation(classes)[: rng.integers(1, classes + 1)]
        targets = rng.permutation(classes)[: rng.integers(1, classes + 1)]
        skew = {"max_skew": 1, "counted": rng.random(nodes) < 0.8} if kind == "spread" else {}
        made.append(rule(str(kind), np.sort(carriers), np.sort(targets), zone.tolist(), **skew))
    return tuple(made)


def _random_budgets(case, rng, odd):
    draw = node_mw(case, counts_of(case))
    rows = case.row_weights @ draw // case.row_scale * rng.choice([80, 90, 95, 100, 120], 4) // 100
    rows[rng.random(4) < 0.25] = UNBOUNDED
    own = np.where(rng.random(len(draw)) < 0.2 * odd, draw * rng.choice([90, 110], len(draw)) // 100, UNBOUNDED)
    return replace(case, row_budget_mw=rows, node_budget_mw=own)


def counts_of(case):
    """Counts as found, shape (C, N)."""
    counts = np.zeros((case.class_count, case.node_count), dtype=np.int64)
    counts[case.cell_class, case.cell_node] = case.cell_count
    return counts


def counts_in(state):
    """Counts of a state, shape (C, N)."""
    counts = np.zeros((state.tables.problem.class_count, state.tables.problem.node_count), dtype=np.int64)
    for n, cell in enumerate(state.cells):
        for c, count in cell.items():
            counts[c, n] = count
    return counts


def curve_mw(kind, use):
    """Draw of a node type at a use in micro-cores, in whole milliwatts, rounded up."""
    knots, watts = kind.knots_ucores.tolist(), kind.knots_mw.tolist()
    if use >= knots[-1]:
        return watts[-1]
    i = bisect_right(knots, use) - 1
    return watts[i] + ceil(Fraction((watts[i + 1] - watts[i]) * (use - knots[i]), knots[i + 1] - knots[i]))


def node_mw(case, counts):
    """Draw of every node, in milliwatts."""
    use = (case.use_ucores @ counts).tolist()
    curves = [curve_mw(case.types[kind], use[n]) for n, kind in enumerate(case.node_type.tolist())]
    return np.array(curves) + case.accelerator_mw @ counts


def excesses_mw(case, counts):
    """Milliwatts above each node's and each row's budget, rounded up."""
    draw = node_mw(case, counts)
    own = [
        0 if b == UNBOUNDED else max(0, d - b) for d, b in zip(draw.tolist(), case.node_budget_mw.tolist(), strict=True)
    ]
    load = (case.row_weights @ draw).tolist()
    scale = case.row_scale
    rows = [
        0 if b == UNBOUNDED else max(0, -((b * scale - w) // scale))
        for w, b in zip(load, case.row_budget_mw.tolist(), strict=True)
    ]
    return np.array(own), np.array(rows)


def overload_mw(case, counts):
    """Milliwatts above budgets: all nodes', and of each domain its worst row's."""
    own, rows = excesses_mw(case, counts)
    worst = dict.fromkeys(case.row_domain, 0)
    for name, excess in zip(case.row_domain, rows.tolist(), strict=True):
        worst[name] = max(worst[name], excess)
    return int(own.sum()) + sum(worst.values())


def cost_of(case, counts):
    gone = np.maximum(0, counts_of(case) - counts).sum(axis=1)
    return int(gone @ case.move_cost)


def free_of(case, counts):
    return case.allocatable - counts.T @ case.requests


def breaks_nothing(case, counts):
    """Say whether capacities, allowed nodes and budgets hold, or are broken no further than they were found."""
    found = counts_of(case)
    free, was = free_of(case, counts), free_of(case, found)
    came = counts > found
    asked = (came[:, :, None] & (case.requests[:, None, :] > 0)).any(axis=0)
    own, rows = excesses_mw(case, counts)
    own_was, rows_was = excesses_mw(case, found)
    return bool(
        (free >= np.minimum(was, 0)).all()
        and not (asked & (free < 0)).any()
        and not (came & ~case.allowed[case.allowed_set]).any()
        and (own <= own_was).all()
        and (rows <= rows_was).all()
    )


def every_placement(case):
    """Every way of standing the movable pods on nodes, sound or not; each a count array of shape (C, N)."""
    found = counts_of(case)
    ways = [
        list(_splits(int(found[c].sum()), case.node_count)) if case.movable[c] else [tuple(found[c])]
        for c in range(case.class_count)
    ]
    for rows in product(*ways):
        yield np.array(rows)


def _splits(total, parts):
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _splits(total - first, parts - 1):
            yield (first, *rest)


@dataclass(frozen=True)
class Best:
    """The least overload of any placement that breaks nothing anew, and the least cost that goes with it."""

    overload_mw: int
    cost: int


def best_of(case):
    answers = ((overload_mw(case, k), cost_of(case, k)) for k in every_placement(case) if breaks_nothing(case, k))
    return Best(*min(answers))
