"""Three bands about each budget, and who is limited: the least important nodes first, of those the hungriest.

As in Dynamo (Wu et al., ISCA 2016): nodes below a domain that comes near its budget are limited until it is well below,
and freed again once it is far below.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.limits import NO_LIMIT
from powerplane.simulator.observing import Observer
from powerplane.simulator.settings import SensorSettings, ThrottleSettings
from powerplane.simulator.world import World

Floats = NDArray[np.float64]

CAP_AT, CAP_TO, UNCAP_AT = 0.99, 0.95, 0.90
"""Of a budget: where nodes below are limited, to what they are brought, and where they are freed again."""
GROUPS_EVERY_S = 60.0


class Throttle:
    """Limits nodes below a domain that comes near its budget, the least important and the hungriest first."""

    moves = 0

    def __init__(self, world: World, settings: ThrottleSettings, sensors: SensorSettings) -> None:
        self._world, self._settings = world, settings
        self._observer = Observer(world, SensorSettings(settings.every_s, sensors.delay_s, sensors.noise))
        machines = world.machines
        self._lowest = np.maximum(settings.lowest * (machines.peak + machines.device_most), machines.idle)
        self._limits: dict[int, Floats] = {}
        self._next_s = 0.0
        self._groups = np.zeros(len(world.nodes), dtype=np.int64)
        self._groups_s = 0.0

    def act(self) -> None:
        """Look every few seconds; cap, hold or free."""
        world = self._world
        self._observer.look()
        if world.now_s + 1e-9 < self._next_s or (seen := self._observer.newest()) is None:
            return
        self._next_s = world.now_s + self._settings.every_s
        if world.now_s >= self._groups_s:
            self._groups_s = world.now_s + GROUPS_EVERY_S
            self._groups = node_priorities(world)
        if self._look(seen.node_watts):
            self._order()

    def _look(self, watts: Floats) -> bool:
        """Change the limits that each domain asks for; say whether any changed."""
        world = self._world
        loads = world.supply.loads(watts)
        budgets = world.supply.budget_watts * world.factors()
        changed = False
        for row in np.flatnonzero(loads >= CAP_AT * budgets).tolist():
            shares = world.supply.shares(row)
            need = float(loads[row] - CAP_TO * budgets[row])
            self._limits[row] = cut(watts, shares, need, self._lowest, self._groups)
            changed = True
        for row in [r for r in self._limits if loads[r] <= UNCAP_AT * budgets[r]]:
            del self._limits[row]
            changed = True
        return changed

    def _order(self) -> None:
        limits = np.full(len(self._world.nodes), NO_LIMIT)
        for each in self._limits.values():
            limits = np.minimum(limits, each)
        self._world.limit_nodes(np.arange(len(limits)), limits, self._settings.means)


def node_priorities(world: World) -> NDArray[np.int64]:
    """Priority of the most important pod on each node, DaemonSets' aside, shape (N,)."""
    pods, templates = world.pods, world.spec.base.templates
    value = np.array([-(10**9) if t.unmovable == "DaemonSet" else t.priority for t in templates], dtype=np.int64)
    result = np.full(len(world.nodes), -(10**9), dtype=np.int64)
    placed = np.flatnonzero(pods.node >= 0)
    np.maximum.at(result, pods.node[placed], value[pods.template[placed]])
    return result


def cut(watts: Floats, shares: Floats, need: float, lowest: Floats, groups: NDArray[np.int64]) -> Floats:
    """Find limits that take some watts off a domain.

    Within a group of one priority all nodes above one level are brought down to it: the highest first, as in Dynamo's
    high-bucket-first, with buckets of no width. No node goes below its lowest.

    Parameters
    ----------
    watts : float64 array, shape (N,)
        What nodes draw.
    shares : float64 array, shape (N,)
        Share of each node's watts that the domain carries.
    need : float
        Watts of the domain to take off.
    lowest : float64 array, shape (N,)
    groups : int64 array, shape (N,)
        Priority of each node; lower ones are limited first.

    Returns
    -------
    float64 array, shape (N,)
        Limits; ``NO_LIMIT`` for nodes that are left alone.
    """
    limits = np.full(len(watts), NO_LIMIT)
    inside = shares > 0
    for group in np.unique(groups[inside]).tolist():
        if need <= 0:
            break
        rows = np.flatnonzero(inside & (groups == group) & (watts > lowest))
        if not len(rows):
            continue
        level = _level(watts[rows], shares[rows], need, lowest[rows])
        held = np.maximum(level, lowest[rows])
        limited = rows[watts[rows] > held]
        limits[limited] = np.maximum(level, lowest[limited])
        need -= float((shares[limited] * (watts[limited] - limits[limited])).sum())
    return limits


def _level(watts: Floats, shares: Floats, need: float, lowest: Floats) -> float:
    """Level above which lies what is needed, down to each node's lowest; 0 when that is too little.

    What lies above a falling level grows in straight lines, which bend where the level passes a node's draw or lowest.
    """
    bends = np.concatenate([watts, lowest])
    order = np.argsort(-bends, kind="stable")
    bends = bends[order]
    slopes = np.cumsum(np.concatenate([shares, -shares])[order])
    above = np.concatenate([[0.0], np.cumsum(slopes[:-1] * (bends[:-1] - bends[1:]))])
    enough = np.flatnonzero(above >= need)
    if not len(enough):
        return 0.0
    first = int(enough[0])
    return float(bends[first] + (above[first] - need) / slopes[first - 1])
