"""Waiting pods placed by one mixed-integer program: the most that fit, where greedy leaves some out."""

from collections.abc import Sequence

import numpy as np

from powerplane.solver.highs import LinearAnswer, LinearModel, minimise
from powerplane.solver.partition_needs import Demand, Ground, Placement
from powerplane.solver.partition_rows import Ints

MOST_PAIRS = 6000
"""Pairs of kinds and nodes above which the program is not tried."""


class ExactPlacer:
    """Maximises the number of placed pods; tries only demands of one priority.

    Parameters
    ----------
    seconds : float
    seed : int
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self._seconds = seconds
        self._seed = seed

    def __call__(self, ground: Ground, demands: Sequence[Demand]) -> Placement | None:
        """Place pods, or answer None where the program is too large or finds nothing in time."""
        if len({demand.priority for demand in demands}) != 1 or len(demands) * len(ground.floor) > MOST_PAIRS:
            return None
        answer, pairs = most_pods(ground, demands, whole=True, seconds=self._seconds, seed=self._seed)
        if answer.values is None:
            return None
        watts = np.zeros_like(ground.floor)
        placed = []
        for (row, node), value in zip(pairs, answer.values.tolist(), strict=True):
            if count := round(value):
                watts[node] += count * demands[row].watts
                placed.append((row, node, count))
        if not _holds(ground, demands, watts, placed):
            return None
        total = sum(demand.count for demand in demands)
        return Placement(watts, tuple(placed), total - sum(count for _, _, count in placed))


def _holds(ground: Ground, demands: Sequence[Demand], watts: Ints, placed: list[tuple[int, int, int]]) -> bool:
    """Check in integers what the program says in floats."""
    free = ground.free.copy()
    for row, node, count in placed:
        free[node] -= count * np.array(demands[row].requests, dtype=np.int64)
    nodes = [node for _, node, _ in placed]
    loads = ground.rows.load(ground.floor + watts)
    within = (loads <= ground.rows.limit) | (loads == ground.rows.load(ground.floor))
    grown = watts > 0
    capped = (ground.floor + watts)[grown] <= ground.cap[grown]
    return bool(within.all() and capped.all() and (free[nodes] >= 0).all())


def most_pods(
    ground: Ground, demands: Sequence[Demand], *, whole: bool, seconds: float, seed: int = 0
) -> tuple[LinearAnswer, list[tuple[int, int]]]:
    """Maximise the number of placed pods (the answer's objective is its negative).

    Parameters
    ----------
    ground : Ground
    demands : sequence of Demand
    whole : bool
        Whether pods are whole; else the optimum is an upper bound of any placement.
    seconds : float
        Wall seconds.
    seed : int

    Returns
    -------
    LinearAnswer, list of (demand, node)
        The latter names the columns.
    """
    model = LinearModel()
    # A row that the floors break already takes no more; the limits leave whole watts, and floats their tolerance.
    slack = np.maximum(ground.rows.slack(ground.floor), 0)
    room = np.minimum(ground.rows.room(slack), np.maximum(ground.cap - ground.floor, 0))
    of_node: dict[int, list[tuple[int, int]]] = {}
    pairs: list[tuple[int, int]] = []
    for row, demand in enumerate(demands):
        fits = ground.allowed[demand.allowed_row] & (room >= demand.watts)
        fits &= (ground.free >= np.array(demand.requests, dtype=np.int64)).all(axis=1)
        columns = []
        for node in np.flatnonzero(fits).tolist():
            column = model.column(-1.0, 0.0, float(demand.count), whole=whole)
            columns.append(column)
            pairs.append((row, node))
            of_node.setdefault(node, []).append((column, row))
        if columns:
            model.row(columns, [1.0] * len(columns), upper=float(demand.count))
    _node_rows(model, ground, demands, of_node)
    _power_rows(model, ground, demands, of_node, slack)
    return minimise(model.program(), seconds=seconds, seed=seed), pairs


def _node_rows(
    model: LinearModel, ground: Ground, demands: Sequence[Demand], of_node: dict[int, list[tuple[int, int]]]
) -> None:
    for node, entries in of_node.items():
        columns = [column for column, _ in entries]
        left = float(max(0, int(ground.cap[node] - ground.floor[node])))
        model.row(columns, [float(demands[row].watts) for _, row in entries], upper=left)
        for resource in range(ground.free.shape[1]):
            # In shares of what is left: bytes and milli-cores side by side would strain the floats.
            unit = max(1, int(ground.free[node, resource]))
            shares = [demands[row].requests[resource] / unit for _, row in entries]
            model.row(columns, shares, upper=1.0)


def _power_rows(
    model: LinearModel,
    ground: Ground,
    demands: Sequence[Demand],
    of_node: dict[int, list[tuple[int, int]]],
    slack: Ints,
) -> None:
    for k in range(len(slack)):
        nodes, weights = ground.rows.members(k)
        columns: list[int] = []
        values: list[float] = []
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            for column, row in of_node.get(node, ()):
                columns.append(column)
                values.append(float(weight * demands[row].watts))
        if columns:
            model.row(columns, values, upper=float(slack[k]))
