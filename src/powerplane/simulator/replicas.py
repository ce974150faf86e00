"""How many pods owners want: Deployments' replicas, autoscalers that follow load, jobs that come.

By the defaults of Kubernetes' controllers: an autoscaler looks every 15 s, tolerates a tenth, and shrinks to the
highest wish of the last 5 minutes.
"""

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.load import Demand
from powerplane.simulator.physics import sum_by
from powerplane.simulator.pods import NOWHERE, Phase, PodTable
from powerplane.simulator.spec import WorldSpec

LOOK_EVERY_S = 15.0
TOLERANCE = 0.1
SHRINK_AFTER_LOOKS = 20
"""Looks of an autoscaler in 5 minutes."""


class Replicas:
    """Makes pods, which then wait for a node, and lets them go.

    Parameters
    ----------
    spec : WorldSpec
    pods : PodTable
    demand : Demand
    requested : float64 array, shape (T,)
        CPUs that a pod of each template requests.
    """

    def __init__(self, spec: WorldSpec, pods: PodTable, demand: Demand, requested: NDArray[np.float64]) -> None:
        self._spec, self._pods, self._demand, self._requested = spec, pods, demand, requested
        self._random = np.random.default_rng([spec.seed, 6])
        self._arrivals = np.random.default_rng([spec.seed, 3])
        self._scaled = [i for i, w in enumerate(spec.workloads) if w.autoscaling is not None]
        self._jobs = [i for i, w in enumerate(spec.workloads) if w.arrivals is not None]
        self._wishes: list[NDArray[np.int64]] = []
        self._next_look_s = 0.0

    def begin(self) -> None:
        """Make the pods of Deployments and jobs as if these had run for long."""
        for template, workload in enumerate(self._spec.workloads):
            if workload.kind == "Deployment":
                for _ in range(workload.replicas):
                    self.add(template)
            elif workload.arrivals is not None:
                running = workload.arrivals.per_hour * workload.arrivals.minutes / 60
                for _ in range(int(self._arrivals.poisson(running * float(self._demand.levels(0.0)[template])))):
                    self._add_job(template, left=True)

    def act(self, now_s: float) -> bool:
        """Do what is due; return whether there are new pods."""
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + LOOK_EVERY_S
        grown = self._scale(now_s) if self._scaled else False
        return self._arrive(LOOK_EVERY_S, now_s) or grown

    def add(self, template: int) -> int:
        """Make a pod that waits; return its row."""
        row = self._pods.add(template)
        self._demand.meet(np.array([row]))
        return row

    def _scale(self, now_s: float) -> bool:
        """Follow the load; return whether pods were added."""
        demand, rows = self._demand, np.array(self._scaled)
        rules = [self._spec.workloads[i].autoscaling for i in self._scaled]
        level = demand.levels(now_s)[rows]
        total = level * demand.replicas[rows] * demand.cores[rows]
        requests = self._requested[rows]
        target = np.array([rule.target for rule in rules if rule]) * requests
        pods = self._pods
        alive = (pods.phase != Phase.FREE) & ~((pods.phase == Phase.LEAVING) & (pods.target == NOWHERE))
        have = sum_by(pods.template, alive.astype(np.float64), len(demand.cores))[rows].astype(np.int64)
        ratio = total / np.maximum(have * target, 1e-12)
        wish = np.where(np.abs(ratio - 1.0) <= TOLERANCE, have, np.ceil(total / target - 1e-9).astype(np.int64))
        wish = np.clip(wish, [rule.least for rule in rules if rule], [rule.most for rule in rules if rule])
        self._wishes = [*self._wishes[1 - SHRINK_AFTER_LOOKS :], wish]
        wish = np.where(wish < have, np.minimum(have, np.max(self._wishes, axis=0)), wish)
        for template, more in zip(self._scaled, (wish - have).tolist(), strict=True):
            if more > 0:
                for _ in range(more):
                    self.add(template)
            elif more < 0:
                self._shrink(template, -more, now_s)
        return bool((wish > have).any())

    def _shrink(self, template: int, count: int, now_s: float) -> None:
        """Let pods go: those that wait first, then the youngest, as a ReplicaSet does."""
        pods = self._pods
        mine = np.flatnonzero(pods.template == template)
        for row in mine[pods.phase[mine] == Phase.WAITING][:count].tolist():
            pods.remove(row)
            count -= 1
        running = mine[(pods.phase[mine] == Phase.RUNNING) | (pods.phase[mine] == Phase.STARTING)]
        order = running[np.argsort(-pods.serial[running], kind="stable")][:count]
        low, high = self._spec.pace.grace_s
        pods.changed()
        pods.phase[order], pods.target[order] = Phase.LEAVING, NOWHERE
        pods.lost[order] = pods.moving[order] = False
        pods.until_s[order] = now_s + self._random.integers(low, high, len(order), endpoint=True)

    def _arrive(self, seconds: float, now_s: float) -> bool:
        """Let jobs come; return whether any did."""
        come = 0
        levels = self._demand.levels(now_s)
        for template in self._jobs:
            arrivals = self._spec.workloads[template].arrivals
            if arrivals is None:
                continue
            rate = arrivals.per_hour / 3600 * seconds * float(levels[template])
            jobs = int(self._arrivals.poisson(rate))
            for _ in range(jobs):
                self._add_job(template)
            come += jobs
        return come > 0

    def _add_job(self, template: int, *, left: bool = False) -> None:
        arrivals = self._spec.workloads[template].arrivals
        if arrivals is None:
            return
        row = self.add(template)
        mean = np.log(arrivals.minutes * 60) - arrivals.spread**2 / 2
        seconds = float(self._arrivals.lognormal(mean, arrivals.spread))
        self._pods.duration_s[row] = max(seconds * (float(self._arrivals.uniform()) if left else 1.0), 1.0)
