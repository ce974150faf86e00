"""The actuator at work: watches feed the books, each change is looked at, a few threads act while we lead."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from powerplane.actuator.acts import Act, Errand, Evict, Resize
from powerplane.actuator.engine import Engine, Outcome, Wrote, begins
from powerplane.actuator.facts import Plan, PlanState
from powerplane.actuator.fencing import Fence
from powerplane.actuator.ground_books import Demands, GroundBooks
from powerplane.actuator.hands import ClusterHands
from powerplane.actuator.limits import HourBudget, Limits, ages_told, ages_written
from powerplane.actuator.machine import Machine
from powerplane.actuator.metrics import ActuatorMetrics
from powerplane.actuator.plans import Plans
from powerplane.actuator.recall import Recall
from powerplane.actuator.seen import SeenPod
from powerplane.actuator.sleeping import SleepBooks, Sleeper
from powerplane.actuator.telling import eviction_event, plan_event, resize_event
from powerplane.actuator.terms import Terms
from powerplane.actuator.tracing import ended_spans, trace_of
from powerplane.actuator.words import EXTENDER_LEASE
from powerplane.actuator.world import World
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.event_teller import EventTeller
from powerplane.adapters.leading import Elector
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.lease_look import look_at_lease
from powerplane.adapters.log_lines import about
from powerplane.adapters.watch import Watched
from powerplane.adapters.webhook_lease import WEBHOOK_LEASE
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, PLACEMENT_PLAN, POWER_DOMAIN
from powerplane.models.marks import ACTUATOR_LEASE
from powerplane.models.objects import Namespace, Node
from powerplane.models.spans import Spans

LOG = logging.getLogger(__name__)

LEASES_S = 5.0
"""Between two looks at the Leases of others."""

EVICTIONS_ANNOTATION = "powerplane.dev/evictions"
"""On our Lease: how many evictions there were how long ago, so that whoever takes over counts on."""


@dataclass(frozen=True, slots=True)
class Settings(LoopSettings):
    """How the actuator runs; the frame's own settings first.

    Parameters
    ----------
    limits : Limits
    demands : Demands
    terms : Terms
    """

    limits: Limits = field(default_factory=Limits)
    demands: Demands = field(default_factory=Demands)
    terms: Terms = field(default_factory=Terms)


class Actuator:
    """The actuator with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : Settings
    registry : CollectorRegistry
    elector : Elector, optional
        A Lease's by default.
    spans : Spans, optional
        Where traces go; nowhere by default.
    clock : callable
        Seconds that only go on.
    now : callable
        Unix seconds.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: Settings,
        registry: CollectorRegistry,
        *,
        elector: Elector | None = None,
        spans: Spans | None = None,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._spans = spans
        self._settings = settings
        self._clock = clock
        self._now = now
        self._hour = HourBudget(settings.limits.per_hour)
        self._token = 0
        self._metrics = ActuatorMetrics(registry)
        self._own: LeaseElector | None = None
        if elector is None:
            elector = self._own = LeaseElector(
                access,
                settings.namespace,
                ACTUATOR_LEASE,
                settings.identity,
                annotations=self._beside,
            )
        self._loop = ControllerLoop(
            access,
            settings,
            self._metrics,
            self._tick,
            name="actuator",
            lease=ACTUATOR_LEASE,
            elector=elector,
            clock=clock,
        )
        self._teller = EventTeller(
            Writer(access, settings.write_timeout_s, attempts=3), settings.identity, self._metrics.told
        )
        self._loop.along(self._teller)
        self._fence = Fence(self._loop.holds)
        wake = self._loop.wake
        self._world, self._plans = World(wake), Plans(wake)
        self._books = GroundBooks(settings.demands, clock, now, wake, settings.namespace)
        self._sleeping = SleepBooks(self._world)
        self._sleeper = Sleeper(self._sleeping, self._loop.writer, self._fence.holds, self._metrics.marked, clock)
        self._watch()
        self._recall = recall = Recall(clock)
        self._engine = Engine(
            machine=Machine(settings.terms, settings.limits, recall, self._hour),
            world=self._world,
            plans=self._plans,
            recall=recall,
            hands=ClusterHands(access, self._loop.writer, self._plans.conditions, settings.write_timeout_s, now),
            watcher=self,
            submit=self._submit,
            may=self._may,
            clock=clock,
        )
        self._looked_s = float("-inf")

    def _watch(self) -> None:
        watch, sink = self._loop.watch, self._books.sink
        watch(Watched("/api/v1/nodes", "Node", Node), self._sleeping.take)
        watch(Watched("/api/v1/pods", "Pod", SeenPod), self._world.pods)
        watch(Watched("/api/v1/namespaces", "Namespace", Namespace), sink("namespaces"))
        kinds = ((POWER_DOMAIN, "domains"), (CLUSTER_CAPPING_POLICY, "policies"), (CAPPING_POLICY, "own"))
        for kind, shelf in kinds:
            watch(Watched(kind.list_path, kind.name, kind.struct), sink(shelf))
        watch(Watched(PLACEMENT_PLAN.list_path, PLACEMENT_PLAN.name, PLACEMENT_PLAN.struct), self._plans.take)

    def start(self) -> None:
        """Begin. Once only."""
        if self._own is not None:
            self._own.start()
        self._loop.start()

    def stop(self) -> None:
        """End, as `ControllerLoop.stop` does: plans stay as they are, and whoever leads next goes on."""
        self._loop.stop()
        if self._own is not None:
            self._own.stop()

    def trouble(self) -> str:
        """Why nothing can be decided; "" where all is well."""
        return self._loop.trouble()

    # -- a look

    def _tick(self, token: int | None) -> None:
        began_s = self._clock()
        if began_s - self._looked_s >= LEASES_S:
            self._looked_s = began_s
            self._look_at_leases()
        if token is None or self.trouble():
            return
        if token != self._token and not self._take_over(token):
            return
        self._recall.looks()
        grounds = self._books.grounds()
        if self._engine.look(grounds, self._fence.written(token)):
            # What was written may be acted on now.
            self._loop.wake()
        self._sleeper.look(grounds.stop or grounds.pause, self._now(), token, self._loop.pool.submit)
        self._metrics.looked(self._plans.all(), self._world.count_placeholders(), grounds.stop, grounds.pause)
        self._metrics.took(self._clock() - began_s, self._hour.left(self._clock()))
        self._metrics.succeeded(self._now())

    def _look_at_leases(self) -> None:
        names = (WEBHOOK_LEASE, EXTENDER_LEASE)
        namespace, timeout_s = self._settings.namespace, self._settings.write_timeout_s
        self._books.leases(*(look_at_lease(self._access, namespace, name, timeout_s) for name in names))

    def _beside(self) -> dict[str, str]:
        """What stands beside our Lease: as the one before left it, until that could be read."""
        if self._own is None or self._own.token != self._token:
            return {}
        return {EVICTIONS_ANNOTATION: self._hour.told(self._clock())}

    def _take_over(self, token: int) -> bool:
        """Count on from where the one before left off."""
        timeout_s = self._settings.write_timeout_s
        lease = look_at_lease(self._access, self._settings.namespace, ACTUATOR_LEASE, timeout_s)
        if lease is None and self._own is not None:
            LOG.warning("nothing is begun until the Lease %s can be read", ACTUATOR_LEASE)
            return False
        said = (lease.metadata.annotations or {}) if lease else {}
        told = ages_told(said.get(EVICTIONS_ANNOTATION, ""), self._settings.limits.per_hour)
        # A Lease that was deleted tells nothing; plans stand for an hour after their end.
        self._hour.take_over((told, ages_written(self._plans.all(), self._now())), self._clock())
        self._fence.take_over(token, self._plans.highest_token())
        self._token = token
        return True

    # -- what the engine asks, and tells

    def _may(self, act: Act, token: int) -> str:
        if not self._fence.holds(token):
            return "this replica does not lead any more"
        return (self._books.stop() or self._books.paused) if begins(act) else ""

    def _submit(self, errand: Errand) -> None:
        self._loop.pool.submit(self._carry, errand)

    def _carry(self, errand: Errand) -> None:
        with self._about(errand):
            try:
                self._engine.carry(errand)
            except Exception:
                LOG.exception("an errand of %s failed", errand.key)
                self._metrics.failed()
        self._loop.wake()

    def _about(self, errand: Errand) -> AbstractContextManager[None]:
        """What lines are about that are logged on the way: a move, or what belongs to none."""
        plan = self._plans.named(errand.key[0])
        if plan is None:
            return about(move=errand.key[1])
        wave = next((move.wave for move in plan.moves if move.uid == errand.key[1]), None)
        return about(plan=plan.name, move=errand.key[1], wave=wave, trace_id=trace_of(plan).trace)

    def wrote(self, plan: Plan, state: PlanState, wrote: Wrote) -> None:
        """Take in a write to a plan's status."""
        with about(plan=plan.name, trace_id=trace_of(plan).trace):
            self._wrote(plan, state, wrote)

    def _wrote(self, plan: Plan, state: PlanState, wrote: Wrote) -> None:
        self._metrics.wrote(plan, state, wrote.done)
        if not wrote.done:
            LOG.info("the status of plan %s was not written: %s", plan.name, wrote.told)
            return
        if self._spans is not None:
            for span in ended_spans(plan, state, self._now()):
                self._spans.take(span)
        for move in plan.moves:
            before, after = plan.state.of(move.uid), state.of(move.uid)
            if after.step != before.step:
                where = f"{move.namespace}/{move.pod}"
                with about(move=move.uid, wave=move.wave):
                    LOG.info("plan %s, %s: %s %s", plan.name, where, after.step, after.reason or after.node)
        event = plan_event(plan, state, self._now())
        if event is not None:
            LOG.info("plan %s: %s, %s", plan.name, state.phase, event.note)
            self._teller.tell(event)

    def acted(self, errand: Errand, act: Act, outcome: Outcome) -> None:
        """Take in what became of an act."""
        self._metrics.acted(act, outcome)
        if outcome.result in ("refused", "unknown"):
            LOG.warning("%s of %s/%s: %s, %s", type(act).__name__, act.namespace, act.pod, outcome.result, outcome.told)
        if isinstance(act, Evict) and outcome.result == "done":
            self._teller.tell(eviction_event(act, self._plans.named(errand.key[0]), self._now()))
        if isinstance(act, Resize) and outcome.result == "done":
            self._teller.tell(resize_event(act, self._plans.named(errand.key[0]), self._now()))
