"""The releaser at work: watches feed the books, each change is looked at, a few threads write while we lead."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.event_teller import EventTeller
from powerplane.adapters.leading import Elector, trouble_of
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.measured import Measured
from powerplane.adapters.watch import Reflector, Watched, WatchPatience
from powerplane.admission.gates.books import GateBooks, Moment
from powerplane.admission.gates.excess import GateExcess
from powerplane.admission.gates.facts import PodFact, SeenPod
from powerplane.admission.gates.ground import Ground
from powerplane.admission.gates.release_facts import Outcome, Release, Seen, Terms
from powerplane.admission.gates.release_metrics import ReleaseMetrics
from powerplane.admission.gates.release_writes import carry_out
from powerplane.admission.gates.releasing import Releaser
from powerplane.admission.gates.rules import GateRules, Quota
from powerplane.admission.gates.takeover import Takeover, list_unbound
from powerplane.admission.gates.waits import LongWaits, WaitTerms, overdue_event, unbound_event
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.errors import UnreachableError
from powerplane.models.objects import Namespace, Node
from powerplane.models.power_tree import Ints, PowerTree

LOG = logging.getLogger(__name__)

LEASE = "powerplane-gates"


@dataclass(frozen=True, slots=True)
class ReleaseSettings:
    """How the releaser runs.

    Parameters
    ----------
    identity, namespace, lease : str
        Of the Lease that says which replica lets pods go.
    tick_s : float
        Time between two looks where nothing changes.
    soonest_s : float
        The least time between two looks.
    write_timeout_s : float
        For one request; below the time between a lost Lease and the next holder, so that no write comes after it.
    writers : int
        Requests at one time.
    terms : Terms
    patience : WatchPatience
    """

    identity: str
    namespace: str = "powerplane-system"
    lease: str = LEASE
    tick_s: float = 1.0
    soonest_s: float = 0.05
    write_timeout_s: float = 2.0
    writers: int = 8
    terms: Terms = field(default_factory=Terms)
    patience: WatchPatience = field(default_factory=WatchPatience)


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
        self._writer = Writer(access, settings.write_timeout_s, attempts=1)
        self._metrics = ReleaseMetrics(registry)
        # An event has a name of its own, so that one that is sent again makes no second.
        events = Writer(access, settings.write_timeout_s, attempts=3)
        self._teller = EventTeller(events, settings.identity, self._metrics.told)
        self._waits = LongWaits()
        self._unbound_waits = LongWaits(WaitTerms(long_s=300.0), unbound_event)
        self._lease: LeaseElector | None = None
        if elector is None:
            elector = self._lease = LeaseElector(access, settings.namespace, settings.lease, settings.identity)
        self._elector: Elector = elector
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._written_s: dict[str, float] = {}
        self._books = GateBooks(self._wake.set, self._was_bound)
        self._rules = GateRules(self._wake.set)
        self._excess = GateExcess(measured)
        self._tree: PowerTree | None = None
        self._reflectors = self._watch(access)
        self._quotas = self._reflector(access, Watched("/api/v1/resourcequotas", "ResourceQuota", Quota), "quotas")
        self._pool = ThreadPoolExecutor(settings.writers, thread_name_prefix="gates")
        self._unbound = partial(list_unbound, access)
        self._takeover: tuple[int, Takeover] | None = None
        self._releaser: tuple[int, Releaser] | None = None
        self._deciding = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="gates", daemon=True)

    def _watch(self, access: ClusterAccess) -> list[Reflector[Any]]:
        settings = self._settings
        books: list[tuple[Watched[Any], Callable[[Any], None]]] = [
            (Watched("/api/v1/nodes", "Node", Node), self._books.nodes),
            (Watched("/api/v1/pods", "Pod", SeenPod), self._books.pods),
        ]
        made = [Reflector(access, what, sink, settings.patience, clock=self._clock) for what, sink in books]
        made.append(self._reflector(access, Watched("/api/v1/namespaces", "Namespace", Namespace), "namespaces"))
        for kind, shelf in ((POWER_DOMAIN, "domains"), (CLUSTER_CAPPING_POLICY, "policies"), (CAPPING_POLICY, "own")):
            made.append(self._reflector(access, Watched(kind.list_path, kind.name, kind.struct), shelf))
        return made

    def _reflector(self, access: ClusterAccess, what: Watched[Any], shelf: str) -> Reflector[Any]:
        return Reflector(access, what, self._rules.sink(shelf), self._settings.patience, clock=self._clock)

    def start(self) -> None:
        """Begin. Once only."""
        for reflector in (*self._reflectors, self._quotas):
            reflector.start()
        if self._lease is not None:
            self._lease.start()
        self._teller.start()
        self._thread.start()

    def stop(self) -> None:
        """End: what is being written is waited for, then the Lease is given up."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(2 * self._settings.write_timeout_s)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._teller.stop()
        if self._lease is not None:
            self._lease.stop()
        for reflector in (*self._reflectors, self._quotas):
            reflector.stop()

    def trouble(self) -> str:
        """Why nobody can be let go; "" where all is well. Quotas only weigh namespaces, and may be missing."""
        return trouble_of(self._reflectors, self._clock())

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._settings.tick_s)
            self._wake.clear()
            began_s = self._clock()
            try:
                self._tick()
            except Exception:
                # Whatever it is, the next look starts from what the watches say.
                self._metrics.failed()
                LOG.exception("a look at the gates failed")
            # No more than half of the time: others of this process have answers to give.
            self._stopping.wait(max(self._settings.soonest_s, self._clock() - began_s))

    def _tick(self) -> None:
        token, leading = self._elector.token, self._elector.leading()
        self._metrics.lead(leading)
        if not leading:
            self._releaser = None
        if self.trouble():
            return
        started_s = self._clock()
        if self._excess.waits(started_s) or not leading:
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
            seen = Seen(moment, ground, rules, self._rules.weights(), self._now(), self._clock(), extra_mw)
            round_ = releaser.decide(seen)
        self._metrics.decided(round_, self._clock() - started_s)
        self._forget({pod.uid for pod in (*moment.waiting, *moment.on_their_way)})
        for release in round_.releases:
            self._pool.submit(self._send, releaser, release)
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
        if ours is None or ours[1] is not releaser or not self._elector.leading() or self._elector.token != ours[0]:
            return "refused", "this replica does not lead any more"
        try:
            self._written_s[release.pod.uid] = self._clock()
            return carry_out(self._writer, release)
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

    def _was_bound(self, pod: PodFact) -> None:
        """On the watch's thread: a pod that was let go has a node."""
        written_s = self._written_s.pop(pod.uid, None)
        if written_s is not None:
            self._metrics.bound(self._clock() - written_s)
