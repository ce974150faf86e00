"""Nodes that the relaxation need not tell apart, put together."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from powerplane.solver.curve_pieces import reachable_segments
from powerplane.solver.highs import Floats
from powerplane.solver.state import State
from powerplane.solver.tables import ROOMY, Ints

WATT = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """G groups of nodes of one type, in the same power rows, that let in the same classes.

    Parameters
    ----------
    of_node : int64 array, shape (N,)
    first : int64 array, shape (G,)
        One node of each group.
    steepest, flattest : float arrays, shape (G,)
        Watts per core: at most this much falls when load leaves, at least this much rises when load comes.
    weights : CSC array, shape (K', G)
        Share of a group's watts that each (merged) power row carries.
    room_watts : float array, shape (K',)
        Headroom of each row as found; below 0 where it is overdrawn.
    row_members : tuple of tuple of str
        Domain of each row; of a sum, the domain of every row in it, as often as rows of it were added.
    """

    of_node: Ints
    first: Ints
    steepest: Floats
    flattest: Floats
    weights: sparse.csc_array
    room_watts: Floats
    row_members: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.first)


def group_coarsely(state: State) -> Groups:
    """Group nodes by type and by whom they let in only, all rows of one size added up: small, quick, and weak."""
    nodes = state.tables.problem.node_count
    size = np.array([len(members) for members in state.tables.rows.nodes])
    label = np.rint(2 * np.log2(np.maximum(size, 1))).astype(np.int64)
    # Rows without a budget would lift every other's in a sum.
    label = np.where(state.tables.rows.limit < ROOMY, label, -1)
    everywhere = np.zeros(nodes, dtype=np.int64)
    return _group(state, _sum_rows(label), everywhere, everywhere)


def group_nodes(state: State, spots: tuple[Ints, ...], most_columns: int) -> Groups:
    """Group nodes; where that leaves more than ``most_columns`` flows, quiet rows are added up first.

    A sum of constraints is implied by them, so merging weakens the bound, and never falsifies it.
    """
    problem = state.tables.problem
    spot = np.zeros(problem.node_count, dtype=np.int64)
    for i, nodes in enumerate(spots):
        spot[nodes] = i + 1
    everything = sparse.eye_array(len(problem.row_domain), format="csr", dtype=np.int64)
    fine = _group(state, everything, spot, _each(state, spot))
    if fine.count * problem.class_count <= most_columns:
        return fine
    like = _alike(state, spot)
    groups = _group(state, everything, spot, like)
    for clusters in (16, 4, 1):
        if groups.count * problem.class_count <= most_columns:
            break
        groups = _group(state, _merge_quiet(state, spot, clusters), spot, like)
    return groups


def _each(state: State, spot: Ints) -> Ints:
    """Tell every bent node of a trouble spot from every other."""
    bent = np.array(_bent_types(state))[state.tables.problem.node_type]
    return np.where(bent & (spot > 0), np.arange(len(spot)), -1)


def _alike(state: State, spot: Ints) -> Ints:
    """Tell nodes of trouble spots apart only where what they would shed differs by a fiftieth."""
    each = np.arange(len(spot))
    steepest, _ = _slopes(state, each, len(each))
    like = np.rint(np.log(np.maximum(steepest, 1e-6)) / np.log(1.02)).astype(np.int64)
    return np.where(spot > 0, like, -1)


def _merge_quiet(state: State, spot: Ints, clusters: int) -> sparse.csr_array:
    """Sum rows that touch no trouble spot, those of like relative headroom together."""
    rows = state.tables.rows
    bounded = rows.limit < ROOMY
    quiet = np.array([not spot[nodes].any() for nodes in rows.nodes]) & bounded
    room = (rows.limit - state.load) / np.maximum(1, rows.limit)
    order = np.flatnonzero(quiet)[np.argsort(room[quiet], kind="stable")]
    label = np.full(len(quiet), -1)
    label[order] = np.arange(len(order)) * clusters // max(1, len(order))
    kept = np.flatnonzero(~quiet)
    label[kept] = clusters + np.arange(len(kept))
    return _sum_rows(label)


def _sum_rows(label: Ints) -> sparse.csr_array:
    """Return the matrix that adds up rows of one label."""
    names, place = np.unique(label, return_inverse=True)
    ones = np.ones(len(label), dtype=np.int64)
    return sparse.csr_array((ones, (place, np.arange(len(label)))), shape=(len(names), len(label)))


def _group(state: State, merge: sparse.csr_array, spot: Ints, label: Ints) -> Groups:
    problem, tables = state.tables.problem, state.tables
    weights = sparse.csr_array(merge @ problem.row_weights)
    of_node, first = _same(state, sparse.csc_array(weights), spot, label)
    steepest, flattest = _slopes(state, of_node, len(first))
    limit = np.where(tables.rows.limit >= ROOMY, float(ROOMY), tables.rows.limit.astype(float))
    scale = WATT * problem.row_scale
    return Groups(
        of_node=of_node,
        first=first,
        steepest=steepest,
        flattest=flattest,
        weights=sparse.csc_array(sparse.csc_array(weights)[:, first] / problem.row_scale),
        room_watts=(merge @ (limit - state.load)) / scale,
        row_members=_members(merge, problem.row_domain),
    )


def _members(merge: sparse.csr_array, domains: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    rows = [merge.indices[merge.indptr[row] : merge.indptr[row + 1]].tolist() for row in range(merge.shape[0])]
    return tuple(tuple(sorted(domains[k] for k in members)) for members in rows)


def _same(state: State, weights: sparse.csc_array, spot: Ints, label: Ints) -> tuple[Ints, Ints]:
    """Number nodes by what the relaxation sees of them."""
    problem = state.tables.problem
    short = (state.free < 0).any(axis=1) | (state.node_excess() > 0)
    keys: dict[tuple[object, ...], int] = {}
    of_node = np.zeros(problem.node_count, dtype=np.int64)
    first: list[int] = []
    for n in range(problem.node_count):
        span = slice(weights.indptr[n], weights.indptr[n + 1])
        key = (
            n if short[n] else -1,
            int(label[n]),
            int(spot[n]),
            int(problem.node_type[n]),
            weights.indices[span].tobytes(),
            weights.data[span].tobytes(),
            problem.allowed[:, n].tobytes(),
        )
        of_node[n] = keys.setdefault(key, len(keys))
        if len(first) < len(keys):
            first.append(n)
    return of_node, np.array(first, dtype=np.int64)


def _bent_types(state: State) -> list[bool]:
    curves = state.tables.curves
    return [len(reachable_segments(curves, t, 0, int(curves.use[t, -1]))) > 1 for t in range(len(curves.use))]


def _slopes(state: State, of_node: Ints, count: int) -> tuple[Floats, Floats]:
    """Steepest average slope down from where each node is, and flattest slope anywhere above, by group."""
    curves, problem = state.tables.curves, state.tables.problem
    use = state.use()
    steepest, flattest = np.zeros(count), np.full(count, np.inf)
    for t in range(len(curves.use)):
        mine = np.flatnonzero(problem.node_type == t)
        at = np.minimum(use[mine], curves.use[t, -1])
        draw = np.interp(at, curves.use[t], curves.mw[t])
        down = np.zeros(len(mine))
        for knot, mw in zip(curves.use[t].tolist(), curves.mw[t].tolist(), strict=True):
            below = at > knot
            down[below] = np.maximum(down[below], (draw[below] - mw) / (at[below] - knot))
        pieces = reachable_segments(curves, t, 0, int(curves.use[t, -1]))
        local = _local_slope(curves.use[t], curves.mw[t], at)
        np.maximum.at(steepest, of_node[mine], np.maximum(down, local) * 1e3)
        up = min(piece.slope for piece in pieces)
        np.minimum.at(flattest, of_node[mine], up)
    return steepest, flattest


def _local_slope(knots: Ints, draws: Ints, at: Ints) -> Floats:
    """Slope of the piece just below a use, in mW per micro-core; 0 at the very start."""
    right = np.clip(np.searchsorted(knots, at, side="left"), 1, len(knots) - 1)
    run = np.maximum(1, knots[right] - knots[right - 1])
    slope: Floats = np.where(knots[right] > knots[right - 1], (draws[right] - draws[right - 1]) / run, 0.0)
    return slope
