"""What Kubernetes does with pods: places those that wait, starts and ends them, gives those of dark nodes up.

Pods of an unreachable node are given up after `Pace.not_ready_s`, by the defaults of Kubernetes' controllers.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.load import Demand
from powerplane.simulator.placing import Placer
from powerplane.simulator.pods import NEVER, NOWHERE, Phase, PodTable
from powerplane.simulator.replicas import Replicas
from powerplane.simulator.spec import WorldSpec

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

MANY = 64
"""Waiting pods from which on it is asked first whose templates fit anywhere at all."""
RETRY_S = 30.0
"""After which a pod that found no node is tried again although nothing left meanwhile."""


class Owners:
    """Deployments, jobs, DaemonSets and their pods.

    Attributes
    ----------
    placer : Placer
    closed : bool array, shape (N,)
        Nodes that a policy keeps new pods off.
    moved : int
        Pods that came to the targets of moves and were ready.
    """

    def __init__(self, spec: WorldSpec, pods: PodTable, demand: Demand) -> None:
        self._spec, self._pods, self._demand = spec, pods, demand
        self.placer = Placer(spec.base)
        self._random = np.random.default_rng([spec.seed, 2])
        self._replicas = Replicas(spec, pods, demand, self.placer.requests[:, 0] / 1000.0)
        workloads = spec.workloads
        self._daemon = np.array([w.kind == "DaemonSet" for w in workloads], dtype=bool)
        self._priority = np.array([t.priority for t in spec.base.templates], dtype=np.int64)
        self._stays = np.array([bool(t.unmovable) for t in spec.base.templates], dtype=bool)
        self._retry_s = 0.0
        self.closed: Mask = np.zeros(len(spec.base.nodes), dtype=bool)
        self._freed = True
        self._given_up = False
        self._recovered = 0
        self.moved = 0

    def begin(self, ready: Mask) -> None:
        """Fill the cluster: book what runs, and start everything else as if it had run for long."""
        pods = self._pods
        given = pods.rows(Phase.RUNNING)
        self._demand.meet(pods.rows(Phase.RUNNING, Phase.WAITING))
        self._use_of_snapshot()
        for row in given.tolist():
            self._book(row, int(pods.node[row]))
        for template, workload in enumerate(self._spec.workloads):
            if workload.kind == "DaemonSet":
                for node in np.flatnonzero(self.placer.eligible(template)).tolist():
                    if not self.placer.held[template, node]:
                        self._sit(self._replicas.add(template), node, 0.0, at_once=True)
        self._replicas.begin()
        self._place(0.0, ready, at_once=True)

    def act(self, now_s: float, lit: Mask, ready: Mask) -> str:
        """Do what is due; return what there is to tell, or ""."""
        self._advance(now_s, lit)
        self._wake(now_s, ready)
        self._freed |= self._replicas.act(now_s)
        if self._freed or now_s >= self._retry_s:
            self._recovered = 0
            self._place(now_s, ready & ~self.closed)
        if not self._given_up:
            return ""
        self._given_up = False
        waiting = len(self._pods.rows(Phase.WAITING))
        return f"Kubernetes gives up the dark nodes: {self._recovered:,} pods find another, {waiting:,} wait for one"

    def darken(self, lit: Mask, given_up_s: float) -> None:
        """Stop pods on nodes without power; they are given up at a moment unless their nodes return before."""
        pods = self._pods
        placed = pods.rows(Phase.STARTING, Phase.RUNNING, Phase.LEAVING)
        dark = placed[~lit[pods.node[placed]]]
        for row in dark[pods.phase[dark] == Phase.LEAVING].tolist():
            self._forget_target(row)
        pods.phase[dark] = Phase.DARK
        pods.lost[dark], pods.moving[dark] = True, False
        pods.changed()
        pods.until_s[dark] = np.where(self._stays[pods.template[dark]], NEVER, given_up_s)

    def move(self, row: int, target: int, now_s: float, grace_s: float, start_s: float) -> None:
        """Evict a running pod whose replacement starts on a node: room there is taken at once."""
        pods = self._pods
        pods.phase[row], pods.target[row], pods.until_s[row] = Phase.LEAVING, target, now_s + grace_s
        pods.start_s[row] = start_s
        pods.changed()
        self._book(row, target)

    def evict(self, row: int, now_s: float, grace_s: float) -> int:
        """End a running pod; its owner makes another at once, which is placed as any new one; return that one's row."""
        pods = self._pods
        pods.phase[row], pods.target[row], pods.until_s[row] = Phase.LEAVING, NOWHERE, now_s + grace_s
        fresh = self._replicas.add(int(pods.template[row]))
        for column in (pods.cores, pods.device_watts, pods.duration_s):
            column[fresh] = column[row]
        pods.changed()
        self._freed = True
        return fresh

    def let_go(self, row: int, node: int, now_s: float, ready: Mask) -> None:
        """Take the gate off a waiting pod; it starts on a node where it fits, else it is placed as any other."""
        self._pods.gated[row] = False
        self._pods.changed()
        self._freed = True
        if node != NOWHERE and ready[node] and self.fits(row, node):
            self._sit(row, node, now_s, at_once=False)

    def fits(self, row: int, target: int) -> bool:
        """Whether a node has room for a pod by its requests."""
        template = int(self._pods.template[row])
        return bool((self.placer.free[target] >= self.placer.requests[template]).all())

    def serving_count(self) -> int:
        """Pods that serve, DaemonSets' aside."""
        return int(self._demand.serving()[~self._daemon].sum())

    def lost_count(self) -> int:
        """Pods that do not serve since their node lost power, DaemonSets' (which live with their node) aside."""
        rows = np.flatnonzero(self._pods.lost)
        return int((~self._daemon[self._pods.template[rows]]).sum())

    def moving_count(self) -> int:
        """Pods between their stop and their being ready elsewhere."""
        return int(self._pods.moving.sum())

    def waiting_count(self) -> int:
        """Pods that wait for a node."""
        return len(self._pods.rows(Phase.WAITING))

    def _use_of_snapshot(self) -> None:
        """Let pods that a snapshot brought use what it says, on average a little less than that high quantile."""
        pods, base = self._pods, self._spec.base
        count = len(base.pods)
        fixed = np.array([w.kind in ("Fixed", "DaemonSet") for w in self._spec.workloads], dtype=bool)
        mean = np.array([1.0 / (1.0 + w.wobble) for w in self._spec.workloads])[base.pods.template]
        own = fixed[base.pods.template]
        pods.cores[:count] = np.where(own, base.pods.use_ucores / 1e6 * mean, pods.cores[:count])
        pods.device_watts[:count] = np.where(own, base.pods.accelerator_mw / 1e3 * mean, 0.0)

    def _advance(self, now_s: float, lit: Mask) -> None:
        pods = self._pods
        due = np.flatnonzero(pods.until_s <= now_s)
        if not len(due):
            return
        pods.changed()
        phase = pods.phase[due]
        for row in due[phase == Phase.STARTING].tolist():
            self._run(row, now_s)
        for row in due[phase == Phase.RUNNING].tolist():
            self._end(row)
        for row in due[phase == Phase.LEAVING].tolist():
            self._arrive_at_target(row, now_s, lit)
        for row in due[phase == Phase.DARK].tolist():
            self._give_up(row)

    def _run(self, row: int, now_s: float) -> None:
        pods = self._pods
        pods.phase[row], pods.began_s[row] = Phase.RUNNING, now_s
        self.moved += int(pods.moving[row])
        pods.lost[row] = pods.moving[row] = False
        duration = pods.duration_s[row]
        pods.until_s[row] = now_s + duration if duration > 0 else NEVER

    def _end(self, row: int) -> None:
        self._unbook(row, int(self._pods.node[row]))
        self._pods.remove(row)

    def _arrive_at_target(self, row: int, now_s: float, lit: Mask) -> None:
        pods = self._pods
        target, source = int(pods.target[row]), int(pods.node[row])
        if target == NOWHERE:
            self._end(row)
            return
        start_s = float(pods.start_s[row])
        self._unbook(row, source)
        pods.node[row], pods.target[row] = target, NOWHERE
        pods.renew(row)
        pods.phase[row], pods.until_s[row], pods.moving[row] = Phase.STARTING, now_s + start_s, True
        if not lit[target]:
            pods.phase[row], pods.lost[row], pods.moving[row] = Phase.DARK, True, False
            pods.until_s[row] = now_s + self._spec.pace.not_ready_s

    def _give_up(self, row: int) -> None:
        pods = self._pods
        self._unbook(row, int(pods.node[row]))
        pods.renew(row)
        pods.node[row], pods.phase[row], pods.until_s[row] = NOWHERE, Phase.WAITING, NEVER
        self._given_up = self._freed = True

    def _forget_target(self, row: int) -> None:
        target = int(self._pods.target[row])
        if target != NOWHERE:
            self._unbook(row, target)
            self._pods.target[row] = NOWHERE

    def _wake(self, now_s: float, ready: Mask) -> None:
        pods = self._pods
        rows = pods.rows(Phase.DARK)
        for row in rows[ready[pods.node[rows]]].tolist():
            self._start(row, now_s)

    def _start(self, row: int, now_s: float) -> None:
        low, high = self._spec.pace.start_s
        self._pods.changed()
        self._pods.phase[row] = Phase.STARTING
        self._pods.until_s[row] = now_s + int(self._random.integers(low, high, endpoint=True))

    def _place(self, now_s: float, ready: Mask, *, at_once: bool = False) -> None:
        """Give waiting pods nodes, highest priority first; a template that fits nowhere is not asked about again."""
        self._freed, self._retry_s = False, now_s + RETRY_S
        pods = self._pods
        waiting = pods.rows(Phase.WAITING)
        waiting = waiting[~pods.gated[waiting]]
        if not len(waiting):
            return
        if len(waiting) > MANY:
            asked_for = np.unique(pods.template[waiting])
            fitting = [t for t in asked_for.tolist() if self.placer.choose(t, ready) != NOWHERE]
            waiting = waiting[np.isin(pods.template[waiting], fitting)]
        order = np.lexsort((pods.serial[waiting], -self._priority[pods.template[waiting]]))
        choices: Iterator[int] = iter(())
        asked, full = NOWHERE, set[int]()
        for row in waiting[order].tolist():
            template = int(pods.template[row])
            if template in full:
                continue
            if template != asked:
                choices, asked = self.placer.choices(template, ready), template
            if (node := next(choices, NOWHERE)) == NOWHERE:
                full.add(template)
                continue
            self._sit(row, node, now_s, at_once=at_once)
            self._recovered += 1

    def _sit(self, row: int, node: int, now_s: float, *, at_once: bool) -> None:
        self._pods.node[row] = node
        self._pods.changed()
        self._book(row, node)
        if at_once:
            self._run(row, now_s)
        else:
            self._start(row, now_s)

    def _book(self, row: int, node: int) -> None:
        template = int(self._pods.template[row])
        self.placer.take(template, node)
        if count := int(self._demand.accelerators[template]):
            holder = self._demand.device_pod
            free = np.flatnonzero((self._spec.devices.node == node) & (holder == -1))
            holder[free[:count]] = row

    def _unbook(self, row: int, node: int) -> None:
        template = int(self._pods.template[row])
        self.placer.release(template, node)
        self._freed = True
        if self._demand.accelerators[template]:
            holder = self._demand.device_pod
            holder[(self._spec.devices.node == node) & (holder == row)] = -1
