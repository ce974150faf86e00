"""What a reflector hands on while all goes well: the whole list, then each change, in batches."""

import threading
import time

import pytest
from tests.adapters.watch.following import until

from powerplane.adapters.watch import Watched, WatchPatience, _Rests
from powerplane.models.objects import Pod


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


def test_only_a_storm_lets_more_gather():
    rests = _Rests(0.02, 0.0)
    assert not any(rests.due(1, 0.01 * number) for number in range(1, 50))
    rests.over(1.0)
    assert not rests.due(30, 1.01)
    assert rests.due(1, 1.021)
    rests.over(1.041)
    assert not rests.due(2, 1.1)
    assert not _Rests(0.0, 0.0).due(1000, 5.0)
