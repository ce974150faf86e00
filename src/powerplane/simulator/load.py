"""What pods want to do at a moment: their workloads' traces, their own swing, and who shares whose load."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.simulator import physics
from powerplane.simulator.pods import Phase, PodTable
from powerplane.simulator.spec import WorldSpec

Floats = NDArray[np.float64]

STEPS_AT_ONCE = 720
"""Steps for which traces are worked out together."""
PERIOD_S = (120.0, 900.0)
"""Between which each pod's own swing has its period."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What is wanted of N nodes and G devices, before nodes are full and limits bind.

    Parameters
    ----------
    node_cores, node_work : float64 arrays, shape (N,)
        CPUs that pods would use; of these, the ones that do their owners' work (a starting pod's do not).
    node_device_watts : float64 array, shape (N,)
        Watts of devices that are not simulated one by one.
    device_use, device_work : float64 arrays, shape (G,)
        Share of the way from idle to highest draw; work in devices at full speed.
    asked, asked_devices : float
        All work that owners want done, in CPUs and in devices, also by pods that are down.
    """

    node_cores: Floats
    node_work: Floats
    node_device_watts: Floats
    device_use: Floats
    device_work: Floats
    asked: float
    asked_devices: float


class Demand:
    """Loads of T workloads over time, and what they come to on nodes and devices."""

    def __init__(self, spec: WorldSpec, pods: PodTable) -> None:
        workloads = spec.workloads
        self._spec, self._pods = spec, pods
        self._nodes = len(spec.base.nodes)
        self._random = np.random.default_rng([spec.seed, 1])
        self.cores = np.array([w.cores for w in workloads])
        self.most = np.array([w.most_cores for w in workloads])
        self.replicas = np.array([float(w.replicas) for w in workloads])
        self.shared = np.array([w.shared for w in workloads], dtype=bool)
        self.device_level = np.array([w.device_level for w in workloads])
        self.accelerators = np.array([w.accelerators for w in workloads])
        self._tokens = np.array([w.serves_tokens for w in workloads], dtype=bool)
        self._wobble = np.array([w.wobble for w in workloads])
        self._scale = np.ones(len(workloads))
        self.device_pod = np.full(len(spec.devices.node), -1, dtype=np.int64)
        self._table = np.zeros((0, len(workloads)))
        self._table_from_s = 0.0
        self._act = np.array([0.0, 0.0, spec.pace.surge, 1.0, 1.0, 0.0])
        self._serves = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0])

    def meet(self, rows: NDArray[np.int64]) -> None:
        """Give new pods their own swing and size."""
        self._pods.swing[rows] = np.exp(1j * self._random.uniform(0, 2 * np.pi, len(rows)))
        self._pods.period_s[rows] = self._random.uniform(*PERIOD_S, len(rows))
        self._pods.cores[rows] = self.cores[self._pods.template[rows]]

    def turn(self, dt_s: float) -> None:
        """Let every pod's own swing go on for some seconds."""
        pods = self._pods
        pods.swing *= np.exp(2j * np.pi * dt_s / pods.period_s)

    def rescale(self, owner: str, factor: float) -> None:
        """Multiply the load of an owner's workloads, from now on."""
        rows = [i for i, t in enumerate(self._spec.base.templates) if t.owner.rpartition("/")[2] == owner]
        if not rows:
            raise InputError(f"no workload {owner!r}", "name one of the scenario's workloads")
        self._scale[rows] = factor

    def levels(self, now_s: float) -> Floats:
        """Load of each workload at a moment, shape (T,)."""
        step = self._spec.step_s
        row = int((now_s - self._table_from_s) / step + 1e-9)
        if not 0 <= row < len(self._table):
            self._table_from_s = now_s
            moments: Floats = now_s + step * np.arange(STEPS_AT_ONCE, dtype=np.float64)
            columns = [np.maximum(w.trace.level(moments), 0.0) for w in self._spec.workloads]
            self._table = np.column_stack(columns) if columns else np.zeros((STEPS_AT_ONCE, 0))
            row = 0
        result: Floats = self._table[row] * self._scale
        return result

    def serving(self) -> Floats:
        """Pods that serve, by template, shape (T,)."""
        pods = self._pods
        return physics.sum_by(pods.template, self._serves[pods.phase], len(self.cores))

    def now(self, now_s: float) -> Wanted:
        """What pods want at a moment."""
        pods, level = self._pods, self.levels(now_s)
        serving = self.serving()
        factor = np.where(self.shared, level * self.replicas / np.maximum(serving, 1.0), level)
        wave = 1.0 + self._wobble[pods.template] * pods.swing.real
        use = np.minimum(pods.cores * factor[pods.template] * wave, self.most[pods.template])
        where = pods.node + 1
        cores = physics.sum_by(where, use * self._act[pods.phase], self._nodes + 1)[1:]
        work = physics.sum_by(where, use * self._serves[pods.phase], self._nodes + 1)[1:]
        watts = np.zeros(self._nodes)
        if pods.device_watts.any():
            watts = physics.sum_by(where, pods.device_watts * wave * self._act[pods.phase], self._nodes + 1)[1:]
        device_use, device_work, asked_devices = self._devices(level, factor, wave)
        return Wanted(
            node_cores=cores,
            node_work=work,
            node_device_watts=watts,
            device_use=device_use,
            device_work=device_work,
            asked=float(work.sum() + self._missing(level, serving).sum()),
            asked_devices=asked_devices,
        )

    def pod_cores(self, now_s: float) -> Floats:
        """What each row of pods wants, in CPUs, shape of the pods' table."""
        pods, level = self._pods, self.levels(now_s)
        factor = np.where(self.shared, level * self.replicas / np.maximum(self.serving(), 1.0), level)
        wave = 1.0 + self._wobble[pods.template] * pods.swing.real
        use = np.minimum(pods.cores * factor[pods.template] * wave, self.most[pods.template])
        result: Floats = use * self._act[pods.phase]
        return result

    def _missing(self, level: Floats, serving: Floats) -> Floats:
        """Work that nobody does, by template: of pods that are down, or beyond what those that serve may use."""
        pods = self._pods
        existing = physics.sum_by(pods.template, (pods.phase != Phase.FREE).astype(np.float64), len(self.cores))
        alone = (existing - serving) * self.cores * level
        together = np.maximum(level * self.replicas * self.cores - serving * self.most, 0.0)
        result: Floats = np.where(self.shared, together, alone)
        return result

    def _devices(self, level: Floats, factor: Floats, wave: Floats) -> tuple[Floats, Floats, float]:
        pods, nodes = self._pods, self._spec.devices.node
        if not len(nodes):
            none = np.zeros(0)
            return none, none, 0.0
        holder = self.device_pod
        template = pods.template[holder]
        runs = (holder >= 0) & (pods.node[holder] == nodes)
        load = np.minimum(self.device_level[template] * factor[template] * wave[holder], 1.0)
        work = np.where(runs, load * self._serves[pods.phase[holder]], 0.0)
        active = np.where(runs, load * np.minimum(self._act[pods.phase[holder]], 1.0), 0.0)
        use = np.where(self._tokens[template], physics.token_watts_share(active), active)
        sized = self.device_level * self.accelerators
        existing = physics.sum_by(pods.template, (pods.phase != Phase.FREE).astype(np.float64), len(self.cores))
        asked = level * sized * np.where(self.shared, self.replicas, existing)
        return use, work, float(max(asked.sum(), work.sum()))
