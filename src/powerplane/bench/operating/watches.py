"""What watches of a simulated cluster tell: nodes, domains, pods with their nominations, and disruption budgets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from powerplane.actuator.seen import SeenPod
from powerplane.adapters.watch import Batch
from powerplane.bench.operating.objects import Allowed, PodObjects, domain_object, node_object
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainStatus
from powerplane.models.objects import Node, PodDisruptionBudget
from powerplane.simulator.pods import EXISTING, NOWHERE, Phase
from powerplane.simulator.world import World

Sink = Callable[[Batch[Any]], None]

OLD_S = 86_400.0
"""Age of the pods that run at second 0."""


@dataclass(slots=True)
class Sinks:
    """Who is told of each kind of object."""

    pods: list[Sink] = field(default_factory=list)
    nodes: list[Sink] = field(default_factory=list)
    domains: list[Sink] = field(default_factory=list)
    plans: list[Sink] = field(default_factory=list)
    budgets: list[Sink] = field(default_factory=list)


def send(sinks: list[Sink], changes: list[tuple[str, Any]]) -> None:
    """Tell changes, where there are any."""
    if changes:
        batch = Batch(False, tuple(changes))
        for sink in sinks:
            sink(batch)


@dataclass(frozen=True, slots=True)
class Told:
    """A pod as it was last told.

    Parameters
    ----------
    pod : SeenPod
    mark : tuple
        All that its object depends on.
    created_s : float
        Unix seconds.
    """

    pod: SeenPod
    mark: tuple[object, ...]
    created_s: float


class Watches:
    """Tells what has changed since the last time.

    Parameters
    ----------
    world : World
    sinks : Sinks

    Attributes
    ----------
    allowed : Allowed
    statuses : dict of PowerDomainStatus
        By domain, as they were written.
    gone_s, ready_s : dict of float
        By UID: when a pod was gone, and when it was first ready, in seconds of the simulation.
    """

    def __init__(self, world: World, sinks: Sinks) -> None:
        self._world, self._sinks = world, sinks
        self._objects = PodObjects(world)
        self._told: dict[str, Told] = {}
        self._rows: dict[str, int] = {}
        self._leaving_s: dict[str, float] = {}
        self._nominated: dict[str, tuple[int, int]] = {}
        self._domains: dict[str, PowerDomainObject] = {}
        self._nodes: dict[str, tuple[bool, Node]] = {}
        self._budgets: tuple[PodDisruptionBudget, ...] = ()
        self._version, self._stale = -1, True
        self.allowed = Allowed(world)
        self.statuses: dict[str, PowerDomainStatus] = {}
        self.gone_s: dict[str, float] = {}
        self.ready_s: dict[str, float] = {}

    @property
    def now_s(self) -> float:
        """Unix seconds."""
        return self._world.spec.base.as_of_s + self._world.now_s

    def row(self, uid: str) -> int:
        """Return the row of the pod of a UID; ``NOWHERE`` where there is none."""
        row, pods = self._rows.get(uid, NOWHERE), self._world.pods
        there = row != NOWHERE and pods.phase[row] != Phase.FREE
        return row if there and pods.name_and_uid(row)[1] == uid else NOWHERE

    def pod(self, uid: str) -> SeenPod:
        """Return a pod as it was last told."""
        return self._told[uid].pod

    def tell(self) -> None:
        """Tell what has changed."""
        self._tell_nodes()
        self._tell_domains()
        if self._version != self._world.pods.version or self._stale:
            self._tell_pods()
            self._tell_budgets()
            self._version, self._stale = self._world.pods.version, False

    # -- nominations: the scheduler counts them where they are

    def nominate(self, uid: str, node: int) -> None:
        """Nominate a pod that waits to a node; room is taken there."""
        self.drop_nomination(uid)
        template = int(self._world.pods.template[self._rows[uid]])
        self._nominated[uid] = (node, template)
        self._world.owners.placer.take(template, node)
        self._stale = True

    def drop_nomination(self, uid: str) -> int:
        """Take a nomination back; return the node that it was to, ``NOWHERE`` for none."""
        node, template = self._nominated.pop(uid, (NOWHERE, NOWHERE))
        if node != NOWHERE:
            self._world.owners.placer.release(template, node)
            self._stale = True
        return node

    # -- kinds of objects

    def _tell_nodes(self) -> None:
        changes = []
        for node, ready in zip(self._world.spec.base.nodes, self._world.ready.tolist(), strict=True):
            name = node.metadata.name
            if name not in self._nodes or self._nodes[name][0] != ready:
                self._nodes[name] = (ready, node_object(node, ready=ready))
                changes.append(("MODIFIED", self._nodes[name][1]))
        send(self._sinks.nodes, changes)

    def _tell_domains(self) -> None:
        budgets = self._world.supply.budget_watts * self._world.factors()
        changes = []
        for domain, watts in zip(self._world.domains(), budgets.tolist(), strict=True):
            made = domain_object(domain, watts, self.statuses.get(domain.name))
            if self._domains.get(domain.name) != made:
                self._domains[domain.name] = made
                changes.append(("MODIFIED", made))
        send(self._sinks.domains, changes)

    def _tell_pods(self) -> None:
        """Tell pods that came or changed, and those that the table does not hold any more."""
        pods, changes = self._world.pods, []
        self._rows = {pods.name_and_uid(row)[1]: row for row in pods.rows(*EXISTING).tolist()}
        waiting = {uid for uid, row in self._rows.items() if pods.phase[row] == Phase.WAITING}
        for uid in self._nominated.keys() - waiting:
            self.drop_nomination(uid)
        for uid, row in self._rows.items():
            nominated, _ = self._nominated.get(uid, (NOWHERE, NOWHERE))
            mark = (int(pods.phase[row]), int(pods.node[row]), bool(pods.gated[row]), nominated)
            before = self._told.get(uid)
            if before is None or before.mark != mark:
                self._told[uid] = self._made(uid, row, nominated, mark)
                changes.append(("MODIFIED", self._told[uid].pod))
        for uid in [uid for uid in self._told if uid not in self._rows]:
            changes.append(("DELETED", self._told.pop(uid).pod))
            self._leaving_s.pop(uid, None)
            self.gone_s[uid] = self._world.now_s
        send(self._sinks.pods, changes)

    def _made(self, uid: str, row: int, nominated: int, mark: tuple[object, ...]) -> Told:
        phase, before = self._world.pods.phase[row], self._told.get(uid)
        young = self._version >= 0
        created_s = before.created_s if before else self.now_s - (0.0 if young else OLD_S)
        leaving_s = self._leaving_s.setdefault(uid, self.now_s) if phase == Phase.LEAVING else None
        if phase == Phase.RUNNING:
            self.ready_s.setdefault(uid, self._world.now_s)
        place = "" if nominated == NOWHERE else self._world.nodes[nominated]
        return Told(self._objects.pod(row, created_s, place, leaving_s), mark, created_s)

    def _tell_budgets(self) -> None:
        made = self.allowed.budgets()
        if made != self._budgets:
            self._budgets = made
            send(self._sinks.budgets, [("MODIFIED", budget) for budget in made])
