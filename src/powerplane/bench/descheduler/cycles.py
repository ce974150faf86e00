"""Descheduler's runs, one after the other, until nothing more happens or the time is over."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerplane.bench.descheduler.arms import Arm
from powerplane.bench.descheduler.cells import CutCell
from powerplane.bench.descheduler.placed import NOWHERE, PERCENT, Placed
from powerplane.bench.ledger import Ints, Mask
from powerplane.solver.formulate import Formulation

HORIZON_S = 7200
"""How long a cut is looked at."""

SETTLE_S = 30
"""From an eviction until the pod has terminated and its successor draws where it is; the same for all arms."""


@dataclass(frozen=True, slots=True)
class Event:
    """A pod was evicted from a node, or waited (``NOWHERE``); and the node that it got, or none."""

    cycle: int
    pod: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Look:
    """How things stand when all of a run's pods have settled.

    Parameters
    ----------
    evictions : int
        Since the beginning.
    overload_mw : int
        Above all budgets.
    broken_mw : int
        Of it, above budgets that held at the beginning.
    broken : tuple of str
        The domains of these.
    """

    cycle: int
    evictions: int
    overload_mw: int
    broken_mw: int
    broken: tuple[str, ...]
    waiting: int

    @property
    def holds(self) -> bool:
        """Every budget holds and every pod runs."""
        return not self.overload_mw and not self.waiting


@dataclass(slots=True)
class Story:
    """All that happened.

    Parameters
    ----------
    error : str
        Why the plugin gave up without a look at any node; "" where it did not.
    refused : int
        Evictions that a disruption budget forbade.
    """

    first_overload_mw: int
    events: list[Event] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    error: str = ""
    refused: int = 0


class Runs:
    """One arm on one cell."""

    def __init__(self, cell: CutCell, formulation: Formulation, arm: Arm, rng: np.random.Generator) -> None:
        self.cell, self.arm, self._rng = cell, arm, rng
        self.placed = Placed(cell.snapshot, formulation, rng)
        self.problem = formulation.problem
        self.placed.cordoned = cell.inside & arm.cordoned
        ledger = self.placed.ledger
        self._held: Mask = ledger.load <= ledger.limit
        self.story = Story(ledger.overload_mw())
        self._down: dict[str, int] = {}

    def play(self) -> Story:
        """Run until nothing changes any more, or the time is over."""
        for cycle in range(HORIZON_S // self.arm.interval_s):
            refused, evictions = self.story.refused, len(self.story.events)
            waited = self._reschedule(cycle)
            self._run(cycle)
            self.placed.settle()
            self._look(cycle)
            same = len(self.story.events) == evictions and self.story.refused == refused
            if same and not waited and self.story.looks[-1].waiting == 0:
                break
        return self.story

    def _reschedule(self, cycle: int) -> bool:
        """Try waiting pods again; those have no node and hold their disruption budget."""
        self._down = {}
        waiting = np.flatnonzero((self.placed.node_of == NOWHERE) & (self.placed.class_of >= 0)).tolist()
        for pod in waiting:
            if (target := self.placed.schedule(pod)) != NOWHERE:
                self.story.events.append(Event(cycle, pod, NOWHERE, target))
            else:
                self._count_down(int(self.placed.class_of[pod]))
        return bool(waiting)

    def _run(self, cycle: int) -> None:
        percent = self._percent()
        self.story.error = "" if percent is not None else "a node's value is above 1"
        if percent is None:
            return
        low = (percent <= self.arm.low_percent) & ~self.placed.cordoned
        high = np.flatnonzero(percent > self.arm.target_percent)
        if not low.any() or low.all() or not len(high):
            return
        left = self.arm.in_all
        for node in self._by_use(high, percent):
            most = 1 if self.arm.per_node is None else self.arm.per_node
            evicted = self._evict_from(cycle, node, low, most if left is None else min(most, left))
            left = None if left is None else left - evicted

    def _by_use(self, nodes: NDArray[np.intp], percent: Ints) -> list[int]:
        """Nodes of the highest value first, by lot where equal."""
        nodes = self._rng.permutation(nodes)
        ordered: list[int] = nodes[np.argsort(-percent[nodes], kind="stable")].tolist()
        return ordered

    def _percent(self) -> Ints | None:
        """Whole percent of each node, as the plugin keeps them; None where a value ends its run."""
        ledger = self.placed.ledger
        if self.arm.query == "share":
            part = ledger.node_mw / np.maximum(1, self.cell.share_mw)
        else:
            part = (ledger.load / np.maximum(1, ledger.limit))[ledger.lines].max(axis=1)
        if not self.arm.clamped and (part > 1).any():
            return None
        percent: Ints = (np.minimum(part, 1) * PERCENT).astype(np.int64)
        return percent

    def _evict_from(self, cycle: int, node: int, low: Mask, most: int) -> int:
        """Evict up to so many pods of a node, and return how many."""
        evicted = 0
        for pod in self.placed.on(node) if most else ():
            if evicted == most:
                break
            pod_class = int(self.placed.class_of[pod])
            # The plugin spares pods that no node below its thresholds would take for its taints.
            if not (self.problem.allowed[self.problem.allowed_set[pod_class]] & low).any():
                continue
            if self.arm.node_fit and not self._fits_elsewhere(pod_class, node):
                continue
            if not self._may_be_down(pod_class):
                self.story.refused += 1
                continue
            self._count_down(pod_class)
            source = self.placed.evict(pod)
            self.story.events.append(Event(cycle, pod, source, self.placed.schedule(pod)))
            evicted += 1
        return evicted

    def _fits_elsewhere(self, pod_class: int, node: int) -> bool:
        fits = self.placed.fits(pod_class)
        fits[node] = False
        return bool(fits.any())

    def _may_be_down(self, pod_class: int) -> bool:
        budgets = self.problem.disruption_budgets
        return all(self._down.get(b.name, 0) < b.allowed for b in budgets if pod_class in b.classes)

    def _count_down(self, pod_class: int) -> None:
        for budget in self.problem.disruption_budgets:
            if pod_class in budget.classes:
                self._down[budget.name] = self._down.get(budget.name, 0) + 1

    def _look(self, cycle: int) -> None:
        ledger = self.placed.ledger
        over = np.maximum(0, ledger.load - ledger.limit)[:-1] // self.problem.row_scale
        fresh = np.flatnonzero((over > 0) & self._held[:-1]).tolist()
        self.story.looks.append(
            Look(
                cycle=cycle,
                evictions=sum(event.source != NOWHERE for event in self.story.events),
                overload_mw=ledger.overload_mw(),
                broken_mw=int(over[fresh].sum()),
                broken=tuple(ledger.line_names[line] for line in fresh),
                waiting=int(((self.placed.node_of == NOWHERE) & (self.placed.class_of >= 0)).sum()),
            )
        )
        if self.arm.cordoned and not ledger.overload_mw():
            self.placed.cordoned = np.zeros_like(self.placed.cordoned)
