"""PowerPlane in a simulated cluster: it looks, plans where a budget is broken, and carries the plan out at its pace."""

from collections.abc import Callable

import numpy as np

from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.simulator.migration import Rollout
from powerplane.simulator.observing import Observer
from powerplane.simulator.power import surviving
from powerplane.simulator.seen_snapshot import seen_snapshot
from powerplane.simulator.settings import PlanSettings, SensorSettings
from powerplane.simulator.world import World

Planner = Callable[[Snapshot], Plan | None]
"""Makes a checked plan of a snapshot; None where there is none."""

LONGEST_WAIT_S = 3600.0
"""Between two looks, where nothing helps."""


class Planning:
    """PowerPlane: looks every few minutes, plans where a budget is broken, and carries the plan out."""

    def __init__(self, world: World, settings: PlanSettings, sensors: SensorSettings, planner: Planner) -> None:
        self._world, self._settings, self._planner = world, settings, planner
        self._observer = Observer(world, sensors)
        self._next_s = settings.every_s
        self._wait_s = settings.every_s
        self._rollout: Rollout | None = None
        self._lost: tuple[str, ...] = ()
        self._incidence: PowerIncidence | None = None
        self._moved = 0
        self.plans = 0

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        return self._moved + (self._rollout.moved if self._rollout else 0)

    def act(self) -> None:
        """Go on with a plan, or look whether one is needed."""
        world = self._world
        self._observer.look()
        if tuple(world.supply.lost) != self._lost:
            self._notice_loss()
        if self._rollout is not None:
            self._carry_on(self._rollout)
        elif world.now_s + 1e-9 >= self._next_s:
            self._next_s = world.now_s + self._wait_s
            self._plan()

    def _notice_loss(self) -> None:
        """Plan anew soon after a feed is lost or returns: what was planned before no longer holds."""
        world = self._world
        self._lost, self._incidence = tuple(world.supply.lost), None
        if self._rollout is not None:
            self._rollout.give_up("the power tree changed")
        self._wait_s = self._settings.every_s
        self._next_s = min(self._next_s, world.now_s + world.spec.pace.notice_s)

    def _carry_on(self, rollout: Rollout) -> None:
        self._world.say(rollout.step())
        if rollout.done:
            self._moved += rollout.moved
            refused = f", {rollout.refused} were no longer possible" if rollout.refused else ""
            self._world.say(f"{rollout.moved:,} pods moved in {rollout.waves_done} waves, all ready{refused}")
            self._rollout = None
            self._next_s = min(self._next_s, self._world.now_s + self._settings.every_s)

    def _plan(self) -> None:
        world = self._world
        snapshot = None
        if self._may_be_over():
            snapshot = seen_snapshot(world, self._observer, self._settings.margin)
        plan = self._planner(snapshot) if snapshot is not None else None
        if plan is None or not plan.moves:
            # Nothing to be done, or nothing that helps: ask less often while that lasts.
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S) if snapshot is not None else self._settings.every_s
            return
        self._wait_s = self._settings.every_s
        self.plans += 1
        rest = f", {plan.overload_watts:,.0f} W still above budgets" if plan.overload_watts else ""
        world.say(f"a plan of {len(plan.moves):,} moves ({plan.status}{rest})")
        self._rollout = Rollout(world, plan, world.now_s + self._settings.solve_s, lenient=True)

    def _may_be_over(self) -> bool:
        """Whether some budget is broken by what pods used at their highest of late, also with one more feed lost."""
        world, observer = self._world, self._observer
        if self._incidence is None:
            left = surviving(world.supply.topology, world.supply.lost)
            self._incidence = compile_incidence(left, world.nodes) if left.domains else None
        incidence = self._incidence
        if incidence is None:
            return False
        pods, count = world.pods, len(world.nodes)
        where = pods.node + 1
        use = np.zeros(len(pods))
        use[: len(observer.pod_cores)] = observer.pod_cores
        devices = np.zeros(len(pods))
        devices[: len(observer.pod_device_watts)] = observer.pod_device_watts
        busy = np.bincount(where, use, count + 1)[1:]
        machines = world.machines
        watts = machines.host_watts(np.minimum(busy, machines.cores)) + machines.device_idle + observer.unattributed
        watts = (watts + np.bincount(where, devices, count + 1)[1:]) * world.supply.lit
        budgets = world.supply.budget_watts * world.factors()
        rows = [world.supply.row[name] for name in incidence.domain]
        loads = (incidence.weights @ watts) / incidence.scale
        return bool((loads > budgets[rows]).any())
