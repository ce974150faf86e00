"""Watts as a resource on a real control plane: the plain scheduler holds the budgets, with no extender at all.

What must hold is added up here from the API server's own objects, by nothing of ours.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry
from tests.rig.cluster import WATTS, bound, make_nodes, make_pods, node, pod
from tests.rig.objects import apply, install_crds, written
from tests.rig.processes import wait_for

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector
from powerplane.models.api.kinds import POWER_DOMAIN
from powerplane.models.errors import InputError
from powerplane.node_watts.run import LEASE, NodeWattsRun, NodeWattsSettings
from powerplane.node_watts.take_off import take_off

pytestmark = pytest.mark.rig

IDLE, PEAK, NODE_BUDGET = 100, 500, 450
RACKS = {"r1": ("n1", "n2", "n3"), "r2": ("n4", "n5", "n6")}
NODES = [name for names in RACKS.values() for name in names]


class Budgets:
    """Budgets as the test set them, and sums by the API server's own objects."""

    def __init__(self, rig, rack_watts=900, feed_watts=1700):
        self.rig = rig
        self.watts = {"r1": rack_watts, "r2": rack_watts, "feed-a": feed_watts, "feed-b": feed_watts}
        install_crds(rig)
        for feed in ("feed-a", "feed-b"):
            self.write(feed)
        for rack in RACKS:
            self.write(rack)

    def write(self, name, **changes):
        spec = {"kind": "feed" if name.startswith("feed") else "rack", "budget": f"{self.watts[name]}W"}
        if name in RACKS:
            figures = {"idle": f"{IDLE}W", "peak": f"{PEAK}W", "budget": f"{NODE_BUDGET}W"}
            spec |= {"parents": ["feed-a", "feed-b"], "feedLoad": "Shared", "nodeNames": RACKS[name], "node": figures}
        apply(self.rig, POWER_DOMAIN.path(name), written(POWER_DOMAIN, name, spec | changes))

    def set(self, name, watts):
        self.watts[name] = watts
        self.write(name)

    def listed(self):
        nodes = self.rig.api.items("/api/v1/nodes")
        return {each["metadata"]["name"]: int(each["status"]["allocatable"].get(WATTS, 0)) for each in nodes}

    def requested(self):
        sums = dict.fromkeys(NODES, 0)
        for each in self.rig.api.items("/api/v1/pods"):
            if each["spec"].get("nodeName") and each["status"].get("phase") not in ("Succeeded", "Failed"):
                for container in each["spec"]["containers"]:
                    sums[each["spec"]["nodeName"]] += int(container["resources"].get("requests", {}).get(WATTS, 0))
        return sums

    def loads(self):
        """Watts of each rack, and of a feed whose sister is lost; by the greater of listed and bound."""
        requested, listed = self.requested(), self.listed()
        for name in listed:
            assert requested[name] <= listed[name] or not listed[name], f"{name} would fail pods at a kubelet restart"
        most = {name: IDLE + max(listed.get(name, 0), requested[name]) for name in NODES}
        racks = {rack: sum(most[name] for name in names) for rack, names in RACKS.items()}
        return racks | dict.fromkeys(("feed-a", "feed-b"), sum(racks.values()))

    def over(self):
        return {name: watts - self.watts[name] for name, watts in self.loads().items() if watts > self.watts[name]}


@pytest.fixture
def budgets(rig):
    made = Budgets(rig)
    make_nodes(rig, [node(name) for name in NODES])
    return made


@contextmanager
def controller(rig) -> Iterator[NodeWattsRun]:
    run = NodeWattsRun(
        open_cluster(rig.kubeconfig), NodeWattsSettings("test", namespace="default"), CollectorRegistry()
    )
    run.start()
    try:
        yield run
    finally:
        run.stop()


@contextmanager
def watched(budgets):
    """Add everything up many times a second; nothing may ever be over."""
    found, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            try:
                if over := budgets.over():
                    found.append(over)
            except AssertionError as error:
                found.append(str(error))
            time.sleep(0.03)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
    assert not found, found[:3]


def all_listed(budgets):
    return wait_for(lambda: all(budgets.listed().values()), 40)


def test_pods_land_within_every_budget_by_the_plain_scheduler_alone(rig, budgets):
    with watched(budgets), controller(rig):
        assert all_listed(budgets)
        make_pods(rig, [pod(f"p{i}", watts=150) for i in range(12)])
        # Two feeds leave 1700 - 600 W: seven pods of 150 W, and not one more.
        assert wait_for(lambda: len(bound(rig)) == 7, 40)
        time.sleep(6)
        assert len(bound(rig)) == 7


def test_watts_follow_a_pod_that_no_node_could_take(rig, budgets):
    with watched(budgets), controller(rig):
        assert all_listed(budgets)
        assert max(budgets.listed().values()) < 340
        start = time.monotonic()
        make_pods(rig, [pod("big", watts=340)])
        assert wait_for(lambda: len(bound(rig)) == 1, 30)
        assert time.monotonic() - start < 20


def test_waiting_pods_are_scheduled_within_seconds_of_headroom(rig, budgets):
    budgets.set("feed-a", 1050)
    with watched(budgets), controller(rig):
        assert all_listed(budgets)
        make_pods(rig, [pod(f"p{i}", watts=150) for i in range(4)])
        assert wait_for(lambda: len(bound(rig)) == 3, 30)
        time.sleep(3)
        start = time.monotonic()
        rig.api.delete(f"/api/v1/namespaces/default/pods/{sorted(bound(rig))[0]}")
        assert wait_for(lambda: len(bound(rig)) == 3, 30)
        # The scheduler's own back-off (up to 10 s) is in it.
        assert time.monotonic() - start < 20


def test_nothing_is_written_by_a_replica_that_does_not_lead(rig, budgets):
    class Candidate:
        token = 1
        lead = False

        def leading(self):
            return self.lead

    candidate = Candidate()
    settings = NodeWattsSettings("second", namespace="default")
    run = NodeWattsRun(open_cluster(rig.kubeconfig), settings, CollectorRegistry(), elector=candidate)
    run.start()
    try:
        assert wait_for(lambda: not run.trouble(), 20)
        time.sleep(9)
        assert not any(budgets.listed().values())
        candidate.lead = True
        assert all_listed(budgets)
        candidate.lead = False
        rig.api.delete("/api/v1/nodes/n1")
        make_nodes(rig, [node("n1")])
        time.sleep(3)
        assert not budgets.listed()["n1"]
    finally:
        run.stop()


def test_a_budget_that_is_cut_is_followed_down_to_what_pods_request_and_up_again(rig, budgets):
    with controller(rig):
        assert all_listed(budgets)
        make_pods(rig, [pod(f"p{i}", watts=100) for i in range(3)])
        assert wait_for(lambda: len(bound(rig)) == 3, 30)
        budgets.set("feed-a", 950)
        assert wait_for(lambda: not budgets.over(), 20)
        make_pods(rig, [pod("more", watts=100)])
        time.sleep(4)
        assert len(bound(rig)) == 3
        budgets.set("feed-a", 650)
        # Less than runs already: nodes come down to what their pods request, and those without pods list nothing.
        assert wait_for(lambda: budgets.listed() == budgets.requested(), 20), (budgets.listed(), budgets.requested())
        budgets.set("feed-a", 1700)
        assert wait_for(lambda: len(bound(rig)) == 4, 30)
        assert not budgets.over()


def test_a_feed_that_is_deleted_leaves_the_last_tree_in_force(rig, budgets):
    with watched(budgets), controller(rig):
        assert all_listed(budgets)
        rig.api.delete(POWER_DOMAIN.path("feed-b"))
        make_pods(rig, [pod(f"p{i}", watts=150) for i in range(12)])
        assert wait_for(lambda: len(bound(rig)) == 7, 40)
        time.sleep(3)
        assert len(bound(rig)) == 7


def test_a_node_that_registers_again_or_lists_zero_is_written_at_once(rig, budgets):
    with controller(rig):
        assert all_listed(budgets)
        before = rig.api.get("/api/v1/nodes/n1")
        rig.api.delete("/api/v1/nodes/n1")
        make_nodes(rig, [node("n1")])
        assert wait_for(lambda: budgets.listed().get("n1"), 10)
        zero = {"status": {"capacity": {WATTS: "0"}, "allocatable": {WATTS: "0"}}}
        start = time.monotonic()
        rig.api.patch("/api/v1/nodes/n2/status", zero)
        assert wait_for(lambda: budgets.listed()["n2"], 10, 0.02)
        assert time.monotonic() - start < 3
        assert before["metadata"]["uid"] != rig.api.get("/api/v1/nodes/n1")["metadata"]["uid"]


@pytest.mark.parametrize("stage", ["closed", "lowered"])
def test_a_controller_that_is_killed_between_shrink_and_growth_is_taken_over_from(rig, budgets, stage):
    def start():
        command = [sys.executable, "-m", "tests.rig.node_watts_process", str(rig.kubeconfig)]
        return subprocess.Popen(command)

    process = start()
    try:
        assert all_listed(budgets)
        assert wait_for(lambda: sum(budgets.listed().values()) > 700, 20)
        time.sleep(3)
        before = budgets.listed()
        with watched(budgets):
            make_pods(rig, [pod("big", watts=345), pod("large", watts=345)])

            def reached():
                nodes = rig.api.items("/api/v1/nodes")
                if stage == "closed":
                    return any(each["spec"].get("taints") for each in nodes)
                return any(budgets.listed()[name] < watts for name, watts in before.items())

            assert wait_for(reached, 30, 0.01)
            process.kill()
            process.wait()
            process = start()
            assert wait_for(lambda: len(bound(rig)) == 2, 60)
            assert wait_for(lambda: not any(n["spec"].get("taints") for n in rig.api.items("/api/v1/nodes")), 20)
    finally:
        process.kill()
        process.wait()


def test_uninstall_takes_the_number_off_and_leaves_running_pods(rig, budgets):
    def candidate():
        return LeaseElector(open_cluster(rig.kubeconfig), "default", LEASE, "uninstall")

    access = open_cluster(rig.kubeconfig)
    with controller(rig):
        assert all_listed(budgets)
        make_pods(rig, [pod("small", watts=50)])
        assert wait_for(lambda: len(bound(rig)) == 1, 30)
        with pytest.raises(InputError, match="still writes"):
            take_off(access, candidate(), lease_s=3)
    make_pods(rig, [pod("huge", watts=5000)])
    with pytest.raises(InputError, match="default/huge"):
        take_off(access, candidate())
    taken = take_off(access, candidate(), force=True)
    assert taken.nodes == len(NODES)
    assert taken.waiting == ("default/huge",)
    for each in rig.api.items("/api/v1/nodes"):
        assert WATTS not in each["status"]["allocatable"]
        assert WATTS not in each["status"]["capacity"]
    assert bound(rig) == {"small": bound(rig)["small"]}
    assert rig.api.get("/api/v1/namespaces/default/pods/small")["status"]["phase"] in ("Running", "Pending")
