"""What pods were seen to draw outlives the recommender; what is damaged, old or to come is not taken up again."""

import copy
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recommender.test_own_caps import PATH, capped, conditions, figures
from tests.recommender.world import Watching

from powerplane.models.api.capping_status import LONGEST_PARTS, MOST_KEPT, SeenAverage
from powerplane.models.errors import InputError
from powerplane.recommender.cap_kept import begun, kept_of, put_back
from powerplane.recommender.cap_now import BINS, DrawMean, window_s

NOW_S = 1_800_000_000.0
AVERAGE = {"percentOfAverage": 70, "window": "10m"}


def seen(window: str, mw: int = 160_000, looks: int = 200, step_s: float = 15.0) -> DrawMean:
    mean = DrawMean(window_s(window))
    for number in range(looks):
        mean.add(NOW_S + (number + 1 - looks) * step_s, mw)
    return mean


def restarted(watching: Watching, away_s: float = 0.0) -> Watching:
    """Another recommender, over the cluster and with the statuses that the one before has left."""
    cluster = copy.deepcopy(watching.cluster)
    cluster.now_s += away_s
    cluster.plans = {}
    for policy in cluster.policies:
        policy["status"] = {key: value for key, value in figures(watching).items() if value is not None}
    return Watching(cluster)


def test_a_share_of_the_average_holds_at_the_first_look_after_a_restart():
    watching = capped({"percentOfAverage": 70, "window": "24h"})
    mean, at_s = DrawMean(window_s("24h")), watching.cluster.now_s
    for minute in range(1500, 0, -1):
        mean.add(at_s - 60.0 * minute, 160_000)
    watching.look()
    assert conditions(watching)["Held"] == ("Unknown", "CapUnknown")
    watching.cluster.policies[0]["status"] = {"averages": msgspec.to_builtins(kept_of({"24h": mean}))}
    after = restarted(watching)
    after.cluster.policies[0]["status"] = watching.cluster.policies[0]["status"]
    after.look(120)
    assert figures(after)["capWatts"] == 112
    assert conditions(after)["Held"] == ("False", "AboveCap")


def test_what_was_seen_before_a_restart_is_in_the_average_after_it():
    watching = capped(AVERAGE)
    for _ in range(30):
        watching.look(15)
    after = restarted(watching, 20.0)
    for _ in range(8):
        after.look(15)
    told = figures(after)["averages"][0]["parts"].split()
    before = figures(watching)["averages"][0]["parts"].split()
    assert len(before) >= 20
    assert set(before) <= set(told)
    assert len(told) > len(before)


def test_what_is_kept_is_too_old_once_the_window_has_gone_by():
    watching = capped(AVERAGE)
    for _ in range(61):
        watching.look(15)
    after = restarted(watching, 700.0)
    after.look()
    assert conditions(after)["Held"] == ("Unknown", "CapUnknown")


def test_what_is_kept_is_written_once_a_minute_and_goes_with_the_window():
    watching = capped(AVERAGE)
    for _ in range(40):
        watching.look(15)
    kept = [status["averages"] for path, status in watching.outside.statuses if path == PATH and "averages" in status]
    assert 2 <= len({str(each) for each in kept}) <= 12
    watching.cluster.enforce("cap", "Enforce", ("evict",), cap={"watts": "1kW"}, rackConstraints=())
    watching.cluster.policies[0]["status"] = {"averages": kept[-1]}
    for _ in range(4):
        watching.look(15)
    assert figures(watching)["averages"] is None


@pytest.mark.parametrize("text", ["1:2", "nonsense", "5:1e3:7", "5:15:-7", "9" * 4000, "5:0:7", "5:15:7 5:15:7"])
def test_a_damaged_record_is_told_with_its_policy_and_learned_anew(caplog, text):
    with caplog.at_level(logging.WARNING):
        mean = begun("1h", (SeenAverage("1h", text),), NOW_S, "PowerCappingPolicy shop/cap")
    assert mean.parts == ()
    (record,) = caplog.records
    assert "PowerCappingPolicy shop/cap" in record.getMessage()
    assert len(record.getMessage()) < 300


def test_a_record_of_another_window_or_none_is_no_trouble(caplog):
    assert begun("1h", (SeenAverage("2h", "nonsense"),), NOW_S, "cap").parts == ()
    assert caplog.records == []


def test_of_what_was_kept_and_what_was_seen_before_a_gap_the_fuller_is_gone_on_with():
    kept = kept_of({"1h": seen("1h")})
    little = seen("1h", mw=1, looks=10)
    assert begun("1h", kept, NOW_S, "cap", little).mean_mw(0.0) == pytest.approx(seen("1h").mean_mw(0.0))
    assert begun("1h", kept_of({"1h": little}), NOW_S, "cap", seen("1h")).parts == seen("1h").parts


@given(
    st.sampled_from(["1m", "10m", "24h", "7d", "9999d"]),
    st.lists(st.tuples(st.floats(0.5, 400.0), st.integers(0, 10**13)), min_size=1, max_size=300),
)
def test_what_is_kept_is_read_again_as_it_was_within_the_bounds_of_the_field(window, looks):
    mean, at_s = DrawMean(window_s(window)), NOW_S
    for step_s, mw in looks:
        at_s += step_s
        mean.add(at_s, mw)
    for kept in kept_of({window: mean}):
        assert len(kept.parts) <= LONGEST_PARTS
        again = DrawMean(mean.window_s)
        again._bins.extend(put_back(kept.parts, mean.window_s, at_s))
        assert [each[0] for each in again.parts] == [each[0] for each in mean.parts if each[0] > at_s - mean.window_s]
        if len(again.parts) == len(mean.parts):
            assert again.mean_mw(0.0) == pytest.approx(mean.mean_mw(0.0), rel=1e-3, abs=2)


@given(st.text(alphabet="0123456789:. x", max_size=200))
def test_whatever_a_record_says_it_is_refused_or_read_within_bounds(text):
    try:
        parts = put_back(text, 3600.0, NOW_S)
    except InputError:
        return
    assert len(parts) <= BINS + 1
    assert all(NOW_S - 3600.0 < start_s <= NOW_S and seconds > 0 for start_s, seconds, _ in parts)


def test_parts_that_are_to_come_are_forgotten():
    part_s = 3600.0 / BINS
    number = int(NOW_S // part_s)
    assert [each[0] for each in put_back(f"{number}:10:5 {number + 4}:10:5", 3600.0, NOW_S)] == [number * part_s]


def test_of_many_windows_the_longest_are_kept():
    windows = [f"{number}h" for number in range(1, 9)]
    kept = kept_of({window: seen(window) for window in windows})
    assert [each.window for each in kept] == ["8h", "7h", "6h", "5h"]
    assert len(kept) == MOST_KEPT
