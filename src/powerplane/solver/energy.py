"""Least energy: empty the nodes that earn their watts least, so that they can sleep, and pack the others."""

from dataclasses import dataclass

import numpy as np

from powerplane.solver.feasible import targets
from powerplane.solver.greedy import Stop
from powerplane.solver.state import Mask, State
from powerplane.solver.tables import Ints


@dataclass(slots=True, eq=False)
class Packing:
    """A placement and which of its nodes are awake.

    Attributes
    ----------
    state : State
    awake : bool array, shape (N,)
        Nodes that keep drawing; a node with nothing but ambient pods need not.
    """

    state: State
    awake: Mask

    def copy(self) -> "Packing":
        """Return a packing that changes apart from this one."""
        return Packing(self.state.copy(), self.awake.copy())

    def draw_mw(self) -> int:
        """What the nodes that are awake draw together."""
        return int(self.state.node_mw[self.awake].sum())


def may_sleep(state: State, node: int) -> bool:
    """Say whether only ambient pods are on a node."""
    ambient = state.tables.problem.ambient
    return all(ambient is not None and ambient[c] for c in state.cells[node])


def packing_of(state: State) -> Packing:
    """Return a state with every node that holds no work asleep."""
    awake = np.array([not may_sleep(state, n) for n in range(len(state.cells))], dtype=np.bool_)
    return Packing(state, awake)


def consolidate(packing: Packing, order: Ints, stop: Stop) -> None:
    """Empty nodes in the order given, each wholly or not at all, wherever that lowers the draw.

    Pods go to awake nodes, the largest first, each where it adds the least watts and then leaves the least room: a
    best-fit decreasing that knows the curves.
    """
    for node in order.tolist():
        if stop():
            return
        if packing.awake[node] and _can_be_emptied(packing.state, node):
            _drain(packing, node)


def dearest_first(state: State) -> Ints:
    """Order nodes by the watts that they draw for each core of work they hold, the dearest first."""
    work = np.maximum(state.use(), 1)
    return np.argsort(-(state.node_mw / work), kind="stable")


def emptiest_first(state: State) -> Ints:
    """Order nodes by the work that they hold, the least first."""
    return np.argsort(state.use(), kind="stable")


def weakest_first(state: State) -> Ints:
    """Order nodes by peak watts per core that they offer, the least efficient first."""
    offered = np.maximum(state.tables.problem.allocatable[:, -1], 1)
    return np.argsort(-(state.tables.peak_mw / offered), kind="stable")


def _can_be_emptied(state: State, node: int) -> bool:
    problem = state.tables.problem
    ambient = problem.ambient
    return all(problem.movable[c] or (ambient is not None and ambient[c]) for c in state.cells[node])


def _drain(packing: Packing, node: int) -> bool:
    """Move everything movable off a node, or nothing; say which."""
    state, problem = packing.state, packing.state.tables.problem
    before = packing.draw_mw()
    pods = [(c, k) for c, k in state.cells[node].items() if problem.movable[c]]
    pods.sort(key=lambda pod: (-int(problem.requests[pod[0], 0]), -int(problem.use_ucores[pod[0]]), pod[0]))
    done: list[tuple[int, int]] = []
    for c, count in pods:
        for _ in range(count):
            target = _tightest(packing, c, node)
            if target is None:
                _undo(state, done, node)
                return False
            state.move(c, node, target)
            done.append((c, target))
    packing.awake[node] = False
    if packing.draw_mw() < before:
        return True
    packing.awake[node] = True
    _undo(state, done, node)
    return False


def _undo(state: State, done: list[tuple[int, int]], node: int) -> None:
    for c, target in reversed(done):
        state.move(c, target, node)


def _tightest(packing: Packing, pod_class: int, source: int) -> int | None:
    """Return the awake node that a pod costs the least watts on; among like ones, the fullest."""
    state, problem = packing.state, packing.state.tables.problem
    awake = np.flatnonzero(packing.awake)
    awake = awake[awake != source]
    mask, rise, _ = targets(state, pod_class, awake)
    if not mask.any():
        return None
    nodes = awake[mask]
    left = (state.free[nodes, :2] / np.maximum(1, problem.allocatable[nodes, :2])).min(axis=1)
    # Watts decide; the share left only between nodes whose watts are within a tenth of one another.
    score = rise[mask] / max(1.0, float(rise[mask].min())) + 0.1 * left
    return int(nodes[np.argmin(score)])
