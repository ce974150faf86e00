"""Alerts at work: watches feed the books, each moment is looked at, and what is new goes to the outbox."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from powerplane.adapters.alerts.delivering import Delivery
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.leading import trouble_of
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.round_thread import RoundThread
from powerplane.adapters.watch import Reflector, Watched, WatchPatience
from powerplane.admission.alerts.books import AlertBooks, WatchedPod
from powerplane.admission.alerts.metrics import AlertMetrics
from powerplane.models.alerts.alert import Notice
from powerplane.models.alerts.evaluating import find
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.tracking import Terms, resume, step
from powerplane.models.alerts.would_do import WouldDo
from powerplane.models.api.kinds import CAPPING_POLICY, CLUSTER_CAPPING_POLICY, POWER_DOMAIN
from powerplane.models.drift import Sample
from powerplane.models.objects import Namespace, Node

LOG = logging.getLogger(__name__)

BOUND = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """How alerts are looked for.

    Parameters
    ----------
    every_s : float
        Between two looks.
    sample_stale_s : float
        A node whose last sample is older is not measured.
    terms : Terms
    patience : WatchPatience
    """

    every_s: float = 15.0
    sample_stale_s: float = 180.0
    terms: Terms = field(default_factory=Terms)
    patience: WatchPatience = field(default_factory=WatchPatience)


class AlertRun:
    """The loop with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : AlertSettings
    books : AlertBooks
        Also asked for nodes' figures, and for UIDs.
    samples : callable
        Latest sample by node name.
    outbox : Outbox
        Its episodes are where this begins.
    deliveries : sequence of Delivery
        Started and stopped along with it.
    registry : CollectorRegistry
    clock : callable
        Seconds that only go on; the samples' clock.
    now : callable
        Unix seconds.
    show : callable
        Handed each notice: for a dry run, and for the log.
    """

    def __init__(
        self,
        access: ClusterAccess,
        settings: AlertSettings,
        books: AlertBooks,
        samples: Callable[[], Mapping[str, Sample]],
        *,
        outbox: Outbox,
        deliveries: Sequence[Delivery],
        registry: CollectorRegistry,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
        show: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._books = books
        self._samples = samples
        self._outbox = outbox
        self._deliveries = tuple(deliveries)
        self._metrics = AlertMetrics(registry, outbox, self._deliveries, now)
        self._clock = clock
        self._now = now
        self._show = show
        self._tracks = resume(outbox.episodes())
        self._reflectors = [self._reflector(access, what, shelf) for what, shelf in _watched()]
        self._told = ""
        self._rounds = RoundThread("alerts", self._round, self._metrics.failed, tick_s=self._tick_s, clock=clock)

    def _reflector(self, access: ClusterAccess, what: Watched[Any], shelf: str) -> Reflector[Any]:
        return Reflector(access, what, self._books.sink(shelf), self._settings.patience, clock=self._clock)

    def start(self) -> None:
        """Begin. Once only."""
        for reflector in self._reflectors:
            reflector.start()
        for delivery in self._deliveries:
            delivery.start()
        self._rounds.start()

    def stop(self) -> None:
        """End; what is not delivered yet stays in the outbox."""
        self._rounds.stop(2 * self._settings.every_s)
        for delivery in self._deliveries:
            delivery.stop()
        for reflector in self._reflectors:
            reflector.stop()
        self._outbox.close()

    def trouble(self) -> str:
        """Why nothing can be said; "" where all is well."""
        return trouble_of(self._reflectors, self._clock()) or self._books.trouble()

    def look(self) -> tuple[Notice, ...]:
        """Look once, and put what is new into the outbox."""
        began_s = self._clock()
        now_s = self._now()
        view = self._books.view(self._samples(), began_s, self._settings.sample_stale_s)
        found = find(view, datetime.fromtimestamp(now_s, UTC))
        stepped = step(self._tracks, found, now_s, self._settings.terms, WouldDo(view))
        self._outbox.commit(stepped.tracks, bundled(stepped.notices), now_s)
        self._tracks = stepped.tracks
        for notice in stepped.notices:
            self._show(notice)
        if stepped.notices:
            for delivery in self._deliveries:
                delivery.wake()
        self._metrics.looked(stepped.notices, self._clock() - began_s)
        return stepped.notices

    def _round(self) -> None:
        """After one that raises, what fired fires on."""
        told = self.trouble()
        if told:
            self._metrics.skipped()
        else:
            self.look()
        self._say(told)

    def _tick_s(self) -> float:
        return min(1.0, self._settings.every_s) if self._told else self._settings.every_s

    def _say(self, told: str) -> None:
        if told and told != self._told:
            LOG.warning("no look for alerts: %s", told)
        self._told = told


def _watched() -> list[tuple[Watched[Any], str]]:
    ours = ((POWER_DOMAIN, "domains"), (CLUSTER_CAPPING_POLICY, "policies"), (CAPPING_POLICY, "own"))
    return [
        (Watched("/api/v1/nodes", "Node", Node), "nodes"),
        (Watched("/api/v1/pods", "Pod", WatchedPod, BOUND), "pods"),
        (Watched("/api/v1/namespaces", "Namespace", Namespace), "namespaces"),
        *((Watched(kind.list_path, kind.name, kind.struct), shelf) for kind, shelf in ours),
    ]
