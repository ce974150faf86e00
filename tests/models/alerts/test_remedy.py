from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.alerts.remedy import MOST_NAMED, Share, remedy_for

PODS = st.lists(
    st.builds(Share, st.uuids().map(str), st.integers(0, 3), st.integers(0, 500), st.booleans()),
    max_size=30,
    unique_by=lambda pod: pod.name,
)


def test_the_least_priority_goes_first_and_then_the_most_watts():
    pods = [Share("a", 5, 900), Share("b", 0, 100), Share("c", 0, 300)]
    assert remedy_for(250, ["evict"], pods).pods == ("c",)
    assert remedy_for(350, ["evict"], pods).pods == ("c", "b")
    assert remedy_for(500, ["evict"], pods).pods == ("a",)


def test_without_a_lever_nothing_would_be_done():
    assert remedy_for(100, [], [Share("a", 0, 500)]).lever == ""


def test_pods_of_daemons_stay():
    assert remedy_for(100, ["migrate"], [Share("a", 0, 500, fixed=True)]).count == 0


def test_what_slows_takes_no_pod_away_and_no_more_than_the_excess():
    remedy = remedy_for(100, ["limitPower", "evict"], [Share("a", 0, 500, fixed=True)])
    assert (remedy.lever, remedy.freed_mw, remedy.count, remedy.enough) == ("limitPower", 100, 0, True)


@given(PODS, st.integers(1, 4000))
def test_it_is_enough_exactly_where_the_movable_pods_are_and_none_of_them_is_spare(pods, over):
    remedy = remedy_for(over, ["evict"], pods)
    movable = sum(pod.mw for pod in pods if not pod.fixed)
    assert remedy.enough == (movable >= over) == (remedy.freed_mw >= over)
    assert len(remedy.pods) == min(remedy.count, MOST_NAMED)
    if remedy.enough and remedy.count <= MOST_NAMED:
        watts = {pod.name: pod.mw for pod in pods}
        assert sum(watts[name] for name in remedy.pods) == remedy.freed_mw
        assert all(remedy.freed_mw - watts[name] < over for name in remedy.pods)
