"""A placement that changes: loads, draws, row sums and rule counts, kept exact move by move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.solver.tables import ROOMY, Ints, Tables

Mask = NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class State:
    """Where every pod is now, and what that draws.

    Attributes
    ----------
    tables : Tables
    cells : list of dict
        By node: count by class.
    free : int64 array, shape (N, R)
        Allocatable less what is taken; below 0 where a node was found overcommitted.
    curve_mw, accelerator_mw : int64 arrays, shape (N,)
        The two parts of each node's draw.
    load : int64 array, shape (K,)
        Each row's draw in milliwatts times the row scale.
    delta : dict
        Net change of (class, node) against the placement found; entries of 0 are dropped.
    cost : int
        Price of those changes: pods missing from where they were found, each at its class's price.
    carriers, targets : lists of int64 arrays
        By rule: carriers and targets in each zone.
    """

    tables: Tables
    cells: list[dict[int, int]]
    free: Ints
    curve_mw: Ints
    accelerator_mw: Ints
    load: Ints
    delta: dict[tuple[int, int], int]
    cost: int
    carriers: list[Ints]
    targets: list[Ints]

    def copy(self) -> "State":
        """Return a state that changes apart from this one."""
        return State(
            self.tables,
            [dict(cell) for cell in self.cells],
            self.free.copy(),
            self.curve_mw.copy(),
            self.accelerator_mw.copy(),
            self.load.copy(),
            dict(self.delta),
            self.cost,
            [zones.copy() for zones in self.carriers],
            [zones.copy() for zones in self.targets],
        )

    @property
    def node_mw(self) -> Ints:
        """Each node's draw in milliwatts."""
        draw: Ints = self.curve_mw + self.accelerator_mw
        return draw

    def use(self) -> Ints:
        """Each node's CPU use in micro-cores."""
        use: Ints = self.tables.problem.allocatable[:, -1] - self.free[:, -1]
        return use

    def move(self, pod_class: int, source: int, target: int, count: int = 1) -> None:
        """Take ``count`` pods of a class from one node to another."""
        self.put(pod_class, source, -count)
        self.put(pod_class, target, count)

    def put(self, pod_class: int, node: int, count: int) -> None:
        """Add ``count`` pods of a class to a node, or take them off where it is negative."""
        problem = self.tables.problem
        cell = self.cells[node]
        left = cell.get(pod_class, 0) + count
        if left < 0:
            raise ValueError(f"{problem.node_names[node]} has no {-left} pods of {problem.class_names[pod_class]} left")
        if left:
            cell[pod_class] = left
        else:
            del cell[pod_class]
        self.free[node] -= count * problem.requests[pod_class]
        self._price(pod_class, node, count)
        self._count(pod_class, node, count)
        self._draw(node, count * int(problem.accelerator_mw[pod_class]))

    def _price(self, pod_class: int, node: int, count: int) -> None:
        before = self.delta.get((pod_class, node), 0)
        after = before + count
        if after:
            self.delta[pod_class, node] = after
        else:
            self.delta.pop((pod_class, node), None)
        missing = max(0, -after) - max(0, -before)
        self.cost += missing * int(self.tables.problem.move_cost[pod_class])

    def _count(self, pod_class: int, node: int, count: int) -> None:
        rules = self.tables.rules
        problem = self.tables.problem
        for i in rules.carried.get(pod_class, ()):
            if (zone := problem.rules[i].zone[node]) >= 0:
                self.carriers[i][zone] += count
        for i in rules.targeted.get(pod_class, ()):
            rule = problem.rules[i]
            if (zone := rule.zone[node]) >= 0 and (rule.kind != "spread" or rule.counted[node]):
                self.targets[i][zone] += count

    def _draw(self, node: int, accelerator_mw: int) -> None:
        problem = self.tables.problem
        use = problem.allocatable[node, -1] - self.free[node, -1]
        curve = int(self.tables.curves.watts(problem.node_type[node : node + 1], np.array([use]))[0])
        change = curve - int(self.curve_mw[node]) + accelerator_mw
        self.curve_mw[node] = curve
        self.accelerator_mw[node] += accelerator_mw
        rows, weights = self.tables.rows.of(node)
        self.load[rows] += weights * change

    def row_excess(self) -> Ints:
        """Milliwatts that each row draws above its budget, rounded up; 0 where it holds."""
        scale = self.tables.problem.row_scale
        excess: Ints = np.maximum(0, -((self.tables.rows.limit - self.load) // scale))
        return excess

    def node_excess(self) -> Ints:
        """Milliwatts that each node draws above its own budget."""
        excess: Ints = np.maximum(0, self.node_mw - self.tables.node_limit)
        return excess

    def overload_mw(self) -> int:
        """Milliwatts above budgets: every node's, and of every domain its worst row's."""
        rows = self.row_excess()
        domains = sum(int(rows[members].max()) for members in self.tables.rows.domain_rows)
        return domains + int(self.node_excess().sum())

    def overcommitment_mw(self) -> int:
        """Requests beyond what nodes offer, as a share of the node times its peak draw: a measure to compare by."""
        short = np.maximum(0, -self.free)
        if not short.any():
            return 0
        node, resource = np.nonzero(short)
        offered = np.maximum(1, self.tables.problem.allocatable[node, resource])
        share = short[node, resource] / offered
        return int(np.ceil(share * self.tables.peak_mw[node]).sum())

    def distress_mw(self) -> int:
        """What the first objective minimises: overload and overcommitment."""
        return self.overload_mw() + self.overcommitment_mw()

    def node_room(self, nodes: Ints | None = None, ceiling: Ints | None = None) -> Ints:
        """Milliwatts that nodes may draw more before some budget above them, or their own, is reached.

        Parameters
        ----------
        nodes : int64 array, optional
            Which nodes; all when None.
        ceiling : int64 array, shape (K,), optional
            Loads that rows may reach even above their budgets, because they came from there.
        """
        rows = self.tables.rows
        which: Ints | slice = slice(None) if nodes is None else nodes
        limit = rows.limit if ceiling is None else np.maximum(rows.limit, ceiling)
        slack = np.append(limit - self.load, ROOMY)
        room = (slack[rows.wide_row[which]] // rows.wide_weight[which]).min(axis=1)
        own = self.tables.node_limit[which] - self.curve_mw[which] - self.accelerator_mw[which]
        least: Ints = np.minimum(np.minimum(room, own), ROOMY)
        return least

    def rise(self, pod_class: int, nodes: Ints | None = None) -> Ints:
        """Milliwatts by which nodes' draws (all nodes' when None) would rise with one more pod of a class."""
        problem = self.tables.problem
        which: Ints | slice = slice(None) if nodes is None else nodes
        use = problem.allocatable[which, -1] - self.free[which, -1] + problem.use_ucores[pod_class]
        with_it = self.tables.curves.watts(problem.node_type[which], use)
        rise: Ints = with_it - self.curve_mw[which] + problem.accelerator_mw[pod_class]
        return rise

    def fall(self, pod_classes: Ints, nodes: Ints) -> Ints:
        """Milliwatts by which each node's draw would fall without one pod of the class beside it."""
        problem = self.tables.problem
        use = problem.allocatable[nodes, -1] - self.free[nodes, -1] - problem.use_ucores[pod_classes]
        without = self.tables.curves.watts(problem.node_type[nodes], use)
        fall: Ints = self.curve_mw[nodes] - without + problem.accelerator_mw[pod_classes]
        return fall

    def movable_cells(self, nodes: Ints) -> tuple[Ints, Ints, Ints]:
        """Classes, nodes and counts of the movable pods on some nodes."""
        movable = self.tables.problem.movable
        found = [(c, n, k) for n in nodes.tolist() for c, k in self.cells[n].items() if movable[c]]
        table = np.array(found, dtype=np.int64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


def found_state(tables: Tables) -> State:
    """Return the placement as it was found."""
    problem = tables.problem
    node, pods, count = problem.cell_node, problem.cell_class, problem.cell_count.astype(np.int64)
    taken = np.zeros_like(problem.allocatable)
    np.add.at(taken, node, problem.requests[pods] * count[:, None])
    accelerator = np.zeros(problem.node_count, dtype=np.int64)
    np.add.at(accelerator, node, problem.accelerator_mw[pods] * count)
    curve = tables.curves.watts(problem.node_type, taken[:, -1])
    cells: list[dict[int, int]] = [{} for _ in range(problem.node_count)]
    for n, c, k in zip(node.tolist(), pods.tolist(), count.tolist(), strict=True):
        cells[n][c] = k
    load = problem.row_weights @ (curve + accelerator)
    carriers, targets = _zone_counts(tables)
    return State(
        tables, cells, problem.allocatable - taken, curve, accelerator, np.asarray(load), {}, 0, carriers, targets
    )


def _zone_counts(tables: Tables) -> tuple[list[Ints], list[Ints]]:
    problem = tables.problem
    carriers, targets = [], []
    for rule in problem.rules:
        zone = rule.zone[problem.cell_node]
        carried = np.isin(problem.cell_class, rule.carriers) & (zone >= 0)
        counted = np.isin(problem.cell_class, rule.targets) & (zone >= 0)
        if rule.kind == "spread":
            counted &= rule.counted[problem.cell_node]
        carriers.append(_bincount(zone[carried], problem.cell_count[carried], rule.zone_count))
        targets.append(_bincount(zone[counted], problem.cell_count[counted], rule.zone_count))
    return carriers, targets


def _bincount(zone: NDArray[np.int32], count: NDArray[np.int32], zones: int) -> Ints:
    return np.bincount(zone, weights=count, minlength=zones).astype(np.int64)
