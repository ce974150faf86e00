from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerplane.adapters.lease_election import Election, LeaseRecord, LostRaceError, Terms

TERMS = Terms(duration_s=6, renew_deadline_s=4.0, retry_s=1.0)


class Clock:
    """True time, and clocks of its users, each with an offset and a speed of its own."""

    def __init__(self) -> None:
        self.now = 0.0

    def of(self, offset=0.0, speed=1.0):
        return lambda: offset + self.now * speed


class Store:
    """Optimistic concurrency, as the API server keeps it; something may happen before and after each call."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.version = 0
        self.tokens: list[int] = []
        self.meanwhile = lambda: None

    def read(self):
        self.meanwhile()
        found = self.record
        self.meanwhile()
        return found

    def write(self, record, seen):
        self.meanwhile()
        if (self.record and self.record.version) != (seen and seen.version):
            self.meanwhile()
            raise LostRaceError
        self.version += 1
        self.record = replace(record, version=str(self.version), renewed=str(self.version))
        written = self.record
        self.meanwhile()
        return written


def election(store, clock, name="a"):
    return Election(store, name, TERMS, clock.of() if isinstance(clock, Clock) else clock)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    store = Store()
    store.record = LeaseRecord(version="0")
    return store


@pytest.mark.parametrize(("duration", "deadline", "retry"), [(4, 4.0, 1.0), (6, 4.0, 4.0), (6, 4.0, 0.0)])
def test_terms_under_which_two_could_lead_are_refused(duration, deadline, retry):
    with pytest.raises(ValueError, match="must hold"):
        Terms(duration, deadline, retry)


def test_an_empty_lease_is_taken_at_once(store, clock):
    a = election(store, clock)
    assert not a.leading()
    a.round()
    assert (a.leading(), a.token, store.record.holder) == (True, 1, "a")


def test_leading_ends_by_itself_once_the_renew_deadline_has_passed(store, clock):
    a = election(store, clock)
    a.round()
    clock.now = 3.99
    assert a.leading()
    clock.now = 4.0
    assert not a.leading()


def test_the_deadline_counts_from_the_start_of_a_renewal_not_from_its_answer(store, clock):
    a = election(store, clock)

    def slow():
        clock.now += 1.5

    store.meanwhile = slow
    a.round()
    began_writing = 3.0
    assert a.leading()
    clock.now = began_writing + 3.99
    assert a.leading()
    clock.now = began_writing + 4.0
    assert not a.leading()


def test_a_holder_that_renews_keeps_its_token(store, clock):
    a = election(store, clock)
    for _ in range(5):
        a.round()
        clock.now += 2
    assert (a.token, store.record.transitions) == (1, 1)


def test_a_record_is_expired_only_after_it_stood_unchanged_for_its_duration_by_my_clock(store, clock):
    a, b = election(store, clock, "a"), election(store, clock, "b")
    a.round()
    clock.now = 100.0
    b.round()
    assert not b.leading(), "it may just have been renewed: it is seen for the first time"
    clock.now = 105.9
    b.round()
    assert not b.leading()
    clock.now = 106.0
    b.round()
    assert (b.leading(), b.token) == (True, 2)


def test_the_duration_that_the_holder_wrote_counts_where_it_is_longer(store, clock):
    store.record = LeaseRecord(version="0", holder="old", duration_s=60, transitions=7)
    b = election(store, clock, "b")
    b.round()
    clock.now = 59.0
    b.round()
    assert not b.leading()
    clock.now = 60.0
    b.round()
    assert (b.leading(), b.token) == (True, 8)


def test_a_released_lease_is_taken_at_once_and_the_token_rises(store, clock):
    a, b = election(store, clock, "a"), election(store, clock, "b")
    a.round()
    b.round()
    a.release()
    assert not a.leading()
    b.round()
    assert (b.leading(), b.token) == (True, 2)


def test_a_stopped_leader_leads_no_more_when_it_wakes(store, clock):
    a, b = election(store, clock, "a"), election(store, clock, "b")
    a.round()
    b.round()
    clock.now = 6.0
    b.round()
    assert (a.leading(), b.leading()) == (False, True)
    a.round()
    assert (a.leading(), b.leading(), a.token, b.token) == (False, True, 1, 2)


def test_a_renewal_of_which_nothing_was_heard_does_not_cost_the_lease(store, clock):
    a = election(store, clock)
    a.round()
    store.record = replace(store.record, version="99")
    store.version = 99
    a.round()
    assert (a.leading(), a.token) == (True, 1)


def test_who_makes_a_lease_anew_leads_only_once_no_holder_of_the_deleted_one_can(store, clock):
    a, b = election(store, clock, "a"), election(store, clock, "b")
    a.round()
    b.round()
    store.record = None
    clock.now = 1.0
    b.round()
    assert (a.leading(), b.leading(), store.record.holder) == (True, False, "b")
    for now in (3.0, 5.0):
        clock.now = now
        b.round()
    assert (a.leading(), b.leading()) == (False, False)
    clock.now = 7.0
    assert (b.leading(), b.token) == (True, 2)


def test_who_makes_a_lease_and_gives_up_at_once_lets_it_expire(store, clock):
    store.record = None
    a, b = election(store, clock, "a"), election(store, clock, "b")
    a.round()
    a.release()
    b.round()
    assert (b.leading(), store.record.holder) == (False, "a")


NAMES = ("a", "b")
ACTS = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from((0.5, 1.0, 3.2, 3.9, 5.7, 6.5)) | st.floats(0.0, 8.0)),
    st.tuples(st.just("round"), st.sampled_from(NAMES)),
    st.tuples(st.just("round"), st.sampled_from(NAMES)),
    st.tuples(st.just("round"), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(("release", "delete")), st.sampled_from(NAMES)),
)


CLOCKS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.95, 1.05)), min_size=2, max_size=2)


class World:
    """Candidates with clocks of their own, and whatever happens to them; checked at every step."""

    def __init__(self, clocks, interruptions=(), *, premade=True) -> None:
        self.clock, self.store = Clock(), Store()
        if premade:
            self.store.record = LeaseRecord(version="0")
        self.elections = {
            name: Election(self.store, name, TERMS, self.clock.of(*each))
            for name, each in zip(NAMES, clocks, strict=True)
        }
        self.busy: set[str] = set()
        self.pending = iter(interruptions)
        self.led: list[tuple[int, str]] = []
        self.deleted = False
        self.store.meanwhile = self.meanwhile

    def check(self) -> None:
        leading = [name for name, each in self.elections.items() if each.leading()]
        assert len(leading) <= 1, f"{leading} lead at {self.clock.now}"
        for name in leading:
            token = self.elections[name].token
            if not self.led or self.led[-1] != (token, name):
                assert self.deleted or not self.led or token > self.led[-1][0], "a token that does not rise"
                self.led.append((token, name))

    def act(self, word, what) -> None:
        if word == "pass":
            # Step by step, so that no instant is missed.
            for _ in range(4):
                self.clock.now += what / 4
                self.check()
        elif word == "delete":
            self.deleted = self.deleted or self.store.record is not None
            self.store.record = None
        elif what not in self.busy:
            self.busy.add(what)
            with suppress(LostRaceError):
                getattr(self.elections[what], word)()
            self.busy.discard(what)
        self.check()

    def meanwhile(self) -> None:
        self.check()
        for each in next(self.pending, ()):
            self.act(*each)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(ACTS, min_size=4, max_size=30), st.lists(st.lists(ACTS, max_size=3), max_size=60), CLOCKS, st.booleans()
)
def test_two_never_lead_at_one_instant_wherever_they_are_stopped(acts, interruptions, clocks, premade):
    """Anything may happen within any call of any candidate, before or after the server has done its part."""
    world = World(clocks, interruptions, premade=premade)
    for each in acts:
        world.act(*each)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from((0.5, 1.0, 2.5, 3.2, 3.8, 5.5, 6.5))), max_size=12))
def test_two_never_lead_at_one_instant_however_long_they_pause_between_rounds(rounds):
    world = World([(0.0, 1.0), (1e5, 1.0)])
    for name, pause_s in rounds:
        world.act("round", name)
        world.act("pass", pause_s)
