"""A person who is alerted when a budget is broken, comes after some minutes, and evicts pods until it holds again.

What the person does is `kubectl cordon` of the nodes below and `kubectl delete pod`: the least important pods first, of
those the hungriest. Kubernetes places the pods anew without a thought for power.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.observing import Observer
from powerplane.simulator.pods import Phase
from powerplane.simulator.settings import HandSettings, SensorSettings
from powerplane.simulator.workload import Floats
from powerplane.simulator.world import World

BELOW = 0.97
"""Of a budget: to what the person brings it down."""
CALM = 0.90
"""Of a budget: where the alert is taken for over and the nodes below take pods again."""


class ByHand:
    """Evicts after an alert, when somebody has come.

    Parameters
    ----------
    world : World
    settings : HandSettings
    sensors : SensorSettings
    """

    def __init__(self, world: World, settings: HandSettings, sensors: SensorSettings) -> None:
        self._world, self._settings = world, settings
        self._observer = Observer(world, sensors)
        self._random = np.random.default_rng([world.spec.seed, 7])
        self._due_s: dict[int, float] = {}
        self._cordoned: dict[int, NDArray[np.bool_]] = {}
        self.moves = 0

    def act(self) -> None:
        """Look at what sensors say; do what is due."""
        if not self._observer.look() or (seen := self._observer.newest()) is None:
            return
        world = self._world
        loads, budgets = world.supply.loads(seen.node_watts), world.supply.budget_watts * world.factors()
        self._calm_down(loads, budgets)
        for row in np.flatnonzero(loads > budgets).tolist():
            due_s = self._due_s.setdefault(row, world.now_s + self._settings.reaction_s)
            if world.now_s + 1e-9 >= due_s:
                self._due_s[row] = world.now_s + self._settings.again_s
                self._evict_below(row, float(loads[row] - BELOW * budgets[row]))

    def _calm_down(self, loads: Floats, budgets: Floats) -> None:
        over = [row for row in self._due_s if loads[row] <= CALM * budgets[row]]
        for row in over:
            del self._due_s[row]
            self._cordoned.pop(row, None)
        if over:
            self._cordon()

    def _cordon(self) -> None:
        closed = self._world.owners.closed
        closed[:] = False
        for nodes in self._cordoned.values():
            closed |= nodes

    def _evict_below(self, row: int, need: float) -> None:
        world, pods = self._world, self._world.pods
        shares = world.supply.shares(row)
        self._cordoned[row] = shares > 0
        self._cordon()
        watts, done = self._pod_watts(), 0
        grace = world.spec.pace.grace_s
        for pod in self._candidates(shares, watts):
            if need <= 0:
                break
            need -= float(watts[pod] * shares[pods.node[pod]])
            world.owners.evict(pod, world.now_s, float(self._random.integers(*grace, endpoint=True)))
            done += 1
        self.moves += done
        if done:
            world.say(f"somebody deletes {done:,} pods below {world.supply.names[row]}")

    def _candidates(self, shares: Floats, watts: Floats) -> list[int]:
        """Running pods below a domain: the least important first, of those the hungriest."""
        pods, templates = self._world.pods, self._world.spec.base.templates
        rows = pods.rows(Phase.RUNNING)
        rows = rows[(shares[pods.node[rows]] > 0) & (rows < len(watts))]
        rows = rows[[not templates[t].unmovable for t in pods.template[rows].tolist()]] if len(rows) else rows
        priority = np.array([templates[t].priority for t in pods.template[rows].tolist()], dtype=np.int64)
        order: list[int] = rows[np.lexsort((-watts[rows], priority))].tolist()
        return order

    def _pod_watts(self) -> Floats:
        """What each pod draws beyond its node's idle draw, as far as it was seen."""
        observer, machines = self._observer, self._world.machines
        none = np.zeros(len(machines.cores))
        a_core = (machines.host_watts(machines.cores) - machines.host_watts(none)) / machines.cores
        seen = len(observer.pod_cores)
        node = np.maximum(self._world.pods.node[:seen], 0)
        result: Floats = observer.pod_device_watts + observer.pod_cores * a_core[node]
        return result
