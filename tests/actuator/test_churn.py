"""Ten thousand plans, moves, workloads, pods and domains that come and go leave nothing behind in the actuator."""

from tests.actuator.model_cluster import ModelCluster
from tests.actuator.replica import Replica
from tests.holding import words_held

from powerplane.actuator.evicting import Answer
from powerplane.actuator.facts import PlanState
from powerplane.actuator.ground_books import Demands, GroundBooks
from powerplane.actuator.limits import HourBudget, Limits
from powerplane.actuator.plans import Plans
from powerplane.actuator.recall import ANSWERED_S, REMEMBERED_S, Recall
from powerplane.actuator.seen import SeenPod
from powerplane.actuator.world import World
from powerplane.adapters.watch import Batch
from powerplane.models.api.placement_plan import PlacementPlanObject, PlacementPlanSpec
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainSpec, PowerDomainStatus
from powerplane.models.objects import Node, ObjectMeta

NAMES = [f"gone-{number}" for number in range(10_000)]
HOUR_S = 3600.0


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self):
        return self.now_s


def batches(make):
    """Each name is told of, and then deleted, a hundred at a time."""
    for first in range(0, len(NAMES), 100):
        every = [make(name) for name in NAMES[first : first + 100]]
        yield Batch(False, tuple(("ADDED", each) for each in every))
        yield Batch(False, tuple(("DELETED", each) for each in every))


def test_what_was_remembered_of_plans_moves_and_workloads_is_forgotten():
    clock = Clock()
    recall = Recall(clock)
    for number, name in enumerate(NAMES):
        recall.since_s((name, "running"))
        recall.answered(name, Answer("forbidden" if number % 2 else "wait", 1.0))
        recall.back_off(("default", name), 600.0, 21_600.0)
    assert words_held(recall, "gone-")
    recall.forget(())
    assert recall.answer(NAMES[0]) is not None
    assert recall.backs_off(("default", NAMES[0]))
    clock.now_s += max(REMEMBERED_S, ANSWERED_S) + HOUR_S
    recall.forget(())
    assert not words_held(recall, "gone-")


def test_workloads_that_are_left_alone_again_within_a_day_are_left_alone_for_longer():
    clock = Clock()
    recall = Recall(clock)
    recall.back_off(("default", "web"), 600.0, 21_600.0)
    clock.now_s += 601.0
    recall.forget(())
    recall.back_off(("default", "web"), 600.0, 21_600.0)
    clock.now_s += 1199.0
    assert recall.backs_off(("default", "web"))


def test_what_watches_told_of_and_took_back_is_forgotten():
    clock = Clock()
    world, plans, books = World(), Plans(), GroundBooks(Demands(), clock, clock)
    domains = books.sink("domains")
    for batch in batches(lambda name: SeenPod(metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"))):
        world.pods(batch)
    for batch in batches(lambda name: Node(metadata=ObjectMeta(name=name))):
        world.nodes(batch)
    status = PowerDomainStatus(measured_watts=5, source_age_seconds=1)
    for batch in batches(lambda name: PowerDomainObject(ObjectMeta(name=name), PowerDomainSpec(kind="rack"), status)):
        domains(batch)
    for batch in batches(
        lambda name: PlacementPlanObject(ObjectMeta(name=name, uid=f"uid-{name}"), PlacementPlanSpec("2030-01-01"))
    ):
        plans.take(batch)
        for plan in plans.all():
            plans.wrote(plan, PlanState("Running"), "7")
    assert not words_held((world, plans, books), "gone-")


def test_domains_that_are_gone_after_a_new_list_are_forgotten():
    clock = Clock()
    books = GroundBooks(Demands(), clock, clock)
    domains = books.sink("domains")
    status = PowerDomainStatus(measured_watts=5, source_age_seconds=1)
    every = tuple(
        ("ADDED", PowerDomainObject(ObjectMeta(name=name), PowerDomainSpec(kind="rack"), status))
        for name in NAMES[:100]
    )
    domains(Batch(True, every))
    domains(Batch(True, ()))
    assert not words_held(books, "gone-")


def test_an_hours_evictions_are_no_more_than_the_hour_allows():
    hour = HourBudget(Limits().per_hour)
    for number in range(10_000):
        if hour.left(float(number)) > 0:
            hour.take(float(number))
    assert len(hour.told(10_000.0).split(",")) <= 61


def test_a_status_that_could_not_be_written_is_forgotten_with_its_plan():
    cluster = ModelCluster()
    replica = Replica(cluster, 1)
    for name in NAMES[:200]:
        cluster.publish(name, [])
        replica.deliver()
        replica.lost = 1
        replica.look()
        cluster.delete_plan(name)
        replica.deliver()
    replica.look()
    # What the model itself keeps for its judge is not the actuator's.
    for kept in (cluster.gone_plans, cluster.events, cluster.told):
        kept.clear()
    assert not words_held(
        (replica.engine._unwritten, replica.engine._rests, replica.plans, replica.recall, replica.world), "gone-"
    )
