"""The webhook at work: watches of namespaces, nodes, domains and policies, and a table made anew when they change."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.watch import Batch, Reflector, Watched, WatchPatience
from powerplane.admission.claims.levels import LevelBook
from powerplane.admission.filling import Filler, roomiest
from powerplane.admission.history.wire import NOTHING_KNOWN, Histories
from powerplane.admission.lock_watch import LockWatch, lock_watch
from powerplane.admission.offering import Offer, offer
from powerplane.admission.own_caps import own_caps, until_s
from powerplane.admission.planned import targets_of
from powerplane.admission.predicting import Predictor
from powerplane.admission.rates import RateBook, RatedNode
from powerplane.admission.rollouts import Deployment, is_rolling, surges_of
from powerplane.admission.room import room_watts
from powerplane.admission.table import Table, reaches_of
from powerplane.admission.validation.ground import GroundBook
from powerplane.models.api.capping_policy import Lock
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.objects import Namespace
from powerplane.models.requests import WATTS_RESOURCE

LOG = logging.getLogger(__name__)

MCORES = 1000
TICK_S = 0.2
DEPLOYMENT = "Deployment"
Known = Callable[[], Histories]


def everything(_: Any) -> bool:
    """Keep whatever comes."""
    return True


@dataclass(slots=True)
class Shelf:
    """Objects of one kind by namespace and name, as the watch last showed them."""

    kept: dict[tuple[str, str], Any]
    lock: threading.Lock
    changed: Callable[[], None]
    keeps: Callable[[Any], bool] = everything

    def sink(self, batch: Batch[Any]) -> None:
        """Take in a batch, on the watch's thread."""
        news = batch.replace
        with self.lock:
            if batch.replace:
                self.kept.clear()
            for what, each in batch.changes:
                key = (getattr(each.metadata, "namespace", ""), each.metadata.name)
                before = self.kept.pop(key, None)
                if what != "DELETED" and self.keeps(each):
                    self.kept[key] = each
                news = news or self.kept.get(key) != before
        # A node's heartbeat changes nothing that is kept of it.
        if news:
            self.changed()


class AdmissionRun:
    """Everything behind one webhook's answers.

    Parameters
    ----------
    access : ClusterAccess
    known : callable, optional
        What is known of workloads by history; the same object until there is news.
    patience : WatchPatience, optional
    locks : LockWatch, optional
        What is seen of locks.
    """

    def __init__(
        self,
        access: ClusterAccess,
        known: Known = lambda: NOTHING_KNOWN,
        patience: WatchPatience | None = None,
        locks: LockWatch | None = None,
    ) -> None:
        self._known = known
        self._had = NOTHING_KNOWN
        self._rates = RateBook()
        self._ground = GroundBook()
        self._levels = LevelBook()
        self._locks = locks or lock_watch(access)
        self._offer = Offer("Auto", "")
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._shelves: dict[str, Shelf] = {}
        self._reflectors: list[Reflector[Any]] = []
        self._table: Table | None = None
        self._until_s = math.inf
        watched: list[Watched[Any]] = [
            Watched("/api/v1/namespaces", "Namespace", Namespace),
            Watched("/api/v1/nodes", "Node", RatedNode),
        ]
        ours = (POWER_DOMAIN, CLUSTER_CAPPING_POLICY, CAPPING_POLICY, PLACEMENT_PLAN)
        watched += [Watched(kind.list_path, kind.name, kind.struct) for kind in ours]
        watched.append(Watched("/apis/apps/v1/deployments", DEPLOYMENT, Deployment))
        for each in watched:
            keeps = is_rolling if each.kind == DEPLOYMENT else everything
            shelf = self._shelves[each.kind] = Shelf({}, self._lock, self._dirty.set, keeps)
            self._reflectors.append(Reflector(access, each, shelf.sink, patience, clock=uptime_s))

    def table(self) -> Table | None:
        """Return the table of the moment; None until every watch has been in step once."""
        return self._table

    @property
    def fills(self) -> bool:
        """Whether any policy has requests filled in, as far as is known."""
        return self._table is not None and self._table.fills

    def offered(self) -> Lock:
        """What holds budgets for policies that leave the lock to us; Auto for nothing."""
        return self._offer.lock

    async def run(self) -> None:
        """Keep the table up to date until cancelled."""
        for reflector in self._reflectors:
            reflector.start()
        try:
            while True:
                if time.time() >= self._until_s:
                    self._dirty.set()
                if self._locks.is_due and await asyncio.to_thread(self._locks.look):
                    self._dirty.set()
                if self._known() is not self._had:
                    self._dirty.set()
                if self._dirty.is_set() and self._in_step():
                    self._dirty.clear()
                    await asyncio.to_thread(self._remake)
                await asyncio.sleep(TICK_S)
        finally:
            self._table = None
            for reflector in self._reflectors:
                await asyncio.to_thread(reflector.stop)

    def _in_step(self) -> bool:
        """Whether everything has been seen that an answer needs; roll-outs are only warned of."""
        return all(each.status.synced or each.watched.kind == DEPLOYMENT for each in self._reflectors)

    def _remake(self) -> None:
        had = self._had = self._known()
        try:
            with self._lock:
                kept = {kind: dict(shelf.kept) for kind, shelf in self._shelves.items()}
            namespaces = {each.metadata.name: each.metadata.labels or {} for each in kept["Namespace"].values()}
            policies = [*kept[CLUSTER_CAPPING_POLICY.name].values(), *kept[CAPPING_POLICY.name].values()]
            whereabouts = self._rates.whereabouts(kept["Node"], kept[POWER_DOMAIN.name].values())
            nodes = kept["Node"].values()
            listed = bool(nodes) and all(WATTS_RESOURCE in (each.status.allocatable or {}) for each in nodes)
            targets = targets_of(kept[PLACEMENT_PLAN.name].values(), time.time())
            predictor = Predictor(whereabouts.everywhere, had.workloads, had.classes)
            offered = self._offered(nodes)
            table = Table(namespaces, reaches_of(policies), predictor, offered, listed=listed, targets=targets)
            labels = [(each.metadata.name, each.metadata.labels or {}) for each in nodes]
            ground = self._ground.ground(labels, kept[POWER_DOMAIN.name].values(), policies)
            table = replace(table, whereabouts=whereabouts, ground=ground)
            room, surges = room_watts(kept[POWER_DOMAIN.name].values()), surges_of(kept[DEPLOYMENT].values(), table)
            levels = self._levels_over(kept) if table.claims else ()
            filler = Filler(had.containers, had.managed, roomiest(each.status.allocatable or {} for each in nodes))
            # Nobody waits where nobody would let them go.
            caps = own_caps(policies, time.time()) if self._locks.releaser else ()
            self._table = replace(table, room_watts=room, surges=surges, levels=levels, filler=filler, caps=caps)
            self._until_s = min(targets.until_s, until_s(caps))
        except Exception:
            # The table from before serves on; what comes next is tried again.
            LOG.exception("the table could not be made")

    def _levels_over(self, kept: Mapping[str, Mapping[Any, Any]]) -> tuple[str, ...]:
        nodes = {each.metadata.name: each.metadata.labels or {} for each in kept["Node"].values()}
        return self._levels.levels(kept[POWER_DOMAIN.name].values(), nodes)

    def _offered(self, nodes: Iterable[RatedNode]) -> Lock:
        """What the cluster offers now; told in the log when it changes."""
        open_nodes = [each for each in nodes if not each.spec.unschedulable]
        listing = sum(WATTS_RESOURCE in (each.status.allocatable or {}) for each in open_nodes)
        found = offer(self._locks.signs(len(open_nodes), listing))
        if found.lock != self._offer.lock or not self._offer.why:
            LOG.info("policies that leave the lock to us get %s: %s", found.lock, found.why)
        self._offer = found
        return found.lock
