"""The controller at work: watches feed the books, a tick looks and decides, a few threads write while we lead."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.leading import Elector
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.watch import Watched
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
class NodeWattsSettings(LoopSettings):
    """How the controller runs; the frame's own settings first.

    Parameters
    ----------
    soonest_s : float
        The least time between two looks; a waiting pod and a node without watts wake.
    write_timeout_s : float
        Half of the controller's own, so that what is given up is over.
    controller, drift : ControllerSettings, DriftRules
    """

    soonest_s: float = 0.25
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    drift: DriftRules = field(default_factory=DriftRules)


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
        self._metrics = NodeWattsMetrics(registry)
        self._without_watts = WithoutWattsLog(LOG)
        self._loop = ControllerLoop(
            access, settings, self._metrics, self._tick, name="node-watts", lease=LEASE, elector=elector, clock=clock
        )
        self._books = Books(self._loop.wake)
        self._tree = TreeBook(self._loop.wake)
        self._lie: Lie | None = None
        self._viewer = Viewer(self._books, settings.drift)
        self._watch()
        self._controller: tuple[int, Controller] | None = None
        self._deciding = threading.Lock()

    def _watch(self) -> None:
        watch = self._loop.watch
        watch(Watched("/api/v1/nodes", "Node", SeenNode), self._books.nodes.sink)
        watch(Watched("/api/v1/pods", "Pod", SeenPod), self._books.pods.sink)
        for kind, sink in ((POWER_DOMAIN, self._tree.domains), (CLUSTER_CAPPING_POLICY, self._tree.policies)):
            watch(Watched(kind.list_path, kind.name, kind.struct), sink)

    def start(self) -> None:
        """Begin. Once only."""
        self._loop.start()

    def stop(self) -> None:
        """End, as `ControllerLoop.stop` does. What is advertised stays."""
        self._loop.stop()

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        nodes, _ = self._books.everything()
        allowances = self._lie.reading.allowances if self._lie is not None else {}
        return {name: allowances.get(name, NodeAllowance()).envelope_watts for name in nodes}

    def trouble(self) -> str:
        """Why nothing can be decided; "" where all is well."""
        return self._loop.trouble()

    def _tick(self, token: int | None) -> None:
        if token is None:
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
        if self._controller is None or self._controller[0] != token:
            self._controller = (token, Controller(self._settings.controller, started_s))
        controller = self._controller[1]
        with self._deciding:
            decisions = controller.decide(look.seen, self._clock())
        self._metrics.decided(decisions, self._clock() - started_s)
        for write in decisions.writes:
            self._loop.pool.submit(self._send, controller, write, nodes.get(write.node))

    def _try(self, controller: Controller, write: Write, node: NodeFact | None) -> tuple[Outcome, str]:
        """Write, if the controller that decided it is still the one, and leads at this instant."""
        ours = self._controller
        if ours is None or ours[1] is not controller or not self._loop.holds(ours[0]):
            return "refused", "this replica does not lead any more"
        try:
            return carry_out(self._loop.writer, write, node)
        except Exception as error:
            return "unknown", repr(error)

    def _send(self, controller: Controller, write: Write, node: NodeFact | None) -> None:
        outcome, told = self._try(controller, write, node)
        if told:
            LOG.warning("node %s, %s %s: %s (%s)", write.node, write.kind, write.watts, outcome, told)
        self._metrics.wrote(write, outcome)
        with self._deciding:
            controller.note(write, outcome, self._clock())
