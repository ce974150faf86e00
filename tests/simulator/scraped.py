"""A simulated cluster that runs behind exporters, scraped by a real Prometheus, followed by PowerPlane."""

import threading
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from powerplane.adapters.snapshot_directory import read_snapshot
from powerplane.adapters.telemetry.prometheus_source import PrometheusSource
from powerplane.bench.cells import write_cell
from powerplane.cli.site import SiteFrom, read_site
from powerplane.models.telemetry.facts import NodeFacts
from powerplane.models.telemetry.node_readings import NodeReadings, PodReadings
from powerplane.models.telemetry.readings import SourceReading
from powerplane.models.telemetry.remembered import Memory
from powerplane.models.telemetry.rounds import follow
from powerplane.models.telemetry.rules import Rules
from powerplane.simulator.exporter import Measuring, Served
from powerplane.simulator.from_snapshot import workloads_of
from powerplane.simulator.sensors.models import SENSORS, SensorModel
from powerplane.simulator.spec import Devices, WorldSpec
from powerplane.simulator.world import World

TICK_S = 0.2
WINDOW_S = 60.0
SOURCES = ("kepler", "kepler-old", "dcgm", "node-exporter", "ipmi", "cadvisor", "kube-state-metrics", "redfish")

# As the defaults are for a scrape every 15 s, these are for one every second.
RULES = Rules(
    scrape_s=1.0, rate_s=5.0, gap_s=20.0, frozen_s=10.0, frozen_whole_s=12.0, still_s=5.0, frozen_busy_s=5.0, dark_s=5.0
)

# A whole number of watts that nothing moves for 12 s would be a frozen sensor by these rules; real ones are noisier.
MODELS: dict[str, SensorModel] = {
    **SENSORS,
    "bmc": replace(SENSORS["bmc"], step=1.0, noise_share=0.006),
    "meter": replace(SENSORS["meter"], noise_share=0.006),
}
WALLS = ("ipmi", "kepler-platform", "hwmon")
GUESSED_SHARE = 0.15
"""Of a node's watts, at most, that sources of parts do not tell."""

GPU_NODES = 2
GPU_WATTS = 400.0


def write_cluster(path: Path, *, nodes: int, pods: int) -> Path:
    """Write a snapshot directory of a cluster whose racks have to shed load."""
    write_cell(path, pods=pods, nodes=nodes, seed=1, rack_size=4, slack=0.3)
    return path


def make_world(directory: Path, *, gpus: bool = True) -> World:
    """A world that starts from a snapshot directory; its first nodes have two accelerators each, which idle."""
    base = read_snapshot(directory)
    count = 2 * GPU_NODES if gpus else 0
    devices = Devices(
        node=np.arange(count, dtype=np.int64) // 2,
        model=("NVIDIA A100-SXM4-80GB",) * count,
        uuid=tuple(f"GPU-{i:08x}-0000-4000-8000-000000000000" for i in range(count)),
        idle_watts=np.full(count, 60.0),
        most_watts=np.full(count, GPU_WATTS),
        lowest_limit_watts=np.full(count, 100.0),
        knee=np.full(count, 0.7),
    )
    fans = np.full(len(base.node_names), 20.0)
    return World(WorldSpec(base=base, workloads=workloads_of(base), fan_watts=fans, devices=devices, seed=1))


def facts_of(directory: Path, *, gpus: bool = True) -> tuple[NodeFacts, ...]:
    """What is known of its nodes without measuring them."""
    facts = read_site(SiteFrom(snapshot=directory), lambda _: None, datetime.now(UTC)).facts
    return tuple(
        replace(fact, accelerators=2, accelerator_peak_watts=GPU_WATTS, peak_watts=fact.peak_watts + 2 * GPU_WATTS)
        if row < GPU_NODES and gpus
        else fact
        for row, fact in enumerate(facts)
    )


@dataclass(frozen=True, slots=True)
class Followed:
    """One round, and when it was taken."""

    at_s: float
    nodes: NodeReadings
    pods: PodReadings
    answers: tuple[SourceReading, ...]


class Scraped:
    """The whole of it. `served` may be replaced, the memory forgotten, Prometheus restarted."""

    def __init__(self, directory: Path, *, gpus: bool = True, speed: float = 1.0) -> None:
        self.world = make_world(directory, gpus=gpus)
        self.facts = facts_of(directory, gpus=gpus)
        self.row = {fact.name: row for row, fact in enumerate(self.facts)}
        self._speed = speed
        self._lock = threading.Lock()
        self._log: list[tuple[float, np.ndarray]] = []
        self.served = self._serve("127.0.0.1:0")
        self.memory = Memory()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _serve(self, address: str) -> Served:
        return Served(self.world, address, self._speed, Measuring(seed=1, sources=SOURCES, models=MODELS))

    def _run(self) -> None:
        while not self._ending.wait(TICK_S):
            with self._lock:
                said = self.served.tick()
                self._log.append((said.at_s, said.truth.wall_watts.copy()))

    def restart_exporters(self, down_s: float) -> None:
        """End every exporter, and start them again at the same address: their counters begin at 0."""
        # What still answers while it ends answers with what is so: the world goes on.
        address = self.served.listener.address
        self.served.close()
        time.sleep(down_s)
        with self._lock:
            self.served = self._serve(address)

    def act(self, what) -> None:
        """Do something to the world between two ticks."""
        with self._lock:
            what(self.world)

    def round(self, source: PrometheusSource, rules: Rules = RULES) -> Followed:
        """Ask once, and follow."""
        answers = source.read(time.time(), WINDOW_S)
        now_s = time.time()
        self.memory, nodes, pods = follow(self.memory, answers, self.facts, now_s, rules)
        return Followed(now_s, nodes, pods, answers)

    def rounds(self, source: PrometheusSource, seconds: float) -> list[Followed]:
        """A round a second."""
        until, found = time.monotonic() + seconds, []
        while time.monotonic() < until:
            began = time.monotonic()
            found.append(self.round(source))
            time.sleep(max(0.0, began + 1.0 - time.monotonic()))
        return found

    def truth_within(self, node: str, from_s: float, until_s: float) -> tuple[float, float]:
        """The least and the most that a node has drawn in truth in a span of time."""
        times = [at_s for at_s, _ in self._log]
        first, last = max(bisect_right(times, from_s) - 1, 0), bisect_left(times, until_s) + 1
        watts = [float(wall[self.row[node]]) for _, wall in self._log[first:last]]
        return min(watts), max(watts)

    def is_true(self, followed: Followed, node: str) -> bool:
        """Whether a node's watts are what it has drawn, within the sensors' stated error, age and window.

        What is added up from parts may be more, by what of the node is guessed, and never less.
        """
        row = self.row[node]
        age_s = float(followed.nodes.age_s[row])
        model = MODELS["bmc"]
        low, high = self.truth_within(node, followed.at_s - age_s - model.age_s - 2.0, followed.at_s)
        high *= 1.0 if followed.nodes.source[row] in WALLS else 1.0 + GUESSED_SHARE
        return bool(low - model.error(low) <= followed.nodes.watts[row] <= high + model.error(high))

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.served.close()
