"""The frame of a controller: what wakes it, what a tick is told, and in which order it ends."""

import threading

import pytest
from tests.adapters.api_server import kubeconfig
from tests.adapters.watch_server import WatchServer

from powerplane.adapters import controller_loop
from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.controller_loop import ControllerLoop, LoopSettings
from powerplane.adapters.watch import Watched
from powerplane.models.objects import Pod

PODS = Watched("/api/v1/pods", "Pod", Pod)


class Lease:
    def __init__(self, told=None):
        self.leads, self.token, self.told = True, 7, told if told is not None else []

    def leading(self):
        return self.leads

    def start(self):
        self.told.append("the Lease is sought")

    def stop(self):
        self.told.append("the Lease is given up")


class Metrics:
    def __init__(self):
        self.leads, self.failures = [], 0

    def lead(self, leading):
        self.leads.append(leading)

    def failed(self):
        self.failures += 1


class Helper:
    def __init__(self, told):
        self.told = told

    def start(self):
        self.told.append("the helper begins")

    def stop(self):
        self.told.append("the helper ends")


@pytest.fixture
def server():
    begun = WatchServer()
    yield begun
    begun.close()


@pytest.fixture
def access(server, tmp_path):
    return open_cluster(kubeconfig(tmp_path / "config", server.address), None)


def made(access, settings, metrics, tick, elector=None):
    return ControllerLoop(access, settings, metrics, tick, name="test", lease="test-lease", elector=elector)


def test_a_tick_is_told_the_token_while_this_replica_leads_and_else_nothing(access):
    lease, metrics, told = Lease(), Metrics(), []
    loop = made(access, LoopSettings("me"), metrics, told.append, elector=lease)
    loop.look()
    lease.leads = False
    loop.look()
    assert told == [7, None]
    assert metrics.leads == [True, False]
    loop.stop()


def test_a_write_is_held_only_by_the_token_that_leads_now(access):
    lease = Lease()
    loop = made(access, LoopSettings("me"), Metrics(), lambda _: None, elector=lease)
    assert loop.holds(7)
    assert not loop.holds(6)
    lease.leads = False
    assert not loop.holds(7)
    loop.stop()


def test_what_is_watched_wakes_the_controller_until_it_is_in_step(server, access):
    looked = threading.Condition()
    troubles, seen = [], []

    def tick(_):
        with looked:
            troubles.append(loop.trouble())
            looked.notify_all()

    def sink(batch):
        seen.extend(batch.changes)
        loop.wake()

    server.put("a")
    # Only a change can bring about a second round.
    settings = LoopSettings("me", tick_s=600.0, soonest_s=0.0)
    loop = made(access, settings, Metrics(), tick, elector=Lease())
    loop.watch(PODS, sink)
    loop.start()
    with looked:
        assert looked.wait_for(lambda: troubles[-1:] == [""], 5.0), troubles
    assert [each.metadata.name for _, each in seen][:1] == ["a"]
    loop.stop()


def test_only_a_watch_that_is_needed_makes_trouble(access):
    loop = made(access, LoopSettings("me"), Metrics(), lambda _: None, elector=Lease())
    loop.watch(PODS, lambda _: None, needed=False)
    assert not loop.trouble()
    loop.watch(PODS, lambda _: None)
    assert loop.trouble() == "Pod is not listed yet: being listed"
    loop.stop()


def test_a_tick_that_raises_is_counted_and_the_next_one_comes(access):
    metrics, again = Metrics(), threading.Event()

    def tick(_):
        if metrics.failures:
            again.set()
        raise ValueError("on purpose")

    settings = LoopSettings("me", tick_s=0.0, soonest_s=0.0)
    loop = made(access, settings, metrics, tick, elector=Lease())
    loop.start()
    assert again.wait(5.0)
    loop.stop()


def test_at_the_end_what_is_being_written_is_waited_for_before_the_lease_is_given_up(access, monkeypatch):
    told, writing, may_end = [], threading.Event(), threading.Event()
    monkeypatch.setattr(controller_loop, "LeaseElector", lambda *_: Lease(told))

    def write():
        writing.set()
        may_end.wait(5.0)
        told.append("written")

    def tick(_):
        if not writing.is_set():
            loop.pool.submit(write)

    settings = LoopSettings("me", soonest_s=0.0)
    loop = made(access, settings, Metrics(), tick)
    loop.along(Helper(told))
    loop.start()
    assert writing.wait(5.0)
    threading.Timer(0.1, may_end.set).start()
    loop.stop()
    assert told == [
        "the Lease is sought",
        "the helper begins",
        "written",
        "the helper ends",
        "the Lease is given up",
    ]


def test_an_elector_that_is_handed_over_is_neither_started_nor_stopped(access):
    told = []
    loop = made(access, LoopSettings("me"), Metrics(), lambda _: None, elector=Lease(told))
    loop.start()
    loop.stop()
    assert not told
