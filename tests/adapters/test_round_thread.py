"""Rounds on a thread: when the next one comes, what ends them, and what does not."""

import threading
import time

import pytest

from powerplane.adapters.round_thread import RoundThread

NEVER_S = 600.0


class Rounds:
    """Counts rounds, and can be told to raise or to last."""

    def __init__(self):
        self.done = threading.Condition()
        self.ended_s = []
        self.failures = 0
        self.raises = False
        self.lasts_s = 0.0
        self.then_wakes = None

    def round_(self):
        time.sleep(self.lasts_s)
        if self.then_wakes is not None:
            self.then_wakes, wake = None, self.then_wakes
            wake()
        with self.done:
            self.ended_s.append(time.monotonic())
            self.done.notify_all()
        if self.raises:
            raise ValueError("on purpose")

    def failed(self):
        self.failures += 1

    def came(self, count, within_s=5.0):
        with self.done:
            return self.done.wait_for(lambda: len(self.ended_s) >= count, within_s)


@pytest.fixture
def rounds():
    return Rounds()


@pytest.fixture
def begun(rounds):
    made = []

    def begin(tick_s=NEVER_S, soonest_s=0.0):
        thread = RoundThread("test", rounds.round_, rounds.failed, tick_s=lambda: tick_s, soonest_s=soonest_s)
        made.append(thread)
        thread.start()
        return thread

    yield begin
    for thread in made:
        thread.stop(5.0)


def test_the_first_round_comes_at_once_and_the_next_when_woken(rounds, begun):
    thread = begun()
    assert rounds.came(1)
    assert not rounds.came(2, within_s=0.1)
    thread.wake()
    assert rounds.came(2)


def test_a_round_comes_after_its_time_though_nobody_wakes(rounds, begun):
    begun(tick_s=0.05)
    assert rounds.came(4)
    assert rounds.ended_s[3] - rounds.ended_s[0] >= 0.15


def test_a_thread_that_is_woken_all_the_time_keeps_the_least_time_between_rounds(rounds, begun):
    thread = begun(soonest_s=0.1)
    while not rounds.came(3, within_s=0.0):
        thread.wake()
    assert rounds.ended_s[2] - rounds.ended_s[0] >= 0.2


def test_a_long_round_is_followed_by_a_rest_as_long_as_itself(rounds, begun):
    rounds.lasts_s = 0.1
    begun(tick_s=0.0)
    assert rounds.came(3)
    assert rounds.ended_s[2] - rounds.ended_s[0] >= 0.4


def test_what_wakes_during_a_round_is_looked_at_in_another(rounds, begun):
    thread = RoundThread("test", rounds.round_, rounds.failed, tick_s=lambda: NEVER_S)
    rounds.then_wakes = thread.wake
    thread.start()
    assert rounds.came(2)
    thread.stop(5.0)


def test_a_round_that_raises_is_counted_and_logged_and_the_next_one_comes(rounds, begun, caplog):
    rounds.raises = True
    begun(tick_s=0.0)
    assert rounds.came(3)
    assert rounds.failures >= 2
    assert "a round of test failed" in caplog.text


def test_after_the_end_there_is_no_round_and_the_one_that_had_begun_is_over(rounds, begun):
    rounds.lasts_s = 0.1
    thread = begun(tick_s=0.0)
    assert rounds.came(1)
    thread.stop(5.0)
    count = len(rounds.ended_s)
    thread.wake()
    assert not rounds.came(count + 1, within_s=0.3)


def test_the_end_waits_no_longer_than_told(rounds, begun):
    rounds.lasts_s = 1.0
    thread = begun()
    before_s = time.monotonic()
    thread.stop(0.05)
    assert time.monotonic() - before_s < 0.5


def test_a_thread_that_never_began_is_ended_without_waiting(rounds):
    RoundThread("test", rounds.round_, rounds.failed, tick_s=lambda: NEVER_S).stop(5.0)
    assert not rounds.ended_s
