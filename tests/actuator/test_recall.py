"""What an actuator remembers: patience that runs only while it can act, and refusals that are believed in time."""

import pytest
from tests.actuator.published import ended, published, until
from tests.actuator.replica import Replica

from powerplane.actuator.acts import Errand
from powerplane.actuator.evicting import read_answer
from powerplane.actuator.recall import FORBIDDEN_S, Recall


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_patience_runs_from_look_to_look_and_stands_still_while_nobody_can_look():
    clock = Clock()
    recall = Recall(clock)
    recall.looks()
    assert recall.age_s(("p", "u", "Reserving")) == 0
    for _ in range(10):
        clock.now_s += 1
        recall.looks()
    assert recall.age_s(("p", "u", "Reserving")) == 10
    clock.now_s += 100
    recall.looks()
    assert recall.age_s(("p", "u", "Reserving")) == 10
    clock.now_s += 1
    assert recall.age_s(("p", "u", "Reserving")) == 11


@pytest.mark.parametrize("step", ["Reserving", "Evicting", "Steering"])
def test_an_api_server_that_was_away_for_longer_than_anybody_is_patient_makes_no_move_fail(step):
    cluster, _, _ = published(replicas=1, waves=(0,), lasts_s=10_000)
    replica = Replica(cluster, 1)
    replica.recall.looks()
    until(cluster, replica, step)
    cluster.now_s += 1000
    replica.recall.looks()
    assert ended(cluster, replica) == ("Done", {("Done", "")})


def test_what_is_forbidden_for_long_is_forbidden_for_good_and_not_what_was_answered_otherwise_meanwhile():
    clock = Clock()
    recall = Recall(clock)

    def verdict(status):
        recall.answered("u", read_answer(status, b""))
        return recall.answer("u").verdict

    assert verdict(403) == "forbidden"
    clock.now_s += FORBIDDEN_S - 1
    assert verdict(403) == "forbidden"
    assert verdict(500) == "later"
    clock.now_s += 2
    assert verdict(403) == "forbidden"
    clock.now_s += FORBIDDEN_S
    assert verdict(403) == "never"
    recall.drop_answer("u")
    assert verdict(403) == "forbidden"


def test_an_errand_that_came_further_rests_as_after_its_first_failure():
    cluster, _, _ = published(replicas=1, waves=(0,))
    replica = Replica(cluster, 1)
    until(cluster, replica, "Reserving")
    replica.look()
    errand, _ = replica.line.pop()
    engine = replica.engine
    for _ in range(4):
        engine._done(errand, failed=True)
    assert engine._rests[errand.key].until_s - cluster.now_s == 8.0
    engine._done(Errand(errand.key, (), errand.token), failed=True)
    assert engine._rests[errand.key].until_s - cluster.now_s == 1.0
