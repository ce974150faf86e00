"""The cheapest pods to take off what is over its limit, wherever they then go: a small exact model per trouble spot.

Take any plan that holds the budgets. The pods that it takes off the nodes of an overdrawn rack, put nowhere, hold
that rack's budget too, since a node's draw never rises when pods leave it. So the cheapest such set is a lower
bound on what the plan pays there, and, because a pod leaves one place only, the bounds of disjoint spots add up. The
set itself guides the search: place those pods elsewhere, and the plan is optimal.
"""

from powerplane.solver.cover_program import cover_by_program
from powerplane.solver.cover_table import cover_by_table, suits
from powerplane.solver.curve_pieces import reachable_segments
from powerplane.solver.draw_terms import MILLI
from powerplane.solver.spots import Cover, Spot
from powerplane.solver.state import State

MOST_CELLS = 6000
"""Spots with more (class, node) pairs than this are left to the relaxation, whose integrality gap fades with size."""


def cover(state: State, spot: Spot, *, seconds: float, seed: int) -> Cover:
    """Solve one spot, to the end or until the time is up.

    Parameters
    ----------
    state : State
        The placement as found.
    seconds : float
        Wall time for this spot.
    """
    if _bent(state, spot) and suits(state, spot):
        return cover_by_table(state, spot)
    if len(state.movable_cells(spot.nodes)[0]) > MOST_CELLS:
        return Cover(spot, {}, 0, possible=True)
    first = cover_by_program(state, spot, margin_watts=0.0, seconds=seconds, seed=seed)
    if not first.taken or relieves(state, first):
        return first
    margin = len(spot.nodes) / MILLI
    second = cover_by_program(state, spot, margin_watts=margin, seconds=seconds, seed=seed)
    return Cover(spot, second.taken or first.taken, first.bound, possible=True)


def _bent(state: State, spot: Spot) -> bool:
    curves, use = state.tables.curves, state.use()
    kinds = state.tables.problem.node_type
    return any(len(reachable_segments(curves, int(kinds[n]), 0, int(use[n]))) > 1 for n in spot.nodes.tolist())


def relieves(state: State, found: Cover) -> bool:
    """Say whether a set, taken off an exact copy of the state, brings its spot under every limit."""
    trial = state.copy()
    for (pod_class, node), count in found.taken.items():
        trial.put(pod_class, node, -count)
    rows, nodes = list(found.spot.rows), found.spot.nodes
    return bool(
        (trial.load[rows] <= state.tables.rows.limit[rows]).all()
        and (trial.node_excess()[nodes] == 0).all()
        and (trial.free[nodes] >= 0).all()
    )
