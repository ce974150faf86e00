"""The controller at work: watches feed the books, a tick looks and decides, a few threads write while we lead."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Writer
from powerplane.adapters.leading import Elector, trouble_of
from powerplane.adapters.lease import LeaseElector, uptime_s
from powerplane.adapters.watch import Reflector, Watched, WatchPatience
from powerplane.adapters.without_watts import WithoutWattsLog
from powerplane.models.api.domain_reading import NodeAllowance
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.drift import DriftRules, Sample
from powerplane.node_watts.books import Books
from powerplane.node_watts.controller import Controller, ControllerSettings
from powerplane.node_watts.facts import NodeFact, SeenNode, SeenPod
from powerplane.node_watts.lie import Lie
from powerplane.node_watts.metrics import NodeWattsMetrics
from powerplane.node_watts.seen import Outcome, Write
from powerplane.node_watts.tree import TreeBook
from powerplane.node_watts.view import Viewer
from powerplane.node_watts.writing import carry_out

LOG = logging.getLogger(__name__)

LEASE = "powerplane-node-watts"


@dataclass(frozen=True, slots=True)
class NodeWattsSettings:
    """How the controller runs.

    Parameters
    ----------
    identity, namespace, lease : str
        Of the Lease that says which replica writes.
    tick_s : float
        Time between two looks; a waiting pod and a node without watts are looked at sooner.
    soonest_s : float
        The least time between two looks.
    write_timeout_s : float
        For one request; half of the controller's own, so that what is given up is over.
    writers : int
        Requests at one time.
    controller, drift : ControllerSettings, DriftRules
    """

    identity: str
    namespace: str = "powerplane-system"
    lease: str = LEASE
    tick_s: float = 1.0
    soonest_s: float = 0.25
    write_timeout_s: float = 2.0
    writers: int = 8
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    drift: DriftRules = field(default_factory=DriftRules)
    patience: WatchPatience = field(default_factory=WatchPatience)


class NodeWattsRun:
    """The controller with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : NodeWattsSettings
    registry : CollectorRegistry
    samples : callable, optional
        Latest measurements by node; their times by ``clock``.
    elector : Elector, optional
        A Lease's by default.
    clock : callable
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: NodeWattsSettings,
        registry: CollectorRegistry,
        *,
        samples: Callable[[], Mapping[str, Sample]] = dict,
        elector: Elector | None = None,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._samples = samples
        self._writer = Writer(access, settings.write_timeout_s, attempts=1)
        self._metrics = NodeWattsMetrics(registry)
        self._without_watts = WithoutWattsLog(LOG)
        self._lease: LeaseElector | None = None
        if elector is None:
            elector = self._lease = LeaseElector(access, settings.namespace, settings.lease, settings.identity)
        self._elector: Elector = elector
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._books = Books(self._wake.set)
        self._tree = TreeBook(self._wake.set)
        self._lie: Lie | None = None
        self._viewer = Viewer(self._books, settings.drift)
        self._reflectors = self._watch(access)
        self._pool = ThreadPoolExecutor(settings.writers, thread_name_prefix="node-watts")
        self._controller: tuple[int, Controller] | None = None
        self._deciding = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="node-watts", daemon=True)

    def _watch(self, access: ClusterAccess) -> list[Reflector[Any]]:
        watched: list[tuple[Watched[Any], Callable[[Any], None]]] = [
            (Watched("/api/v1/nodes", "Node", SeenNode), self._books.nodes.sink),
            (Watched("/api/v1/pods", "Pod", SeenPod), self._books.pods.sink),
        ]
        for kind, sink in ((POWER_DOMAIN, self._tree.domains), (CLUSTER_CAPPING_POLICY, self._tree.policies)):
            watched.append((Watched(kind.list_path, kind.name, kind.struct), sink))
        patience = self._settings.patience
        return [Reflector(access, what, sink, patience, clock=self._clock) for what, sink in watched]

    def start(self) -> None:
        """Begin. Once only."""
        for reflector in self._reflectors:
            reflector.start()
        if self._lease is not None:
            self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """End: what is being written is waited for, then the Lease is given up."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(2 * self._settings.write_timeout_s)
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._lease is not None:
            self._lease.stop()
        for reflector in self._reflectors:
            reflector.stop()

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        nodes, _ = self._books.everything()
        allowances = self._lie.reading.allowances if self._lie is not None else {}
        return {name: allowances.get(name, NodeAllowance()).envelope_watts for name in nodes}

    def trouble(self) -> str:
        """Why nothing can be decided; "" where all is well."""
        return trouble_of(self._reflectors, self._clock())

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._settings.tick_s)
            self._wake.clear()
            try:
                self._tick()
            except Exception:
                # Whatever it is, the next look starts from what the watches say.
                self._metrics.failed()
                LOG.exception("a round failed")
            self._stopping.wait(self._settings.soonest_s)

    def _tick(self) -> None:
        leading = self._elector.leading()
        self._metrics.lead(leading)
        if not leading:
            self._controller = None
            return
        if self.trouble():
            return
        started_s = self._clock()
        nodes, shape = self._books.everything()
        self._lie, budgets_mw = self._tree.lie(nodes, shape, datetime.now(UTC))
        lie = self._lie
        if lie.reading.in_force == "none" and lie.reading.defects:
            # No tree can be in force: whatever is listed stays as it is.
            return
        try:
            look = self._viewer.look(lie, budgets_mw, self._samples(), started_s)
        except LookupError:
            return
        self._metrics.saw(look.seen, int(look.base_mw.sum()), look.unstated_pods, look.without_watts)
        self._without_watts.saw(look.without_watts, started_s)
        token = self._elector.token
        if self._controller is None or self._controller[0] != token:
            self._controller = (token, Controller(self._settings.controller, started_s))
        controller = self._controller[1]
        with self._deciding:
            decisions = controller.decide(look.seen, self._clock())
        self._metrics.decided(decisions, self._clock() - started_s)
        for write in decisions.writes:
            self._pool.submit(self._send, controller, write, nodes.get(write.node))

    def _try(self, controller: Controller, write: Write, node: NodeFact | None) -> tuple[Outcome, str]:
        """Write, if the controller that decided it is still the one, and leads at this instant."""
        ours = self._controller
        if ours is None or ours[1] is not controller or not self._elector.leading() or self._elector.token != ours[0]:
            return "refused", "this replica does not lead any more"
        try:
            return carry_out(self._writer, write, node)
        except Exception as error:
            return "unknown", repr(error)

    def _send(self, controller: Controller, write: Write, node: NodeFact | None) -> None:
        outcome, told = self._try(controller, write, node)
        if told:
            LOG.warning("node %s, %s %s: %s (%s)", write.node, write.kind, write.watts, outcome, told)
        self._metrics.wrote(write, outcome)
        with self._deciding:
            controller.note(write, outcome, self._clock())
