"""The loop from watches to the outbox: what is looked at, what outlives a restart, and when nothing is said."""

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from powerplane.adapters.alerts.delivering import Delivery, DeliveryTerms
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.alerts.sink import Sent
from powerplane.adapters.watch import Batch
from powerplane.admission.alerts.alerting import AlertRun, AlertSettings
from powerplane.admission.alerts.books import AlertBooks, WatchedPod
from powerplane.models.alerts.tracking import Terms
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.drift import Sample
from powerplane.models.objects import Namespace, Node

TERMS = Terms(fire_after_s=30, resolve_after_s=60)


class Taken:
    name = "taken"

    def __init__(self):
        self.bundles = []

    def send(self, bundle):
        self.bundles.append(bundle)
        return Sent("ok")


class World:
    """Books fed by hand, two measured nodes, and a clock."""

    def __init__(self, folder):
        self.books = AlertBooks()
        self.s = 1e9
        self.samples = {}
        self.sink = Taken()
        self.folder = folder
        self.feed(
            "nodes", Node, *({"metadata": {"name": f"n{i}"}, "status": {"allocatable": {"cpu": "10"}}} for i in (1, 2))
        )
        self.feed("namespaces", Namespace, {"metadata": {"name": "ns"}})
        node = {"idle": "100W", "peak": "400W"}
        rack = {"kind": "rack", "budget": "700W", "nodeNames": ["n1", "n2"], "node": node}
        self.feed("domains", PowerDomainObject, {"metadata": {"name": "rack-1", "uid": "u"}, "spec": rack})
        self.watch("Observe")
        self.feed("own", ClusterPowerCappingPolicyObject)
        self.feed("pods", WatchedPod)
        self.start()

    def start(self):
        self.outbox = Outbox(self.folder / "outbox", ["taken"])
        self.delivery = Delivery(self.sink, self.outbox, DeliveryTerms(), now=self.clock, clock=self.clock)
        self.registry = CollectorRegistry()
        settings = AlertSettings(terms=TERMS)
        self.run = AlertRun(
            None,
            settings,
            self.books,
            lambda: self.samples,
            outbox=self.outbox,
            deliveries=[self.delivery],
            registry=self.registry,
            clock=self.clock,
            now=self.clock,
        )

    def restart(self):
        self.outbox.close()
        self.start()

    def clock(self):
        return self.s

    def feed(self, shelf, struct, *objects):
        made = tuple(("ADDED", msgspec.convert(each, struct)) for each in objects)
        self.books.sink(shelf)(Batch(True, made))

    def watch(self, mode, watts="500W", **more):
        racks = [{"domainNames": ["rack-1"], "maxPower": watts}]
        spec = {"mode": mode, "rackConstraints": racks, "levers": ["migrate"], **more}
        self.feed("policies", ClusterPowerCappingPolicyObject, {"metadata": {"name": "watch"}, "spec": spec})

    def look(self, *watts, times=1, every_s=10.0):
        """Look so many times at nodes that draw so; return what was told, as (what, kind)."""
        told = []
        for _ in range(times):
            self.s += every_s
            self.samples |= {f"n{i}": Sample(int(w * 1000), self.s) for i, w in enumerate(watts, 1)}
            told += self.run.look()
            while not self.delivery.turn():
                pass
        return [(each.what, each.finding.key.kind) for each in told]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.outbox.close()


def test_a_passive_policy_that_is_passed_is_told_to_the_sink_and_so_is_its_end(world):
    assert world.look(300, 250, times=5) == [("fired", "DomainOverBudget")]
    assert world.look(200, 250, times=8) == [("resolved", "DomainOverBudget")]
    assert [bundle.what for bundle in world.sink.bundles] == ["fired", "resolved"]
    (notice,) = world.sink.bundles[0].notices
    assert (notice.finding.draw_mw, notice.finding.limit_mw) == (550_000, 500_000)


def test_a_restart_in_between_neither_tells_it_twice_nor_loses_its_end(world):
    world.look(300, 250, times=5)
    world.restart()
    assert world.look(300, 250, times=9) == []
    world.restart()
    assert world.look(200, 250, times=8) == [("resolved", "DomainOverBudget")]
    first, last = world.sink.bundles
    assert first.notices[0].episode == last.notices[0].episode


def test_what_is_not_delivered_before_a_restart_is_delivered_after_it(world):
    for _ in range(5):
        world.s += 10
        world.samples = {"n1": Sample(300_000, world.s), "n2": Sample(250_000, world.s)}
        world.run.look()
    assert world.sink.bundles == []
    world.restart()
    assert world.look(300, 250) == []
    assert [bundle.what for bundle in world.sink.bundles] == ["fired"]


@pytest.mark.parametrize("mode", ["Initial", "Enforce"])
def test_a_policy_that_begins_to_act_ends_its_alert(world, mode):
    world.look(300, 250, times=5)
    world.watch(mode)
    assert world.look(300, 250, times=8) == [("resolved", "DomainOverBudget")]
    assert world.sink.bundles[-1].notices[0].ended == "withdrawn"


def test_what_would_have_been_done_names_pods_by_their_watts_and_not_those_of_daemons(world):
    def pod(name, watts, kind="ReplicaSet"):
        requests = {"powerplane.dev/watts": str(watts)}
        return {
            "metadata": {"name": name, "namespace": "ns", "ownerReferences": [{"kind": kind, "controller": True}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "resources": {"requests": requests}}]},
            "status": {"phase": "Running"},
        }

    world.feed("pods", WatchedPod, pod("daemon", 500, "DaemonSet"), pod("small", 20), pod("right", 60))
    world.look(300, 250, times=5)
    remedy = world.sink.bundles[0].notices[0].finding.remedy
    assert (remedy.lever, remedy.pods, remedy.freed_mw) == ("migrate", ("ns/right",), 60_000)


def test_a_pod_that_states_no_watts_counts_by_its_cores(world):
    spec = {"nodeName": "n1", "containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}
    pod = {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec, "status": {"phase": "Running"}}
    world.feed("pods", WatchedPod, pod)
    (seen,) = world.books.view({}, world.s, 60.0).pods
    assert seen.mw == 300_000 * 2 // 10


def test_without_samples_it_is_said_that_nothing_is_known_and_nothing_else(world):
    assert world.look(times=5) == [("fired", "DrawUnknown")]
    assert world.look(200, 200, times=8) == [("resolved", "DrawUnknown")]


def test_samples_that_have_grown_old_resolve_nothing(world):
    world.look(300, 250, times=5)
    told = world.look(times=60)
    assert ("resolved", "DomainOverBudget") not in told
    assert ("fired", "DrawUnknown") in told


def test_domains_that_make_no_tree_decide_nothing(world):
    world.look(300, 250, times=5)
    world.books = AlertBooks()
    bad = {"metadata": {"name": "rack-1"}, "spec": {"kind": "rack", "parents": ["gone"], "budget": "700W"}}
    world.feed("nodes", Node, {"metadata": {"name": "n1"}})
    world.feed("domains", PowerDomainObject, bad)
    assert "make no tree" in world.books.trouble()


def test_metrics_tell_what_fires_what_waits_and_what_was_sent(world):
    world.look(300, 250, times=5)
    page = generate_latest(world.registry).decode()
    labels = 'kind="DomainOverBudget",policy="/watch",severity="warning",subject="rack-1"'
    for line in (
        f"powerplane_alert_over_watts{{{labels}}} 50.0",
        "powerplane_alerts_firing 1.0",
        'powerplane_alerts_notices_total{what="fired"} 1.0',
        'powerplane_alerts_deliveries_total{outcome="ok",sink="taken"} 1.0',
        'powerplane_alerts_pending_bundles{sink="taken"} 0.0',
    ):
        assert line in page.splitlines(), page


def test_uids_are_found_for_events(world):
    assert world.books.uid_of("PowerDomain", "rack-1") == "u"
    assert world.books.uid_of("PowerDomain", "gone") == ""
