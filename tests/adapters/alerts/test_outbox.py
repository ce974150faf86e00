import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.alerts.findings import KEY, finding, notice

from powerplane.adapters.alerts.outbox import Outbox
from powerplane.models.alerts.alert import AlertKey
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.tracking import Episode, Terms, Tracked, step
from powerplane.models.errors import InputError

SINKS = ["slack", "webhook"]


def fired(outbox, number=1, now_s=1e9):
    """Let an alert fire."""
    key = AlertKey("DomainOverBudget", f"rack-{number}", "/watch")
    before = {known: Tracked(episode=episode) for known, episode in outbox.episodes().items()}
    found = {each: finding(key=each) for each in (*before, key)}
    after = step(before, found, now_s, Terms(0, 0))
    outbox.commit(after.tracks, bundled(after.notices), now_s)


def ids(outbox, sink="slack"):
    return [entry.bundle.id for entry in outbox.pending(sink)]


def test_what_waits_and_what_fires_is_there_after_a_restart(tmp_path):
    outbox = Outbox(tmp_path / "outbox", SINKS)
    fired(outbox, 1)
    fired(outbox, 2)
    episodes, waiting = outbox.episodes(), ids(outbox)
    outbox.done(outbox.pending("webhook")[0])
    outbox.close()
    again = Outbox(tmp_path / "outbox", SINKS)
    assert (again.episodes(), ids(again), ids(again, "webhook")) == (episodes, waiting, waiting[1:])
    again.close()


def test_a_process_that_dies_without_closing_loses_nothing(tmp_path):
    first = Outbox(tmp_path / "outbox", SINKS)
    fired(first)
    waiting = ids(first)
    # The lock is the kernel's, and goes with the process; here it is let go by hand.
    first._held.close()
    again = Outbox(tmp_path / "outbox", SINKS)
    assert ids(again) == waiting
    again.close()
    first.close()


@settings(max_examples=40)
@given(cut=st.integers(0, 4000), garbage=st.binary(max_size=20))
def test_a_line_that_broke_off_is_passed_over_and_the_lines_before_it_hold(tmp_path_factory, cut, garbage):
    folder = tmp_path_factory.mktemp("outbox")
    outbox = Outbox(folder / "outbox", SINKS)
    for number in range(3):
        fired(outbox, number)
    outbox.close()
    whole = (folder / "outbox").read_bytes()
    kept = whole[: min(cut, len(whole))]
    (folder / "outbox").write_bytes(kept + garbage)
    again = Outbox(folder / "outbox", SINKS)
    # Each moment is there with its episode and its bundles, or not at all.
    complete = kept.count(b"\n") - 1
    assert len(again.episodes()) == len(ids(again)) == len(ids(again, "webhook"))
    assert len(ids(again)) >= complete
    again.close()


def test_a_second_process_is_refused(tmp_path):
    outbox = Outbox(tmp_path / "outbox", SINKS)
    with pytest.raises(InputError, match="another process"):
        Outbox(tmp_path / "outbox", SINKS)
    outbox.close()
    Outbox(tmp_path / "outbox", SINKS).close()


def test_it_is_bounded_and_the_oldest_make_room_and_are_counted(tmp_path):
    outbox = Outbox(tmp_path / "outbox", SINKS, most_pending=3)
    for number in range(5):
        fired(outbox, number)
    assert len(ids(outbox)) == len(ids(outbox, "webhook")) == 3
    assert outbox.lost["overflow"] == 4
    assert outbox.pending("slack")[-1].bundle.notices[0].finding.key.subject == "rack-4"
    outbox.close()


def test_the_file_does_not_grow_with_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr("powerplane.adapters.alerts.outbox.REWRITE_BYTES", 8_000)
    outbox = Outbox(tmp_path / "outbox", SINKS)
    for number in range(120):
        tracks = {KEY: Tracked(episode=Episode("e", 1.0, 1.0 + number, number + 1, finding()))}
        outbox.commit(tracks, bundled([notice(sequence=number + 1)]), 1e9)
        for sink in SINKS:
            outbox.done(outbox.pending(sink)[0])
    assert (tmp_path / "outbox").stat().st_size < 12_000
    outbox.close()


def test_what_waits_for_a_sink_that_is_not_used_any_more_is_let_go_and_counted(tmp_path):
    outbox = Outbox(tmp_path / "outbox", SINKS)
    fired(outbox)
    outbox.close()
    again = Outbox(tmp_path / "outbox", ["slack"])
    assert again.lost["unknown_sink"] == 1
    assert len(ids(again)) == 1
    again.close()


def test_a_disk_that_cannot_be_written_stops_no_alert_and_is_caught_up_with(tmp_path, monkeypatch):
    outbox = Outbox(tmp_path / "outbox", SINKS)
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        fired(outbox, 1)
        assert len(ids(outbox)) == 1
        assert outbox.lost["unwritten"] == 1
    fired(outbox, 2)
    waiting = ids(outbox)
    outbox.close()
    again = Outbox(tmp_path / "outbox", SINKS)
    assert ids(again) == waiting
    again.close()


def test_what_is_told_of_one_episode_stays_in_order(tmp_path):
    outbox = Outbox(None, ["slack"])
    for one in (notice(1), notice(2, episode="f"), notice(1, "resolved", sequence=2)):
        outbox.commit({}, bundled([one]), 1e9)
    assert [entry.bundle.notices[0].id for entry in outbox.ready("slack")] == ["e-1", "f-1"]
    outbox.done(outbox.ready("slack")[0])
    assert [entry.bundle.notices[0].id for entry in outbox.ready("slack")] == ["f-1", "e-2"]


def test_a_file_that_cannot_be_used_is_an_error_with_a_next_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot use the outbox"):
        Outbox(tmp_path / "file" / "outbox", SINKS)
