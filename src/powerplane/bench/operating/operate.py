"""The policy ``operate``: the recommender's rounds and the actuator's looks, on the clock of a simulated cluster."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from powerplane.actuator.acts import Act, Errand
from powerplane.actuator.engine import Engine, Outcome, Wrote, begins
from powerplane.actuator.facts import Plan as Carried
from powerplane.actuator.facts import PlanState
from powerplane.actuator.ground_books import Demands, GroundBooks
from powerplane.actuator.limits import HourBudget, Limits
from powerplane.actuator.machine import Machine
from powerplane.actuator.plans import Plans
from powerplane.actuator.recall import Recall
from powerplane.actuator.terms import Terms
from powerplane.actuator.world import World as Looked
from powerplane.adapters.cluster_events import ClusterEvent
from powerplane.adapters.telemetry.following import Opened
from powerplane.adapters.watch import Batch
from powerplane.bench.operating.hands import SimulatedHands
from powerplane.bench.operating.meters import Meters
from powerplane.bench.operating.objects import namespace_objects, policy_object
from powerplane.bench.operating.plans import Shelf, Tally
from powerplane.bench.operating.watches import Sinks, Watches
from powerplane.models.api.capping_policy import Lever
from powerplane.models.marks import OWN_NAMESPACE
from powerplane.models.objects import Pod
from powerplane.models.snapshot import Snapshot
from powerplane.recommender.books import Books
from powerplane.recommender.hysteresis import Calm
from powerplane.recommender.looking import Looker, Sources
from powerplane.recommender.metrics import RecommenderMetrics
from powerplane.recommender.outside import Parts
from powerplane.recommender.rounds import Pace, Rounds
from powerplane.recommender.solving_worker import Answer, Question, answer
from powerplane.recommender.telling import Teller
from powerplane.simulator.exporter.cluster_files import FILES
from powerplane.simulator.settings import SensorSettings
from powerplane.simulator.world import World

TOKEN = 1
"""Of the one actuator."""

MOST_LOOKS = 64
"""Of the actuator at one moment: each that writes is followed by another, as what was written may be acted on."""


class Here:
    """Solves in this process, as the recommender's own does apart."""

    starts = 1

    def solve(self, snapshot: Snapshot, deadline_s: float, seed: int) -> Answer:
        """Ask for a plan."""
        return answer(Question(snapshot, deadline_s, seed))


class Operate:
    """The operator over a simulated cluster; a policy of the simulator.

    Parameters
    ----------
    world : World
    sensors : SensorSettings
    pace : Pace
        Of the recommender.
    directory : Path
        For the file that says what nodes draw; there for as long as this is.
    levers : tuple of str
        That its one policy names for every pod.

    Notes
    -----
    The recommender looks where there is something new to see: a sample, or a plan under way. A plan that is published
    at one step is seen by the actuator at the next, which is longer than solving may take.
    Webhook and extender are not simulated: their Leases are not asked for.
    """

    def __init__(
        self,
        world: World,
        sensors: SensorSettings,
        pace: Pace,
        directory: Path,
        levers: tuple[Lever, ...] = ("migrate",),
    ) -> None:
        self._world = world
        self.tally = Tally()
        self.told: list[str] = []
        self._sinks = Sinks()
        self._watches = Watches(world, self._sinks)
        self._shelf = Shelf(self._watches, self._sinks, self.tally)
        self._meters = Meters(world, sensors)
        self._books = Books(OWN_NAMESPACE)
        self._rounds = self._recommender(pace, directory)
        self._grounds = GroundBooks(Demands(webhook=False), self._clock, self._now)
        self._engine = self._actuator()
        self._begin(levers)

    @property
    def moves(self) -> int:
        """Pods moved so far."""
        return self.tally.moves

    def act(self) -> None:
        """Let the actuator look until it has nothing more to do now, and then the recommender once."""
        fresh = self._meters.scrape()
        self._watches.tell()
        for _ in range(MOST_LOOKS):
            if not self._engine.look(self._grounds.grounds(), TOKEN):
                break
        if fresh or self._shelf.open_plans():
            self._rounds.once()

    # -- the two programs

    def _recommender(self, pace: Pace, directory: Path) -> Rounds:
        nodes = Opened(self._meters.nodes, (), "the simulated cluster's machines")
        whole = Opened(self._meters.whole, (), "the simulated cluster's sensors")
        parts = Parts(
            books=self._books,
            looker=Looker(Sources(nodes, whole), self._now),
            solver=Here(),
            outside=self._shelf,
            teller=Teller(self._hear),
            metrics=RecommenderMetrics(CollectorRegistry()),
            clock=self._clock,
            now=self._now,
        )
        power = directory / "power.yaml"
        write, _ = FILES[power.name]
        power.write_text(write(self._world.spec.base, self._world.truth(), {}), encoding="utf-8")
        return Rounds(parts, pace, Calm(), power)

    def _actuator(self) -> Engine:
        terms, limits, recall, hour = Terms(), Limits(), Recall(self._clock), HourBudget(Limits().per_hour)
        looked, plans = Looked(), Plans()
        self._sinks.pods += [looked.pods, _narrowed(self._books.sink("pods"))]
        self._sinks.nodes += [looked.nodes, self._books.sink("nodes")]
        self._sinks.plans += [plans.take, self._books.sink("placementplans")]
        self._sinks.domains += [self._grounds.sink("domains"), self._books.sink("powerdomains")]
        self._sinks.budgets += [self._books.sink("poddisruptionbudgets")]
        return Engine(
            machine=Machine(terms, limits, recall, hour),
            world=looked,
            plans=plans,
            recall=recall,
            hands=SimulatedHands(self._world, self._watches, self._shelf, self._sinks, self.tally),
            watcher=_Unheard(),
            submit=self._carry,
            may=self._may,
            clock=self._clock,
        )

    def _begin(self, levers: tuple[Lever, ...]) -> None:
        """Tell what never changes: namespaces, and the policy."""
        spaces = Batch(True, tuple(("ADDED", each) for each in namespace_objects(self._world)))
        policies = Batch(True, (("ADDED", policy_object(levers)),))
        for sink in (self._books.sink("namespaces"), self._grounds.sink("namespaces")):
            sink(spaces)
        for sink in (self._books.sink("clusterpowercappingpolicies"), self._grounds.sink("policies")):
            sink(policies)
        self._grounds.sink("own")

    def _carry(self, errand: Errand) -> None:
        self._engine.carry(errand)

    def _may(self, act: Act, _token: int) -> str:
        return (self._grounds.stop() or self._grounds.paused) if begins(act) else ""

    def _hear(self, event: ClusterEvent) -> None:
        self.told.append(f"{event.reason}: {event.note}")

    def _clock(self) -> float:
        return self._world.now_s

    def _now(self) -> float:
        return self._world.spec.base.as_of_s + self._world.now_s


class _Unheard:
    """Is told what the actuator does, and keeps nothing: what was done is counted where it is done."""

    def wrote(self, plan: Carried, state: PlanState, wrote: Wrote) -> None:
        """Take in a write to a plan's status."""

    def acted(self, errand: Errand, act: Act, outcome: Outcome) -> None:
        """Take in what became of an act."""


def _narrowed(sink: Any) -> Any:
    """Hand pods on as the recommender's books keep them."""

    def take(batch: Batch[Any]) -> None:
        changes: Iterable[tuple[str, Pod]] = (
            (what, Pod(each.metadata, each.spec, each.status)) for what, each in batch.changes
        )
        sink(Batch(batch.replace, tuple(changes)))

    return take
