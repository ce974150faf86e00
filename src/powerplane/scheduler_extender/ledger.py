"""The books: what pods that are bound draw, and what is held for pods that may be.

The scheduler never tells which of the nodes that pass a filter it takes, and binds behind our back. So a pod that has
passed is charged at once, on every node that it may be on, until the watch shows where it is: on a node its watts, on
a domain the most that any of its nodes would bring. Too much is held for some milliseconds; too little never is.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from powerplane.adapters.node_rates import Devices, Draw, devices_draw_mw
from powerplane.models.power_tree import Ints, PowerTree
from powerplane.scheduler_extender.facts import PodFact

MCORES = 1000


@dataclass(slots=True)
class NodeLoad:
    """What the pods bound to one node draw by the books."""

    stated_mw: int = 0
    silent_mcores: int = 0
    silent_devices: Counter[Devices] = field(default_factory=Counter)
    by_priority: dict[int, int] = field(default_factory=dict)
    pods: dict[str, PodFact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """Watts held for a pod that is not seen bound.

    Parameters
    ----------
    key : str
        The pod's UID, or a planned move's.
    namespace : str
    nodes : int64 array, shape (C,)
        Columns of the nodes that it may be on.
    mw : int64 array, shape (C,)
        Its draw on each.
    until_s : float
        When it lapses, on the state's clock.
    version : int
        The pod's resourceVersion when it was held.
    refusal, nominated : str
        What its status said then, of an earlier attempt.
    planned : bool
        Whether it is a planned move's, for a pod that is still to come.
    """

    key: str
    namespace: str
    nodes: Ints
    mw: Ints
    until_s: float
    version: int = 0
    refusal: str = ""
    nominated: str = ""
    planned: bool = False


class Ledger:
    """The books over one power tree.

    Parameters
    ----------
    tree : PowerTree
    """

    def __init__(self, tree: PowerTree) -> None:
        self.silent_pods = 0
        """Bound pods that state no watts."""
        self.without_watts: Counter[str] = Counter()
        """Those of them that are not their node's own, and should have been given watts, by namespace."""
        self.loads: dict[str, NodeLoad] = {}
        self.holds: dict[str, Hold] = {}
        self._where: dict[str, str] = {}
        self._room: Ints | None = None
        self.tree = tree
        self._build(tree)

    # -- the tree

    def use(self, tree: PowerTree) -> None:
        """Carry everything over to another tree; holds on nodes that it lacks shrink to those that it has."""
        if tree.index is self.tree.index:
            self.tree, self._room = tree, None  # the same nodes in the same groups: only what is free has changed
        else:
            self._build(tree)

    def _build(self, tree: PowerTree) -> None:
        before, held = self.tree, list(self.holds.values())
        self.tree = tree
        self._used_mw = np.zeros(len(tree), dtype=np.int64)
        self._held_mw = np.zeros(len(tree), dtype=np.int64)
        self._row_used = np.zeros(len(tree.row_free), dtype=np.int64)
        self._row_held = np.zeros(len(tree.row_free), dtype=np.int64)
        self._by_priority: dict[int, Ints] = {}
        self._holds_of: Counter[str] = Counter()
        self._row_charges: dict[str, tuple[Ints, Ints]] = {}
        self.holds = {}
        self._room = None
        for name, load in self.loads.items():
            column = tree.index.get(name)
            if column is not None:
                self._charge(column, self._drawn(column, load))
                for priority, mw in load.by_priority.items():
                    self._rank(priority)[column] += mw
        for hold in held:
            self._carry_over(hold, before)

    def _carry_over(self, hold: Hold, before: PowerTree) -> None:
        index = self.tree.index
        names = [before.nodes[column].name for column in hold.nodes.tolist()]
        kept = [(index[name], mw) for name, mw in zip(names, hold.mw.tolist(), strict=True) if name in index]
        if kept:
            nodes, mw = (np.array(part, dtype=np.int64) for part in zip(*kept, strict=True))
            self.hold(replace(hold, nodes=nodes, mw=mw))

    # -- bound pods

    def node_of(self, uid: str) -> str | None:
        """Where a pod is bound by the books."""
        return self._where.get(uid)

    def pod(self, uid: str) -> PodFact | None:
        """A bound pod."""
        node = self._where.get(uid)
        return None if node is None else self.loads[node].pods[uid]

    def place(self, pod: PodFact) -> None:
        """Book a bound pod, in place of what was booked or held for it."""
        self.release(pod.uid)
        if self.pod(pod.uid) == pod:
            return
        self.remove(pod.uid)
        load = self.loads.setdefault(pod.node, NodeLoad())
        load.pods[pod.uid] = pod
        self._where[pod.uid] = pod.node
        self._book(pod.node, load, pod, 1)

    def remove(self, uid: str) -> None:
        """Take a bound pod off the books."""
        node = self._where.pop(uid, None)
        if node is None:
            return
        load = self.loads[node]
        pod = load.pods.pop(uid)
        self._book(node, load, pod, -1)
        if not load.pods:
            del self.loads[node]

    def bound(self) -> Iterator[str]:
        """UIDs of all bound pods."""
        return iter(self._where)

    def _book(self, node: str, load: NodeLoad, pod: PodFact, sign: int) -> None:
        stated = pod.demand.stated_mw
        column = self.tree.index.get(node)
        before = 0 if column is None else self._drawn(column, load)
        if pod.demand.silent:
            load.silent_mcores += sign * pod.demand.mcores
            if pod.demand.devices:
                load.silent_devices[pod.demand.devices] += sign
            self.silent_pods += sign
            self.without_watts[pod.namespace] += sign * (not pod.own)
        if stated is not None:
            load.stated_mw += sign * stated
            load.by_priority[pod.priority] = load.by_priority.get(pod.priority, 0) + sign * stated
            if column is not None:
                self._rank(pod.priority)[column] += sign * stated
        if column is not None:
            self._charge(column, self._drawn(column, load) - before)

    def _rank(self, priority: int) -> Ints:
        """What pods of one priority draw on each node by what they state, shape (N,)."""
        if priority not in self._by_priority:
            self._by_priority[priority] = np.zeros(len(self.tree), dtype=np.int64)
        return self._by_priority[priority]

    def _drawn(self, column: int, load: NodeLoad) -> int:
        known = self.tree.nodes[column].device_mw
        held = sum(count * devices_draw_mw(each, known) for each, count in load.silent_devices.items())
        return load.stated_mw + -(-load.silent_mcores * int(self.tree.per_core_mw[column]) // MCORES) + held

    def _charge(self, column: int, mw: int) -> None:
        if not mw:
            return
        self._used_mw[column] += mw
        group = self.tree.group[column]
        # A row stands once in a group; the filling's row is nobody's, so that what it sums up to matters to nobody.
        self._row_used[self.tree.group_row[group]] += self.tree.group_weight[group] * mw
        self._room = None

    # -- holds

    def hold(self, hold: Hold) -> None:
        """Hold watts, in place of what was held under that key."""
        self.release(hold.key)
        self.holds[hold.key] = hold
        self._holds_of[hold.namespace] += int(not hold.planned)
        rows, amounts = self._row_charges[hold.key] = self.row_charge(hold.nodes, hold.mw)
        self._held_mw[hold.nodes] += hold.mw
        self._row_held[rows] += amounts
        self._room = None

    def release(self, key: str) -> Hold | None:
        """Let go of what is held under a key."""
        hold = self.holds.pop(key, None)
        if hold is not None:
            self._holds_of[hold.namespace] -= int(not hold.planned)
            rows, amounts = self._row_charges.pop(key)
            self._held_mw[hold.nodes] -= hold.mw
            self._row_held[rows] -= amounts
            self._room = None
        return hold

    def holds_of(self, namespace: str) -> int:
        """How many pods of a namespace hold watts."""
        return self._holds_of[namespace]

    def row_charge(self, nodes: Ints, mw: Ints) -> tuple[Ints, Ints]:
        """Rows above some nodes, and the most that any one of them would bring, in milliwatts times ``scale``."""
        tree = self.tree
        if len(nodes) == 1:
            group = tree.group[nodes[0]]
            return tree.group_row[group].astype(np.int64), tree.group_weight[group] * mw[0]
        most = np.zeros(len(tree.group_row), dtype=np.int64)
        if mw[0] == mw.max() == mw.min():
            most[tree.group[nodes]] = mw[0]
        else:
            np.maximum.at(most, tree.group[nodes], mw)
        touched = np.flatnonzero(most)
        charge = np.zeros(len(tree.row_free), dtype=np.int64)
        np.maximum.at(charge, tree.group_row[touched], tree.group_weight[touched] * most[touched, None])
        rows = np.flatnonzero(charge)
        return rows, charge[rows]

    # -- what is left

    def demand_mw(self, demand: Draw) -> Ints:
        """A pod's draw on each node, shape (N,)."""
        if not demand.silent:
            return np.full(len(self.tree), demand.stated_mw, dtype=np.int64)
        estimate: Ints = (demand.stated_mw or 0) - (-demand.mcores * self.tree.per_core_mw // MCORES)
        if demand.devices:
            held = [devices_draw_mw(demand.devices, node.device_mw) for node in self.tree.nodes]
            estimate += np.array(held, dtype=np.int64)
        return estimate

    def drawn_mw(self, demand: Draw, column: int) -> int:
        """A pod's draw on one node."""
        stated = demand.stated_mw or 0
        if not demand.silent:
            return stated
        held = devices_draw_mw(demand.devices, self.tree.nodes[column].device_mw)
        return stated + demand.mcores * int(self.tree.per_core_mw[column]) // MCORES + held

    @property
    def node_room_mw(self) -> Ints:
        """What each node's own budget leaves, shape (N,)."""
        left: Ints = self.tree.node_free_mw - self._used_mw - self._held_mw
        return left

    @property
    def row_free(self) -> Ints:
        """What each row leaves, in milliwatts times ``scale``, shape (K + 1,); the last is endless."""
        left: Ints = self.tree.row_free - self._row_used - self._row_held
        left[-1] = self.tree.row_free[-1]
        return left

    @property
    def room_mw(self) -> Ints:
        """What a pod on each node may draw at most, under every budget, shape (N,)."""
        if self._room is None:
            self._room = np.minimum(self.node_room_mw, self.tree.group_room(self.row_free)[self.tree.group])
        return self._room

    @property
    def held_mw(self) -> Ints:
        """What is held on each node for pods not seen bound, shape (N,); not to be written to."""
        return self._held_mw

    @property
    def used_mw(self) -> Ints:
        """What bound pods draw on each node, shape (N,); not to be written to."""
        return self._used_mw

    def lower_mw(self, priority: int) -> Ints:
        """What pods of a lower priority draw on each node, by what they state, shape (N,)."""
        lower = np.zeros(len(self.tree), dtype=np.int64)
        for own, mw in self._by_priority.items():
            if own < priority:
                lower += mw
        return lower
