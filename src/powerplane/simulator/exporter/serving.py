"""A simulation that runs at a pace of the clock, its sensors watching, its exporters answering."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Protocol

from powerplane.models.snapshot import Snapshot
from powerplane.simulator.exporter.app import USUAL, ExporterApp
from powerplane.simulator.exporter.cluster_files import places_of
from powerplane.simulator.exporter.listening import Listener
from powerplane.simulator.sensors.bank import Said, Sensors
from powerplane.simulator.sensors.faults import Fault
from powerplane.simulator.sensors.models import SENSORS, SensorModel
from powerplane.simulator.truth import Truth

TICK_S = 0.25
FRESH_S = 0.05
"""What was looked at no longer ago is not looked at again: many scrape at a time."""

LONGEST_STEP_S = 5.0
BUSY_SHARE = 0.5
"""Most of its time that a simulation spends on ticks; the rest is for whoever scrapes."""


class Simulated(Protocol):
    """What can be served."""

    def step(self, dt_s: float) -> object:
        """Let some seconds pass."""
        ...

    def truth(self) -> Truth:
        """What is so right now."""
        ...


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a simulated cluster is measured.

    Parameters
    ----------
    seed : int
        Of the sensors.
    sources : tuple of str
        Exporters that there are.
    models : mapping of str to SensorModel
    faults : tuple of Fault
    addresses : mapping of str to str
        InternalIP of nodes, where known.
    places : mapping of str to (mapping of str to str)
        ``Row`` and ``Rack`` of nodes, as Redfish tells them; by the base's topology where none are given.
    base : Snapshot or None
        The cluster's nodes, topology, curves and templates, to be served as a snapshot directory's files.
    """

    seed: int = 0
    sources: tuple[str, ...] = USUAL
    models: Mapping[str, SensorModel] = field(default_factory=lambda: SENSORS)
    faults: tuple[Fault, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    base: Snapshot | None = None


class Served:
    """A simulation behind exporters. `tick` moves it on; the pages show what it was at the last tick.

    Counters add up by the clock of whoever scrapes, not by the simulation's: a rate over scraped samples is watts at
    any speed.

    Parameters
    ----------
    world : Simulated
    address : str
        Where to answer, ``host:port``.
    speed : float
        Seconds of the simulation in one of the clock.
    measuring : Measuring
    clock : callable
        Unix seconds.
    """

    def __init__(
        self,
        world: Simulated,
        address: str,
        speed: float = 1.0,
        measuring: Measuring | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        how = measuring or Measuring()
        self.world = world
        self.speed = speed
        self.sensors = Sensors(how.seed, how.sources, how.models, how.faults)
        places = how.places or ({} if how.base is None else places_of(how.base.topology))
        self.app = ExporterApp(how.sources, how.addresses, places, how.base)
        self._clock = clock
        self._lock = threading.Lock()
        self._before_s = clock()
        self.said = self.sensors.observe(world.truth(), self._before_s)
        self.app.look = self.look
        self.listener = Listener(self.app, address)

    def tick(self) -> Said:
        """Let as much time pass as has passed by the clock, and let the sensors see what is so then."""
        now_s = self._clock()
        passed_s = max(now_s - self._before_s, 0.0) * self.speed
        steps = ceil(passed_s / LONGEST_STEP_S)
        for _ in range(steps):
            self.world.step(passed_s / steps)
        self._before_s = max(now_s, self._before_s)
        truth = self.world.truth()
        with self._lock:
            self.said = self.sensors.observe(truth, max(now_s, self.said.at_s))
        return self.said

    def look(self) -> Said:
        """What sensors say now, also while a tick takes its time: what was so at the last one goes on.

        For any thread. Counters are read when they are asked for, as real ones are: a page of the last tick would be
        a second's share of joules short now, and too many then.
        """
        with self._lock:
            now_s = self._clock()
            if now_s - self.said.at_s >= FRESH_S:
                self.said = self.sensors.observe(self.said.truth, now_s)
            return self.said

    def close(self) -> None:
        """Stop answering."""
        self.listener.close()


def serve(
    world: Simulated,
    address: str,
    speed: float = 1.0,
    *,
    measuring: Measuring | None = None,
    lasts_s: float = inf,
    started: Callable[[Served], None] = lambda _: None,
    ticked: Callable[[Said], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run a simulation behind its exporters until it ends, or is interrupted.

    Parameters
    ----------
    world : Simulated
    address : str
        Where to answer, ``host:port``; port 0 takes any that is free.
    speed : float
        Seconds of the simulation in one of the clock.
    measuring : Measuring, optional
    lasts_s : float
        Seconds of the simulation after which it ends.
    started, ticked : callable
        Told once it answers, and after each tick.
    sleep : callable

    Raises
    ------
    UsageError, UnreachableError
        For an address that cannot be listened on.
    """
    served = Served(world, address, speed, measuring)
    try:
        started(served)
        ends_s = served.said.truth.at_s + lasts_s
        while served.said.truth.at_s < ends_s:
            began = time.monotonic()
            ticked(served.tick())
            took_s = time.monotonic() - began
            sleep(max(TICK_S - took_s, took_s * (1 / BUSY_SHARE - 1), 0.0))
    finally:
        served.close()
