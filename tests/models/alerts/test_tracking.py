import itertools

from hypothesis import given
from hypothesis import strategies as st
from tests.models.alerts.findings import KEY, finding

from powerplane.models.alerts.alert import AlertKey
from powerplane.models.alerts.tracking import Terms, resume, step

TERMS = Terms(fire_after_s=30, resolve_after_s=60, repeat_s=100, most_repeats=3)
LOOK_S = 10.0

STANDINGS = st.lists(
    st.tuples(st.sampled_from(["over", "between", "under", "gone"]), st.sampled_from(["warning", "critical"])),
    max_size=120,
)


def play(moments, terms=TERMS, restarts=(), look_s=LOOK_S):
    """All notices of a key that stands so from look to look, with the moment of each."""
    tracks, told = {}, []
    for turn, (standing, severity) in enumerate(moments):
        if turn in restarts:
            tracks = resume({key: tracked.episode for key, tracked in tracks.items() if tracked.episode})
        found = {} if standing == "gone" else {KEY: finding(standing, severity)}
        after = step(tracks, found, 1e9 + turn * look_s, terms)
        tracks = after.tracks
        told += after.notices
    return tracks, told


def so(standing, times, severity="warning"):
    return [(standing, severity)] * times


def whats(told):
    return [notice.what for notice in told]


def test_an_alert_fires_once_it_has_been_over_for_so_long_and_not_before():
    assert whats(play(so("over", 3))[1]) == []
    assert whats(play(so("over", 4))[1]) == ["fired"]


def test_an_alert_resolves_once_it_has_been_clearly_under_for_so_long_and_not_before():
    assert whats(play(so("over", 4) + so("under", 6))[1]) == ["fired"]
    assert whats(play(so("over", 4) + so("under", 7))[1]) == ["fired", "resolved"]


def test_a_short_peak_is_not_told():
    assert play((so("over", 3) + so("under", 1)) * 20)[1] == []


def test_a_short_dip_resolves_nothing():
    assert "resolved" not in whats(play(so("over", 4) + (so("under", 5) + so("over", 1)) * 9)[1])


def test_what_is_withdrawn_resolves_and_says_why():
    _, told = play(so("over", 4) + so("gone", 7))
    assert (told[-1].what, told[-1].ended) == ("resolved", "withdrawn")


def test_what_is_not_known_neither_fires_nor_resolves():
    assert play(so("between", 50))[1] == []
    assert "resolved" not in whats(play(so("over", 4) + so("between", 50))[1])


def test_an_alert_that_worsens_is_told_at_once_and_never_gets_better_before_it_resolves():
    _, told = play(so("over", 4) + so("over", 1, "critical") + so("over", 3) + so("under", 7))
    assert whats(told) == ["fired", "worsened", "resolved"]
    assert [notice.finding.severity for notice in told] == ["warning", "critical", "critical"]


def test_a_firing_alert_is_told_again_after_pauses_that_double_and_not_for_ever():
    _, told = play(so("over", 2000))
    assert whats(told) == ["fired", "repeated", "repeated", "repeated"]
    moments = [notice.at_s for notice in told]
    assert [later - sooner for sooner, later in itertools.pairwise(moments)] == [100, 200, 400]


def test_a_restart_tells_nothing_again_and_resolves_what_ended_meanwhile():
    moments = so("over", 6) + so("under", 8)
    _, told = play(moments, restarts={5, 6})
    assert whats(told) == ["fired", "resolved"]
    assert told[0].episode == told[1].episode


def test_a_clock_that_is_put_back_neither_fires_nor_resolves_early():
    tracks = step({}, {KEY: finding()}, 1e9, TERMS).tracks
    after = step(tracks, {KEY: finding()}, 1e9 - 5000, TERMS)
    assert after.notices == ()
    assert step(after.tracks, {KEY: finding()}, 1e9 - 5000 + 29, TERMS).notices == ()
    assert whats(step(after.tracks, {KEY: finding()}, 1e9 - 5000 + 30, TERMS).notices) == ["fired"]


@given(STANDINGS, st.sets(st.integers(0, 119)))
def test_notices_of_an_episode_begin_with_one_firing_and_end_with_at_most_one_resolution(moments, restarts):
    _, told = play(moments, restarts=restarts)
    by_episode = {}
    for notice in told:
        by_episode.setdefault(notice.episode, []).append(notice)
    for one in by_episode.values():
        assert whats(one)[0] == "fired"
        assert whats(one).count("fired") == 1
        assert whats(one).count("resolved") <= 1
        assert "resolved" not in whats(one)[:-1]
        assert [notice.sequence for notice in one] == list(range(1, len(one) + 1))
    assert len({notice.id for notice in told}) == len(told)


@given(STANDINGS, st.sets(st.integers(0, 119)))
def test_nothing_fires_twice_within_the_two_dwells(moments, restarts):
    _, told = play(moments, restarts=restarts)
    fired = [notice.at_s for notice in told if notice.what == "fired"]
    gaps = [later - sooner for sooner, later in itertools.pairwise(fired)]
    assert all(gap >= TERMS.fire_after_s + TERMS.resolve_after_s for gap in gaps)


@given(st.lists(st.sampled_from(["over", "between"]), max_size=200), st.sets(st.integers(0, 199)))
def test_noise_at_the_edge_fires_once_at_most_and_never_resolves(standings, restarts):
    _, told = play([(each, "warning") for each in standings], restarts=restarts)
    assert whats(told).count("fired") <= 1
    assert "resolved" not in whats(told)


@given(STANDINGS)
def test_an_episode_is_open_exactly_while_its_last_notice_is_no_resolution(moments):
    tracks, told = play(moments)
    episode = tracks[KEY].episode if KEY in tracks else None
    assert (episode is not None) == bool(told and told[-1].what != "resolved")


@given(st.lists(st.integers(0, 3), max_size=60))
def test_keys_do_not_touch_each_other(standings):
    """Two keys side by side come to what each comes to alone."""
    other = AlertKey("PodsOverCap", "p", "ns/p")
    words = ["over", "between", "under", "gone"]
    tracks, together = {}, []
    for turn, number in enumerate(standings):
        found = {}
        for key, word in ((KEY, words[number]), (other, words[3 - number])):
            if word != "gone":
                found[key] = finding(word, key=key)
        after = step(tracks, found, 1e9 + turn * LOOK_S, TERMS)
        tracks, together = after.tracks, [*together, *after.notices]
    alone = play([(words[number], "warning") for number in standings])[1]
    mine = [(each.what, each.at_s) for each in together if each.finding.key == KEY]
    assert mine == [(each.what, each.at_s) for each in alone]
