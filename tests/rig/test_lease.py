"""Leader election between real processes on a real API server."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tests.rig.processes import wait_for

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector

pytestmark = pytest.mark.rig

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
PATH = f"{LEASES}/powerplane-test"

CANDIDATE = """
import sys, time
from pathlib import Path
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.lease import LeaseElector, uptime_s
config, name, log = sys.argv[1:]
elector = LeaseElector(open_cluster(Path(config)), "default", "powerplane-test", name)
elector.start()
with open(log, "a", buffering=1) as file:
    while True:
        # The clock twice: whoever is stopped in between says so by the distance.
        before = uptime_s()
        leading, token = elector.leading(), elector.token
        after = uptime_s()
        if leading and after - before < 0.05:
            file.write(f"{before} {name} {token}\\n")
        time.sleep(0.02)
"""


@pytest.fixture
def lease(rig):
    """The Lease, empty as a chart ships it."""
    rig.api.delete(PATH)
    rig.api.post(LEASES, {"metadata": {"name": "powerplane-test"}, "spec": {}})
    yield lambda: rig.api.get(PATH)["spec"]
    rig.api.delete(PATH)


@pytest.fixture
def candidate(rig, lease, tmp_path):
    """Starts a candidate in a process of its own; returns it."""
    started = []

    def candidate(name):
        command = [sys.executable, "-c", CANDIDATE, str(rig.kubeconfig), name, str(tmp_path / "log")]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield candidate
    for each in started:
        each.send_signal(signal.SIGCONT)
        each.kill()
        each.wait(10)


def led(tmp_path):
    """Instants at which somebody led: (seconds, name, token)."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(float(at), name, int(token)) for at, name, token in (line.split() for line in lines)]


def leads(tmp_path, name):
    return lambda: [each for each in led(tmp_path)[-3:] if each[1] == name]


def test_a_stopped_leader_is_followed_and_no_instant_has_two(lease, candidate, tmp_path):
    first = candidate("first")
    assert wait_for(leads(tmp_path, "first"), 15)
    candidate("second")
    time.sleep(2)
    os.kill(first.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    assert wait_for(leads(tmp_path, "second"), 15)
    assert 3.0 < time.monotonic() - stopped < 9.0
    os.kill(first.pid, signal.SIGCONT)
    time.sleep(3)
    instants = sorted(led(tmp_path))
    tokens = [token for _, _, token in instants]
    assert tokens == sorted(tokens), "nobody led with a smaller token after a greater one was in use"
    assert {(name, token) for _, name, token in instants} == {("first", 1), ("second", 2)}
    last = max(at for at, name, _ in instants if name == "first")
    assert last < min(at for at, name, _ in instants if name == "second")


def test_a_leader_that_is_killed_is_followed_within_the_lease(lease, candidate, tmp_path):
    first = candidate("first")
    assert wait_for(leads(tmp_path, "first"), 15)
    candidate("second")
    time.sleep(2)
    first.kill()
    killed = time.monotonic()
    assert wait_for(leads(tmp_path, "second"), 15)
    assert time.monotonic() - killed < 9.0
    assert lease()["leaseTransitions"] == 2


def test_stopping_hands_the_lease_over_at_once(rig, lease):
    one, two = (LeaseElector(open_cluster(rig.kubeconfig), "default", "powerplane-test", name) for name in ("a", "b"))
    one.start()
    assert wait_for(one.leading, 5)
    assert lease()["holderIdentity"] == one.identity
    two.start()
    assert wait_for(lambda: two.status.rounds > 1, 5)
    one.stop()
    assert wait_for(two.leading, 2.5)
    assert (one.token, two.token) == (1, 2)
    two.stop()
    assert lease().get("holderIdentity", "") == ""


def test_leading_ends_while_the_api_server_is_gone_and_comes_back_with_it(rig, lease):
    elector = LeaseElector(open_cluster(rig.kubeconfig), "default", "powerplane-test", "a")
    elector.start()
    assert wait_for(elector.leading, 5)
    rig.kill("kube-apiserver")
    killed = time.monotonic()
    try:
        assert wait_for(lambda: not elector.leading(), 6)
        assert time.monotonic() - killed < 4.2
        assert elector.status.last_error
    finally:
        rig.revive("kube-apiserver")
    assert wait_for(elector.leading, 15)
    assert elector.token == 1
    elector.stop()


def test_a_lease_that_is_not_there_is_made_and_led_after_its_duration(rig, lease):
    rig.api.delete(PATH)
    elector = LeaseElector(open_cluster(rig.kubeconfig), "default", "powerplane-test", "a")
    elector.start()
    began = time.monotonic()
    assert wait_for(elector.leading, 12)
    assert time.monotonic() - began > 5.5
    elector.stop()


def test_who_may_not_is_told(rig, lease):
    elector = LeaseElector(open_cluster(rig.kubeconfig_for("nobody")), "default", "powerplane-test", "a")
    elector.start()
    assert wait_for(lambda: 'User "nobody" cannot get resource "leases"' in elector.status.last_error, 5)
    assert not elector.leading()
    elector.stop()


def test_rights_on_the_one_lease_are_enough_where_it_is_shipped(rig, lease):
    rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rule = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["powerplane-test"],
        "verbs": ["get", "update"],
    }
    rig.api.post(f"{rights}/roles", {"metadata": {"name": "elector"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "elector"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "elector"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "elector"}],
    }
    rig.api.post(f"{rights}/rolebindings", binding)
    elector = LeaseElector(open_cluster(rig.kubeconfig_for("elector")), "default", "powerplane-test", "a")
    try:
        elector.start()
        assert wait_for(elector.leading, 5), elector.status
        elector.stop()
        assert lease().get("holderIdentity", "") == ""
    finally:
        elector.stop()
        rig.api.delete(f"{rights}/rolebindings/elector")
        rig.api.delete(f"{rights}/roles/elector")
