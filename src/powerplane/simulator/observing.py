"""What a policy sees of a simulated cluster: samples that come now and then, late, and a little wrong."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerplane.simulator.pods import Phase
from powerplane.simulator.settings import SensorSettings
from powerplane.simulator.world import World

Floats = NDArray[np.float64]

PEAK_HALF_LIFE_S = 900.0
"""In which what is kept of a pod's highest use halves: a plan counts with use as it was lately at its highest."""
UNATTRIBUTED_SHARE = 0.2
"""Weight of the newest sample in a node's unattributed watts."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Watts of N nodes, as their sensors said at a moment."""

    at_s: float
    node_watts: Floats


class Observer:
    """Sensors of nodes and pods, and what is remembered of what they said.

    Parameters
    ----------
    world : World
    settings : SensorSettings
    """

    def __init__(self, world: World, settings: SensorSettings) -> None:
        self._world, self._settings = world, settings
        self._random = np.random.default_rng([world.spec.seed, 5])
        self._samples: deque[Sample] = deque()
        self._next_s = 0.0
        count = len(world.nodes)
        self.unattributed: Floats = np.zeros(count)
        self.pod_cores: Floats = np.zeros(0)
        self.pod_device_watts: Floats = np.zeros(0)
        self._serial = np.zeros(0, dtype=np.int64)

    def look(self) -> bool:
        """Take a sample where one is due; return whether one was."""
        world = self._world
        if world.now_s + 1e-9 < self._next_s:
            return False
        self._next_s = world.now_s + self._settings.every_s
        load = world.moment().load
        self._samples.append(Sample(world.now_s, self._wrong(load.wall)))
        while len(self._samples) > 1 and self._samples[1].at_s <= world.now_s - self._settings.delay_s:
            self._samples.popleft()
        self._remember(load.busy, self._samples[-1].node_watts)
        return True

    def newest(self) -> Sample | None:
        """Return the newest sample that has arrived."""
        arrived = [s for s in self._samples if s.at_s <= self._world.now_s - self._settings.delay_s]
        return arrived[-1] if arrived else None

    def _wrong(self, values: Floats) -> Floats:
        error = 1.0 + self._settings.noise * self._random.standard_normal(len(values))
        result: Floats = values * np.maximum(error, 0.0)
        return result

    def _remember(self, busy: Floats, node_watts: Floats) -> None:
        """Keep each pod's use at its highest of late, and what no pod's use accounts for on each node."""
        world, pods = self._world, self._world.pods
        self._fit(len(pods))
        renewed = self._serial != pods.serial
        self._serial[:] = pods.serial
        settled = pods.phase == Phase.RUNNING
        fade = 0.5 ** (self._settings.every_s / PEAK_HALF_LIFE_S)
        cores = np.where(settled, self._wrong(world.demand.pod_cores(world.now_s)), 0.0)
        watts = np.where(settled, self._wrong(self._device_watts()), 0.0)
        self.pod_cores = np.where(renewed, cores, np.maximum(cores, self.pod_cores * fade))
        self.pod_device_watts = np.where(renewed, watts, np.maximum(watts, self.pod_device_watts * fade))
        machines = world.machines
        placed = np.maximum(pods.node, 0)
        devices = np.bincount(placed, np.where(pods.node >= 0, watts, 0.0), len(world.nodes))
        known = machines.host_watts(busy) + machines.device_idle + devices
        rest = np.where(world.supply.lit, np.maximum(node_watts - known, 0.0), 0.0)
        self.unattributed += UNATTRIBUTED_SHARE * (rest - self.unattributed)

    def _device_watts(self) -> Floats:
        """Watts of each pod's devices above their idle draw, by their utilisation: what they would draw unlimited."""
        world = self._world
        watts = world.pods.device_watts.copy()
        holder = world.demand.device_pod
        held = holder >= 0
        devices = world.spec.devices
        above = world.demand.now(world.now_s).device_use * (devices.most_watts - devices.idle_watts)
        np.add.at(watts, holder[held], above[held])
        return watts

    def _fit(self, count: int) -> None:
        more = count - len(self._serial)
        if more > 0:
            self.pod_cores = np.concatenate([self.pod_cores, np.zeros(more)])
            self.pod_device_watts = np.concatenate([self.pod_device_watts, np.zeros(more)])
            self._serial = np.concatenate([self._serial, np.full(more, -1, dtype=np.int64)])
