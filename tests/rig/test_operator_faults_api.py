"""The API server fails while `powerplane operate` moves pods: down, frozen, busy, broken, slow, forgetful.

What a server does by itself is done to the real one; what it does to one client only, by a proxy in front of it that
the operator alone goes through (``fault_proxy``). Judged by the API server's own audit log.
"""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.rig.fault_proxy import Asked, Fault, FaultProxy, Mishap
from tests.rig.operator import Operated, OperatedCluster
from tests.rig.rig import Rig
from tests.rig.trials import Figure, Trial

pytestmark = [pytest.mark.rig, pytest.mark.faults, pytest.mark.prometheus]

AUTHORIZATION = "rbac.authorization.k8s.io"
DISRUPTED_S = 120.0
"""For so long a disruption budget counts an eviction that it allowed and that was not done, and may allow no other
(`DisruptedPods` in its status)."""

SHARE = 1 / 3
"""Of all requests, watches and the renewal of Leases among them."""


@pytest.fixture
def trial(parts: Operated, racks: OperatedCluster, heaviest: str, figure: Figure) -> Trial:
    return Trial(parts, racks, heaviest, figure)


@pytest.fixture(scope="module")
def proxy(parts: Operated) -> Iterator[FaultProxy]:
    with FaultProxy(parts.cluster.rig, "operator-through-proxy") as made:
        yield made


@pytest.fixture
def proxied(proxy: FaultProxy, racks: OperatedCluster, parts: Operated) -> FaultProxy:
    """The proxy, without a fault, and an operator that goes through it."""
    proxy.fault = None
    proxy.done.clear()
    parts.operator(f"--kubeconfig={proxy.kubeconfig}")
    return proxy


# -- the server itself


def test_an_api_server_that_is_killed_and_away_for_half_a_minute(parts: Operated, trial: Trial) -> None:
    operator = parts.operator(f"--kubeconfig={by_role(parts.cluster.rig, 'operator-by-role')}")
    trial.endure(down(parts.cluster.rig, "kube-apiserver"), 30, step="Evicting", sees=False)
    said = operator.log.read_text()
    trial.figure(f"{said.count('HTTP 410')} watches had lost their place, {said.count('HTTP 403')} requests forbidden")


def test_an_api_server_that_is_frozen_for_half_a_minute(parts: Operated, trial: Trial) -> None:
    parts.operator()
    trial.endure(frozen(parts.cluster.rig, "kube-apiserver"), 30, step="Evicting", sees=False)


def test_an_api_server_whose_store_is_killed(parts: Operated, trial: Trial) -> None:
    parts.operator()
    trial.endure(down(parts.cluster.rig, "etcd"), 15, step="Evicting", within_s=DISRUPTED_S + 60, sees=False)


def test_an_api_server_whose_store_is_frozen(parts: Operated, trial: Trial) -> None:
    parts.operator()
    trial.endure(frozen(parts.cluster.rig, "etcd"), 15, step="Evicting", within_s=DISRUPTED_S + 60, sees=False)


# -- what it says to the operator


def test_an_api_server_that_is_too_busy_for_a_third_of_all_requests(proxied: FaultProxy, trial: Trial) -> None:
    busy = Mishap("too many requests", status=429, retry_after_s=1)
    trial.endure(faulty(proxied, share_of(busy)), 40)
    assert proxied.done[busy.name]


def test_an_api_server_that_fails_a_third_of_all_requests(proxied: FaultProxy, trial: Trial) -> None:
    broken = Mishap("internal error", status=500)
    trial.endure(faulty(proxied, share_of(broken)), 40)
    assert proxied.done[broken.name]


def test_an_api_server_that_is_slow(proxied: FaultProxy, trial: Trial) -> None:
    trial.endure(faulty(proxied, slow()), 30)
    assert proxied.done["slow"]


def test_an_api_server_that_carries_out_a_third_of_all_writes_and_never_answers(
    proxied: FaultProxy, trial: Trial
) -> None:
    lost = Mishap("answer lost", lost=True)
    trial.endure(faulty(proxied, share_of(lost, lambda asked: asked.method != "GET")), 40)
    assert proxied.done[lost.name]


def test_an_api_server_that_forbids_everything_for_a_moment_as_one_does_that_has_just_started(
    proxied: FaultProxy, trial: Trial
) -> None:
    refused = Mishap("forbidden", status=403)
    report = trial.endure(faulty(proxied, lambda _asked: refused), 4, step="Evicting")
    assert proxied.done[refused.name]
    assert not report.broken()


def test_watches_that_expire_or_break_off_again_and_again(proxied: FaultProxy, trial: Trial) -> None:
    trial.endure(forgetful(proxied), 30)
    assert proxied.done["watch expired"]
    assert proxied.done["watch cut"]
    assert proxied.done["watch too old"]


def by_role(rig: Rig, user: str) -> Path:
    """A kubeconfig of somebody who may do everything by a role, which a server that starts has to read first."""
    reference = {"apiGroup": AUTHORIZATION, "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"apiGroup": AUTHORIZATION, "kind": "User", "name": user}
    body = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
    rig.api.call("POST", f"/apis/{AUTHORIZATION}/v1/clusterrolebindings", body)
    return rig.kubeconfig_for(user)


# -- faults


@contextmanager
def down(rig: Rig, name: str) -> Iterator[None]:
    rig.kill(name)
    yield
    rig.revive(name)


@contextmanager
def frozen(rig: Rig, name: str) -> Iterator[None]:
    pid = rig.pids[name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def faulty(proxy: FaultProxy, fault: Fault) -> Iterator[None]:
    proxy.fault = fault
    try:
        yield
    finally:
        proxy.fault = None


def share_of(mishap: Mishap, which: Callable[[Asked], bool] = lambda _asked: True, share: float = SHARE) -> Fault:
    """A mishap for a share of some requests; the same ones are drawn in each run, as far as requests are the same."""
    chance = random.Random(20)
    return lambda asked: mishap if which(asked) and chance.random() < share else None


def slow() -> Fault:
    """Two to five seconds for each request, before and after it is carried out."""
    chance = random.Random(21)

    def fault(_asked: Asked) -> Mishap:
        whole_s = chance.uniform(2.0, 5.0)
        before_s = chance.random() * whole_s
        return Mishap("slow", late_s=before_s, answer_late_s=whole_s - before_s)

    return fault


@contextmanager
def forgetful(proxy: FaultProxy) -> Iterator[None]:
    """Every other second all watches expire, or break off in the middle of a line; a third of new ones is too old."""
    over = threading.Event()

    def harass() -> None:
        while not over.wait(1.0):
            proxy.expire_watches()
            over.wait(1.0)
            proxy.cut_watches()

    too_old = Mishap("watch too old", expired=True)
    thread = threading.Thread(target=harass, daemon=True)
    with faulty(proxy, share_of(too_old, lambda asked: asked.watches)):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(5)
