"""The simulator's exporters over what runs on a rig: Kepler, IPMI, node_exporter, cAdvisor, kube-state-metrics, vLLM.

The watts are true by the test's own arithmetic, from a witness's own watch of pods. Sensors see them as real ones
would: averaged over a window, late, in steps, each with a calibration and a noise of its own.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import requests
from tests.rig.rig import Rig
from tests.rig.telemetry import Prometheus
from tests.rig.witness import Witness

from powerplane.simulator import physics
from powerplane.simulator.exporter.serving import Measuring, Served
from powerplane.simulator.sensors.bank import Said
from powerplane.simulator.sensors.faults import Fault
from powerplane.simulator.truth import Truth

SEED = 1
TICK_S = 0.25
SCRAPE_S = 1
SOURCES = ("kepler", "ipmi", "cadvisor", "kube-state-metrics", "vllm")
"""What a cluster has that runs Kepler and no GPUs, but node_exporter: a series for each CPU and mode of 500 nodes."""

CELSIUS = 50.0


@dataclass
class PodsWorld:
    """What the pods on a rig's nodes do: each keeps all CPUs busy that it requests, and a node draws so much for each.

    Parameters
    ----------
    witness : Witness
    nodes : tuple of str
    cores : float
        Of each node.
    idle_watts, watts_per_core : float
        A node's, at the wall.
    tokens_per_s : mapping of str to (float, float)
        Prompt tokens read, and tokens written, a second by each pod of a Deployment, by the Deployment's name.
    """

    witness: Witness
    nodes: tuple[str, ...]
    cores: float
    idle_watts: float
    watts_per_core: float
    tokens_per_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    _at_s: float = 0.0
    _row: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._row = {name: row for row, name in enumerate(self.nodes)}

    def step(self, dt_s: float) -> None:
        """Let some seconds pass; what happens in them is the rig's."""
        self._at_s += dt_s

    def truth(self) -> Truth:
        """What is so right now."""
        count, none = len(self.nodes), np.zeros(0)
        bound = list(self.witness.bound.items())
        place = np.array([self._row[node] for _, (node, _) in bound], dtype=np.int64)
        watts = np.array([watts for _, (_, watts) in bound], dtype=np.float64)
        pod_cores = watts / self.watts_per_core
        idle = np.full(count, self.idle_watts)
        dynamic = np.bincount(place, watts, minlength=count).astype(np.float64)
        told = [self.witness.told[uid] for uid, _ in bound]
        owners = tuple(owner for _, _, owner in told)
        prompt, generated = self._tokens(owners)
        return Truth(
            at_s=self._at_s,
            nodes=self.nodes,
            lit=np.ones(count, dtype=bool),
            wall_watts=idle + dynamic,
            cpu_watts=physics.PACKAGE_OF_IDLE * idle + physics.PACKAGE_OF_DYNAMIC * dynamic,
            dram_watts=physics.MEMORY_OF_IDLE * idle + physics.MEMORY_OF_DYNAMIC * dynamic,
            fan_watts=np.zeros(count),
            cores=np.full(count, self.cores),
            busy_cores=dynamic / self.watts_per_core,
            celsius=np.full(count, CELSIUS),
            gpu_node=none.astype(np.int64),
            gpu_uuid=(),
            gpu_model=(),
            gpu_watts=none,
            gpu_utilisation=none,
            gpu_limit_watts=none,
            gpu_pod=none.astype(np.int64),
            pod_namespace=tuple(namespace for namespace, _, _ in told),
            pod_name=tuple(name for _, name, _ in told),
            pod_uid=tuple(uid for uid, _ in bound),
            pod_owner=owners,
            pod_node=place,
            pod_cores=pod_cores,
            pod_prompt_tokens=prompt,
            pod_generated_tokens=generated,
        )

    def _tokens(self, owners: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        if not self.tokens_per_s:
            return np.zeros(0), np.zeros(0)
        nothing = (np.nan, np.nan)
        of = [self.tokens_per_s.get(deployment_of(owner), nothing) for owner in owners]
        both = np.array(of, dtype=np.float64).reshape(-1, 2)
        return both[:, 0], both[:, 1]


def deployment_of(controller: str) -> str:
    """Name of the Deployment that made a ReplicaSet, given as ``Kind/name``; "" for other controllers."""
    kind, _, name = controller.partition("/")
    return name.rpartition("-")[0] if kind == "ReplicaSet" else ""


class Meters:
    """The exporters, answering for as long as it is not closed.

    Parameters
    ----------
    world : PodsWorld
    sources : tuple of str
        Exporters that there are.
    """

    def __init__(self, world: PodsWorld, sources: tuple[str, ...] = SOURCES) -> None:
        self.world = world
        self.sources = sources
        self._served = Served(world, "127.0.0.1:0", measuring=Measuring(SEED, sources))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="meters")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where they answer."""
        return self._served.listener.url

    def prometheus_yml(self, scrape_s: int = SCRAPE_S) -> str:
        """How the exporters say that they are scraped."""
        with requests.Session() as session:
            session.trust_env = False
            query = f"?layout=pages&scrape={scrape_s}s"
            answer = session.get(f"{self.url}/prometheus.yml{query}", timeout=10)
        answer.raise_for_status()
        return answer.text

    @contextmanager
    def failing(self, fault: Callable[..., Fault], nodes: frozenset[str] | None = None, **how: float) -> Iterator[None]:
        """Every exporter has a fault, on some nodes or on all."""
        before = self._served.sensors.faults
        self._served.sensors.faults = (*before, *(fault(source, nodes, **how) for source in self.sources))
        try:
            yield
        finally:
            self._served.sensors.faults = before

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """All pages are as they were at the beginning, each sample with its time."""
        said = self._served.look()
        stamped = {key: replace(each, skewed=np.ones_like(each.there)) for key, each in said.readings.items()}
        kept = Said(said.truth, said.at_s, stamped, said.faults)
        self._served.app.look = lambda: kept
        try:
            yield
        finally:
            self._served.app.look = self._served.look

    def _run(self) -> None:
        while not self._over.wait(TICK_S):
            self._served.tick()

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join(10)
        self._served.close()


@contextmanager
def metered(rig: Rig, program: str, world: PodsWorld, scrape_s: int = SCRAPE_S) -> Iterator[tuple[Prometheus, Meters]]:
    """The exporters, and a Prometheus that scrapes them as they say, for as long as the block runs."""
    meters = Meters(world)
    try:
        server = Prometheus(rig, program, meters.prometheus_yml(scrape_s))
        try:
            yield server, meters
        finally:
            server.stop()
    finally:
        meters.close()
