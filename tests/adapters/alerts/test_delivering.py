import random

from tests.models.alerts.findings import KEY, finding, notice

from powerplane.adapters.alerts.delivering import Delivery, DeliveryTerms
from powerplane.adapters.alerts.outbox import Outbox
from powerplane.adapters.alerts.sink import Sent
from powerplane.models.alerts.grouping import bundled
from powerplane.models.alerts.tracking import Episode, Tracked


class Scripted:
    """Answers by a function of the bundle."""

    name = "scripted"

    def __init__(self, answer):
        self.answer, self.sent = answer, []

    def send(self, bundle):
        self.sent.append(bundle.notices[0].id)
        return self.answer(bundle)


class Forgetful(Scripted):
    def __init__(self, answer, renewed=lambda: Sent("ok")):
        super().__init__(answer)
        self.renewals, self._renewed = [], renewed

    def renew(self, firing):
        self.renewals.append([each.id for each in firing])
        return self._renewed()


class Clock:
    def __init__(self):
        self.s = 1e9

    def __call__(self):
        return self.s


def made(sink, **terms):
    clock = Clock()
    outbox = Outbox(None, [sink.name])
    delivery = Delivery(sink, outbox, DeliveryTerms(**terms), now=clock, clock=clock, chance=random.Random(1))
    return outbox, delivery, clock


def put(outbox, *notices, at_s=1e9):
    for one in notices:
        outbox.commit({}, bundled([one]), at_s)


def play(delivery, clock, turns):
    for _ in range(turns):
        clock.s += delivery.turn()


def failing(_):
    return Sent("failed", "no")


def test_what_is_taken_is_sent_once():
    outbox, delivery, clock = made(sink := Scripted(lambda _: Sent("ok")))
    put(outbox, notice(1), notice(2, episode="f"))
    play(delivery, clock, 10)
    assert sink.sent == ["e-1", "f-1"]
    assert outbox.pending("scripted") == ()


def test_what_is_refused_is_given_up_at_once_and_counted():
    outbox, delivery, clock = made(sink := Scripted(lambda _: Sent("refused", "HTTP 404")))
    put(outbox, notice(1))
    play(delivery, clock, 5)
    assert (sink.sent, delivery.counts["refused"], outbox.pending("scripted")) == (["e-1"], 1, ())


def test_what_fails_is_tried_again_with_pauses_that_double_vary_and_end():
    outbox, delivery, _ = made(Scripted(failing), first_pause_s=1.0, longest_pause_s=60.0)
    put(outbox, notice(1))
    pauses = [delivery.turn() for _ in range(12)]
    for number, pause in enumerate(pauses):
        whole = min(60.0, 2.0**number)
        assert whole / 2 <= pause <= whole
    assert len(set(pauses)) == len(pauses)


def test_nothing_is_tried_for_ever():
    outbox, delivery, clock = made(sink := Scripted(failing), give_up_s=3600.0, longest_pause_s=60.0)
    put(outbox, notice(1))
    play(delivery, clock, 500)
    assert outbox.pending("scripted") == ()
    assert delivery.counts["expired"] == 1
    assert len(sink.sent) < 150


def test_the_pause_that_a_receiver_asks_for_is_kept_to_within_reason():
    answers = [Sent("failed", "", 30.0), Sent("failed", "", 1e9)]
    outbox, delivery, _ = made(Scripted(lambda _: answers.pop(0)), longest_pause_s=60.0)
    put(outbox, notice(1))
    assert delivery.turn() == 30.0
    assert delivery.turn() == 60.0


def test_one_message_that_its_receiver_chokes_on_holds_nobody_up_but_its_own_episode():
    def answer(bundle):
        return Sent("failed", "500") if bundle.notices[0].episode == "bad" else Sent("ok")

    outbox, delivery, clock = made(sink := Scripted(answer))
    put(outbox, notice(1, episode="bad"), notice(2, episode="f"), notice(3, episode="g"))
    put(outbox, notice(1, "resolved", episode="bad", sequence=2))
    play(delivery, clock, 10)
    assert {"f-1", "g-1"} <= set(sink.sent)
    assert "bad-2" not in sink.sent


def test_a_sink_that_raises_is_a_failure_like_any_other():
    def answer(_):
        raise ValueError("secret")

    outbox, delivery, _ = made(Scripted(answer))
    put(outbox, notice(1))
    assert delivery.turn() > 0
    assert delivery.counts["failed"] == 1
    assert "secret" not in delivery.last_error


def test_a_sink_that_forgets_is_told_again_of_what_fires_and_of_nothing_else():
    outbox, delivery, clock = made(sink := Forgetful(lambda _: Sent("ok")), renew_s=60.0)
    tracks = {KEY: Tracked(episode=Episode("e", 1.0, 1.0, 1, finding()))}
    outbox.commit(tracks, bundled([notice(1)]), 1e9)
    play(delivery, clock, 4)
    assert sink.renewals == [["e-1"]] * 3
    outbox.commit({}, bundled([notice(1, "resolved", sequence=2)]), clock.s)
    clock.s += 60.0
    play(delivery, clock, 4)
    assert sink.sent == ["e-1", "e-2"]
    assert sink.renewals == [["e-1"]] * 3


def test_nothing_is_renewed_before_what_waits_is_told():
    outbox, delivery, clock = made(sink := Forgetful(failing))
    put(outbox, notice(1))
    play(delivery, clock, 5)
    assert sink.renewals == []


def test_a_renewal_that_fails_is_counted_and_made_again():
    outbox, delivery, clock = made(sink := Forgetful(failing, renewed=lambda: Sent("failed", "no")), renew_s=10.0)
    outbox.commit({KEY: Tracked(episode=Episode("e", 1.0, 1.0, 1, finding()))}, (), 1e9)
    play(delivery, clock, 3)
    assert delivery.counts["renew_failed"] == len(sink.renewals) == 3


def test_the_thread_delivers_and_ends():
    outbox, delivery, _ = made(sink := Scripted(lambda _: Sent("ok")))
    delivery.start()
    put(outbox, notice(1))
    delivery.wake()
    for _ in range(200):
        if sink.sent:
            break
        delivery._stopping.wait(0.01)
    delivery.stop()
    assert sink.sent == ["e-1"]
    assert not delivery._thread.is_alive()
