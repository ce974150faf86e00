"""The simulated cluster's sensors as a source of watts: machines at the wall, accelerators, and pods' use of CPU."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from powerplane.models.telemetry.metrics import MEANINGS
from powerplane.models.telemetry.readings import Entity, Floats, Meaning, SeriesBlock, SourceReading
from powerplane.simulator.pods import Phase
from powerplane.simulator.settings import SensorSettings
from powerplane.simulator.world import World


def _meaning(metric: str) -> Meaning:
    return next(each for each in MEANINGS if each.metric == metric)


WALL = _meaning("ipmi_dcmi_power_consumption_current_watts")
DEVICE = _meaning("DCGM_FI_DEV_POWER_USAGE")
POD = _meaning("PodMetrics.usage.cpu")

KEPT_S = 320.0
"""How long samples are kept: longer than anybody asks for."""


@dataclass(frozen=True, slots=True, eq=False)
class Scrape:
    """What all sensors said at a moment.

    Parameters
    ----------
    at_s : float
        Seconds of the simulation.
    wall : float64 array, shape (N,)
        NaN of nodes without power, whose controllers are silent.
    devices : tuple of (Entity, watts)
    cores : tuple of (Entity, cores)
    """

    at_s: float
    wall: Floats
    devices: tuple[tuple[Entity, float], ...]
    cores: tuple[tuple[Entity, float], ...]


class Meters:
    """Sensors that are read now and then, late, and a little wrong; `PowerSource` for looks, whole or of nodes alone.

    Parameters
    ----------
    world : World
    settings : SensorSettings
    """

    def __init__(self, world: World, settings: SensorSettings) -> None:
        self._world, self._settings = world, settings
        self._random = np.random.default_rng([world.spec.seed, 15])
        self._scrapes: deque[Scrape] = deque()
        self._next_s = 0.0
        self.nodes, self.whole = _Asked(self, whole=False), _Asked(self, whole=True)

    def scrape(self) -> bool:
        """Read all sensors, where that is due; return whether it was."""
        world = self._world
        if world.now_s + 1e-9 < self._next_s:
            return False
        self._next_s = world.now_s + self._settings.every_s
        load = world.moment().load
        wall = np.where(world.supply.lit, self._wrong(load.wall), np.nan)
        self._scrapes.append(Scrape(world.now_s, wall, self._devices(load.device), self._cores(load.limited_speed)))
        while self._scrapes[0].at_s < world.now_s - KEPT_S:
            self._scrapes.popleft()
        return True

    def read(self, now_s: float, window_s: float, *, whole: bool) -> tuple[SourceReading, ...]:
        """Return what has arrived of the last seconds, ``now_s`` in Unix seconds."""
        since_s, until_s = self._world.now_s - window_s, self._world.now_s - self._settings.delay_s
        scrapes = [each for each in self._scrapes if since_s <= each.at_s <= until_s + 1e-9]
        if not scrapes:
            return (SourceReading("ipmi", now_s, now_s, error="nothing has been read yet"),)
        found = [SourceReading("ipmi", now_s, now_s, (self._walls(scrapes),))]
        if whole:
            newest = scrapes[-1]
            found += [
                SourceReading("dcgm", now_s, now_s, (self._block(DEVICE, newest.devices, newest.at_s),)),
                SourceReading("metrics-server", now_s, now_s, (self._block(POD, newest.cores, newest.at_s),)),
            ]
        return tuple(found)

    def _walls(self, scrapes: list[Scrape]) -> SeriesBlock:
        """Every node's samples side by side; those that there are."""
        values = np.stack([each.wall for each in scrapes], axis=1)
        at_s = np.broadcast_to(self._unix_s(np.array([each.at_s for each in scrapes])), values.shape)
        there = np.isfinite(values)
        rows = np.flatnonzero(there.any(axis=1))
        offsets = np.concatenate([[0], np.cumsum(there[rows].sum(axis=1))]).astype(np.int64)
        entities = tuple(Entity(node=self._world.nodes[row]) for row in rows.tolist())
        return SeriesBlock(WALL, entities, offsets, at_s[rows][there[rows]], values[rows][there[rows]])

    def _block(self, meaning: Meaning, told: tuple[tuple[Entity, float], ...], at_s: float) -> SeriesBlock:
        entities = tuple(entity for entity, _ in told)
        times = np.full(len(told), float(self._unix_s(np.array([at_s]))[0]))
        values = np.array([value for _, value in told], dtype=np.float64)
        return SeriesBlock(meaning, entities, np.arange(len(told) + 1, dtype=np.int64), times, values)

    def _unix_s(self, at_s: Floats) -> Floats:
        return at_s + self._world.spec.base.as_of_s

    def _wrong(self, values: Floats) -> Floats:
        error = 1.0 + self._settings.noise * self._random.standard_normal(len(values))
        result: Floats = values * np.maximum(error, 0.0)
        return result

    def _devices(self, watts: Floats) -> tuple[tuple[Entity, float], ...]:
        world = self._world
        devices, holder, lit = world.spec.devices, world.demand.device_pod, world.supply.lit
        told = []
        for row, value in enumerate(self._wrong(watts).tolist()):
            node = int(devices.node[row])
            if lit[node]:
                namespace, pod, uid = self._held_by(int(holder[row]), node)
                entity = Entity(world.nodes[node], namespace, pod, uid, device=devices.uuid[row])
                told.append((entity, value))
        return tuple(told)

    def _held_by(self, row: int, node: int) -> tuple[str, str, str]:
        pods = self._world.pods
        if row < 0 or pods.node[row] != node:
            return "", "", ""
        return self._world.spec.base.templates[int(pods.template[row])].namespace, *pods.name_and_uid(row)

    def _cores(self, limited_speed: Floats) -> tuple[tuple[Entity, float], ...]:
        world, pods = self._world, self._world.pods
        rows = pods.rows(Phase.STARTING, Phase.RUNNING, Phase.LEAVING)
        rows = rows[world.supply.lit[pods.node[rows]]]
        cores = self._wrong((world.demand.pod_cores(world.now_s)[rows]) * limited_speed[pods.node[rows]])
        templates = world.spec.base.templates
        names = [pods.name_and_uid(row) for row in rows.tolist()]
        spaces = [templates[template].namespace for template in pods.template[rows].tolist()]
        return tuple(
            (Entity(namespace=namespace, pod=name), value)
            for namespace, (name, _), value in zip(spaces, names, cores.tolist(), strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The meters as one kind of look asks them."""

    meters: Meters
    whole: bool

    def read(self, now_s: float, window_s: float) -> tuple[SourceReading, ...]:
        """Ask once."""
        return self.meters.read(now_s, window_s, whole=self.whole)
