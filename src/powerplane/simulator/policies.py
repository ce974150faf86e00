"""Policies that hold a simulated cluster under its budgets, one beside another.

none: nothing is done. static: each node is limited once to its share of every budget above it. throttle: nodes are
limited and freed again by three bands about each budget, as in Dynamo (Wu et al., ISCA 2016). plan: PowerPlane's plans,
carried out at their pace. plan+throttle: both.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from powerplane.models.incidence import PowerIncidence, compile_incidence
from powerplane.models.plan import Plan
from powerplane.models.snapshot import NO_BUDGET, Snapshot
from powerplane.simulator.limits import NO_LIMIT
from powerplane.simulator.migration import Rollout
from powerplane.simulator.observing import Observer
from powerplane.simulator.power import surviving
from powerplane.simulator.seen_snapshot import seen_snapshot
from powerplane.simulator.settings import PlanSettings, SensorSettings, ThrottleSettings
from powerplane.simulator.throttling import cut
from powerplane.simulator.world import World

Floats = NDArray[np.float64]

Planner = Callable[[Snapshot], Plan | None]
"""Makes a checked plan of a snapshot; None where there is none."""

CAP_AT, CAP_TO, UNCAP_AT = 0.99, 0.95, 0.90
"""Of a budget: where nodes below are limited, to what they are brought, and where they are freed again."""
GROUPS_EVERY_S = 60.0
LONGEST_WAIT_S = 3600.0


class Policy(Protocol):
    """Does what it can, between two steps."""

    def act(self) -> None:
        """Look at the world and act on it."""
        ...

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        ...


class Nothing:
    """Leaves the cluster alone."""

    moves = 0

    def act(self) -> None:
        """Do nothing."""


class Static:
    """Limits each node, once, to its share of the tightest budget above it, also with a feed lost."""

    moves = 0

    def __init__(self, world: World, settings: ThrottleSettings) -> None:
        self._world, self._settings, self._done = world, settings, False

    def act(self) -> None:
        """Set the limits at second 0."""
        if not self._done:
            self._done = True
            limits = static_limits(self._world)
            self._world.limit_nodes(np.arange(len(limits)), limits, self._settings.means)


def static_limits(world: World) -> Floats:
    """Watts of each node so that no budget can be broken, in proportion to the nodes' peaks, shape (N,)."""
    machines = world.machines
    peak = machines.peak + machines.device_most
    incidence = compile_incidence(world.supply.topology, world.nodes)
    limits = peak.copy()
    shares = incidence.weights.tocsr()
    for row, budget in enumerate(incidence.budget_mw.tolist()):
        if budget == NO_BUDGET:
            continue
        columns = shares.indices[shares.indptr[row] : shares.indptr[row + 1]]
        weights = shares.data[shares.indptr[row] : shares.indptr[row + 1]] / incidence.scale
        total = float((weights * peak[columns]).sum())
        limits[columns] = np.minimum(limits[columns], peak[columns] * budget / 1000 / max(total, 1e-9))
    return limits


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


class Together:
    """Several policies at once, one after the other at each step."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        return sum(policy.moves for policy in self._policies)

    def act(self) -> None:
        """Let each act."""
        for policy in self._policies:
            policy.act()
