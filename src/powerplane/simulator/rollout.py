"""A plan carried out: wave after wave, each pod evicted, stopped, started on its target and ready."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.plan import Move, Plan
from powerplane.simulator.cluster import Cluster


@dataclass(frozen=True, slots=True, eq=False)
class Wave:
    """One wave under way: pods, their targets, and the seconds at which each has stopped and is ready.

    Arrays of shape (M,): rows of pods, rows of nodes, seconds of the simulation.
    """

    number: int
    pods: NDArray[np.int64]
    targets: NDArray[np.int32]
    stopped_s: NDArray[np.int64]
    ready_s: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Rollout:
    """Carries a plan out on a cluster, from the second at which it is ready.

    Parameters
    ----------
    cluster : Cluster
    plan : Plan
        Made from the scenario's own snapshot.

    Raises
    ------
    InputError
        When the plan moves a pod or to a node that the scenario does not have.
    """

    cluster: Cluster
    plan: Plan
    moved: int = 0
    waves_done: int = 0
    given_up: str = ""
    _waves: list[tuple[int, list[tuple[int, int]]]] = field(init=False)
    _now: Wave | None = None
    _random: np.random.Generator = field(init=False)
    _next_s: int = field(init=False)

    def __post_init__(self) -> None:
        self._waves = _rows_by_wave(self.cluster, self.plan.moves)
        self._random = np.random.default_rng([self.cluster.scenario.seed, 2])
        self._next_s = self.cluster.scenario.planned_at_s

    @property
    def done(self) -> bool:
        """Whether every wave is through, or the plan was given up."""
        return not self._waves and self._now is None

    def step(self, second: int) -> str:
        """Do what is due at a second; return the wave that began, as a sentence, or ""."""
        if self._now is not None:
            self._advance(self._now, second)
        if self._now is None and self._waves and second >= self._next_s:
            return self._begin(second)
        return ""

    def moving(self) -> NDArray[np.bool_]:
        """Pods that have stopped and are not yet ready on a target with power, shape (P,)."""
        on_the_way = np.zeros(len(self.cluster.node), dtype=bool)
        if self._now is not None:
            lit = self.cluster.wiring.lit[self.cluster.node[self._now.pods]]
            on_the_way[self._now.pods[lit]] = True
        on_the_way &= ~self.cluster.serving
        return on_the_way

    def give_up(self, reason: str) -> None:
        """Start no further wave."""
        self._waves = []
        self.given_up = self.given_up or reason

    def _begin(self, second: int) -> str:
        pace = self.cluster.scenario.pace
        number, rows = self._waves.pop(0)
        pods, targets = (np.array(column) for column in zip(*rows, strict=True))
        stopped = second + self._random.integers(pace.grace_s[0], pace.grace_s[1], len(pods), endpoint=True)
        ready = stopped + self._random.integers(pace.start_s[0], pace.start_s[1], len(pods), endpoint=True)
        self._now = Wave(number, pods, targets.astype(np.int32), stopped, ready)
        return f"wave {number}: {len(pods)} pods evicted"

    def _advance(self, wave: Wave, second: int) -> None:
        arriving, ready = wave.stopped_s == second, wave.ready_s == second
        cluster = self.cluster
        cluster.node[wave.pods[arriving]] = wave.targets[arriving]
        cluster.surge[wave.pods[arriving]] = cluster.scenario.pace.surge
        cluster.serving[wave.pods[arriving]] = False
        cluster.surge[wave.pods[ready]] = 1.0
        cluster.serving[wave.pods[ready]] = cluster.wiring.lit[cluster.node[wave.pods[ready]]]
        self.moved += int(ready.sum())
        if second >= int(wave.ready_s.max()):
            self._now = None
            self.waves_done += 1
            self._next_s = second + cluster.scenario.pace.confirm_s


def _rows_by_wave(cluster: Cluster, moves: tuple[Move, ...]) -> list[tuple[int, list[tuple[int, int]]]]:
    snapshot = cluster.scenario.snapshot
    pods = {uid: i for i, uid in enumerate(snapshot.pods.uids)}
    nodes = {name: i for i, name in enumerate(snapshot.node_names)}
    waves: dict[int, list[tuple[int, int]]] = {}
    for move in moves:
        if move.uid not in pods or move.target not in nodes:
            raise InputError(
                f"the plan moves pod {move.namespace}/{move.pod} to {move.target!r}, which this cluster does not have",
                "plan from a snapshot of this scenario",
            )
        waves.setdefault(move.wave, []).append((pods[move.uid], nodes[move.target]))
    return sorted(waves.items())
