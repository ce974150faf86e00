"""The baselines' own books: what each node has free, what each budget has left, move by move.

Written apart from the solver's state, so that a fault there cannot make a baseline look worse or better than it is.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.pod_rules import PodRules
from powerplane.models.curves import milliwatts_at
from powerplane.solver.problem import UNBOUNDED, Problem
from powerplane.solver.result import Flow

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
ROOMY = np.int64(1) << 60
"""Room under no budget: more than any draw, far from overflow."""


class Ledger:
    """A placement that baselines change, and what it leaves free.

    Attributes
    ----------
    counts : int64 array, shape (C, N)
        Pods of each class on each node.
    free : int64 array, shape (N, R)
    use_ucores, node_mw : int64 arrays, shape (N,)
    load, limit : int64 arrays, shape (L + 1,)
        Draw and budget of each line, in milliwatts times its scale. Lines are the power rows that have a budget, then
        the nodes that have one; the last line is a blank without a budget.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        cell = problem.cell_class, problem.cell_node
        self.counts: Ints = np.zeros((problem.class_count, problem.node_count), dtype=np.int64)
        np.add.at(self.counts, cell, problem.cell_count)
        self.found = self.counts.copy()
        self.free: Ints = problem.allocatable - self.counts.T @ problem.requests
        self.use_ucores: Ints = self.counts.T @ problem.use_ucores
        self.accelerator_mw: Ints = self.counts.T @ problem.accelerator_mw
        self.rules = PodRules(problem, self.counts)
        self._every_node = np.arange(problem.node_count)
        self.node_mw = self.draw_mw(self._every_node, self.use_ucores) + self.accelerator_mw
        self._compile_lines()

    def _compile_lines(self) -> None:
        problem = self.problem
        rows = np.flatnonzero(problem.row_budget_mw != UNBOUNDED).tolist()
        nodes = np.flatnonzero(problem.node_budget_mw != UNBOUNDED).tolist()
        carried: list[list[tuple[int, int]]] = [[] for _ in range(problem.node_count)]
        matrix = problem.row_weights
        for line, row in enumerate(rows):
            span = slice(matrix.indptr[row], matrix.indptr[row + 1])
            for node, weight in zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True):
                carried[node].append((line, weight))
        for line, node in enumerate(nodes, start=len(rows)):
            carried[node].append((line, problem.row_scale))
        self.line_names = [problem.row_domain[row] for row in rows] + [f"node {node}" for node in nodes]
        budgets = np.concatenate([problem.row_budget_mw[rows], problem.node_budget_mw[nodes]])
        self.limit: Ints = np.append(budgets * problem.row_scale, ROOMY)
        blank = len(budgets)
        width = max((len(lines) for lines in carried), default=0) + 1
        padded = [lines + [(blank, 0)] * (width - len(lines)) for lines in carried]
        table: Ints = np.array(padded, dtype=np.int64).reshape(problem.node_count, width, 2)
        self.lines, self.weights = table[:, :, 0], table[:, :, 1]
        self.line_nodes = [np.flatnonzero((self.lines == line).any(axis=1)) for line in range(blank)]
        self.load: Ints = np.zeros(blank + 1, dtype=np.int64)
        np.add.at(self.load, self.lines, self.weights * self.node_mw[:, None])

    def draw_mw(self, nodes: NDArray[np.integer], use_ucores: Ints) -> Ints:
        """Draw by the curves alone of some nodes at some use; a node may be named more than once."""
        result = np.empty(len(nodes), dtype=np.int64)
        kinds = self.problem.node_type[nodes]
        for kind, curve in enumerate(self.problem.types):
            at = kinds == kind
            result[at] = milliwatts_at(curve.knots_ucores, curve.knots_mw, use_ucores[at])
        return result

    def put(self, pod_class: int, node: int, count: int) -> None:
        """Add pods of a class to a node, or take them off where ``count`` is negative."""
        problem = self.problem
        self.counts[pod_class, node] += count
        self.free[node] -= count * problem.requests[pod_class]
        self.use_ucores[node] += count * problem.use_ucores[pod_class]
        self.accelerator_mw[node] += count * problem.accelerator_mw[pod_class]
        self.rules.put(pod_class, node, count)
        curve = self.draw_mw(self._every_node[node : node + 1], self.use_ucores[node : node + 1])
        change = int(curve[0]) + int(self.accelerator_mw[node]) - int(self.node_mw[node])
        self.node_mw[node] += change
        np.add.at(self.load, self.lines[node], self.weights[node] * change)

    def rise_mw(self, pod_class: int) -> Ints:
        """Milliwatts that one more pod of a class adds on each node."""
        problem = self.problem
        curve = self.draw_mw(self._every_node, self.use_ucores + problem.use_ucores[pod_class])
        rise: Ints = curve + self.accelerator_mw + problem.accelerator_mw[pod_class] - self.node_mw
        return rise

    def fall_mw(self, pod_classes: Ints, nodes: Ints) -> Ints:
        """Milliwatts that one pod less of each class takes off the node beside it."""
        problem = self.problem
        curve = self.draw_mw(nodes, self.use_ucores[nodes] - problem.use_ucores[pod_classes])
        fall: Ints = self.node_mw[nodes] - curve - self.accelerator_mw[nodes] + problem.accelerator_mw[pod_classes]
        return fall

    def room_mw(self, relief: Ints | None = None, limit: Ints | None = None) -> Ints:
        """Milliwatts that each node may rise; a line that is over gives none, but for what relief (by line) frees."""
        slack = np.maximum(0, (self.limit if limit is None else limit) - self.load)
        if relief is not None:
            slack = slack + relief
        room: Ints = (slack[self.lines] // np.maximum(1, self.weights)).min(axis=1)
        return room

    def relief(self, node: int, fall_mw: int) -> Ints:
        """What a fall of one node's draw frees on each line."""
        freed = np.zeros(len(self.limit), dtype=np.int64)
        np.add.at(freed, self.lines[node], self.weights[node] * fall_mw)
        return freed

    def holders(self, pod_class: int, source: int) -> Mask:
        """Nodes that Kubernetes would let a pod of a class land on, coming from ``source``; never its own.

        ``source`` is -1 for a pod that is on no node.
        """
        problem = self.problem
        asked = np.flatnonzero(problem.requests[pod_class])
        fits: Mask = (self.free[:, asked] >= problem.requests[pod_class, asked]).all(axis=1)
        fits &= problem.allowed[problem.allowed_set[pod_class]]
        fits &= self.rules.open_nodes(pod_class, source)
        if source >= 0:
            fits[source] = False
        return fits

    def movable_cells(self, nodes: NDArray[np.integer]) -> tuple[Ints, Ints]:
        """Classes and nodes of the movable pods on some nodes, one entry for each class and node."""
        classes, at = np.nonzero(self.counts[:, nodes] * self.rules.movable[:, None])
        return classes, nodes[at].astype(np.int64)

    def over_lines(self) -> Ints:
        """Lines over their budget, those furthest over first."""
        excess = (self.load - self.limit)[:-1]
        over = np.flatnonzero(excess > 0)
        return over[np.argsort(-excess[over], kind="stable")]

    def cost(self) -> int:
        """Price of all pods that are not where they were found."""
        left = np.maximum(0, self.found - self.counts).sum(axis=1)
        return int(left @ self.problem.move_cost)

    def overload_mw(self) -> int:
        """Milliwatts above budgets: every node's, and of every domain its worst row's; rounded up."""
        excess = np.maximum(0, -((self.limit - self.load)[:-1] // self.problem.row_scale))
        worst: dict[str, int] = {}
        for name, milliwatts in zip(self.line_names, excess.tolist(), strict=True):
            worst[name] = max(worst.get(name, 0), milliwatts)
        return sum(worst.values())

    def flows(self) -> tuple[Flow, ...]:
        """Net moves from the placement found to this one: sources and targets of a class paired in order of nodes."""
        flows = []
        for pod_class in np.flatnonzero((self.found != self.counts).any(axis=1)).tolist():
            change = self.counts[pod_class] - self.found[pod_class]
            gains = [[node, int(change[node])] for node in np.flatnonzero(change > 0).tolist()]
            for source in np.flatnonzero(change < 0).tolist():
                left = -int(change[source])
                while left and gains:
                    count = min(left, gains[0][1])
                    flows.append(Flow(pod_class, source, gains[0][0], count, 1))
                    left -= count
                    gains[0][1] -= count
                    if not gains[0][1]:
                        gains.pop(0)
        return tuple(flows)
