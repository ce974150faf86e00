"""Whether anything may be begun: stops, Leases, hours, policies, and how old measurements are."""

import time
from datetime import UTC, datetime

import pytest

from powerplane.actuator.facts import Move, PodFact
from powerplane.actuator.ground_books import Demands, GroundBooks
from powerplane.actuator.windows import read_window
from powerplane.adapters.lease_look import Lease, LeaseMeta, LeaseSpec
from powerplane.adapters.watch import Batch
from powerplane.models.api.capping_policy import (
    AdmissionChoice,
    ClusterPowerCappingPolicyObject,
    ClusterPowerCappingPolicySpec,
    PowerCappingPolicyObject,
    PowerCappingPolicySpec,
)
from powerplane.models.api.power_domain import PowerDomainObject, PowerDomainSpec, PowerDomainStatus
from powerplane.models.objects import LabelSelector, Namespace, ObjectMeta

NOW_S = 1_800_000_000.0  # a Friday, 08:00 UTC
ANYTHING = Demands(policy=False, webhook=False)
MOVE = Move("shop", "web-1", "u1", "n1", "n2", owner="o")
POD = PodFact("u1", "shop", "web-1", node="n1", owner="o", labels=(("app", "web"),))


class Books(GroundBooks):
    """Books with a clock to be set."""

    def __init__(self, demands=ANYTHING, namespace="powerplane-system"):
        self.s = 0.0
        super().__init__(demands, lambda: self.s, lambda: NOW_S + self.s, namespace=namespace)
        self.takes = {shelf: self.sink(shelf) for shelf in ("namespaces", "policies", "own", "domains")}

    def put(self, shelf, *objects):
        self.takes[shelf](Batch(True, tuple(("ADDED", each) for each in objects)))

    def renew(self, webhook=None, extender=None):
        self.leases(webhook, extender)


def lease(at_s, version="1", holder="w1"):
    renewed = datetime.fromtimestamp(at_s, UTC).isoformat()
    return Lease(LeaseMeta(resource_version=version), LeaseSpec(holder_identity=holder, renew_time=renewed))


def namespace(name, annotations=None, **labels):
    return Namespace(ObjectMeta(name=name, annotations=annotations, labels=labels))


def policy(name="all", mode="Enforce", levers=("migrate",), lock="Auto", **spec):
    made = ClusterPowerCappingPolicySpec(mode=mode, levers=levers, admission=AdmissionChoice(lock=lock), **spec)
    return ClusterPowerCappingPolicyObject(ObjectMeta(name=name), made)


def domain(watts, age_s, at=None, budget=None):
    status = PowerDomainStatus(
        measured_watts=watts, source_age_seconds=age_s, measured_at=at, budget_watts=budget, draw_watts=5
    )
    return PowerDomainObject(ObjectMeta(name="r1"), PowerDomainSpec(kind="rack"), status)


def test_the_annotation_on_our_namespace_stops_everything_with_or_without_a_reason():
    books = Books()
    assert books.grounds().stop == ""
    books.put("namespaces", namespace("powerplane-system", {"powerplane.dev/stop": "smoke"}))
    assert books.grounds().stop == "smoke"
    books.put("namespaces", namespace("powerplane-system", {"powerplane.dev/stop": ""}))
    assert books.grounds().stop
    books.put("namespaces", namespace("shop", {"powerplane.dev/stop": "mine"}), namespace("powerplane-system"))
    assert books.grounds().stop == ""


def test_a_stop_counts_on_the_namespace_in_which_it_runs_and_on_powerplanes_own():
    for marked in ("powerplane-system", "power"):
        books = Books(namespace="power")
        books.put("namespaces", namespace(marked, {"powerplane.dev/stop": "smoke"}))
        assert books.grounds().stop == "smoke"


def test_without_a_webhook_that_lives_nothing_is_begun():
    books = Books(Demands(policy=False))
    assert "powerplane-webhook" in books.grounds().pause
    books.renew(lease(NOW_S))
    assert books.grounds().pause == ""
    books.s = 61
    assert "powerplane-webhook" in books.grounds().pause
    books.renew(lease(NOW_S + 61, "2"))
    assert books.grounds().pause == ""
    books.renew(lease(NOW_S + 61, "3", holder=""))
    assert "powerplane-webhook" in books.grounds().pause


def test_a_lease_that_is_changed_and_not_renewed_does_not_live():
    books = Books(Demands(policy=False))
    books.renew(lease(NOW_S))
    books.grounds()
    books.renew(lease(NOW_S - 120, "2"))
    assert books.grounds().pause


def test_a_clock_that_was_set_ahead_does_not_keep_a_dead_webhook_alive():
    books = Books(Demands(policy=False))
    books.renew(lease(NOW_S + 50))
    books.grounds()
    books.s = 65  # renewed 15 s ago by its own time, unchanged for 65 s by ours
    assert books.grounds().pause


def test_the_extender_is_demanded_where_a_policys_lock_says_so_or_it_once_held_its_lease():
    books = Books()
    assert books.grounds().pause == ""
    books.put("policies", policy(lock="Extender"))
    assert "Lease powerplane:" in books.grounds().pause
    books.renew(None, lease(NOW_S))
    assert books.grounds().pause == ""
    books.put("policies", policy(lock="Extender", mode="Observe"))
    books.renew(None, None)
    assert books.grounds().pause == ""
    books.renew(None, lease(NOW_S - 100))
    assert "Lease powerplane:" in books.grounds().pause, "killed, it has not given it up"
    books.renew(None, lease(NOW_S - 100, holder=""))
    assert books.grounds().pause == ""


def test_outside_of_its_hours_nothing_is_begun():
    books = Books(Demands(policy=False, webhook=False, windows=(read_window("09:00-10:00"),)))
    assert "windows" in books.grounds().pause
    books.s = 3600
    assert books.grounds().pause == ""


def test_what_may_be_done_is_asked_again_at_each_act():
    books = Books(Demands(policy=False))
    assert books.paused, "nothing was looked at yet"
    books.renew(lease(NOW_S))
    books.grounds()
    assert books.paused == ""


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ([], "NoPolicy"),
        ([policy()], ""),
        ([policy(mode="Recommend")], "NoPolicy"),
        ([policy(levers=("evict",))], "NoPolicy"),
        ([policy(selector=LabelSelector(match_labels={"app": "db"}))], "NoPolicy"),
        ([policy(selector=LabelSelector(match_labels={"app": "web"}))], ""),
        ([policy(namespace_selector=LabelSelector(match_labels={"tier": "2"}))], "NoPolicy"),
        ([policy(namespace_selector=LabelSelector(match_labels={"tier": "1"}))], ""),
        ([policy(namespace_selector=LabelSelector(match_labels={"kubernetes.io/metadata.name": "shop"}))], ""),
        ([policy("a", mode="Observe"), policy("b")], ""),
    ],
)
def test_a_move_needs_a_policy_in_mode_enforce_that_names_its_lever_for_the_pod(made, reason):
    books = Books(Demands(webhook=False))
    books.put("namespaces", namespace("shop", tier="1"))
    books.put("policies", *made)
    assert books.grounds().forbids(MOVE, POD) == reason


def test_a_namespaced_policy_lets_its_own_pods_alone_be_moved():
    books = Books(Demands(webhook=False))
    for where, reason in (("shop", ""), ("other", "NoPolicy")):
        meta = ObjectMeta(name="own", namespace=where)
        books.put("own", PowerCappingPolicyObject(meta, PowerCappingPolicySpec(mode="Enforce", levers=("migrate",))))
        assert books.grounds().forbids(MOVE, POD) == reason


def test_a_policy_that_changes_half_way_is_seen():
    books = Books(Demands(webhook=False))
    books.put("policies", policy())
    assert books.grounds().forbids(MOVE, POD) == ""
    books.put("policies", policy(mode="Observe"))
    assert books.grounds().forbids(MOVE, POD) == "NoPolicy"


def test_namespaces_that_are_left_alone_and_ours_are_left_alone():
    books = Books(Demands(webhook=False))
    books.put("policies", policy())
    books.put("namespaces", Namespace(ObjectMeta(name="shop", labels={"powerplane.dev/admission": "ignore"})))
    assert books.grounds().forbids(MOVE, POD) == "OptedOut"
    assert books.grounds().forbids(MOVE, PodFact("u", "powerplane-system", "p")) == "OurOwn"


def test_a_measurement_is_as_old_as_when_it_came_and_its_source():
    books = Books()
    books.s = 100.0
    books.put("domains", domain(900, 7, budget=1000))
    (found,) = books.grounds().measured.values()
    assert (found.watts, found.taken_s, found.budget_watts) == (900.0, 93.0, 1000.0)


def test_watts_of_an_unknown_age_are_no_measurement_and_none_is_from_the_future():
    books = Books()
    books.s = 100.0
    books.put("domains", domain(900, None))
    assert books.grounds().measured == {}
    books.put("domains", domain(900, -30))
    assert books.grounds().measured["r1"].taken_s == 100.0


def test_what_others_write_to_a_domains_status_makes_no_measurement_younger():
    books = Books()
    books.put("domains", domain(900, 7, "2027-01-15T08:00:00Z"))
    books.s = 50.0
    books.put("domains", domain(900, 7, "2027-01-15T08:00:00Z", budget=800))
    assert books.grounds().measured["r1"].taken_s == -7.0
    books.put("domains", domain(900, 7, "2027-01-15T08:00:50Z"))
    assert books.grounds().measured["r1"].taken_s == 43.0


def test_a_domain_that_nobody_measures_or_that_is_gone_has_no_measurement():
    books = Books()
    books.put("domains", domain(None, None))
    assert books.grounds().measured == {}
    books.put("domains", domain(900, 1))
    books.put("domains")
    assert books.grounds().measured == {}


def test_a_look_at_the_grounds_of_a_thousand_policies_is_quick():
    books = Books(Demands(webhook=False))
    books.put(
        "policies", *(policy(f"p{i}", selector=LabelSelector(match_labels={"app": f"a{i}"})) for i in range(1000))
    )
    books.grounds()
    began_s = time.perf_counter()
    grounds = books.grounds()
    for _ in range(10):
        grounds.forbids(MOVE, POD)
    assert time.perf_counter() - began_s < 0.5
