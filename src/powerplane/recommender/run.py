"""The recommender at work: watches fill its books, one thread looks and plans, and only the leader does."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_kinds import ListedKind
from powerplane.adapters.cluster_lists import Patience, list_items
from powerplane.adapters.cluster_writes import Writer, Written
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.event_teller import EventTeller
from powerplane.adapters.leading import Elector
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.log_lines import about
from powerplane.adapters.resize_feature import serves_resize
from powerplane.models.api.demand_checkpoint import DemandCheckpointObject
from powerplane.models.api.kinds import API_VERSION, DEMAND_CHECKPOINT, PLACEMENT_PLAN
from powerplane.models.api.placement_plan import PlacementPlanObject
from powerplane.models.errors import PowerPlaneError
from powerplane.models.marks import RECOMMENDER_LEASE
from powerplane.models.spans import Spans
from powerplane.recommender.books import Books, watched
from powerplane.recommender.demanding import Lessons, owners_of
from powerplane.recommender.foreseeing import none_known
from powerplane.recommender.foresight import Foresight
from powerplane.recommender.hysteresis import Calm
from powerplane.recommender.looking import Looker, Sources
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.outside import Parts
from powerplane.recommender.performing_facts import ratios_in_turn
from powerplane.recommender.rounds import Pace, Rounds
from powerplane.recommender.solving import MOST_BYTES, Solver
from powerplane.recommender.telling import Teller
from powerplane.recommender.tracing import RoundTrace
from powerplane.recommender.working import Working, none_read

T = TypeVar("T")

LOG = logging.getLogger(__name__)

PLANS = ListedKind(PLACEMENT_PLAN.plural, PLACEMENT_PLAN.name, API_VERSION)
CHECKPOINTS = ListedKind(DEMAND_CHECKPOINT.plural, DEMAND_CHECKPOINT.name, API_VERSION)
LIST_S, LIST_ATTEMPTS = 5.0, 2
EVENT_ATTEMPTS = 3
WORK_S = 60.0
"""Between two questions for what pods do, where rounds are not more frequent: rates are of the last two minutes."""


@dataclass(frozen=True, slots=True)
class Settings(LoopSettings):
    """How the recommender runs; the frame's own settings first.

    Parameters
    ----------
    pace : Pace
    calm : Calm
    power_file : Path or None
        power.yaml, where PowerDomains do not say what nodes draw.
    solver_bytes : int
        Of memory that the process that solves may ask for.
    """

    tick_s: float = 2.0
    soonest_s: float = 0.5
    manager: str = RECOMMENDER_LEASE
    pace: Pace = field(default_factory=Pace)
    calm: Calm = field(default_factory=Calm)
    power_file: Path | None = None
    solver_bytes: int = MOST_BYTES


class Recommender:
    """The recommender with all that it needs.

    Parameters
    ----------
    access : ClusterAccess
    settings : Settings
    registry : CollectorRegistry
        For its metrics.
    sources : Sources
        Asked by its one thread only.
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
        sources: Sources,
        *,
        elector: Elector | None = None,
        spans: Spans | None = None,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._trace = RoundTrace(spans, now)
        self._metrics = RecommenderMetrics(registry, self._trace)
        self._loop = ControllerLoop(
            access,
            settings,
            self._metrics,
            self._tick,
            name="recommender",
            lease=RECOMMENDER_LEASE,
            elector=elector,
            clock=clock,
        )
        self._token: int | None = None
        self._solver = Solver(most_bytes=settings.solver_bytes, clock=clock)
        ProcessCollector("powerplane_recommender_solver", pid=lambda: self._solver.pid, registry=registry)
        self._books = Books(settings.namespace, self._loop.wake)
        for shelf, what in watched():
            self._loop.watch(what, self._books.sink(shelf))
        events = EventTeller(
            Writer(access, settings.write_timeout_s, EVENT_ATTEMPTS, manager=settings.manager),
            settings.identity,
            self._metrics.told,
        )
        self._loop.along(events)
        self._foresight = self._foresees(sources, settings, now)
        self._working = self._works(sources, settings, now)
        parts = Parts(
            books=self._books,
            looker=Looker(sources, now),
            solver=self._solver,
            outside=_Cluster(access, self._loop.writer, self._leads, self._trace),
            teller=Teller(events.tell),
            metrics=self._metrics,
            clock=clock,
            now=now,
            prospects=self._foresight.prospects if self._foresight is not None else none_known,
            lessons=Lessons(sources.pod_history, self._owners, now) if sources.pod_history is not None else None,
            work=self._working.latest if self._working is not None else none_read,
        )
        self._rounds = Rounds(parts, settings.pace, settings.calm, settings.power_file)

    def _foresees(self, sources: Sources, settings: Settings, now: Callable[[], float]) -> Foresight | None:
        if sources.node_history is None:
            return None
        foresight = Foresight(
            sources.node_history,
            lambda: self._rounds.site,
            lead_s=settings.pace.lead_s,
            alarm_at=settings.pace.alarm_at,
            failed=self._metrics.failed,
            now=now,
        )
        self._loop.along(foresight)
        return foresight

    def _works(self, sources: Sources, settings: Settings, now: Callable[[], float]) -> Working | None:
        if sources.work is None:
            return None
        working = Working(
            sources.work,
            lambda: ratios_in_turn(self._books.seen().policies),
            told=self._metrics.work.read,
            failed=self._metrics.failed,
            period_s=min(settings.pace.period_s, WORK_S),
            now=now,
        )
        self._loop.along(working)
        return working

    def _owners(self) -> dict[tuple[str, str], str]:
        return owners_of(self._books.seen())

    def start(self) -> None:
        """Begin. Once only."""
        self._loop.start()

    def stop(self) -> None:
        """End, as `ControllerLoop.stop` does; the process that solves is ended too. Plans stay as they are."""
        self._loop.stop()
        self._solver.close()

    def trouble(self) -> str:
        """Why nothing can be decided; "" where all is well."""
        return self._loop.trouble()

    def _leads(self) -> bool:
        return self._token is not None and self._loop.holds(self._token)

    def _tick(self, token: int | None) -> None:
        self._token = token
        if token is None or self.trouble():
            return
        # Before anything is urgent, and on this thread, which lives as long as the process is wanted.
        self._solver.warm()
        with self._trace.round():
            self._rounds.once()
        self._metrics.succeeded(self._now())


class _Cluster:
    """What rounds write to: the API server."""

    def __init__(self, access: ClusterAccess, writer: Writer, leads: Callable[[], bool], trace: RoundTrace) -> None:
        self._access = access
        self._trace = trace
        self._writer = writer
        self.leads = leads

    def plans(self) -> tuple[PlacementPlanObject, ...] | None:
        found = self._listed(PLANS, PlacementPlanObject)
        return None if found is None else tuple(found)

    def resizes(self) -> bool | None:
        return serves_resize(self._access, LIST_S)

    def checkpoints(self) -> list[dict[str, Any]] | None:
        return self._listed(CHECKPOINTS, dict[str, Any])

    def write_checkpoint(self, checkpoint: DemandCheckpointObject) -> Written:
        body = DEMAND_CHECKPOINT.wire(checkpoint)
        written = self._writer.create(DEMAND_CHECKPOINT.list_path, body)
        if not written.conflict:
            return written
        # Whole: a merge would keep what the spec has lost since.
        whole = [{"op": "add", "path": "/spec", "value": body["spec"]}]
        return self._writer.json_patch(DEMAND_CHECKPOINT.path(checkpoint.metadata.name), whole)

    def delete_checkpoint(self, name: str) -> Written:
        return self._writer.delete(DEMAND_CHECKPOINT.path(name))

    def _listed(self, kind: ListedKind, struct: type[T]) -> list[T] | None:
        try:
            pages = list(list_items(self._access, kind, Patience(timeout_s=LIST_S, attempts=LIST_ATTEMPTS)))
            return [msgspec.json.decode(raw, type=struct) for raw in pages[-1]] if pages else []
        except (PowerPlaneError, msgspec.MsgspecError) as error:
            LOG.warning("%s cannot be listed: %s", kind.resource, error)
            return None

    def publish(self, body: Mapping[str, Any]) -> Written:
        marked, parent = self._trace.mark(body)
        with about(plan=body["metadata"]["name"], trace_id=parent.trace):
            written = self._writer.create(PLACEMENT_PLAN.list_path, marked)
            if written.ok:
                self._trace.published(marked, parent)
                LOG.info("plan %s is in the cluster, under trace %s", body["metadata"]["name"], parent.trace)
        return written

    def delete(self, name: str) -> Written:
        return self._writer.delete(PLACEMENT_PLAN.path(name))

    def patch_status(self, path: str, status: Mapping[str, Any], version: str = "") -> Written:
        return self._writer.patch_status(path, status, version)
