"""Which lock a cluster offers, and how it is seen."""

from powerplane.adapters.lease_look import ASKED_ANNOTATION, Lease, LeaseLives, LeaseMeta, LeaseSpec
from powerplane.admission.gates.release_run import LEASE as GATES_LEASE
from powerplane.admission.lock_watch import CLAIMS_LEASE, EVERY_S, EXTENDER_LEASE, LockWatch
from powerplane.admission.metrics import AdmissionMetrics
from powerplane.admission.offering import ASKED_WITHIN_S, LockSigns, offer

EVERYTHING = LockSigns(nodes=3, listing=3, asked_ago_s=1.0, claims=True, releaser=True)
RENEWED = "2026-01-01T00:00:00.000000Z"
RENEWED_S = 1767225600.0


def lease(version: str = "1", holder: str = "one", **annotations: str) -> Lease:
    return Lease(LeaseMeta(resource_version=version, annotations=annotations), LeaseSpec(holder, 6, RENEWED, RENEWED))


def test_locks_are_offered_in_the_stated_order_and_each_says_why() -> None:
    signs = [
        EVERYTHING,
        LockSigns(3, 2, 1.0, True, True),
        LockSigns(3, 0, None, True, True),
        LockSigns(3, 0, None, False, True),
        LockSigns(3, 0, None, False, False),
    ]
    offers = [offer(each) for each in signs]
    assert [each.lock for each in offers] == ["Partition", "Extender", "Claims", "Gate", "Auto"]
    assert "2 of 3 nodes list watts" in offers[1].why
    assert all(each.why for each in offers)


def test_nodes_that_list_watts_hold_only_where_all_of_them_do() -> None:
    assert offer(LockSigns(nodes=3, listing=2)).lock == "Auto"
    assert offer(LockSigns(nodes=0, listing=0)).lock == "Auto"


def test_a_scheduler_that_has_not_asked_for_an_hour_is_not_counted_on() -> None:
    assert offer(LockSigns(3, 0, ASKED_WITHIN_S)).lock == "Extender"
    assert offer(LockSigns(3, 0, ASKED_WITHIN_S + 1, releaser=True)).lock == "Gate"


class World:
    """Leases and clocks that a test sets."""

    def __init__(self) -> None:
        self.leases: dict[str, Lease | None] = {}
        self.clock_s = 100.0
        self.now_s = RENEWED_S + 1
        self.asked_ago_s: float | None = None
        self.watch = LockWatch(self.leases.get, lambda: self.asked_ago_s, lambda: self.clock_s, lambda: self.now_s)

    def look(self, after_s: float = EVERY_S) -> tuple[bool, LockSigns]:
        self.clock_s += after_s
        self.now_s += after_s
        return self.watch.look(), self.watch.signs(1, 0)


def test_a_releaser_counts_while_its_lease_is_renewed_and_no_longer() -> None:
    world = World()
    world.leases[GATES_LEASE] = lease("1")
    assert world.look() == (True, LockSigns(1, 0, None, False, True))
    world.leases[GATES_LEASE] = lease("2")
    assert world.look(40.0)[1].releaser
    assert world.look(20.0)[1].releaser
    assert world.look(20.0) == (True, LockSigns(1, 0))


def test_a_lease_that_nobody_holds_or_that_is_gone_opens_no_lock() -> None:
    world = World()
    world.leases |= {GATES_LEASE: lease(holder=""), CLAIMS_LEASE: None}
    assert world.look() == (False, LockSigns(1, 0))


def test_another_replicas_questions_count_as_its_lease_tells_them_and_ours_as_we_know_them() -> None:
    world = World()
    world.leases[EXTENDER_LEASE] = lease("1", **{ASKED_ANNOTATION: "2026-01-01T00:00:00+00:00"})
    assert world.look(4.0)[1].asked_ago_s == 5.0
    world.asked_ago_s = 0.5
    assert world.look(1.0)[1].asked_ago_s == 0.5
    world.asked_ago_s, world.leases[EXTENDER_LEASE] = None, lease("1", holder="")
    assert world.look(1.0)[1].asked_ago_s is None


def test_the_lock_that_is_offered_is_told_to_whoever_scrapes() -> None:
    found = offer(EVERYTHING)
    metrics = AdmissionMetrics()
    metrics.offers(lambda: found.lock)
    assert b'powerplane_admission_lock_offered{lock="Partition"} 1.0' in metrics.render()
    found = offer(LockSigns())
    assert b'powerplane_admission_lock_offered{lock="Partition"} 0.0' in metrics.render()
    assert b'powerplane_admission_lock_offered{lock="Auto"} 1.0' in metrics.render()


def test_a_look_is_due_at_the_start_and_some_seconds_after_the_last() -> None:
    world = World()
    assert world.watch.is_due
    world.look()
    assert not world.watch.is_due
    world.clock_s += EVERY_S
    assert world.watch.is_due


def test_a_holder_whose_clock_is_wrong_lives_as_long_as_its_lease_changes() -> None:
    clock_s = 0.0
    lives = LeaseLives(lambda: clock_s, lambda: RENEWED_S + 86_400)
    assert not lives.lives("it", lease("1"))
    clock_s = 5.0
    assert lives.lives("it", lease("2"))


def test_what_is_no_moment_is_none_and_the_servers_own_time_is_read_apart() -> None:
    assert lease(**{ASKED_ANNOTATION: "soon"}).asked_s is None
    assert Lease().renewed_s is None
    assert lease().renewed_s == RENEWED_S
