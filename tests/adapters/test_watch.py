import random
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.api_server import kubeconfig
from tests.adapters.watch_server import WatchServer

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.watch import Reflector, Watched, WatchPatience, _Rests
from powerplane.models.objects import Pod

PODS = Watched("/api/v1/pods", "pods", Pod)
QUICK = WatchPatience(
    page_size=3,
    page_timeout_s=0.5,
    watch_s=1.0,
    grace_s=0.5,
    first_pause_s=0.002,
    longest_pause_s=0.02,
    refused_pause_s=0.02,
    settled_s=0.0,
)


class Cache:
    """What a user of the reflector would keep: pods by name, and how they came."""

    def __init__(self) -> None:
        self.pods: dict[str, str] = {}
        self.batches: list = []
        self.changed = threading.Condition()
        self.trouble: list[Exception] = []

    def take(self, batch) -> None:
        with self.changed:
            if self.trouble:
                raise self.trouble.pop()
            self.batches.append(batch)
            if batch.replace:
                self.pods = {}
            for kind, each in batch.changes:
                if kind == "DELETED":
                    self.pods.pop(each.metadata.name, None)
                else:
                    self.pods[each.metadata.name] = each.spec.node_name
            self.changed.notify_all()

    def becomes(self, expected: dict[str, str], within_s: float = 5.0) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.pods == expected, within_s)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    server = WatchServer()
    for number in range(7):
        server.put(f"p{number}", f"n{number}")
    yield server
    server.close()


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def follow(server, cache, tmp_path):
    """Starts a reflector of the server's pods into the cache, and stops it at the end."""
    started = []

    def follow(patience=QUICK, *, synced=True, watched=PODS, sink=None):
        access = open_cluster(kubeconfig(tmp_path / "config", server.address))
        reflector = Reflector(access, watched, sink or cache.take, patience, chance=random.Random(1))
        reflector.start()
        started.append(reflector)
        assert not synced or reflector.wait_synced(5)
        return reflector

    yield follow
    for reflector in started:
        reflector.stop()


def until(condition, within_s=5.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.002)


def test_the_whole_list_comes_first_in_one_batch_though_it_is_read_in_pages(server, cache, follow):
    reflector = follow()
    assert cache.batches[0].replace
    assert cache.pods == server.state()
    assert [query.get("limit") for query in server.lists()] == ["3", "3", "3"]
    assert (reflector.status.synced, reflector.status.relists) == (True, 0)


def test_an_empty_list_is_a_list(server, cache, follow):
    for name in list(server.state()):
        server.remove(name)
    follow()
    assert (cache.batches[0].replace, cache.batches[0].changes) == (True, ())


def test_changes_follow_and_the_list_is_not_read_again(server, cache, follow):
    reflector = follow()
    server.put("p1", "elsewhere")
    server.put("new", "n1")
    server.remove("p2")
    assert cache.becomes(server.state())
    assert {kind for batch in cache.batches[1:] for kind, _ in batch.changes} == {"MODIFIED", "ADDED", "DELETED"}
    until(lambda: reflector.status.resource_version == str(server.version))
    assert (reflector.status.relists, len(server.lists())) == (0, 3)


def test_the_watch_begins_where_the_list_ended_and_asks_for_bookmarks(server, follow):
    version = str(server.version)
    follow()
    until(server.watches)
    query = server.watches()[0]
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == (version, "true")


def test_selectors_are_sent_with_list_and_watch(server, follow):
    follow(watched=Watched("/api/v1/pods", "pods", Pod, "spec.nodeName=n1", "app in (a, b)"))
    until(server.watches)
    for query in (server.lists()[0], server.watches()[0]):
        assert (query["fieldSelector"], query["labelSelector"]) == ("spec.nodeName=n1", "app in (a, b)")


def test_a_watch_that_ends_goes_on_from_its_last_event(server, cache, follow):
    reflector = follow()
    server.put("new", "n1")
    assert cache.becomes(server.state())
    until(lambda: reflector.status.resource_version == str(server.version))
    server.break_watches()
    until(lambda: len(server.watches()) > 1)
    assert server.watches()[1]["resourceVersion"] == str(server.version)
    server.put("newer", "n2")
    assert cache.becomes(server.state())
    assert reflector.status.relists == 0


def test_a_watch_that_the_server_lets_run_out_is_no_failure(server, cache, follow):
    reflector = follow()
    until(lambda: len(server.watches()) > 1)
    assert (reflector.status.last_error, reflector.status.failures, reflector.status.relists) == ("", 0, 0)
    assert reflector.status.reconnects >= 1


def test_a_bookmark_alone_moves_the_place_from_which_a_watch_goes_on(server, cache, follow):
    reflector = follow()
    batches = len(cache.batches)
    with server.changed:
        server.version += 50
        server.changed.notify_all()
    until(lambda: reflector.status.resource_version == str(server.version))
    assert len(cache.batches) == batches


@pytest.mark.parametrize("word", ["error-410", "http-410"])
def test_a_forgotten_place_leads_to_a_new_list_that_replaces_the_old_one(server, cache, follow, word):
    server.expect("", word)
    reflector = follow()
    until(server.watches)
    server.break_watches()
    until(lambda: reflector.status.relists == 1)
    assert cache.batches[-1].replace
    server.put("after", "n1")
    assert cache.becomes(server.state())


def test_what_vanished_while_nobody_looked_is_gone_after_the_new_list(server, cache, follow):
    reflector = follow()
    until(server.watches)
    with server.changed:
        del server.objects["p3"]
    server.forget()
    server.break_watches()
    assert cache.becomes(server.state())
    assert "p3" not in cache.pods
    assert reflector.status.relists == 1


def test_a_line_that_breaks_off_is_read_again_and_no_list(server, cache, follow):
    server.expect("cut")
    reflector = follow()
    server.put("new", "n1")
    assert cache.becomes(server.state())
    assert (reflector.status.relists, reflector.status.malformed) == (0, 0)


def test_lines_that_drip_are_put_together(server, cache, follow):
    server.expect("drip")
    reflector = follow()
    for number in range(5):
        server.put(f"d{number}", "n1")
    assert cache.becomes(server.state())
    assert (reflector.status.malformed, reflector.status.reconnects) == (0, 0)


def test_events_that_come_twice_do_no_harm(server, cache, follow):
    server.expect("double")
    follow()
    server.put("new", "n1")
    server.remove("p1")
    assert cache.becomes(server.state())


@pytest.mark.parametrize("word", ["garbage", "novel"])
def test_a_line_that_is_no_event_is_counted_and_the_list_is_read_again(server, cache, follow, word):
    server.expect(word)
    reflector = follow()
    until(lambda: reflector.status.relists == 1)
    assert reflector.status.malformed == 1
    server.put("after", "n1")
    assert cache.becomes(server.state())


def test_an_object_that_does_not_fit_is_left_out_and_counted(server, cache, follow):
    server.expect("misfit")
    reflector = follow()
    until(lambda: reflector.status.unreadable == 1)
    server.put("after", "n1")
    assert cache.becomes(server.state())
    assert reflector.status.relists == 0


def test_an_object_of_the_list_that_does_not_fit_is_left_out_and_counted(server, cache, follow):
    server.objects["bad"] = {"metadata": {"name": "bad"}, "spec": {"nodeName": 7}}
    reflector = follow()
    assert reflector.status.unreadable == 1
    assert set(cache.pods) == set(server.state()) - {"bad"}


def test_other_errors_keep_the_place_and_are_told(server, cache, follow):
    server.expect("", "error-500")
    reflector = follow()
    until(server.watches)
    server.put("during", "n1")
    server.break_watches()
    until(lambda: len(server.watches()) > 2)
    server.put("after", "n1")
    assert cache.becomes(server.state())
    assert reflector.status.relists == 0


def test_errors_without_end_lead_to_a_new_list(server, cache, follow):
    server.expect("", *["error-500"] * QUICK.futile)
    reflector = follow()
    until(server.watches)
    server.break_watches()
    until(lambda: reflector.status.relists == 1)


@pytest.mark.parametrize("code", [401, 403, 404])
def test_refused_then_allowed(server, cache, follow, code):
    server.list_plan.extend([f"http-{code}"] * 2)
    patience = WatchPatience(first_pause_s=0.01, refused_pause_s=0.2)
    reflector = follow(patience, synced=False)
    until(lambda: reflector.status.last_error)
    assert f"HTTP {code} told to" in reflector.status.last_error
    assert not reflector.status.synced
    assert cache.becomes(server.state())
    until(lambda: reflector.status.last_error == "")


def test_a_refusal_is_asked_again_slowly(server, follow):
    server.list_plan.extend(["http-403"] * 100)
    follow(WatchPatience(first_pause_s=0.001, refused_pause_s=0.4), synced=False)
    time.sleep(0.7)
    assert 2 <= len(server.lists()) <= 4


def test_a_watch_that_is_refused_after_the_list_goes_on_later(server, cache, follow):
    server.expect("", "http-403", "http-429")
    reflector = follow()
    until(server.watches)
    server.break_watches()
    server.put("during", "n1")
    assert cache.becomes(server.state())
    assert reflector.status.relists == 0


def test_a_list_that_is_no_list_is_counted_and_read_again(server, cache, follow):
    server.list_plan.append("garbage")
    reflector = follow()
    assert reflector.status.malformed == 1
    assert cache.pods == server.state()


def test_pages_that_expire_start_the_list_afresh_without_doubles(server, cache, follow):
    server.list_plan.extend(["", "http-410"])
    follow()
    names = [each.metadata.name for _, each in cache.batches[0].changes]
    assert names == sorted(server.state())


def test_a_list_whose_pages_keep_expiring_is_read_in_one_piece(server, cache, follow):
    server.list_plan.extend(["", "http-410", "", "http-410"])
    follow()
    assert "limit" not in server.lists()[-1]
    assert cache.pods == server.state()


def test_pauses_grow_to_a_bound_and_do_not_hammer(server, follow):
    server.list_plan.extend(["http-500"] * 1000)
    follow(WatchPatience(first_pause_s=0.02, longest_pause_s=0.1), synced=False)
    time.sleep(0.5)
    assert 4 <= len(server.lists()) <= 16


def test_a_server_that_ends_each_watch_at_once_is_not_hammered(server, follow):
    server.expect(*["end"] * 1000)
    follow(WatchPatience(first_pause_s=0.02, longest_pause_s=0.1))
    time.sleep(0.5)
    assert 3 <= len(server.watches()) <= 16


def test_a_server_that_forgets_each_place_at_once_is_not_hammered_with_lists(server, follow):
    server.expect(*["http-410"] * 1000)
    reflector = follow(WatchPatience(first_pause_s=0.02, longest_pause_s=0.1))
    time.sleep(0.5)
    assert 2 <= reflector.status.relists <= 16


def test_a_server_that_comes_back_is_followed_again(server, cache, follow):
    reflector = follow()
    until(server.watches)
    server.put("before", "n1")
    assert cache.becomes(server.state())
    server.close()
    until(lambda: reflector.status.last_error)
    contact = reflector.status.last_contact_s
    time.sleep(0.05)
    assert reflector.status.last_contact_s == contact, "without an answer the state only grows older"
    assert reflector.status.synced
    again = WatchServer(server.port)
    try:
        again.version = server.version
        again.objects = dict(server.objects)
        again.put("after", "n2")
        assert cache.becomes(again.state())
        assert reflector.status.last_contact_s > contact
    finally:
        reflector.stop()
        again.close()


def test_a_sink_that_fails_gets_a_whole_list_again(server, cache, follow):
    reflector = follow()
    until(server.watches)
    cache.trouble.append(RuntimeError("full"))
    server.put("new", "n1")
    assert cache.becomes(server.state())
    assert cache.batches[-1].replace
    assert reflector.status.sink_failures == 1


def test_a_storm_is_handed_on_in_batches(server, cache, follow):
    gate = threading.Event()
    gate.set()
    follow(sink=lambda batch: (gate.wait(5), cache.take(batch)))
    until(server.watches)
    gate.clear()
    for number in range(400):
        server.put(f"s{number}", "n1")
    time.sleep(0.1)
    gate.set()
    assert cache.becomes(server.state())
    assert len(cache.batches) < 120, "what the client has buffered unseen, 8 KiB, may come one by one"


@pytest.mark.parametrize("where", ["watch", "pause", "headers"])
def test_stop_returns_within_a_second_wherever_the_thread_is(server, cache, follow, where):
    if where == "pause":
        server.list_plan.extend(["http-500"] * 10)
    if where == "headers":
        server.list_plan.append("hang")
    patience = WatchPatience(first_pause_s=30, longest_pause_s=30, watch_s=60, page_timeout_s=10)
    reflector = follow(patience, synced=where == "watch")
    until(lambda: server.watches() if where == "watch" else server.asked)
    time.sleep(0.05)
    began = time.monotonic()
    reflector.stop()
    assert time.monotonic() - began < 1.0
    batches = len(cache.batches)
    server.put("late", "n1")
    if where != "headers":
        assert not reflector._thread.is_alive()
    else:
        reflector._thread.join(5)
    assert len(cache.batches) == batches


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("forget")),
        st.tuples(st.just("break")),
        st.tuples(
            st.just("expect"),
            st.sampled_from(
                ["error-410", "http-410", "http-500", "error-500", "cut", "one", "garbage", "double", "drip", "end"]
            ),
        ),
        st.tuples(st.just("list"), st.sampled_from(["http-410", "http-500", "garbage"])),
        st.tuples(st.just("wait")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_the_sink_ends_with_the_servers_state(tmp_path, steps):
    server, cache = WatchServer(), Cache()
    server.put("p0", "n0")
    access = open_cluster(kubeconfig(tmp_path / "config", server.address))
    reflector = Reflector(access, PODS, cache.take, QUICK, chance=random.Random(1))
    reflector.start()
    try:
        for word, *more in steps:
            match word:
                case "put":
                    server.put(f"p{more[0]}", f"n{more[1]}")
                case "remove":
                    server.remove(f"p{more[0]}")
                case "forget":
                    server.forget()
                case "break":
                    server.break_watches()
                case "expect":
                    server.expect(*more)
                case "list":
                    server.list_plan.extend(more)
                case _:
                    time.sleep(0.003)
        assert cache.becomes(server.state(), 10), f"{cache.pods} is not {server.state()}; {reflector.status}"
        assert reflector._thread.is_alive()
    finally:
        reflector.stop()
        server.close()
        access.api.rest_client.close()


def test_only_a_storm_lets_more_gather():
    rests = _Rests(0.02, 0.0)
    assert not any(rests.due(1, 0.01 * number) for number in range(1, 50))
    rests.over(1.0)
    assert not rests.due(30, 1.01)
    assert rests.due(1, 1.021)
    rests.over(1.041)
    assert not rests.due(2, 1.1)
    assert not _Rests(0.0, 0.0).due(1000, 5.0)
