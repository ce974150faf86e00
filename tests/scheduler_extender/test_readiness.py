import pytest

from powerplane.scheduler_extender.readiness import Readiness, Signs


def signs(now, **changes):
    known = {"unsynced": (), "has_tree": True, "leading": True, "foreign_binds": 0, "pods_seen_s": now}
    return Signs(now_s=now, **(known | changes))


@pytest.fixture
def readiness():
    return Readiness(quiet_s=2.0, longest_quiet_s=15.0, stale_s=120.0)


def test_it_answers_only_after_nobody_elses_pods_were_bound_for_a_while(readiness):
    assert readiness.trouble(signs(10.0))
    assert readiness.trouble(signs(11.9))
    assert readiness.trouble(signs(12.1)) == ""


def test_foreign_pods_that_are_still_being_bound_put_it_off(readiness):
    for second in range(5):
        assert readiness.trouble(signs(10.0 + second, foreign_binds=second))
    assert readiness.trouble(signs(16.5, foreign_binds=4)) == ""


def test_a_scheduler_that_never_asks_does_not_put_it_off_for_ever(readiness):
    for second in range(15):
        assert readiness.trouble(signs(10.0 + second, foreign_binds=second))
    assert readiness.trouble(signs(25.1, foreign_binds=99)) == ""


def test_once_it_answers_foreign_pods_do_not_stop_it(readiness):
    readiness.trouble(signs(10.0))
    assert readiness.trouble(signs(12.1)) == ""
    assert readiness.trouble(signs(12.2, foreign_binds=7)) == ""


@pytest.mark.parametrize(
    "obstacle",
    [{"leading": False}, {"unsynced": ("pods (being listed)",)}, {"has_tree": False}, {"pods_seen_s": -200.0}],
)
def test_an_obstacle_stops_it_and_the_quiet_begins_again_after_it(readiness, obstacle):
    readiness.trouble(signs(10.0))
    assert readiness.trouble(signs(12.1)) == ""
    assert readiness.trouble(signs(13.0, **obstacle))
    assert readiness.trouble(signs(13.1))
    assert readiness.trouble(signs(15.2)) == ""
