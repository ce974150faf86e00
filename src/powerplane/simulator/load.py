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

MOST_CORES = 1e9
"""Of a pod that may use all there is."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """The pods that draw, side by side; kept until one comes, goes or changes.

    Parameters
    ----------
    version : int
        Of the pods' table from which this was put together.
    rows, node, template : int arrays, shape (A,)
    cores, most, wobble, act : float64 arrays, shape (A,)
        As in the table and the workloads; times its use that each draws in its phase.
    starting : int array
        Which of them do not serve yet.
    serving, existing : float64 arrays, shape (T,)
        Pods of each template.
    has_device_watts : bool
    """

    version: int
    rows: NDArray[np.int64]
    node: NDArray[np.int32]
    template: NDArray[np.int32]
    cores: Floats
    most: Floats
    wobble: Floats
    act: Floats
    starting: NDArray[np.int64]
    serving: Floats
    existing: Floats
    has_device_watts: bool


class Demand:
    """Loads of T workloads over time, and what they come to on nodes and devices."""

    def __init__(self, spec: WorldSpec, pods: PodTable) -> None:
        workloads = spec.workloads
        self._spec, self._pods = spec, pods
        self._nodes = len(spec.base.nodes)
        self._random = np.random.default_rng([spec.seed, 1])
        self.cores = np.array([w.cores for w in workloads])
        # Finite, so that nobody who may use anything uses nothing.
        self.most = np.array([min(w.most_cores, MOST_CORES) for w in workloads])
        self.replicas = np.array([float(w.replicas) for w in workloads])
        self.shared = np.array([w.shared for w in workloads], dtype=bool)
        self.device_level = np.array([w.device_level for w in workloads])
        self.accelerators = np.array([w.accelerators for w in workloads])
        self._tokens = np.array([w.serves_tokens for w in workloads], dtype=bool)
        self.tokens_per_work = np.array([w.tokens_per_work for w in workloads], dtype=np.float64).reshape(-1, 2)
        self._comes = np.array([w.arrivals is not None for w in workloads], dtype=bool)
        self._wobble = np.array([w.wobble for w in workloads])
        self._scale = np.ones(len(workloads))
        self.device_pod = np.full(len(spec.devices.node), -1, dtype=np.int64)
        self._kept: Active | None = None
        self._turning = np.zeros(0, dtype=np.complex128)
        self._turned_s = 0.0
        self._table = np.zeros((0, len(workloads)))
        self._table_from_s = 0.0
        self._act = np.array([0.0, 0.0, spec.pace.surge, 1.0, 1.0, 0.0])
        self._serves = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0])

    def meet(self, rows: NDArray[np.int64]) -> None:
        """Give new pods their own swing and size."""
        self._pods.swing[rows] = np.exp(1j * self._random.uniform(0, 2 * np.pi, len(rows)))
        self._pods.period_s[rows] = self._random.uniform(*PERIOD_S, len(rows))
        self._pods.cores[rows] = self.cores[self._pods.template[rows]]
        if len(self._turning) == len(self._pods):
            self._turning[rows] = np.exp(2j * np.pi * self._turned_s / self._pods.period_s[rows])
        self._pods.changed()

    def turn(self, dt_s: float) -> None:
        """Let every pod's own swing go on for some seconds."""
        pods = self._pods
        if dt_s != self._turned_s or len(self._turning) != len(pods):
            self._turning = np.exp(2j * np.pi * dt_s / pods.period_s)
            self._turned_s = dt_s
        pods.swing *= self._turning

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

    def _work_levels(self, now_s: float) -> Floats:
        """How hard each workload's pods work, shape (T,); the load of jobs is how many come, not how hard they work."""
        result: Floats = np.where(self._comes, 1.0, self.levels(now_s))
        return result

    def serving(self) -> Floats:
        """Pods that serve, by template, shape (T,)."""
        return self._active().serving

    def now(self, now_s: float) -> Wanted:
        """What pods want at a moment."""
        pods, active, level = self._pods, self._active(), self._work_levels(now_s)
        factor = self._factor(level, active)
        wave = 1.0 + active.wobble * pods.swing.real[active.rows]
        use = np.minimum(active.cores * factor[active.template] * wave, active.most) * active.act
        node_cores = physics.sum_by(active.node, use, self._nodes)
        starting = active.starting
        work = node_cores - physics.sum_by(active.node[starting], use[starting], self._nodes)
        watts = np.zeros(self._nodes)
        if active.has_device_watts:
            watts = physics.sum_by(active.node, pods.device_watts[active.rows] * wave * active.act, self._nodes)
        device_use, device_work, asked_devices = self._devices(level, factor)
        return Wanted(
            node_cores=node_cores,
            node_work=work,
            node_device_watts=watts,
            device_use=device_use,
            device_work=device_work,
            asked=float(work.sum() + self._missing(level, active).sum()),
            asked_devices=asked_devices,
        )

    def pod_cores(self, now_s: float) -> Floats:
        """What each row of pods wants, in CPUs, shape of the pods' table."""
        pods, active, level = self._pods, self._active(), self._work_levels(now_s)
        factor = self._factor(level, active)
        wave = 1.0 + active.wobble * pods.swing.real[active.rows]
        cores = np.zeros(len(pods))
        cores[active.rows] = np.minimum(active.cores * factor[active.template] * wave, active.most) * active.act
        return cores

    def _factor(self, level: Floats, active: "Active") -> Floats:
        """Times its size that each workload's pods work, shape (T,)."""
        result: Floats = np.where(self.shared, level * self.replicas / np.maximum(active.serving, 1.0), level)
        return result

    def _active(self) -> "Active":
        """The pods that draw, put together anew only where some came, went or changed."""
        if self._kept is None or self._kept.version != self._pods.version:
            self._kept = self._gather()
        return self._kept

    def _gather(self) -> "Active":
        pods = self._pods
        rows = pods.rows(Phase.STARTING, Phase.RUNNING, Phase.LEAVING)
        phase, template = pods.phase[rows], pods.template[rows]
        serves = self._serves[phase]
        serving = physics.sum_by(template, serves, len(self.cores))
        absent = pods.rows(Phase.WAITING, Phase.STARTING, Phase.DARK)
        missing = physics.sum_by(pods.template[absent], np.ones(len(absent)), len(self.cores))
        return Active(
            version=pods.version,
            rows=rows,
            node=pods.node[rows],
            template=template,
            cores=pods.cores[rows],
            most=self.most[template],
            wobble=self._wobble[template],
            act=self._act[phase],
            starting=np.flatnonzero(serves == 0.0),
            serving=serving,
            existing=serving + missing,
            has_device_watts=bool(pods.device_watts[rows].any()),
        )

    def _missing(self, level: Floats, active: "Active") -> Floats:
        """Work that nobody does, by template: of pods that are down, or beyond what those that serve may use."""
        alone = (active.existing - active.serving) * self.cores * level
        together = np.maximum(level * self.replicas * self.cores - active.serving * self.most, 0.0)
        result: Floats = np.where(self.shared, together, alone)
        return result

    def _devices(self, level: Floats, factor: Floats) -> tuple[Floats, Floats, float]:
        pods, nodes = self._pods, self._spec.devices.node
        if not len(nodes):
            none = np.zeros(0)
            return none, none, 0.0
        holder = self.device_pod
        template, phase = pods.template[holder], pods.phase[holder]
        runs = (holder >= 0) & (pods.node[holder] == nodes)
        wave = 1.0 + self._wobble[template] * pods.swing[holder].real
        load = np.minimum(self.device_level[template] * factor[template] * wave, 1.0)
        work = np.where(runs, load * self._serves[phase], 0.0)
        active = np.where(runs, load * np.minimum(self._act[phase], 1.0), 0.0)
        use = np.where(self._tokens[template], physics.token_watts_share(active), active)
        sized = self.device_level * self.accelerators
        asked = level * sized * np.where(self.shared, self.replicas, self._active().existing)
        return use, work, float(max(asked.sum(), work.sum()))
