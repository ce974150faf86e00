"""The counterfactual ledger: choices differ by what a plan foretold, time adds up, and nothing counts for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.recommender.ledger import HORIZON_S, MOST_ENTRIES, Entry, Ledger

cuts = st.dictionaries(st.sampled_from(["r1", "r2", "a"]), st.integers(-(10**6), 10**6), min_size=1)
shares = st.integers(0, 10).map(lambda tenths: tenths / 10)


def entry(cut, choice="taken", name="p", since_s=0.0, share=1.0, moves=1) -> Entry:
    return Entry(name, choice, ("policy",), cut, moves, since_s, since_s + HORIZON_S, share)


def note(ledger: Ledger, each: Entry) -> None:
    (ledger.taken if each.choice == "taken" else ledger.withheld)(each)


@given(cuts, shares, st.integers(10**6, 10**9))
def test_without_what_was_done_a_domain_would_draw_more_by_what_it_took_off(cut, share, drawn_mw):
    ledger = Ledger()
    ledger.taken(entry(cut, share=share))
    others = ledger.others_mw(dict.fromkeys(["r1", "r2", "a"], drawn_mw))
    for name in others:
        assert others[name] - drawn_mw == round(cut.get(name, 0) * share)


@given(cuts, st.integers(10**6, 10**9))
def test_with_what_was_withheld_a_domain_would_draw_less_by_as_much(cut, drawn_mw):
    ledger = Ledger()
    ledger.withheld(entry(cut, "withheld"))
    others = ledger.others_mw(dict.fromkeys(["r1", "r2", "a"], drawn_mw))
    for name in others:
        assert drawn_mw - others[name] == cut.get(name, 0)


@given(cuts, st.lists(st.floats(0.1, 600), max_size=30), st.sampled_from(["taken", "withheld"]))
def test_watt_hours_are_the_same_however_often_it_is_looked(cut, steps, choice):
    often, once = Ledger(), Ledger()
    for ledger in (often, once):
        ledger.follow(0.0)
        note(ledger, entry(cut, choice))
    now_s = 0.0
    for step in steps:
        now_s += step
        often.follow(now_s)
    once.follow(now_s)
    ours, theirs = often.sums("policy"), once.sums("policy")
    assert ours.watt_hours_held == pytest.approx(theirs.watt_hours_held)
    assert ours.watt_hours_missed == pytest.approx(theirs.watt_hours_missed)
    held = max(0, *cut.values()) / 1000 * min(now_s, HORIZON_S) / 3600
    assert ours.watt_hours_held + ours.watt_hours_missed == pytest.approx(held)


def test_a_choice_counts_for_an_hour_and_no_longer():
    ledger = Ledger()
    ledger.follow(0.0)
    ledger.taken(entry({"r1": 360_000}))
    ledger.follow(10 * HORIZON_S)
    assert ledger.sums("policy").watt_hours_held == pytest.approx(360.0)
    assert ledger.others_mw({"r1": 5}) == {"r1": 5}


def test_a_clock_that_is_set_back_takes_nothing_away():
    ledger = Ledger()
    ledger.taken(entry({"r1": 1000}))
    ledger.follow(100.0)
    before = ledger.sums("policy")
    ledger.follow(50.0)
    assert ledger.sums("policy") == before


def test_what_is_withheld_again_and_again_is_one_choice():
    ledger = Ledger()
    for at_s in (0.0, 60.0, 120.0):
        ledger.withheld(entry({"r1": 1000}, "withheld", since_s=at_s))
    assert ledger.sums("policy").withheld == 1
    assert len(ledger.entries) == 1


def test_it_stays_bounded_however_many_choices_there_are():
    ledger = Ledger()
    for number in range(2 * MOST_ENTRIES):
        ledger.taken(entry({"r1": 1}, name=f"p{number}"))
    assert len(ledger.entries) == MOST_ENTRIES
    assert ledger.sums("policy").actions == 2 * MOST_ENTRIES
