"""What a round reads from and writes to, and the parts that it works with."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from powerplane.adapters.cluster_writes import Written
from powerplane.adapters.telemetry.work import WorkReading
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.books import Books
from powerplane.recommender.demanding import Lessons
from powerplane.recommender.foreseeing import Prospects, none_known
from powerplane.recommender.looking import Looker
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.solving_worker import Answer
from powerplane.recommender.telling import Teller
from powerplane.recommender.working import none_read


class Outside(Protocol):
    """What a round writes to."""

    def leads(self) -> bool:
        """Whether this replica may write at this instant."""
        ...

    def plans(self) -> tuple[PlacementPlanObject, ...] | None:
        """All plans as the API server has them now; None where it does not say."""
        ...

    def publish(self, body: Mapping[str, Any]) -> Written:
        """Create a plan."""
        ...

    def delete(self, name: str) -> Written:
        """Delete a plan."""
        ...

    def patch_status(self, path: str, status: Mapping[str, Any], version: str = "") -> Written:
        """Merge into the status of one object; where a version is given, only if it is at that still."""
        ...

    def resizes(self) -> bool | None:
        """Whether the API server resizes pods in place; None where it does not say."""
        ...

    def checkpoints(self) -> list[dict[str, Any]] | None:
        """All checkpoints of demand; None where the API server does not say."""
        ...

    def write_checkpoint(self, checkpoint: DemandCheckpointObject) -> Written:
        """Create or replace a checkpoint."""
        ...

    def delete_checkpoint(self, name: str) -> Written:
        """Delete a checkpoint."""
        ...


class Solves(Protocol):
    """What is needed of ``solving.Solver``."""

    starts: int

    def solve(self, snapshot: Snapshot, deadline_s: float, seed: int) -> Answer:
        """Ask for a plan."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a round works with.

    Parameters
    ----------
    books : Books
    looker : Looker
    solver : Solves
    outside : Outside
    teller : Teller
    metrics : RecommenderMetrics
    clock : callable
        Seconds that only go on.
    now : callable
        Unix seconds.
    prospects : callable
        What histories foretell now, by domain.
    lessons : Lessons or None
        What history has to teach of pods.
    work : callable
        What pods do, as it was last read; None where that is not known.
    """

    books: Books
    looker: Looker
    solver: Solves
    outside: Outside
    teller: Teller
    metrics: RecommenderMetrics
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    prospects: Callable[[], Prospects] = none_known
    lessons: Lessons | None = None
    work: Callable[[], WorkReading | None] = none_read
