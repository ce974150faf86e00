"""What workloads are remembered to use: from checkpoints and history at the start, then round by round."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.telemetry.pod_histories import open_histories
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.demand.checkpoint import checkpoint_of, due, outlived, put_all_back
from powerplane.models.demand.confidence import BoundRules
from powerplane.models.demand.history import read_history
from powerplane.models.demand.memory import LEAST_DAYS, DemandMemory
from powerplane.models.errors import PowerPlaneError
from powerplane.models.owners import OwnerBook
from powerplane.models.quantities import MICRO, MILLI
from powerplane.models.telemetry.node_readings import PodReadings
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES
from powerplane.models.usage import UsageRow
from powerplane.recommender.books import Seen
from powerplane.recommender.publishing import rfc3339

LOG = logging.getLogger(__name__)

HISTORY_S = 7 * 86_400.0
RULES = BoundRules()
MOST_CHECKPOINTS = 20
"""Written in one round."""

CHECKPOINT_S = 600.0
"""How much newer than its checkpoint a workload's memory must be for it to be written."""

Name = tuple[str, str]


@dataclass(slots=True)
class Demanding:
    """Keeps the memory. Not for several threads at once.

    Parameters
    ----------
    memory : DemandMemory
    """

    memory: DemandMemory = field(default_factory=lambda: DemandMemory(RULES))
    _written_s: dict[str, float] = field(default_factory=dict)

    def put_back(self, items: Iterable[Mapping[str, Any]], now_s: float) -> list[str]:
        """Begin with what checkpoints hold; what cannot be read is told in the log.

        Parameters
        ----------
        items : iterable of mapping
            As the API lists them.
        now_s : float
            Unix seconds.

        Returns
        -------
        list of str
            Names of those that are too old for anybody.
        """
        kept = list(items)
        for error in put_all_back(self.memory, kept, now_s):
            LOG.warning("%s", error.problem)
        self.memory.forget(now_s)
        last = np.maximum(self.memory.cores.last_s, self.memory.watts.last_s).tolist()
        self._written_s = {owner: last[row] for owner, row in self.memory.row_of.items()}
        return [each.metadata.name for each in _readable(kept) if outlived(each, now_s)]

    def adopt(self, learned: DemandMemory, now_s: float) -> None:
        """Take over what was learned from history; workloads that it knows nothing of keep what is remembered."""
        kept = [
            found
            for owner in self.memory.row_of.keys() - learned.row_of.keys()
            if (found := checkpoint_of(self.memory, owner, rfc3339(now_s))) is not None
        ]
        for known in kept:
            put_all_back(learned, [_plain(known)], math.inf)
        self.memory = learned

    def observe(self, seen: Seen, readings: PodReadings, now_s: float) -> None:
        """Take a round in."""
        self.memory.observe_pods(readings, owners_of(seen), now_s)
        self.memory.forget(now_s)

    def usual(self, seen: Seen) -> list[UsageRow]:
        """Return what pods usually use, for those of which nothing is measured now."""
        demand = self.memory.demand()
        found = []
        for (namespace, name), owner in owners_of(seen).items():
            row = demand.row_of.get(owner, -1)
            if row < 0:
                continue
            cores = demand.cores.mean[row] if demand.cores.days[row] >= LEAST_DAYS else math.nan
            watts = demand.watts.mean[row] if demand.watts.days[row] >= LEAST_DAYS else math.nan
            if math.isfinite(cores) or math.isfinite(watts):
                use = math.ceil(cores * MICRO) if math.isfinite(cores) else None
                found.append(UsageRow(namespace, name, use, math.ceil(watts * MILLI) if math.isfinite(watts) else None))
        return found

    def to_write(self, now_s: float) -> list[DemandCheckpointObject]:
        """Return the checkpoints that are to be written now, the oldest first."""
        self._written_s = {owner: at_s for owner, at_s in self._written_s.items() if owner in self.memory.row_of}
        allowed = {owner: at_s + CHECKPOINT_S for owner, at_s in self._written_s.items()}
        owners = due(self.memory, allowed, MOST_CHECKPOINTS)
        found = [checkpoint_of(self.memory, owner, rfc3339(now_s)) for owner in owners]
        return [each for each in found if each is not None]

    def written(self, checkpoint: DemandCheckpointObject) -> None:
        """Note one that was written."""
        kept = (checkpoint.spec.cores, checkpoint.spec.accelerator_watts)
        self._written_s[checkpoint.spec.owner] = max((each.last_seconds for each in kept if each), default=-math.inf)


class Lessons:
    """Reads history on a thread of its own, once, into a memory that is handed over.

    Parameters
    ----------
    source : Opened
        Of pods' histories; used by this alone.
    owner_of : callable
        Owner of each pod by namespace and name; none while they are not known.
    now : callable
        Unix seconds.
    """

    def __init__(
        self, source: Opened, owner_of: Callable[[], Mapping[Name, str]], now: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._owner_of = owner_of
        self._now = now
        self._learned: DemandMemory | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin to read, if that was not begun yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lessons", daemon=True)
            self._thread.start()

    def learned(self) -> DemandMemory | None:
        """Return the memory once it is made, and never again."""
        found, self._learned = self._learned, None
        return found

    def _run(self) -> None:
        try:
            self._learned = learn(self._source, self._owner_of())
        except PowerPlaneError as error:
            LOG.warning("no history of what pods used: %s", error.problem)
        except Exception:
            LOG.exception("reading what pods used failed")


def learn(source: Opened, owner_of: Mapping[Name, str]) -> DemandMemory | None:
    """Return a memory of what pods used over the last days; None where there is no history.

    Raises
    ------
    UnreachableError
        When the source does not answer.
    """
    if not owner_of:
        return None
    ask = open_histories(source, HISTORY_S, len(owner_of), _silent)
    memory = DemandMemory(RULES)
    cores, watts = ask.blocks("pod cpu cores", POD_USE_SOURCES), ask.blocks("gpu watts", GPU_SOURCES)
    used = read_history(list(owner_of), cores, watts, ask.step_s)
    return memory if used is not None and used.teach(memory, owner_of.values()) else None


def owners_of(seen: Seen) -> dict[Name, str]:
    """Owner of each pod, ``namespace/Kind/name``, by its namespace and name; a bare pod is its own."""
    book, found = OwnerBook(seen.cluster.replica_sets), {}
    for pod in seen.cluster.pods:
        meta = pod.metadata
        found[meta.namespace, meta.name] = f"{meta.namespace}/{book.of(pod) or f'Pod/{meta.name}'}"
    return found


def _readable(items: Iterable[Mapping[str, Any]]) -> Iterator[DemandCheckpointObject]:
    for item in items:
        try:
            yield msgspec.convert(item, DemandCheckpointObject)
        except msgspec.ValidationError:
            continue


def _plain(checkpoint: DemandCheckpointObject) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.to_builtins(checkpoint)
    return found


def _silent(what: str) -> None:
    del what
