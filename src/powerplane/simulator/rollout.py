"""A plan carried out: wave after wave, each pod evicted, stopped, started on its target and ready."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.models.errors import InputError
from powerplane.models.plan import Move, Plan
from powerplane.simulator.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a wave: as many of its moves as may be under way at the same time, in rows of pods and nodes."""

    wave: int
    number: int
    parts: int
    moves: tuple[tuple[int, int], ...]

    @property
    def last(self) -> bool:
        """Whether the wave is through after it."""
        return self.number == self.parts

    def __str__(self) -> str:
        part = f", part {self.number} of {self.parts}" if self.parts > 1 else ""
        pods = "pod" if len(self.moves) == 1 else "pods"
        return f"wave {self.wave}{part}: {len(self.moves)} {pods} evicted"


@dataclass(frozen=True, slots=True, eq=False)
class Underway:
    """A part while it runs: the seconds at which each pod has stopped and is ready.

    Arrays of shape (M,): rows of pods, rows of nodes, seconds of the simulation.
    """

    part: Part
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
    _parts: list[Part] = field(init=False)
    _now: Underway | None = None
    _random: np.random.Generator = field(init=False)
    _next_s: int = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.cluster.scenario
        self._parts = list(_parts(_rows_by_wave(self.cluster, self.plan.moves), scenario.pace.at_once))
        self._random = np.random.default_rng([scenario.seed, 2])
        self._next_s = scenario.planned_at_s

    @property
    def done(self) -> bool:
        """Whether every wave is through, or the plan was given up."""
        return not self._parts and self._now is None

    def step(self, second: int) -> str:
        """Do what is due at a second; return the part that began, as a sentence, or ""."""
        if self._now is not None:
            self._advance(self._now, second)
        if self._now is None and self._parts and second >= self._next_s:
            return self._begin(self._parts.pop(0), second)
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
        """Start no further part."""
        self._parts = []
        self.given_up = self.given_up or reason

    def _begin(self, part: Part, second: int) -> str:
        pace = self.cluster.scenario.pace
        pods, targets = (np.array(column) for column in zip(*part.moves, strict=True))
        stopped = second + self._random.integers(pace.grace_s[0], pace.grace_s[1], len(pods), endpoint=True)
        ready = stopped + self._random.integers(pace.start_s[0], pace.start_s[1], len(pods), endpoint=True)
        self._now = Underway(part, pods, targets.astype(np.int32), stopped, ready)
        return str(part)

    def _advance(self, now: Underway, second: int) -> None:
        arriving, ready = now.stopped_s == second, now.ready_s == second
        cluster = self.cluster
        cluster.node[now.pods[arriving]] = now.targets[arriving]
        cluster.surge[now.pods[arriving]] = cluster.scenario.pace.surge
        cluster.serving[now.pods[arriving]] = False
        cluster.surge[now.pods[ready]] = 1.0
        cluster.serving[now.pods[ready]] = cluster.wiring.lit[cluster.node[now.pods[ready]]]
        self.moved += int(ready.sum())
        if second >= int(now.ready_s.max()):
            self._now = None
            self.waves_done += now.part.last
            self._next_s = second + cluster.scenario.pace.confirm_s


def _parts(waves: list[tuple[int, list[tuple[int, int]]]], at_once: int) -> Iterator[Part]:
    for wave, moves in waves:
        cuts = range(0, len(moves), at_once)
        for number, first in enumerate(cuts, start=1):
            yield Part(wave, number, len(cuts), tuple(moves[first : first + at_once]))


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
