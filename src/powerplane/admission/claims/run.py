"""The controller of power claims at work: watches feed the books, changes are looked at, a few threads write."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_writes import Written
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.leading import Elector
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.watch import Batch, Watched
from powerplane.adapters.watch_kinds import by_names
from powerplane.admission.claims.books import ClaimBooks
from powerplane.admission.claims.excess import Excess
from powerplane.admission.claims.facts import SeenClaim, SeenTemplate
from powerplane.admission.claims.layout import Layout, capacities, lay_out
from powerplane.admission.claims.metrics import ClaimMetrics
from powerplane.admission.claims.names import DRIVER, GROUP_PATH, LABELS
from powerplane.admission.claims.slices import SLICES_PATH, SeenSlice, offers_of, open_levels, places_of
from powerplane.admission.claims.writes import Calm, SliceWrites, TemplateWrites, Write
from powerplane.admission.gates.books import GateBooks, Moment
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.ground import Ground
from powerplane.admission.gates.rules import GateRules
from powerplane.models.api.kinds import CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.drift import Sample
from powerplane.models.objects import Node

LOG = logging.getLogger(__name__)

LEASE = "powerplane-claims"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimSettings(LoopSettings):
    """How the controller runs; the frame's own settings first.

    Parameters
    ----------
    pause_s : float
        Until a write that failed is tried again.
    keep_s : float
        How long a template is kept that no pod names.
    calm : Calm
    """

    pause_s: float = 2.0
    keep_s: float = 600.0
    calm: Calm = field(default_factory=Calm)


@dataclass(frozen=True, slots=True)
class Laid:
    """Devices of one ground, and for which nodes each is."""

    ground: Ground
    shape: int
    layout: Layout
    places: tuple[Json | None, ...]


class Shelf:
    """Objects of one kind by name, as the watch last showed them."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._kept: dict[tuple[str, str], Any] = {}

    def sink(self, batch: Batch[Any]) -> None:
        """Take in a batch."""
        with self._lock:
            batch.into(self._kept, by_names)
        self._changed()

    def all(self) -> dict[tuple[str, str], Any]:
        """Return everything, by namespace and name."""
        with self._lock:
            return dict(self._kept)


class ClaimRun:
    """The controller with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : ClaimSettings
    registry : CollectorRegistry
    samples : callable
        The latest measurement of each node.
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
        settings: ClaimSettings,
        registry: CollectorRegistry,
        *,
        samples: Callable[[], Mapping[str, Sample]] = dict,
        elector: Elector | None = None,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._samples = samples
        self._clock = clock
        self._now = now
        self._metrics = ClaimMetrics(registry)
        self._loop = ControllerLoop(
            access, settings, self._metrics, self._tick, name="claims", lease=LEASE, elector=elector, clock=clock
        )
        wake = self._loop.wake
        self._nodes = GateBooks(wake)
        self._books = ClaimBooks(clock, wake)
        self._rules = GateRules(wake)
        self._slices, self._templates = Shelf(wake), Shelf(wake)
        self._watch()
        self._excess = Excess()
        self._laid: Laid | None = None
        self._slice_writes = SliceWrites(settings.calm)
        self._template_writes = TemplateWrites(settings.keep_s)
        self._paused_s: dict[str, float] = {}

    def _watch(self) -> None:
        ours = ",".join(f"{key}={value}" for key, value in LABELS.items())
        slices = Watched(SLICES_PATH, "ResourceSlice", SeenSlice, field_selector=f"spec.driver={DRIVER}")
        templates = Watched(
            f"{GROUP_PATH}/resourceclaimtemplates", "ResourceClaimTemplate", SeenTemplate, label_selector=ours
        )
        watch = self._loop.watch
        watch(Watched("/api/v1/nodes", "Node", Node), self._nodes.nodes)
        watch(Watched("/api/v1/pods", "Pod", SeenPod), self._take_pods)
        watch(Watched(f"{GROUP_PATH}/resourceclaims", "ResourceClaim", SeenClaim), self._books.claims)
        watch(slices, self._slices.sink)
        watch(templates, self._templates.sink)
        for kind, shelf in ((POWER_DOMAIN, "domains"), (CLUSTER_CAPPING_POLICY, "policies")):
            watch(Watched(kind.list_path, kind.name, kind.struct), self._rules.sink(shelf))

    def _take_pods(self, batch: Batch[SeenPod]) -> None:
        self._nodes.pods(batch)
        self._books.pods(batch)

    def start(self) -> None:
        """Begin. Once only."""
        self._loop.start()

    def stop(self) -> None:
        """End, as `ControllerLoop.stop` does. What is offered stays."""
        self._loop.stop()

    def figures(self) -> dict[str, tuple[float, float]]:
        """Idle and peak watts of every node, as far as its domain states them: 0 and infinite where it does not."""
        laid = self._laid
        return {node.name: node.envelope_watts for node in laid.ground.tree.nodes} if laid is not None else {}

    def trouble(self) -> str:
        """Why nothing can be decided; "" where all is well."""
        return self._loop.trouble()

    def _tick(self, token: int | None) -> None:
        if token is None or self.trouble():
            return
        now_s = self._clock()
        templates = self._templates.all()
        wanted = self._books.wanted()
        self._send(self._template_writes.decide(wanted, templates, now_s), token)
        moment = self._nodes.moment()
        ground = self._rules.ground(moment, datetime.fromtimestamp(self._now(), UTC))
        if not ground.holds:
            # The domains make no tree, and none was one before: what is offered stays as it is.
            return
        laid = self._lay(ground, moment)
        beside = self._books.beside(ground.tree, laid.layout)
        excess_mw = self._excess.follow(ground.tree, beside.drawn_mw, self._samples(), now_s)
        watts = capacities(ground.tree.with_extra(excess_mw), laid.layout, beside.beside_mw)
        seen = {name: each for (_, name), each in self._slices.all().items()}
        asked = {level for _, template in wanted for level in template.levels}
        offers = offers_of(laid.layout, laid.places, watts) | open_levels(laid.layout, asked)
        self._send(self._slice_writes.decide(offers, seen, now_s), token)
        shown = {
            "devices": len(laid.layout.devices),
            "hidden_devices": sum(place is None for place in laid.places),
            "unclaimed_pods": beside.pods,
            "excess_watts": int(excess_mw.sum()) / 1000,
            "templates": len(templates),
            "round_seconds": self._clock() - now_s,
        }
        self._metrics.decided(shown, laid.layout, watts)

    def _lay(self, ground: Ground, moment: Moment) -> Laid:
        laid = self._laid
        if laid is None or laid.ground is not ground or laid.shape != moment.shape:
            layout = lay_out(ground.tree)
            there = [(name, fact) for name, fact in moment.nodes.items() if name not in moment.gone]
            labels = {name: fact.node.metadata.labels or {} for name, fact in there}
            names = [node.name for node in ground.tree.nodes]
            laid = self._laid = Laid(ground, moment.shape, layout, places_of(layout, names, labels))
        return laid

    def _send(self, writes: Sequence[Write], token: int) -> None:
        """Write all, several at a time, and wait for the answers."""
        now = self._clock()
        self._paused_s = {key: until for key, until in self._paused_s.items() if until > now}
        due = [write for write in writes if _key(write) not in self._paused_s]
        for write, written in zip(due, self._loop.pool.map(lambda each: self._write(each, token), due), strict=True):
            self._metrics.wrote(write.kind, write.verb, written.outcome)
            if not written.ok:
                self._fail(write, written)

    def _write(self, write: Write, token: int) -> Written:
        if not self._loop.holds(token):
            return Written(0, b"this replica does not lead any more")
        writer = self._loop.writer
        if write.verb == "create":
            return writer.create(write.path, write.body)
        if write.verb == "patch":
            return writer.merge_patch(write.path, write.body)
        return writer.delete(write.path)

    def _fail(self, write: Write, written: Written) -> None:
        """A conflict shows in the watch in a moment; everything else is tried again after a pause."""
        if written.conflict or (write.verb == "delete" and written.status == 404):
            return
        self._paused_s[_key(write)] = self._clock() + self._settings.pause_s
        LOG.warning("%s %s: %s", write.verb, _key(write), written.told)
        if write.kind == "template" and write.verb == "create":
            self._template_writes.forget(write.body["metadata"]["namespace"], write.body["metadata"]["name"])


def _key(write: Write) -> str:
    return f"{write.path}/{write.body['metadata']['name']}" if write.verb == "create" else write.path
