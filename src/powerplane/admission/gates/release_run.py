"""The releaser at work: watches feed the books, each change is looked at, a few threads write while we lead."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.event_teller import EventTeller
from powerplane.adapters.leading import Elector
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.lease_look import look_at_lease
from powerplane.adapters.measured import Measured
from powerplane.adapters.watch import Batch, Watched
from powerplane.admission.gates.books import GateBooks, Moment
from powerplane.admission.gates.excess import GateExcess
from powerplane.admission.gates.facts import PodFact, SeenPod
from powerplane.admission.gates.ground import Ground
from powerplane.admission.gates.moving import Behind, MoveGates, let_successor_go
from powerplane.admission.gates.release_facts import Outcome, Release, Seen, Terms
from powerplane.admission.gates.release_metrics import ReleaseMetrics
from powerplane.admission.gates.release_writes import carry_out
from powerplane.admission.gates.releasing import Releaser
from powerplane.admission.gates.rules import GateRules, Quota
from powerplane.admission.gates.takeover import Takeover, list_unbound
from powerplane.admission.gates.waits import LongWaits, WaitTerms, overdue_event, unbound_event
from powerplane.admission.rollouts import Deployment
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.errors import UnreachableError
from powerplane.models.marks import ACTUATOR_LEASE
from powerplane.models.objects import Namespace, Node
from powerplane.models.power_tree import Ints, PowerTree

LOG = logging.getLogger(__name__)

LEASE = "powerplane-gates"


@dataclass(frozen=True, slots=True)
class ReleaseSettings(LoopSettings):
    """How the releaser runs; the frame's own settings first.

    Parameters
    ----------
    terms : Terms
    """

    terms: Terms = field(default_factory=Terms)


class ReleaseRun:
    """The releaser with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : ReleaseSettings
    registry : CollectorRegistry
    measured : Measured, optional
        Follows what nodes draw beyond the books.
    elector : Elector, optional
        A Lease's by default.
    clock : callable
        Seconds that only go on.
    now : callable
        The time of day.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: ReleaseSettings,
        registry: CollectorRegistry,
        *,
        measured: Measured | None = None,
        elector: Elector | None = None,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._now = now
        self._metrics = ReleaseMetrics(registry)
        self._loop = ControllerLoop(
            access, settings, self._metrics, self._tick, name="gates", lease=LEASE, elector=elector, clock=clock
        )
        # An event has a name of its own, so that one that is sent again makes no second.
        events = Writer(access, settings.write_timeout_s, attempts=3)
        self._teller = EventTeller(events, settings.identity, self._metrics.told)
        self._loop.along(self._teller)
        self._waits = LongWaits()
        self._unbound_waits = LongWaits(WaitTerms(long_s=300.0), unbound_event)
        self._written_s: dict[str, float] = {}
        self._books = GateBooks(self._loop.wake, self._was_bound)
        self._moves = MoveGates(clock)
        self._actuator = partial(look_at_lease, access, settings.namespace, ACTUATOR_LEASE, settings.write_timeout_s)
        self._rules = GateRules(self._loop.wake)
        self._excess = GateExcess(measured)
        self._tree: PowerTree | None = None
        self._watch()
        self._unbound = partial(list_unbound, access)
        self._takeover: tuple[int, Takeover] | None = None
        self._releaser: tuple[int, Releaser] | None = None
        self._deciding = threading.Lock()

    def _watch(self) -> None:
        watch, sink = self._loop.watch, self._rules.sink
        watch(Watched("/api/v1/nodes", "Node", Node), self._books.nodes)
        watch(Watched("/api/v1/pods", "Pod", SeenPod), self._pods)
        watch(Watched("/api/v1/namespaces", "Namespace", Namespace), sink("namespaces"))
        for kind, shelf in ((POWER_DOMAIN, "domains"), (CLUSTER_CAPPING_POLICY, "policies"), (CAPPING_POLICY, "own")):
            watch(Watched(kind.list_path, kind.name, kind.struct), sink(shelf))
        # They only weigh namespaces against each other.
        watch(Watched("/api/v1/resourcequotas", "ResourceQuota", Quota), sink("quotas"), needed=False)
        # Without them nothing is held back for roll-outs.
        watch(Watched("/apis/apps/v1/deployments", "Deployment", Deployment), sink("deployments"), needed=False)

    def _pods(self, batch: Batch[SeenPod]) -> None:
        self._moves.pods(batch)
        self._books.pods(batch)

    def start(self) -> None:
        """Begin. Once only."""
        self._loop.start()

    def stop(self) -> None:
        """End, as `ControllerLoop.stop` does."""
        self._loop.stop()

    def trouble(self) -> str:
        """Why nobody can be let go; "" where all is well. Quotas and Deployments may be missing."""
        return self._loop.trouble()

    def _tick(self, token: int | None) -> None:
        if token is None:
            self._releaser = None
        if self.trouble():
            return
        if token is not None and self._moves.is_due():
            for pod in self._moves.overdue(self._actuator()):
                self._loop.pool.submit(self._let_successor_go, token, pod)
        started_s = self._clock()
        if self._excess.waits(started_s) or token is None:
            # What nodes are measured is judged by what is looked at.
            if self._excess.due(started_s):
                self._look()
            return
        if self._releaser is None or self._releaser[0] != token:
            if not self._took_over(token):
                return
            self._releaser = (token, Releaser(self._settings.terms))
        releaser = self._releaser[1]
        with self._deciding:
            # The moment is taken under the lock: a write that ends between must not be forgotten as undone.
            moment, ground, extra_mw = self._look(releaser.named())
            rules = self._rules.gated_for()
            surges = self._rules.surges(moment.waiting, self._books.most_of, self._clock())
            weights, caps, now_s = self._rules.weights(), self._rules.own_caps(self._now()), self._now()
            seen = Seen(moment, ground, rules, weights, now_s, self._clock(), extra_mw, surges, caps)
            round_ = releaser.decide(seen)
        self._metrics.decided(round_, self._clock() - started_s)
        self._forget({pod.uid for pod in (*moment.waiting, *moment.on_their_way)})
        for release in round_.releases:
            self._loop.pool.submit(self._send, releaser, release)
        if self._waits.due(seen.clock_s):
            waits = self._waits.events(releaser.waits(seen), seen.now_s, seen.clock_s)
            for event in (*waits, *self._unbound_waits.events(releaser.unbound(seen), seen.now_s, seen.clock_s)):
                self._teller.tell(event)

    def _took_over(self, token: int) -> bool:
        """Whether everything is seen that the replica before this one did."""
        if self._takeover is None or self._takeover[0] != token:
            try:
                self._takeover = (token, Takeover(self._books, self._unbound, self._clock()))
            except UnreachableError as error:
                LOG.warning("nobody is let go until all pods without a node are listed: %s", error)
                return False
        return self._takeover[1].over(self._clock())

    def _look(self, named: frozenset[str] = frozenset()) -> tuple[Moment, Ground, Ints]:
        """See what there is, and what is drawn beyond it; also while another replica leads."""
        moment = self._books.moment(named)
        ground = self._rules.ground(moment, datetime.fromtimestamp(self._now(), UTC))
        extra_mw = self._excess.extra_mw(ground, moment, self._clock())
        self._tree = ground.tree
        self._metrics.measured(int(extra_mw.sum()))
        return moment, ground, extra_mw

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        return {node.name: node.envelope_watts for node in self._tree.nodes} if self._tree else {}

    def _forget(self, known: set[str]) -> None:
        """Drop the times of pods that are neither waiting nor on their way: they went without being bound."""
        for uid in [uid for uid in list(self._written_s) if uid not in known]:
            self._written_s.pop(uid, None)

    def _try(self, releaser: Releaser, release: Release) -> tuple[Outcome, str]:
        """Write, if the releaser that decided it is still the one, and leads at this instant."""
        ours = self._releaser
        if ours is None or ours[1] is not releaser or not self._loop.holds(ours[0]):
            return "refused", "this replica does not lead any more"
        try:
            self._written_s[release.pod.uid] = self._clock()
            return carry_out(self._loop.writer, release)
        except Exception as error:
            return "unknown", repr(error)

    def _send(self, releaser: Releaser, release: Release) -> None:
        outcome, told = self._try(releaser, release)
        if outcome != "done":
            self._written_s.pop(release.pod.uid, None)
        pod = release.pod
        if told and outcome != "stale":
            LOG.warning("pod %s/%s, %s: %s (%s)", pod.namespace, pod.name, release.reason, outcome, told)
        elif release.reason == "overdue" and outcome == "done":
            LOG.warning("pod %s/%s was let go without headroom: it has waited too long", pod.namespace, pod.name)
            self._teller.tell(overdue_event(pod, self._now()))
        self._metrics.wrote(release, outcome)
        with self._deciding:
            releaser.note(release, outcome, self._clock())

    def _let_successor_go(self, token: int, pod: Behind) -> None:
        if not self._loop.holds(token):
            return
        told = let_successor_go(self._loop.writer, pod)
        LOG.warning("pod %s/%s: the actuator has not told it its node, %s", pod.namespace, pod.name, told or "let go")
        self._metrics.wrote_move(not told)

    def _was_bound(self, pod: PodFact) -> None:
        """On the watch's thread: a pod that was let go has a node."""
        written_s = self._written_s.pop(pod.uid, None)
        if written_s is not None:
            self._metrics.bound(self._clock() - written_s)
