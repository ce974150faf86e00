"""A plan carried out: wave after wave, each pod evicted, stopped, started on its target and ready."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from powerplane.models.errors import InputError
from powerplane.models.plan import Move, Plan
from powerplane.simulator.pods import EXISTING, Phase
from powerplane.simulator.world import World


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


@dataclass(slots=True, eq=False)
class Rollout:
    """Carries a plan out on a world, from the second at which it is ready.

    Parameters
    ----------
    world : World
    plan : Plan
    begins_s : float
    lenient : bool
        Pass over moves of pods that are gone, and moves to nodes that have no room any more, where the cluster went on
        while the plan was made. Otherwise the plan must be made from the world as it is.

    Raises
    ------
    InputError
        When the plan moves a pod or to a node that the world does not have, and is not carried out leniently.
    """

    world: World
    plan: Plan
    begins_s: float
    lenient: bool = False
    waves_done: int = 0
    refused: int = 0
    given_up: str = ""
    _parts: list[Part] = field(init=False)
    _now: list[int] = field(default_factory=list)
    _part: Part | None = None
    _next_s: float = field(init=False)
    _random: np.random.Generator = field(init=False)
    _moved_before: int = field(init=False)

    def __post_init__(self) -> None:
        waves = _rows_by_wave(self.world, self.plan.moves, lenient=self.lenient)
        self._parts = list(_parts(waves, self.world.spec.pace.at_once))
        self._random = np.random.default_rng([self.world.spec.seed, 4, int(self.begins_s)])
        self._next_s = self.begins_s
        self._moved_before = self.world.owners.moved

    @property
    def done(self) -> bool:
        """Whether every wave is through, or the plan was given up."""
        return not self._parts and self._part is None

    @property
    def moved(self) -> int:
        """Pods that came to their targets and are ready."""
        return self.world.owners.moved - self._moved_before

    def step(self) -> str:
        """Do what is due now; return the part that began, as a sentence, or ""."""
        now_s = self.world.now_s
        if self._part is not None and not self._under_way():
            self.waves_done += self._part.last
            self._part, self._now = None, []
            self._next_s = now_s + self.world.spec.pace.confirm_s
        if self._part is None and self._parts and now_s >= self._next_s:
            return self._begin(self._parts.pop(0))
        return ""

    def give_up(self, reason: str) -> None:
        """Start no further part."""
        self._parts = []
        self.given_up = self.given_up or reason

    def _under_way(self) -> bool:
        pods = self.world.pods
        rows = np.array(self._now, dtype=np.int64)
        leaving = (pods.phase[rows] == Phase.LEAVING) & (pods.target[rows] >= 0)
        return bool((leaving | pods.moving[rows]).any())

    def _begin(self, part: Part) -> str:
        pace = self.world.spec.pace
        count = len(part.moves)
        grace = self._random.integers(pace.grace_s[0], pace.grace_s[1], count, endpoint=True)
        start = self._random.integers(pace.start_s[0], pace.start_s[1], count, endpoint=True)
        self._part, self._now = part, []
        for (row, target), grace_s, start_s in zip(part.moves, grace.tolist(), start.tolist(), strict=True):
            if self.lenient and not self._still_possible(row, target):
                self.refused += 1
                continue
            self.world.owners.move(row, target, self.world.now_s, grace_s, start_s)
            self._now.append(row)
        return str(part) if self._now else ""

    def _still_possible(self, row: int, target: int) -> bool:
        world = self.world
        running = world.pods.phase[row] == Phase.RUNNING and world.pods.node[row] != target
        return bool(running and world.ready[target] and world.owners.fits(row, target))


def _parts(waves: list[tuple[int, list[tuple[int, int]]]], at_once: int) -> Iterator[Part]:
    for wave, moves in waves:
        cuts = range(0, len(moves), at_once)
        for number, first in enumerate(cuts, start=1):
            yield Part(wave, number, len(cuts), tuple(moves[first : first + at_once]))


def _rows_by_wave(world: World, moves: tuple[Move, ...], *, lenient: bool) -> list[tuple[int, list[tuple[int, int]]]]:
    pods = {world.pods.name_and_uid(row)[1]: row for row in world.pods.rows(*EXISTING).tolist()}
    waves: dict[int, list[tuple[int, int]]] = {}
    for move in moves:
        if move.uid in pods and move.target in world.row:
            waves.setdefault(move.wave, []).append((pods[move.uid], world.row[move.target]))
        elif not lenient:
            raise InputError(
                f"the plan moves pod {move.namespace}/{move.pod} to {move.target!r}, which this cluster does not have",
                "plan from a snapshot of this scenario",
            )
    return sorted(waves.items())
