"""How hard a server is tried that refuses, fails or ends each watch at once."""

import time

import pytest
from tests.adapters.watch.following import until
from tests.adapters.watch_server import WatchServer

from powerplane.adapters.watch import WatchPatience


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


def test_a_refusal_is_asked_again_ever_more_slowly(server, follow):
    server.list_plan.extend(["http-403"] * 100)
    follow(WatchPatience(first_pause_s=0.01, refused_pause_s=0.4), synced=False)
    time.sleep(0.7)
    assert 4 <= len(server.lists()) <= 10
    before = len(server.lists())
    time.sleep(0.6)
    assert 1 <= len(server.lists()) - before <= 4


def test_a_server_that_was_away_and_refuses_as_it_starts_is_asked_again_soon(server, cache, follow):
    server.list_plan.extend(["http-500"] * 6 + ["http-403"] * 3)
    reflector = follow(WatchPatience(first_pause_s=0.005, longest_pause_s=0.05, refused_pause_s=30.0), synced=False)
    assert reflector.wait_synced(3)
    assert cache.becomes(server.state())


def test_a_watch_that_is_refused_after_the_list_goes_on_later(server, cache, follow):
    server.expect("", "http-403", "http-429")
    reflector = follow()
    until(server.watches)
    server.break_watches()
    server.put("during", "n1")
    assert cache.becomes(server.state())
    assert reflector.status.relists == 0


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
