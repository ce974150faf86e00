"""Which pods are held down in place, and how far: by priority, work per watt, and where a lost core is worth most.

Pure. A pod that is held down uses no more CPU than the limits of its containers add up to, so what its node is foretold
to draw less is its curve over the use that is lost, and rests on no guess about which container uses how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerplane.models.cpu_limits import ContainerCpu, Cpus
from powerplane.models.curves import milliwatts_at
from powerplane.models.draws import NodeKind, curve_mw, node_draws_mw, node_kinds, node_loads, row_draws_mw
from powerplane.models.incidence import compile_incidence
from powerplane.models.quantities import MILLI
from powerplane.models.snapshot import Snapshot

Integers = NDArray[np.int64]

TARGET_PERCENT = 99
"""Of its budget that whatever is over it is brought to: a use can be cut to the watt, and meters err by a percent."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod that may be held down.

    Parameters
    ----------
    row : int
        Of the snapshot's pods.
    uid : str
    node : int
        Row of its node.
    priority : int
    use : int
        What it uses, in micro-cores.
    cpus : tuple of ContainerCpu
        Its containers as they are.
    floors : tuple of int or None
        How low each one's limit may go, in thousandths of a core; None for one that keeps what it has.
    apart : bool
        Whether requests have to stay below limits, or the pod's QoS class would be another.
    beside : int
        Thousandths of a core that sidecars may use, which are not resized.
    worth : int
        What its work per watt is worth, as in the price of a move: of one priority those that are worth least go first.
    """

    row: int
    uid: str
    node: int
    priority: int
    use: int
    cpus: Cpus
    floors: tuple[int | None, ...]
    apart: bool = False
    beside: int = 0
    worth: int = 0

    @property
    def kept(self) -> int:
        """Thousandths of a core that containers may use that keep what they have."""
        pairs = zip(self.cpus, self.floors, strict=True)
        return self.beside + sum(each.limit or 0 for each, floor in pairs if floor is None)

    @property
    def lowest(self) -> int:
        """The least that its containers' limits may add up to."""
        return self.kept + sum(floor for floor in self.floors if floor is not None)

    @property
    def spare(self) -> int:
        """Micro-cores that it can be made to lose."""
        return max(0, self.use - self.lowest * MILLI)

    def at(self, milli: int) -> Cpus:
        """Return what its containers are given for their limits to add up to no more than this.

        What there is above the floors is shared out by how much each could lose. Nothing is raised: not a limit, nor a
        request, which goes down with a limit below it.
        """
        uppers = [self._upper(each) for each in self.cpus]
        rooms = [
            0 if floor is None else max(0, upper - floor) for upper, floor in zip(uppers, self.floors, strict=True)
        ]
        share, room = max(0, milli - self.lowest), sum(rooms)
        given = []
        for each, floor, mine in zip(self.cpus, self.floors, rooms, strict=True):
            if floor is None:
                continue
            limit = floor + (min(share, room) * mine // room if room else 0)
            if each.limit is not None:
                limit = min(limit, each.limit)
            request = None if each.request is None else min(each.request, limit - self.apart)
            given.append(ContainerCpu(each.container, request, limit))
        return tuple(given)

    def _upper(self, cpu: ContainerCpu) -> int:
        """The most that a container is known to use: no more than its limit, and than all of the pod does."""
        most = -(-self.use // MILLI)
        return most if cpu.limit is None else min(cpu.limit, max(most, cpu.floor or 0))


@dataclass(frozen=True, slots=True)
class Cut:
    """One pod held down.

    Parameters
    ----------
    candidate : Candidate
    milli : int
        What it may use, in thousandths of a core.
    watts_mw : int
        What its node is foretold to draw less for it.
    """

    candidate: Candidate
    milli: int
    watts_mw: int

    @property
    def cpus(self) -> Cpus:
        """What its containers are given."""
        return self.candidate.at(self.milli)


def choose(snapshot: Snapshot, candidates: Sequence[Candidate]) -> tuple[Cut, ...]:
    """Return who is held down, and how far, for domains and nodes to draw what they may, or as little as can be.

    Parameters
    ----------
    snapshot : Snapshot
        With the budgets that are to hold.
    candidates : sequence of Candidate
        Each pod once.
    """
    return _Choice(snapshot, candidates).made()


def lowered(snapshot: Snapshot, cuts: Sequence[Cut]) -> Snapshot:
    """Return the snapshot with the pods held down."""
    use = snapshot.pods.use_ucores.copy()
    for cut in cuts:
        use[cut.candidate.row] = min(int(use[cut.candidate.row]), cut.milli * MILLI)
    return replace(snapshot, pods=replace(snapshot.pods, use_ucores=use))


class _Choice:
    """One choice in the making: what nodes and domains draw after what is chosen so far."""

    def __init__(self, snapshot: Snapshot, candidates: Sequence[Candidate]) -> None:
        self._left = sorted((each for each in candidates if each.spare), key=lambda each: (each.priority, each.uid))
        self._incidence = compile_incidence(snapshot.topology, snapshot.node_names)
        self._kinds = node_kinds(snapshot)
        self._kind: dict[int, NodeKind] = {int(node): kind for kind in self._kinds for node in kind.nodes}
        self._use, _ = node_loads(snapshot)
        self._draw = node_draws_mw(snapshot)
        self._node_budget = _target(snapshot.node_budget_mw, self._draw)
        self._budget = _target(self._incidence.budget_mw, row_draws_mw(self._incidence, self._draw))
        self._node = np.array([each.node for each in self._left], dtype=np.int32)
        self._priority = np.array([each.priority for each in self._left], dtype=np.int64)
        self._worth = np.array([each.worth for each in self._left], dtype=np.int64)
        self._spare = np.array([each.spare for each in self._left], dtype=np.int64)
        self._gain = self._gains(np.arange(len(self._left)))
        self._cuts: dict[int, Cut] = {}

    def made(self) -> tuple[Cut, ...]:
        while (need := self._needed()).any():
            wanted = need[self._node] > 0
            worth = wanted & (self._gain > 0)
            if not worth.any():
                # Where a node's use is past its curve's end, one pod alone saves nothing, and several may.
                worth = wanted & (self._spare > 0) & (self._together()[self._node] > 0)
            if not worth.any():
                break
            place = self._best(worth)
            self._cut(place, int(need[self._node[place]]))
        return tuple(self._cuts[place] for place in sorted(self._cuts))

    def _needed(self) -> Integers:
        """Milliwatts that each node would have to draw less for everything above it to hold."""
        need: Integers = np.maximum(self._draw - self._node_budget, 0)
        over = row_draws_mw(self._incidence, self._draw) - self._budget
        weights, scale = self._incidence.weights, self._incidence.scale
        for row in np.flatnonzero(over > 0).tolist():
            begin, end = int(weights.indptr[row]), int(weights.indptr[row + 1])
            nodes, share = weights.indices[begin:end], weights.data[begin:end]
            need[nodes] = np.maximum(need[nodes], -(-int(over[row]) * scale // np.maximum(share, 1)))
        return need

    def _together(self) -> Integers:
        """What each node would draw less with all its pods at their floors."""
        spare = np.zeros(len(self._use), dtype=np.int64)
        np.add.at(spare, self._node, self._spare)
        rows = np.arange(len(self._use), dtype=np.int32)
        return curve_mw(self._kinds, rows, self._use) - curve_mw(self._kinds, rows, self._use - spare)

    def _best(self, worth: NDArray[np.bool_]) -> int:
        """Of lowest priority, then of least worth, the first whose core saves most; among equals, the first by UID."""
        lowest = worth & (self._priority == self._priority[worth].min())
        lowest &= self._worth == self._worth[lowest].min()
        per_core = np.where(lowest, self._gain / np.maximum(self._spare, 1), -1.0)
        return int(np.argmax(per_core))

    def _cut(self, place: int, need: int) -> None:
        """Hold one pod down, no further than is needed."""
        each = self._left[place]
        spare, node = int(self._spare[place]), each.node
        now = each.lowest * MILLI + spare
        milli = self._highest(node, now, each.lowest, need)
        lost = now - milli * MILLI
        watts = self._watts(node, lost)
        before = self._cuts.get(place)
        self._cuts[place] = Cut(each, milli, watts + (before.watts_mw if before else 0))
        self._use[node] -= lost
        self._draw[node] -= watts
        self._spare[place] = spare - lost
        here = np.flatnonzero(self._node == node)
        self._gain[here] = self._gains(here)

    def _highest(self, node: int, now: int, lowest: int, need: int) -> int:
        """The most that a pod may go on using for its node to draw so much less; its lowest where nothing is enough."""
        low, high = lowest, (now - 1) // MILLI
        while low < high:
            middle = -(-(low + high) // 2)
            if self._watts(node, now - middle * MILLI) >= need:
                low = middle
            else:
                high = middle - 1
        return low

    def _watts(self, node: int, lost: int) -> int:
        kind, use = self._kind[node], int(self._use[node])
        both = milliwatts_at(kind.knots_ucores, kind.knots_mw, np.array([use, use - lost], dtype=np.int64))
        return int(both[0] - both[1])

    def _gains(self, places: NDArray[np.int64]) -> Integers:
        """What each would save at its floor."""
        nodes = self._node[places]
        now = curve_mw(self._kinds, nodes, self._use[nodes])
        return now - curve_mw(self._kinds, nodes, self._use[nodes] - self._spare[places])


def _target(budget_mw: Integers, draw_mw: Integers) -> Integers:
    """What everything may draw: what is over its budget, a little less than that."""
    return np.where(draw_mw > budget_mw, budget_mw // 100 * TARGET_PERCENT, budget_mw)
