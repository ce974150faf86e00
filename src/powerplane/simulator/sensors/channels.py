"""What each exporter measures: the declared table from the truth to a sensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.truth import Truth

Floats = NDArray[np.float64]
Per = Literal["node", "gpu", "pod"]

SUPPLY_EFFICIENCY = 0.93
"""Share of the wall's watts that a server's board gets: 80 PLUS Platinum at half load (230 V) asks for 94 %."""

COOL_CELSIUS, HOT_CELSIUS = 30.0, 80.0
"""A GPU's temperature without and at its full power; an assumption."""

FAN_WATTS, FAN_RPM = 60.0, 12_000.0
"""A node's fans at full speed; watts go with the cube of speed (the affinity laws)."""

GPU_RATED_WATTS = 700.0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The truth, and what exporters remember of it.

    Parameters
    ----------
    truth : Truth
    idle_cpu_watts : float64 array, shape (N,)
        The least that each node's packages were seen to draw: what Kepler takes for idle.
    """

    truth: Truth
    idle_cpu_watts: Floats


@dataclass(frozen=True, slots=True)
class Channel:
    """One sensor of every node, GPU or pod.

    Parameters
    ----------
    source : str
        The exporter that reads it.
    what : str
        Its name, unique in its source.
    per : "node", "gpu" or "pod"
    kind : "gauge" or "counter"
        A counter adds up the watts (or cores) over seconds.
    model : str
        Key of the sensor's model.
    of : callable
        From the scene to the true values, one a row.
    """

    source: str
    what: str
    per: Per
    kind: Literal["gauge", "counter"]
    model: str
    of: Callable[[Scene], Floats]

    @property
    def key(self) -> tuple[str, str]:
        """Source and name."""
        return self.source, self.what


def per_pod(scene: Scene, watts: Floats, share_of: Floats) -> Floats:
    """Each pod's part of its node's ``watts``, by its cores among ``share_of``; shapes (N,) to (P,)."""
    truth = scene.truth
    node = np.maximum(truth.pod_node, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(share_of > 0, watts / share_of, 0.0)
    return part[node] * truth.pod_cores if len(part) else np.zeros(len(truth.pod_cores))


def _cpu(scene: Scene) -> Floats:
    return scene.truth.cpu_watts


def _dram(scene: Scene) -> Floats:
    return scene.truth.dram_watts


def _wall(scene: Scene) -> Floats:
    return scene.truth.wall_watts


def _board(scene: Scene) -> Floats:
    return scene.truth.wall_watts * SUPPLY_EFFICIENCY


def _busy(scene: Scene) -> Floats:
    return scene.truth.busy_cores


def _usage(scene: Scene) -> Floats:
    truth = scene.truth
    return np.clip(truth.busy_cores / np.maximum(truth.cores, 1e-9), 0.0, 1.0)


def _active_cpu(scene: Scene) -> Floats:
    return scene.truth.cpu_watts * _usage(scene)


def _inactive_cpu(scene: Scene) -> Floats:
    return scene.truth.cpu_watts * (1 - _usage(scene))


def _celsius(scene: Scene) -> Floats:
    return scene.truth.celsius


def _rpm(scene: Scene) -> Floats:
    return FAN_RPM * np.cbrt(np.maximum(scene.truth.fan_watts, 0.0) / FAN_WATTS)


def _pod_cpu(scene: Scene) -> Floats:
    return per_pod(scene, scene.truth.cpu_watts, scene.truth.cores)


def _pod_dram(scene: Scene) -> Floats:
    return per_pod(scene, scene.truth.dram_watts, scene.truth.cores)


def _pod_cores(scene: Scene) -> Floats:
    return scene.truth.pod_cores


def _pod_gpu(scene: Scene) -> Floats:
    truth = scene.truth
    held = truth.gpu_pod >= 0
    return np.bincount(truth.gpu_pod[held], truth.gpu_watts[held], minlength=len(truth.pod_uid)).astype(np.float64)


def _idle_cpu(scene: Scene) -> Floats:
    return np.minimum(scene.idle_cpu_watts, scene.truth.cpu_watts)


def _dynamic_cpu(scene: Scene) -> Floats:
    return scene.truth.cpu_watts - _idle_cpu(scene)


def _pod_dynamic_cpu(scene: Scene) -> Floats:
    return per_pod(scene, _dynamic_cpu(scene), scene.truth.busy_cores)


def _pod_idle_cpu(scene: Scene) -> Floats:
    """Idle watts are shared out evenly: by the GHG Protocol they go by size, and all sizes count as equal."""
    truth = scene.truth
    placed = truth.pod_node >= 0
    count = np.bincount(truth.pod_node[placed], minlength=len(truth.nodes))
    return (_idle_cpu(scene) / np.maximum(count, 1))[np.maximum(truth.pod_node, 0)]


def _prompt_tokens(scene: Scene) -> Floats:
    return _of_servers(scene, scene.truth.pod_prompt_tokens)


def _generated_tokens(scene: Scene) -> Floats:
    return _of_servers(scene, scene.truth.pod_generated_tokens)


def _of_servers(scene: Scene, tokens: Floats) -> Floats:
    """Tokens a second of each pod, 0 of those that serve none: their series are left out."""
    return np.nan_to_num(tokens) if len(tokens) else np.zeros(len(scene.truth.pod_uid))


def _gpu_watts(scene: Scene) -> Floats:
    return scene.truth.gpu_watts


def _gpu_milliwatts(scene: Scene) -> Floats:
    return scene.truth.gpu_watts * 1000.0


def _gpu_percent(scene: Scene) -> Floats:
    return scene.truth.gpu_utilisation * 100.0


def _gpu_celsius(scene: Scene) -> Floats:
    return COOL_CELSIUS + (HOT_CELSIUS - COOL_CELSIUS) * scene.truth.gpu_watts / GPU_RATED_WATTS


def _gpu_limit(scene: Scene) -> Floats:
    return scene.truth.gpu_limit_watts


CHANNELS: tuple[Channel, ...] = (
    Channel("kepler", "package", "node", "gauge", "rapl", _cpu),
    Channel("kepler", "package total", "node", "counter", "rapl total", _cpu),
    Channel("kepler", "active", "node", "gauge", "rapl", _active_cpu),
    Channel("kepler", "active total", "node", "counter", "rapl total", _active_cpu),
    Channel("kepler", "idle", "node", "gauge", "rapl", _inactive_cpu),
    Channel("kepler", "idle total", "node", "counter", "rapl total", _inactive_cpu),
    Channel("kepler", "dram", "node", "gauge", "rapl", _dram),
    Channel("kepler", "dram total", "node", "counter", "rapl total", _dram),
    Channel("kepler", "psys", "node", "gauge", "rapl", _board),
    Channel("kepler", "psys total", "node", "counter", "rapl total", _board),
    Channel("kepler", "usage", "node", "gauge", "exact", _usage),
    Channel("kepler", "platform", "node", "gauge", "bmc", _wall),
    Channel("kepler", "pod package", "pod", "gauge", "rapl", _pod_cpu),
    Channel("kepler", "pod package total", "pod", "counter", "rapl total", _pod_cpu),
    Channel("kepler", "pod dram", "pod", "gauge", "rapl", _pod_dram),
    Channel("kepler", "pod dram total", "pod", "counter", "rapl total", _pod_dram),
    Channel("kepler", "pod seconds", "pod", "counter", "cpu time", _pod_cores),
    Channel("kepler", "gpu", "gpu", "gauge", "gpu", _gpu_watts),
    Channel("kepler", "gpu total", "gpu", "counter", "gpu total", _gpu_watts),
    Channel("kepler", "pod gpu", "pod", "gauge", "rapl", _pod_gpu),
    Channel("kepler-old", "package idle", "node", "counter", "rapl total", _idle_cpu),
    Channel("kepler-old", "package dynamic", "node", "counter", "rapl total", _dynamic_cpu),
    Channel("kepler-old", "dram", "node", "counter", "rapl total", _dram),
    Channel("kepler-old", "platform", "node", "counter", "platform total", _wall),
    Channel("kepler-old", "pod idle", "pod", "counter", "rapl total", _pod_idle_cpu),
    Channel("kepler-old", "pod dynamic", "pod", "counter", "rapl total", _pod_dynamic_cpu),
    Channel("kepler-old", "pod dram", "pod", "counter", "rapl total", _pod_dram),
    Channel("kepler-old", "pod gpu", "pod", "counter", "rapl total", _pod_gpu),
    Channel("dcgm", "power", "gpu", "gauge", "gpu", _gpu_watts),
    Channel("dcgm", "energy", "gpu", "counter", "gpu total", _gpu_milliwatts),
    Channel("dcgm", "celsius", "gpu", "gauge", "gpu state", _gpu_celsius),
    Channel("dcgm", "utilisation", "gpu", "gauge", "gpu state", _gpu_percent),
    Channel("dcgm", "limit", "gpu", "gauge", "gpu state", _gpu_limit),
    Channel("node-exporter", "package", "node", "counter", "rapl counter", _cpu),
    Channel("node-exporter", "dram", "node", "counter", "rapl dram counter", _dram),
    Channel("node-exporter", "power", "node", "gauge", "meter", _wall),
    Channel("node-exporter", "celsius", "node", "gauge", "thermometer", _celsius),
    Channel("node-exporter", "cpu", "node", "counter", "cpu time", _busy),
    Channel("node-exporter", "cores", "node", "counter", "cpu time", lambda scene: scene.truth.cores),
    Channel("ipmi", "power", "node", "gauge", "bmc", _wall),
    Channel("ipmi", "celsius", "node", "gauge", "thermometer", _celsius),
    Channel("ipmi", "fan", "node", "gauge", "fan", _rpm),
    Channel("cadvisor", "node", "node", "counter", "container time", _busy),
    Channel("cadvisor", "pod", "pod", "counter", "container time", _pod_cores),
    Channel("vllm", "prompt", "pod", "counter", "exact", _prompt_tokens),
    Channel("vllm", "generated", "pod", "counter", "exact", _generated_tokens),
    Channel("telegraf", "power", "node", "gauge", "polled bmc", _wall),
    Channel("redfish", "power", "node", "gauge", "bmc", _wall),
    Channel("redfish", "celsius", "node", "gauge", "thermometer", _celsius),
)
