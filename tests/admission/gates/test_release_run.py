"""The releaser's looks, against a server that notes what is written: when it decides, and what it tells."""

import time

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from tests.adapters.api_server import kubeconfig
from tests.adapters.test_cluster_writes import Recorder
from tests.admission.gates.gate_world import START_S, World

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.measured import Measured
from powerplane.adapters.watch import Batch
from powerplane.admission.gates.facts import SeenPod
from powerplane.admission.gates.release_run import ReleaseRun, ReleaseSettings
from powerplane.models.api.capping_policy import ClusterPowerCappingPolicyObject
from powerplane.models.api.power_domain import PowerDomainObject
from powerplane.models.drift import Sample
from powerplane.models.errors import UnreachableError
from powerplane.models.objects import Namespace, Node

POLICY = {"metadata": {"name": "all"}, "spec": {"mode": "Initial", "cap": {"watts": "100kW"}, "admission": {}}}


class Lease:
    def __init__(self):
        self.leads, self.token = True, 1

    def leading(self):
        return self.leads


class Scene:
    """One replica, whose watches show what ``World`` holds whenever ``tell`` is called."""

    def __init__(self, tmp_path):
        self.world = World()
        self.server = Recorder()
        self.lease = Lease()
        self.samples = {"c1": Sample(0, self.world.clock_s)}
        self.registry = CollectorRegistry()
        self.run = ReleaseRun(
            open_cluster(kubeconfig(tmp_path / "config", self.server.address), None),
            ReleaseSettings("me"),
            self.registry,
            measured=Measured(lambda: self.samples),
            elector=self.lease,
            clock=lambda: self.world.clock_s,
            now=lambda: START_S + self.world.clock_s,
        )
        self.run.trouble = lambda: ""
        self.run._unbound = self.unbound
        self.run._teller.start()
        self.tell()

    def unbound(self):
        return {
            pod["metadata"]["uid"]: bool(pod["spec"].get("schedulingGates"))
            for pod in self.world.pods.values()
            if not pod["spec"].get("nodeName")
        }

    def tell(self):
        world, rules = self.world, self.run._rules
        self.run._books.nodes(batch(world.nodes(), Node))
        self.run._books.pods(batch(world.pods.values(), SeenPod))
        rules.sink("domains")(batch(world.domains(), PowerDomainObject))
        rules.sink("policies")(batch([POLICY], ClusterPowerCappingPolicyObject))
        rules.sink("namespaces")(batch([{"metadata": {"name": "default"}}], Namespace))

    def tick(self):
        self.run._loop.look()

    def written(self, count):
        """What was written once so many requests came, or after a moment."""
        until = time.monotonic() + 2
        while len(self.server.requests) < count and time.monotonic() < until:
            time.sleep(0.01)
        return [(verb, path) for verb, path, *_ in self.server.requests]

    def quiet(self):
        """Whether nothing is written, a moment later."""
        time.sleep(0.1)
        return not self.server.requests

    def figure(self, name):
        return self.registry.get_sample_value(f"powerplane_gates_{name}")


def batch(objects, kind):
    return Batch(True, tuple(("ADDED", msgspec.convert(each, kind)) for each in objects))


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.run.stop()
    made.server.close()


def pod(name):
    return ("PATCH", f"/api/v1/namespaces/default/pods/{name}")


def test_a_new_leader_gives_nothing_before_it_has_seen_what_the_last_one_gave(scene):
    scene.world.create("given", 400, nodeSelector={"rack": "r3"})
    scene.world.create("next", 400, nodeSelector={"rack": "r3"})
    scene.tell()
    del scene.world.pods["given"]["spec"]["schedulingGates"]
    scene.world.pods["given"]["metadata"]["annotations"] = {"powerplane.dev/granted": "headroom"}
    for _ in range(3):
        scene.tick()
    assert scene.quiet(), "its watch still shows both of them waiting"
    scene.tell()
    scene.tick()
    assert scene.quiet()
    del scene.world.pods["given"]
    scene.tell()
    scene.tick()
    assert scene.written(1) == [pod("next")]


def test_a_leader_that_cannot_list_waits_and_one_that_lost_its_lease_lists_anew(scene):
    scene.world.create("p", 100)
    scene.tell()
    asked = []

    def refused():
        asked.append(1)
        raise UnreachableError("no", "wait")

    scene.run._unbound = refused
    scene.tick()
    scene.run._unbound = lambda: asked.append(1) or {"uid-p": True}
    scene.lease.leads = False
    scene.tick()
    assert scene.quiet()
    assert len(asked) == 1
    scene.lease.leads, scene.lease.token = True, 2
    scene.tick()
    scene.tick()
    assert (scene.written(1), len(asked)) == ([pod("p")], 2)


def test_a_replica_that_begins_waits_for_its_meters_and_not_for_ever(scene):
    scene.samples.clear()
    scene.world.create("p", 100)
    scene.tell()
    scene.tick()
    scene.world.clock_s += 29
    scene.tick()
    assert scene.quiet()
    assert "c1" in scene.run.figures(), "without nodes the meters' round tells of none"
    scene.samples["c1"] = Sample(0, scene.world.clock_s)
    scene.tick()
    assert scene.written(1) == [pod("p")]


def test_without_any_meter_the_books_count_after_a_while(scene):
    scene.samples.clear()
    scene.world.create("p", 100)
    scene.tell()
    scene.tick()
    scene.world.clock_s += 30
    scene.tick()
    assert scene.written(1) == [pod("p")]


def test_an_overdue_pod_is_let_go_and_told_of(scene):
    scene.world.create("huge", 5000)
    scene.tell()
    scene.tick()
    assert scene.quiet()
    scene.world.clock_s += 601
    scene.tick()
    assert scene.written(2)[:1] == [pod("huge")]
    events = [body for verb, path, *_, body in scene.server.requests if path.endswith("/events")]
    assert {each["reason"] for each in events} == {"ReleasedWithoutHeadroom"}


def test_a_pod_that_waits_long_is_told_of_once(scene):
    scene.world.create("large", 5000)
    scene.tell()
    for _ in range(30):
        scene.tick()
        scene.world.clock_s += 10
    scene.written(1)
    time.sleep(0.1)
    assert [(verb, body["reason"]) for verb, *_, body in scene.server.requests] == [("POST", "WaitsForWatts")]


def test_a_replica_that_stands_by_follows_the_meters_and_does_nothing_else(scene):
    scene.lease.leads = False
    scene.samples = {"c1": Sample(120_000, scene.world.clock_s)}
    scene.world.create("p", 100)
    scene.tell()
    scene.tick()
    assert scene.figure("measured_excess_watts") == 120
    assert scene.figure("leading") == 0
    assert set(scene.run.figures()) == {"a1", "a2", "a3", "b1", "b2", "c1"}
    assert scene.quiet()


def test_a_successor_that_no_actuator_lives_for_is_let_go_by_who_leads_and_counted(scene):
    forgotten = {
        "metadata": {"uid": "u-f", "namespace": "default", "name": "forgotten"},
        "spec": {"schedulingGates": [{"name": "powerplane.dev/move"}]},
    }
    scene.run._pods(batch([*scene.world.pods.values(), forgotten], SeenPod))

    def after(seconds):
        for _ in range(int(seconds / 5)):
            scene.world.clock_s += 5
            scene.tick()
        time.sleep(0.1)
        return [(verb, path) for verb, path, *_ in scene.server.requests if verb == "PATCH"]

    assert after(50) == []
    scene.lease.leads = False
    assert after(30) == []
    scene.lease.leads = True
    assert pod("forgotten") in after(65)
    assert scene.registry.get_sample_value("powerplane_gates_released_total", {"reason": "no_actuator"}) >= 1
    asked = {path for verb, path, *_ in scene.server.requests if verb == "GET"}
    assert asked == {"/apis/coordination.k8s.io/v1/namespaces/powerplane-system/leases/powerplane-actuator"}
