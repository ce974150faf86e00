"""A small cluster for the controller's tests: nodes, a scheduler and a kubelet by their rules, and everything late.

The kubelet (pkg/kubelet/lifecycle/predicate.go): when it starts it admits each bound pod anew; the fit covers the
extended resources that its Node lists and skips those that it does not. When a machine is new, it zeroes the
extended resources that it finds on its Node.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from scipy import sparse

from powerplane.node_watts.seen import Seen, Write
from powerplane.solver.partition import Demand
from powerplane.solver.partition_rows import partition_rows

LATE_S = 0.9
"""The most by which any watch, ours or the scheduler's, is late."""

WRITE_S = 3.0
"""The longest time that a write may take to land."""


@dataclass(frozen=True)
class TrueNode:
    """A node as the API server has it; ``listed`` None without the key."""

    version: int
    listed: int | None = None
    closed: bool = False


@dataclass(frozen=True)
class TruePod:
    """A pod; ``astray`` where it was bound by the number of a Node that was already gone or zeroed."""

    watts: int
    node: str | None = None
    nominated: str | None = None
    astray: bool = False


@dataclass(frozen=True)
class Moment:
    at_s: float
    nodes: dict[str, TrueNode]
    pods: dict[str, TruePod]


@dataclass
class Flight:
    write: Write
    lands_s: float
    lost_answer: bool
    controller: int


@dataclass
class World:
    """Everything that is true, and its past, out of which late watchers see."""

    rows: list[list[int]]
    limits: list[int]
    caps: list[int]
    scale: int = 2
    now_s: float = 100.0
    nodes: dict[str, TrueNode] = field(default_factory=dict)
    pods: dict[str, TruePod] = field(default_factory=dict)
    past: list[Moment] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    loads: list[tuple[float, list[int]]] = field(default_factory=list)
    born: dict[str, int] = field(default_factory=dict)
    counter: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        self.names = [f"n{i}" for i in range(len(self.caps))]
        for name in self.names:
            self.make(name)
        self.forgive()
        self.remember()

    def next(self) -> int:
        self.counter += 1
        return self.counter

    def make(self, name: str, listed: int | None = None) -> None:
        """Make a node anew: nothing that was listed before holds for it."""
        self.born[name] = self.next()
        self.nodes[name] = TrueNode(self.born[name], listed)

    def remember(self) -> None:
        self.past.append(Moment(self.now_s, dict(self.nodes), dict(self.pods)))
        while len(self.past) > 1 and self.past[1].at_s < self.now_s - 2 * LATE_S:
            del self.past[0]

    def ago(self, late_s: float) -> Moment:
        """What a watcher that is so late sees."""
        return next((moment for moment in reversed(self.past) if moment.at_s <= self.now_s - late_s), self.past[0])

    def bound(self, name: str) -> int:
        return sum(pod.watts for pod in self.pods.values() if pod.node == name)

    def load(self, row: int, *, to_come: bool = False) -> int:
        """What a row may carry at this instant: of each node the greatest of listed, bound and (to come) on the way."""
        total = 0
        for i, name in enumerate(self.names):
            node = self.nodes.get(name)
            most = max((node.listed or 0) if node else 0, self.bound(name))
            if to_come and node:
                version = str(node.version)
                coming = [f.write.watts for f in self.flights if f.write.node == name and f.write.version == version]
                most = max(most, *coming, 0)
            total += self.rows[row][i] * most
        return total

    def forgive(self) -> None:
        """After a change from outside: what is broken now, or will be by what is on its way, no controller broke."""
        self.loads.append((self.now_s, [self.load(row, to_come=True) for row in range(len(self.rows))]))

    def check(self, *, kubelets: bool = True) -> None:
        """Every row holds, or carries no more than it carried in the last while, in which nobody could know better."""
        while len(self.loads) > 1 and self.loads[1][0] <= self.now_s - 2 * LATE_S - WRITE_S:
            del self.loads[0]
        for row, limit in enumerate(self.limits):
            load, most = self.load(row), max((loads[row] for _, loads in self.loads), default=0)
            assert load <= max(limit, most), f"row {row} carries {load}, may carry {limit}, carried {most}"
        self.forgive()
        for name, node in self.nodes.items():
            listed, bound = node.listed, self.bound(name)
            assert listed is None or listed > 0 or name in self.zeroed, f"{name} lists 0"
            if kubelets and listed is not None and name not in self.zeroed:
                known = bound - self.astray(name)
                assert known <= listed, f"a kubelet that restarts on {name} finds {known} W in {listed} W"
                if bound <= listed:
                    self.settle(name)

    def astray(self, name: str) -> int:
        """Watts that came by an older Node's number and that this one has not made up for yet."""
        return sum(pod.watts for pod in self.pods.values() if pod.node == name and pod.astray)

    def settle(self, name: str) -> None:
        """From here on the node has to have room for all that is bound to it."""
        self.pods = {uid: replace(pod, astray=pod.astray and pod.node != name) for uid, pod in self.pods.items()}

    @property
    def zeroed(self) -> set[str]:
        """Nodes that their own kubelet zeroed, which nobody could write again yet."""
        return {name for name, node in self.nodes.items() if node.listed == 0}

    # What others do.

    def bind(self, uid: str, name: str, late_s: float) -> bool:
        """Bind a pod as the scheduler would, by nodes as they were and pods as they are."""
        pod = self.pods[uid]
        node = self.ago(late_s).nodes.get(name)
        if pod.node or node is None or node.closed or name not in self.nodes:
            return False
        if self.bound(name) + pod.watts > (node.listed or 0):
            return False
        astray = node.version < self.born[name]
        self.pods[uid] = replace(pod, node=name, nominated=None, astray=astray)
        return True

    def land(self) -> list[tuple[Flight, str]]:
        """Let the writes land that are due; return what each sender is told."""
        told = []
        for flight in sorted(self.flights, key=lambda flight: flight.lands_s):
            if flight.lands_s <= self.now_s:
                self.flights.remove(flight)
                done = self._apply(flight.write)
                told.append((flight, "unknown" if flight.lost_answer else "done" if done else "refused"))
        return told

    def _apply(self, write: Write) -> bool:
        node = self.nodes.get(write.node)
        if node is None or str(node.version) != write.version:
            return False
        if write.kind == "watts":
            self.nodes[write.node] = replace(node, version=self.next(), listed=write.watts or None)
        else:
            self.nodes[write.node] = replace(node, version=self.next(), closed=write.kind == "close")
        self.written += 1
        return True

    # What the controller sees.

    def seen(self, nodes_late_s: float, pods_late_s: float) -> Seen:
        nodes, pods = self.ago(nodes_late_s).nodes, self.ago(pods_late_s).pods
        held = {pod.node for pod in pods.values() if pod.node}
        names = [name for name in self.names if name in nodes or name in held]
        nodes = {name: nodes.get(name, TrueNode(0)) for name in names}
        at = [self.names.index(name) for name in names]
        listed = np.array([nodes[name].listed or 0 for name in names], dtype=np.int64)
        bound = [sum(pod.watts for pod in pods.values() if pod.node == name) for name in names]
        nominated = [sum(p.watts for p in pods.values() if p.nominated == name and not p.node) for name in names]
        waiting = [(uid, pod) for uid, pod in sorted(pods.items()) if not pod.node and not pod.nominated]
        absent = np.array([nodes[name].version == 0 for name in names], dtype=np.bool_)
        weights = sparse.csr_array(np.array([[row[i] for i in at] for row in self.rows], dtype=np.int64))
        return Seen(
            names=tuple(names),
            versions=tuple(str(nodes[name].version) for name in names),
            listed=listed,
            upper=listed.copy(),
            untrue=np.array([nodes[name].listed == 0 for name in names], dtype=np.bool_),
            closed=np.array([nodes[name].closed for name in names], dtype=np.bool_),
            absent=absent,
            bound=np.array(bound, dtype=np.int64),
            nominated=np.array(nominated, dtype=np.int64),
            rows=partition_rows(weights, np.array(self.limits, dtype=np.int64)),
            row_names=tuple((f"row{k}", "") for k in range(len(self.limits))),
            row_scale=self.scale,
            cap=np.where(absent, 0, np.array([self.caps[i] for i in at], dtype=np.int64)),
            ability=np.full(len(names), 100, dtype=np.int64),
            free=np.full((len(names), 1), 100, dtype=np.int64),
            demands=tuple(Demand(uid, pod.watts, (1,), 1, 0) for uid, pod in waiting),
            allowed=np.ones((1, len(names)), dtype=np.bool_),
        )


def feeds_world(limit_watts: int = 300, cap_watts: int = 200) -> World:
    """Four nodes: two racks, both on two feeds, each feed also with the other lost."""
    rows = [[2, 2, 0, 0], [0, 0, 2, 2], [1, 1, 1, 1], [2, 2, 2, 2], [1, 1, 1, 1], [2, 2, 2, 2]]
    racks = [2 * limit_watts, 2 * limit_watts]
    feed = int(Fraction(5, 3) * limit_watts) * 2
    return World(rows, [*racks, feed, feed, feed, feed], [cap_watts] * 4)
