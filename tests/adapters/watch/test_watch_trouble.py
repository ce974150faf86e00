"""What a reflector makes of places forgotten, of lines and objects that cannot be read, and of sinks that fail."""

import pytest
from tests.adapters.watch.following import QUICK, until


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


def test_a_sink_that_fails_gets_a_whole_list_again(server, cache, follow):
    reflector = follow()
    until(server.watches)
    cache.trouble.append(RuntimeError("full"))
    server.put("new", "n1")
    assert cache.becomes(server.state())
    assert cache.batches[-1].replace
    assert reflector.status.sink_failures == 1
