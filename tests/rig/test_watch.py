"""The reflector against a real API server: storms, restarts, compaction, refusals, dead networks."""

import json
import random
import threading
import time

import pytest
import urllib3
from tests.rig.cluster import make_nodes, make_pods, node, pod
from tests.rig.processes import wait_for
from tests.rig.proxy import Proxy

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.watch import Reflector, Watched, WatchPatience
from powerplane.models.objects import Node, Pod

pytestmark = pytest.mark.rig

PODS = Watched("/api/v1/pods", "pods", Pod)
NODES = Watched("/api/v1/nodes", "nodes", Node)
BRISK = WatchPatience(watch_s=20, first_pause_s=0.05, longest_pause_s=0.5, refused_pause_s=0.3)


class Cache:
    """Pods or nodes by name, with their versions."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.batches: list[int] = []
        self.replaced = 0
        self.lock = threading.Lock()

    def take(self, batch) -> None:
        with self.lock:
            self.batches.append(len(batch.changes))
            if batch.replace:
                self.replaced += 1
                self.objects = {}
            for kind, each in batch.changes:
                if kind == "DELETED":
                    self.objects.pop(each.metadata.name, None)
                else:
                    self.objects[each.metadata.name] = each.metadata.resource_version

    def equals(self, rig, path, within_s=20.0):
        def same():
            expected = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in rig.api.items(path)}
            with self.lock:
                return self.objects == expected

        return wait_for(same, within_s, 0.2)


@pytest.fixture
def follow():
    started = []

    def follow(kubeconfig, watched, cache, patience=BRISK, *, synced=True):
        reflector = Reflector(open_cluster(kubeconfig), watched, cache.take, patience, chance=random.Random(1))
        reflector.start()
        started.append(reflector)
        assert not synced or reflector.wait_synced(20)
        return reflector

    yield follow
    for reflector in started:
        reflector.stop()


def compact(rig):
    """Make etcd forget its history up to now."""
    revision = rig.api.get("/api/v1/pods")["metadata"]["resourceVersion"]
    answer = urllib3.request(
        "POST",
        f"http://127.0.0.1:{rig.ports['etcd']}/v3/kv/compaction",
        body=json.dumps({"revision": revision, "physical": True}),
        timeout=10,
    )
    assert answer.status == 200, answer.data


def test_a_storm_of_pods_ends_in_the_servers_state_and_is_listed_again_only_where_the_server_forgot(
    rig, follow, caplog
):
    make_nodes(rig, [node(f"n{number}", pods=500, cpu=1000) for number in range(5)])
    cache = Cache()
    reflector = follow(rig.kubeconfig, PODS, cache)
    make_pods(rig, [pod(f"p{number}") for number in range(2000)])
    for number in range(0, 2000, 3):
        rig.api.delete(f"/api/v1/namespaces/default/pods/p{number}")
    assert cache.equals(rig, "/api/v1/pods", 90)
    status = reflector.status
    assert (status.malformed, status.unreadable, status.sink_failures) == (0, 0, 0)
    # A machine that is busy reads late, and a server keeps its events for so long only.
    forgotten = [each.getMessage() for each in caplog.records if "HTTP 410" in each.getMessage()]
    assert status.relists == len(forgotten), caplog.text
    assert status.events > 2000


def test_an_api_server_that_is_killed_and_comes_back_is_followed_again(rig, follow):
    make_nodes(rig, [node("n1")])
    pods, nodes = Cache(), Cache()
    reflector = follow(rig.kubeconfig, PODS, pods)
    follow(rig.kubeconfig, NODES, nodes)
    make_pods(rig, [pod(f"p{number}") for number in range(20)])
    rig.kill("kube-apiserver")
    assert wait_for(lambda: reflector.status.last_error, 5)
    contact = reflector.status.last_contact_s
    time.sleep(1)
    assert reflector.status.last_contact_s == contact
    rig.revive("kube-apiserver")
    make_pods(rig, [pod(f"q{number}") for number in range(20)])
    rig.api.delete("/api/v1/namespaces/default/pods/p1")
    assert pods.equals(rig, "/api/v1/pods", 60)
    assert nodes.equals(rig, "/api/v1/nodes")
    assert wait_for(lambda: reflector.status.last_error == "", 10)


def test_history_that_was_compacted_while_away_leads_to_a_new_list(rig, follow, tmp_path):
    make_pods(rig, [pod(f"p{number}") for number in range(10)])
    with Proxy(rig.ports["kube-apiserver"]) as proxy:
        cache = Cache()
        reflector = follow(proxy.kubeconfig(rig.kubeconfig, tmp_path / "config"), PODS, cache)
        proxy.shut()
        make_pods(rig, [pod(f"q{number}") for number in range(10)])
        rig.api.delete("/api/v1/namespaces/default/pods/p1")
        compact(rig)
        # The server's own cache of events would bridge the gap; a new one starts from now.
        rig.kill("kube-apiserver")
        rig.revive("kube-apiserver")
        proxy.reopen()
        assert wait_for(lambda: reflector.status.relists, 20)
        assert cache.equals(rig, "/api/v1/pods")
        assert cache.replaced == 1 + reflector.status.relists


def test_a_short_break_needs_no_new_list(rig, follow, tmp_path):
    with Proxy(rig.ports["kube-apiserver"]) as proxy:
        cache = Cache()
        reflector = follow(proxy.kubeconfig(rig.kubeconfig, tmp_path / "config"), PODS, cache)
        proxy.shut()
        make_pods(rig, [pod(f"q{number}") for number in range(10)])
        proxy.reopen()
        assert cache.equals(rig, "/api/v1/pods")
        assert (reflector.status.relists, cache.replaced) == (0, 1)


def test_a_network_that_goes_silent_is_noticed_and_the_state_caught_up(rig, follow, tmp_path):
    patience = WatchPatience(watch_s=2, grace_s=1, page_timeout_s=2, first_pause_s=0.05, longest_pause_s=0.5)
    with Proxy(rig.ports["kube-apiserver"]) as proxy:
        cache = Cache()
        reflector = follow(proxy.kubeconfig(rig.kubeconfig, tmp_path / "config"), PODS, cache, patience)
        proxy.frozen.set()
        make_pods(rig, [pod(f"q{number}") for number in range(10)])
        assert wait_for(lambda: "nothing came" in reflector.status.last_error, 8)
        proxy.frozen.clear()
        assert cache.equals(rig, "/api/v1/pods")


def test_who_may_not_watch_is_told_so_and_goes_on_once_allowed(rig, follow):
    cache = Cache()
    reflector = follow(rig.kubeconfig_for("guest"), PODS, cache, synced=False)
    assert wait_for(lambda: "HTTP 403" in reflector.status.last_error, 10)
    assert 'User "guest" cannot list resource "pods"' in reflector.status.last_error
    role = {"metadata": {"name": "guest"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
    path = "/apis/rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "guest"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "guest"}
    try:
        rig.api.post(f"{path}/clusterroles", role)
        rig.api.post(
            f"{path}/clusterrolebindings", {"metadata": {"name": "guest"}, "roleRef": reference, "subjects": [subject]}
        )
        assert wait_for(lambda: "cannot watch" in reflector.status.last_error, 20)
        role["rules"][0]["verbs"] = ["list", "watch"]
        rig.api.put(f"{path}/clusterroles/guest", role)
        assert wait_for(lambda: reflector.status.last_error == "", 20)
        make_pods(rig, [pod("late")])
        assert cache.equals(rig, "/api/v1/pods")
    finally:
        rig.api.delete(f"{path}/clusterrolebindings/guest")
        rig.api.delete(f"{path}/clusterroles/guest")


def test_a_kind_that_is_not_served_yet_is_waited_for(rig, follow):
    cache = Cache()
    watched = Watched("/apis/rig.test/v1/things", "things", Node)
    reflector = follow(rig.kubeconfig, watched, cache, synced=False)
    assert wait_for(lambda: "HTTP 404" in reflector.status.last_error, 10)
    definition = {
        "metadata": {"name": "things.rig.test"},
        "spec": {
            "group": "rig.test",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    rig.api.post(path, definition)
    try:
        assert reflector.wait_synced(20)
        rig.api.post(
            "/apis/rig.test/v1/things", {"apiVersion": "rig.test/v1", "kind": "Thing", "metadata": {"name": "t"}}
        )
        assert wait_for(lambda: list(cache.objects) == ["t"], 10)
    finally:
        rig.api.delete(f"{path}/things.rig.test")


def test_only_what_is_selected_comes(rig, follow):
    rig.api.post_all("/api/v1/nodes", [node("n1"), node("n2")])
    cache = Cache()
    watched = Watched("/api/v1/pods", "pods", Pod, field_selector="spec.nodeName=n1", label_selector="app=a")
    follow(rig.kubeconfig, watched, cache)
    make_pods(
        rig,
        [
            pod("here", labels={"app": "a"}, nodeName="n1"),
            pod("there", labels={"app": "a"}, nodeName="n2"),
            pod("other", labels={"app": "b"}, nodeName="n1"),
        ],
    )
    assert wait_for(lambda: list(cache.objects) == ["here"], 10)
    time.sleep(0.5)
    assert list(cache.objects) == ["here"]


def test_bookmarks_move_the_place_of_a_watch_that_sees_no_change(rig, follow):
    cache = Cache()
    watched = Watched("/api/v1/pods", "pods", Pod, label_selector="app=none")
    reflector = follow(rig.kubeconfig, watched, cache, WatchPatience(watch_s=4, first_pause_s=0.05))
    before = reflector.status.resource_version
    make_pods(rig, [pod(f"p{number}") for number in range(5)])
    assert wait_for(lambda: int(reflector.status.resource_version) > int(before), 15)
    assert reflector.status.events == 0


def test_stop_returns_within_a_second_in_the_middle_of_a_quiet_watch(rig, follow):
    cache = Cache()
    reflector = follow(rig.kubeconfig, NODES, cache, WatchPatience(watch_s=300))
    time.sleep(0.5)
    began = time.monotonic()
    reflector.stop()
    assert time.monotonic() - began < 1.0
    assert not reflector._thread.is_alive()
