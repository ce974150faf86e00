"""PowerPlane in a simulated cluster: it looks, plans where a budget is broken, and carries the plan out at its pace."""

from collections.abc import Callable

import numpy as np

from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.plan import Plan
from powerplane.models.snapshot import Snapshot
from powerplane.simulator.migration import Rollout
from powerplane.simulator.observing import Observer
from powerplane.simulator.physics import sum_by
from powerplane.simulator.power import surviving
from powerplane.simulator.seen_snapshot import seen_snapshot
from powerplane.simulator.settings import PlanSettings, SensorSettings
from powerplane.simulator.workload import Floats
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
        fresh = self._observer.look()
        if tuple(world.supply.lost) != self._lost:
            self._notice_loss()
        if fresh and self._settings.steer:
            self._steer()
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
        loads, budgets, _ = self._predicted()
        return bool((loads > budgets).any())

    def _steer(self) -> None:
        """Close nodes to new pods where a domain above is within the margin of its budget."""
        world = self._world
        world.owners.closed[:] = False
        loads, budgets, incidence = self._predicted()
        full = np.flatnonzero(loads > (1.0 - self._settings.margin) * budgets)
        if incidence is not None and len(full):
            below = np.asarray(incidence.weights[full].sum(axis=0)).ravel() > 0
            world.owners.closed[:] = below

    def _predicted(self) -> tuple[Floats, Floats, PowerIncidence | None]:
        """What each row of domains would carry with pods at their highest of late, and may, in watts; and the rows."""
        world, observer = self._world, self._observer
        if self._incidence is None:
            left = surviving(world.supply.topology, world.supply.lost)
            self._incidence = compile_incidence(left, world.nodes) if left.domains else None
        incidence = self._incidence
        if incidence is None:
            return np.zeros(0), np.zeros(0), None
        machines, count = world.machines, len(world.nodes)
        seen = len(observer.pod_cores)
        where = world.pods.node[:seen] + 1
        busy = sum_by(where, observer.pod_cores, count + 1)[1:]
        devices = sum_by(where, observer.pod_device_watts, count + 1)[1:]
        watts = machines.host_watts(np.minimum(busy, machines.cores)) + machines.device_idle + observer.unattributed
        watts = (watts + devices) * world.supply.lit
        budgets = world.supply.budget_watts * world.factors()
        rows = [world.supply.row[name] for name in incidence.domain]
        return np.asarray(incidence.weights @ watts) / incidence.scale, budgets[rows], incidence
