"""What budgets leave together: never more than a domain has, nor more than what lies below it."""

from powerplane.admission.room import room_watts
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainSpec, PowerDomainStatus
from powerplane.models.objects import ObjectMeta


def domain(name, left, *parents, nodes=()):
    status = None if left is None else PowerDomainStatus(headroom_watts=left)
    return PowerDomainObject(ObjectMeta(name=name), PowerDomainSpec("rack", parents, node_names=nodes), status)


def test_racks_leave_what_they_have_under_what_their_feed_has():
    racks = [domain("r1", 300, "f", nodes=("a",)), domain("r2", 500, "f", nodes=("b",))]
    assert room_watts([domain("f", 2000), *racks]) == 800
    assert room_watts([domain("f", 600), *racks]) == 600


def test_a_broken_budget_leaves_nothing_and_takes_nothing_from_others():
    assert (
        room_watts([domain("f", 900), domain("r1", -200, "f", nodes=("a",)), domain("r2", 500, "f", nodes=("b",))])
        == 500
    )


def test_a_rack_on_two_feeds_is_counted_once():
    feeds = [domain("a", 5000), domain("b", 5000)]
    assert room_watts([*feeds, domain("r", 700, "a", "b", nodes=("n",))]) == 700


def test_a_rack_without_a_known_headroom_is_limited_by_its_feed_alone():
    assert room_watts([domain("f", 900), domain("r1", None, "f", nodes=("a",))]) == 900


def test_where_nothing_is_said_nothing_is_known():
    assert room_watts([]) is None
    assert room_watts([domain("f", None), domain("g", 100)]) is None


def test_domains_in_a_ring_end_the_search():
    assert room_watts([domain("a", 100, "b"), domain("b", 100, "a"), domain("f", 7)]) == 7
