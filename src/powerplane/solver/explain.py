"""Why each move: the budgets and capacities that break, or break further, when it alone is undone."""

import numpy as np

from powerplane.solver.problem import Problem
from powerplane.solver.result import Flow
from powerplane.solver.state import State, found_state
from powerplane.solver.tables import Ints, compile_tables


def reasons(problem: Problem, flows: tuple[Flow, ...]) -> list[tuple[str, ...]]:
    """Return, for each flow, what breaks in the finished plan if one of its pods were still where it was.

    Returns
    -------
    list of tuple of str
        Domains (with the lost feed in brackets where only its loss breaks them), "node …" for a node's own budget,
        "room on …" for its capacity, "drain of …" for a node that would not be empty, or "a way round for …" for
        a pod that is parked.
    """
    state = found_state(compile_tables(problem))
    for flow in flows:
        state.move(flow.pod_class, flow.source, flow.target, flow.count)
    return [_why(state, flow) for flow in flows]


def _why(state: State, flow: Flow) -> tuple[str, ...]:
    problem = state.tables.problem
    if not state.cells[flow.target].get(flow.pod_class, 0):
        return (f"a way round for {problem.class_names[flow.pod_class]}",)
    rows, nodes = state.row_excess(), state.node_excess()
    short = np.minimum(state.free, 0)
    alone = _is_empty(state, flow.source)
    state.move(flow.pod_class, flow.target, flow.source)
    broken = _names(state, rows)
    source = problem.node_names[flow.source]
    if (state.node_excess() > nodes)[flow.source]:
        broken.append(f"node {source}")
    for resource in np.flatnonzero((np.minimum(state.free, 0) < short)[flow.source]).tolist():
        broken.append(f"room on {source} ({problem.resource_names[resource]})")
    state.move(flow.pod_class, flow.source, flow.target)
    if not broken and alone:
        broken.append(f"drain of {source}")
    return tuple(broken)


def _is_empty(state: State, node: int) -> bool:
    return not any(state.tables.problem.movable[c] for c in state.cells[node])


def _names(state: State, before: Ints) -> list[str]:
    """Domains whose worst row got worse, tightest situation first."""
    problem = state.tables.problem
    worse = state.row_excess() - before
    names: dict[str, str] = {}
    for row in np.flatnonzero(worse > 0).tolist():
        domain, lost = problem.row_domain[row], problem.row_lost[row]
        if domain not in names or not lost:
            names[domain] = f"{domain} ({lost} lost)" if lost else domain
    return list(names.values())
