"""The extender at work: watches that feed the state, a Lease that says who answers, and a tick that keeps house."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.lease_look import ASKED_ANNOTATION
from powerplane.adapters.measured import Measured
from powerplane.adapters.watch import Reflector, Watched, WatchPatience
from powerplane.adapters.without_watts import WithoutWattsLog
from powerplane.models.api.fields import ApiStruct
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.errors import InputError
from powerplane.models.timestamps import parse_seconds
from powerplane.scheduler_extender.facts import NodeFact, PodFact, SeenNode, SeenPod, node_fact, pod_fact
from powerplane.scheduler_extender.intake import Intake
from powerplane.scheduler_extender.metrics import DomainReading, StateReading
from powerplane.scheduler_extender.readiness import Readiness, Signs
from powerplane.scheduler_extender.state import ExtenderState
from powerplane.scheduler_extender.statuses import StatusKeeper
from powerplane.scheduler_extender.steering import moves_of
from powerplane.scheduler_extender.tree_keeper import Ground, Standing, stand
from powerplane.scheduler_extender.wire import BindArgs

LOG = logging.getLogger(__name__)

HEADROOM_ANNOTATION = "powerplane.dev/headroom-grew"
PATIENCE = WatchPatience(page_size=1000, rest_s=0.02)
"""A list in fewer pages is ready sooner; each is decoded in ten milliseconds. What changes is seen some milliseconds
later for the rests, during which answers have the interpreter to themselves."""

FAILURE_PAUSE_S = 1.0
WATCH_EVENTS = ("relists", "reconnects", "malformed", "unreadable", "sink_failures")
NEEDED = ("pods", "nodes", "powerdomains", "clusterpowercappingpolicies", "placementplans")
"""Watches without which nothing is answered; the others serve the statuses only."""

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the extender keeps house.

    Parameters
    ----------
    identity : str
        This replica's name.
    namespace, lease : str
        Of the Lease that says which replica answers; an empty ``lease``: this one always does.
    lease_s, renew_deadline_s, retry_s : float
        See ``adapters.lease``.
    tick_s : float
        How often house is kept.
    tree_every_s : float
        How often the tree is made anew though nothing changed: schedules of policies go by the clock.
    measure_s : float
        How often drift is followed, where nodes are measured.
    waking_s : float
        The shortest time between two nodes' annotations.
    statuses_s : float
        How often the objects' statuses are written; 0: never.
    quiet_s : float
        See ``Readiness``.
    bind : bool
        Whether the verb bind may be used.
    """

    identity: str
    namespace: str = "powerplane-system"
    lease: str = "powerplane"
    lease_s: int = 6
    renew_deadline_s: float = 4.0
    retry_s: float = 1.0
    tick_s: float = 0.1
    tree_every_s: float = 20.0
    measure_s: float = 5.0
    waking_s: float = 0.5
    statuses_s: float = 5.0
    quiet_s: float = 2.0
    bind: bool = False


class ExtenderRun:
    """Everything behind one extender's answers.

    Parameters
    ----------
    access : ClusterAccess
    settings : RunSettings
    measured : Measured, optional
        Follows what nodes draw beyond their books; asked on a thread.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: RunSettings,
        measured: Measured | None = None,
    ) -> None:
        self._access = access
        self._settings = settings
        self._measured = measured
        self._writer = Writer(access)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="extender")
        self._lease = self._elector() if settings.lease else None
        self.state = ExtenderState(uptime_s, bind=self._bind if settings.bind else None, leads=self._leads)
        self.readiness = Readiness(settings.quiet_s)
        self._ground = Ground()
        self._standing: Standing | None = None
        self._reflectors: dict[str, Reflector[Any]] = {}
        self._intakes: dict[str, Intake[Any]] = {}
        self._dirty = True
        self._made_s = 0.0
        self._woke_s = 0.0
        self._followed_s = 0.0
        self._without_watts = WithoutWattsLog(LOG)
        self._statuses = StatusKeeper(self._writer)

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        return {node.name: node.envelope_watts for node in self.state.ledger.tree.nodes}

    # -- the pieces

    def _leads(self) -> bool:
        return self._lease is None or self._lease.leading()

    def _elector(self) -> LeaseElector:
        known = self._settings
        return LeaseElector(
            self._access,
            known.namespace,
            known.lease,
            known.identity,
            duration_s=known.lease_s,
            renew_deadline_s=known.renew_deadline_s,
            retry_s=known.retry_s,
            annotations=self._asked,
        )

    def asked_ago_s(self) -> float | None:
        """Seconds since the scheduler last asked this replica; None where it never did."""
        asked_s = self.state.asked_s
        return None if asked_s is None else uptime_s() - asked_s

    def _asked(self) -> dict[str, str]:
        """What the Lease tells of the scheduler's questions."""
        ago_s = self.asked_ago_s()
        if ago_s is None:
            return {}
        return {ASKED_ANNOTATION: (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(timespec="seconds")}

    def _watch(self, loop: asyncio.AbstractEventLoop) -> tuple[dict[str, Reflector[Any]], dict[str, Intake[Any]]]:
        state = self.state
        nodes: dict[str, Any] = {}
        domains: dict[str, Any] = {}
        policies: dict[str, Any] = {}
        tenants: dict[str, Any] = {}
        self._ground = Ground(nodes, domains, policies, tenants)
        intakes: dict[str, Intake[Any]] = {
            "pods": Intake(loop, _uid, see=state.see_pod, lose=state.lose_pod),
            "nodes": Intake(loop, _fact_name, see=self._note(nodes, _fact_name), lose=self._forget(nodes)),
            "powerdomains": self._objects(loop, domains, _name),
            "clusterpowercappingpolicies": self._objects(loop, policies, _key),
            "powercappingpolicies": self._objects(loop, tenants, _key),
            "placementplans": Intake(loop, _name, see=self._see_plan, lose=state.lose_plan),
        }
        watched: dict[str, Watched[Any]] = {
            "pods": Watched("/api/v1/pods", "Pod", SeenPod, UNFINISHED, reduce=pod_fact),
            "nodes": Watched("/api/v1/nodes", "Node", SeenNode, reduce=node_fact),
        }
        ours = (POWER_DOMAIN, CLUSTER_CAPPING_POLICY, CAPPING_POLICY, PLACEMENT_PLAN)
        watched |= {kind.plural: Watched(kind.list_path, kind.name, kind.struct) for kind in ours}
        reflectors = {
            name: Reflector(self._access, what, intakes[name].sink, PATIENCE, clock=uptime_s)
            for name, what in watched.items()
        }
        return reflectors, intakes

    def _objects(self, loop: asyncio.AbstractEventLoop, kept: dict[str, Any], key: Callable[[Any], str]) -> Intake[Any]:
        return Intake(loop, key, see=self._note(kept, key), lose=self._forget(kept))

    def _note(self, kept: dict[Any, Any], key: Callable[[Any], str]) -> Callable[[Any], None]:
        def see(found: Any) -> None:
            before = kept.get(key(found))
            kept[key(found)] = found
            # A status that we wrote ourselves comes back, too: it changes no tree.
            if before is None or not isinstance(found, ApiStruct) or _asked(before) != _asked(found):
                self._dirty = self._dirty or before != found

        return see

    def _forget(self, kept: dict[Any, Any]) -> Callable[[str], None]:
        def lose(key: str) -> None:
            if kept.pop(key, None) is not None:
                self._dirty = True

        return lose

    def _see_plan(self, plan: PlacementPlanObject) -> None:
        try:
            left_s = parse_seconds(plan.spec.expires_at) - datetime.now(UTC).timestamp()
        except InputError:
            left_s = 0.0
        moves = moves_of(plan) if left_s > 0 else ()
        self.state.see_plan(plan.metadata.name, moves, uptime_s() + left_s)

    # -- the loop

    async def run(self) -> None:
        """Keep the state up to date until cancelled."""
        loop = asyncio.get_running_loop()
        self._reflectors, self._intakes = self._watch(loop)
        for reflector in self._reflectors.values():
            reflector.start()
        if self._lease is not None:
            self._lease.start()
        try:
            while True:
                await self._try_to_keep_house(loop)
                await asyncio.sleep(self._settings.tick_s)
        finally:
            self.state.unready = "this replica is stopping"
            await loop.run_in_executor(None, self._end)

    def _end(self) -> None:
        if self._lease is not None:
            self._lease.stop()
        for reflector in self._reflectors.values():
            reflector.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _try_to_keep_house(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._keep_house(loop)
        except Exception:
            # Whatever one object brought about: what is known stays in force, is answered from, and is tried again.
            LOG.exception("keeping house failed; it is tried again")
            self.state.tallies.house_failures += 1
            self._dirty = True
            await asyncio.sleep(FAILURE_PAUSE_S)

    async def _keep_house(self, loop: asyncio.AbstractEventLoop) -> None:
        now = uptime_s()
        if self._nodes_known() and (self._dirty or now - self._made_s > self._settings.tree_every_s):
            await self._make_tree(loop, now)
        elif self._measured is not None and self._standing and now - self._followed_s > self._settings.measure_s:
            await self._use(loop, self._standing, now)
        seen_s = self._reflectors["pods"].status.last_contact_s
        if seen_s is not None and self._intakes["pods"].idle:
            self.state.lapse(seen_until_s=seen_s)
        self.state.unready = self.readiness.trouble(self._signs(now))
        if not self.state.unready:
            self._without_watts.saw(self.state.ledger.without_watts, now)
            self._wake(now)
            self._write_statuses(now)

    def _nodes_known(self) -> bool:
        needed = ("nodes", "powerdomains", "clusterpowercappingpolicies")
        return all(self._reflectors[name].status.synced and self._intakes[name].idle for name in needed)

    async def _make_tree(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self._dirty = False
        accepted = self._standing.reading.specs if self._standing else {}
        seen = self._ground
        ground = Ground(dict(seen.nodes), dict(seen.domains), dict(seen.policies), accepted=accepted)
        standing = await loop.run_in_executor(self._pool, stand, ground, datetime.now(UTC))
        self._standing, self._made_s = standing, now
        await self._use(loop, standing, now)

    async def _use(self, loop: asyncio.AbstractEventLoop, standing: Standing, now: float) -> None:
        """Let the state use a tree, with what its nodes are measured to draw beyond the books."""
        tree = standing.tree
        if self._measured is not None:
            bound_mw = self.state.bound_mw(tree)
            extra_mw = await loop.run_in_executor(self._pool, self._measured.extra_mw, tree, bound_mw, now)
            tree = tree.with_extra(extra_mw)
            self._followed_s = now
        self.state.use_tree(tree, holds=standing.holds)

    def _signs(self, now: float) -> Signs:
        statuses = {name: self._reflectors[name].status for name in NEEDED}
        return Signs(
            now_s=now,
            unsynced=tuple(
                f"{name} ({_told(status.last_error)})"
                for name, status in statuses.items()
                if not status.synced or (self._standing is None and not self._intakes[name].idle)
            ),
            has_tree=self._standing is not None,
            leading=self._leads(),
            foreign_binds=self.state.tallies.foreign_binds,
            pods_seen_s=statuses["pods"].last_contact_s,
        )

    def _wake(self, now: float) -> None:
        if now - self._woke_s < self._settings.waking_s:
            return
        node = self.state.waking.node(self.state.ledger)
        if node is not None:
            self._woke_s = now
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._pool.submit(self._writer.annotate_node, node, {HEADROOM_ANNOTATION: stamp})

    def _write_statuses(self, now: float) -> None:
        if self._standing is not None and self._settings.statuses_s:
            job = self._statuses.due(now, self._settings.statuses_s, self._ground, self._standing, self.state.headroom)
            if job is not None:
                self._pool.submit(job)

    async def _bind(self, args: BindArgs) -> str:
        loop = asyncio.get_running_loop()
        call = self._writer.bind_pod
        written = await loop.run_in_executor(
            self._pool, call, args.pod_namespace, args.pod_name, args.pod_uid, args.node
        )
        return "" if written.ok else written.told

    # -- what is told

    def reading(self) -> StateReading:
        """The state for the metrics; read beside the loop."""
        now = uptime_s()
        domains: tuple[DomainReading, ...] = ()
        with suppress(RuntimeError, IndexError):  # the tree was exchanged while it was read: the next scrape tells
            domains = tuple(
                DomainReading(name, kind, budget / 1000, left / 1000)
                for name, (kind, budget, left) in self.state.headroom().items()
            )
        holds = list(self.state.ledger.holds.values())
        reflectors = dict(self._reflectors)
        return StateReading(
            domains=domains,
            reservations=len(holds),
            reserved_watts=sum(int(hold.mw.max(initial=0)) for hold in holds) / 1000,
            watch_ages_s={
                name: now - reflector.status.last_contact_s
                for name, reflector in reflectors.items()
                if reflector.status.last_contact_s is not None
            },
            silent_pods=self.state.ledger.silent_pods,
            without_watts=dict(self.state.ledger.without_watts),
            nodes_outside=len(self._standing.reading.outside) if self._standing else 0,
            refused_pods=len(self.state.waking),
            events=asdict(self.state.tallies),
            watch_events={
                (name, event): getattr(reflector.status, event)
                for name, reflector in reflectors.items()
                for event in WATCH_EVENTS
            },
            writes=self._writer.counts(),
        )


def _told(error: str) -> str:
    """Why something is not listed yet, and what to do where that is known."""
    if "HTTP 404" in error:
        return f"{error}; next: powerplane crds | kubectl apply --server-side -f -"
    if "HTTP 403" in error:
        return f"{error}; next: kubectl apply -f deploy/rbac.yaml"
    return error or "being listed"


def _uid(found: PodFact) -> str:
    return found.uid


def _fact_name(found: NodeFact) -> str:
    return found.name


def _name(found: Any) -> str:
    return str(found.metadata.name)


def _key(found: Any) -> str:
    return f"{found.metadata.namespace}/{found.metadata.name}"


def _asked(found: Any) -> Any:
    return found.spec, found.metadata.labels
