"""What pods used, learnt piece by piece: from days back to the present at first, then what has come since.

Demand is kept in decaying histograms by workload and by class of pods, and of containers where requests are filled in;
percentiles, half-life and widening are the Vertical Pod Autoscaler's (``models/demand``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from powerplane.adapters.telemetry.pod_history import Historian, first_history, pod_rows
from powerplane.admission.history.containers import ContainerLearner
from powerplane.admission.history.pace import RULES, STEP_S, Pace, since
from powerplane.admission.history.pods import SeenPod
from powerplane.admission.history.wire import Histories
from powerplane.admission.predicting import Bounds, KnownDemand
from powerplane.models.demand.history import Name, PodHistory, read_history
from powerplane.models.demand.memory import LEAST_DAYS, DemandMemory, QuantityDemand
from powerplane.models.telemetry.precedence import GPU_SOURCES, POD_USE_SOURCES


@dataclass(slots=True)
class PodLearner:
    """Learns pods' CPU and accelerators' watts, by workload and by class."""

    source: Historian
    workloads: DemandMemory = field(default_factory=lambda: DemandMemory(RULES))
    classes: DemandMemory = field(default_factory=lambda: DemandMemory(RULES))
    _pace: Pace = field(default_factory=Pace)

    def learn(self, pods: Mapping[Name, SeenPod], now_s: float) -> bool:
        """Read one piece; return whether there is more.

        Raises
        ------
        UnreachableError
            When there is no usable answer; nothing has then been learnt of the piece.
        """
        if (piece := self._pace.next(len(pods), now_s)) is None:
            return False
        span, behind = piece
        cores = first_history(self.source, pod_rows("pod cpu cores", POD_USE_SOURCES), span)
        cards = first_history(self.source, pod_rows("gpu watts", GPU_SOURCES), span)
        used = since(read_history(list(pods), cores, cards, STEP_S), span)
        if used is not None:
            _teach(used, self.workloads, [pod.owner for pod in pods.values()])
            _teach(used, self.classes, [pod.alike for pod in pods.values()])
        self._pace.until_s = span[1]
        for memory in (self.workloads, self.classes):
            memory.forget(now_s)
        return behind

    def known(self) -> tuple[dict[str, KnownDemand], dict[str, KnownDemand]]:
        """Return what workloads and classes use; those seen for less than ten minutes are left out."""
        return known_of(self.workloads), known_of(self.classes)


@dataclass(slots=True)
class Learner:
    """Learns all that admission wants to know of the past. Not for several threads at once.

    Parameters
    ----------
    source : Historian
    """

    source: Historian
    _pods: PodLearner = field(init=False)
    _containers: ContainerLearner = field(init=False)

    def __post_init__(self) -> None:
        self._pods, self._containers = PodLearner(self.source), ContainerLearner(self.source)

    def learn(self, pods: Mapping[Name, SeenPod], now_s: float, *, containers: bool) -> bool:
        """Read one piece of everything; return whether there is more.

        Parameters
        ----------
        pods : mapping of (namespace, name) to SeenPod
        now_s : float
            Unix seconds.
        containers : bool
            Whether containers' use is wanted.

        Raises
        ------
        UnreachableError
            When there is no usable answer.
        """
        behind = self._pods.learn(pods, now_s)
        return (containers and self._containers.learn(pods, now_s)) or behind

    def histories(self, managed: frozenset[str] | None, *, containers: bool) -> Histories:
        """Return what is known now."""
        workloads, classes = self._pods.known()
        return Histories(workloads, classes, self._containers.usual() if containers else {}, managed)


def _teach(used: PodHistory, memory: DemandMemory, names: Iterable[str]) -> None:
    """Let a memory take in what pods with a name used."""
    named = [(row, name) for row, name in enumerate(names) if name]
    rows = np.array([row for row, _ in named], dtype=np.int64)
    own = replace(used, cores=used.cores[rows], accelerator_watts=used.accelerator_watts[rows])
    seen = np.flatnonzero((~np.isnan(own.cores) | ~np.isnan(own.accelerator_watts)).any(axis=1))
    own = replace(own, cores=own.cores[seen], accelerator_watts=own.accelerator_watts[seen])
    own.teach(memory, [named[row][1] for row in seen.tolist()])


def known_of(memory: DemandMemory) -> dict[str, KnownDemand]:
    """Return what is known of each name in a memory; those seen for less than ten minutes are left out."""
    demand = memory.demand()
    cores, watts = _bounds(demand.cores), _bounds(demand.watts)
    return {
        owner: KnownDemand(cores.get(row), watts.get(row))
        for owner, row in demand.row_of.items()
        if row in cores or row in watts
    }


def _bounds(quantity: QuantityDemand) -> dict[int, Bounds]:
    """Bounds by row, where enough is known."""
    known = np.flatnonzero(quantity.days >= LEAST_DAYS).tolist()
    return {row: Bounds(float(quantity.bounds[row, 1]), float(quantity.bounds[row, 2])) for row in known}
