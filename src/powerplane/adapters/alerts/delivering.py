"""From the outbox to one sink, on a thread of its own: until it is taken, refused, or too old to be worth it.

What fails is tried again, after pauses that double and vary, so that many senders do not come back at one moment. While
one bundle fails, others are tried in between: one that its receiver chokes on holds nobody up. What is told of one
episode stays in order.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from powerplane.adapters.alerts.outbox import Entry, Outbox
from powerplane.adapters.alerts.sink import Renewing, Sent, Sink

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """How patiently.

    Parameters
    ----------
    first_pause_s, longest_pause_s : float
        Between attempts: doubled from failure to failure, shortened at random by up to half.
    give_up_s : float
        After this a bundle is let go, and counted: an old alert misleads.
    renew_s : float
        Between two words to a sink that forgets.
    """

    first_pause_s: float = 1.0
    longest_pause_s: float = 120.0
    give_up_s: float = 24 * 3600.0
    renew_s: float = 60.0


class Delivery:
    """Delivers to one sink.

    Parameters
    ----------
    sink : Sink
    outbox : Outbox
    terms : DeliveryTerms, optional
    now : callable
        Unix seconds, by which bundles grow old.
    clock : callable
        Monotonic seconds.
    chance : random.Random, optional
        For the pauses.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        terms: DeliveryTerms | None = None,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._sink = sink
        self._outbox = outbox
        self._terms = terms or DeliveryTerms()
        self._now = now
        self._clock = clock
        self._chance = chance or random.Random()
        self._attempts: Counter[str] = Counter()
        self._failures = 0
        self._renewed_s: float | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{sink.name}", daemon=True)
        self.counts: Counter[str] = Counter()
        """From the start: ``ok``, ``failed``, ``refused``, ``expired``, ``renewed``, ``renew_failed``."""
        self.last_error = ""

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the outbox: there is something new."""
        self._wake.set()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End; an attempt in progress is waited for some seconds, and made again by whoever comes next."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def turn(self) -> float:
        """Make one attempt, if there is one to make, and return how long to wait before the next."""
        self._expire()
        ready = self._outbox.ready(self._sink.name)
        if not ready:
            self._attempts.clear()
            return self._renew()
        entry = min(ready, key=lambda each: self._attempts[each.bundle.id])
        sent = self._send(entry)
        self.counts[sent.outcome] += 1
        if sent.outcome == "failed":
            self._attempts[entry.bundle.id] += 1
            return self._pause(sent)
        self._failures = 0
        if sent.outcome == "refused":
            self._complain("refuses an alert, which is given up", sent.told)
        else:
            self.last_error = ""
        self._outbox.done(entry)
        del self._attempts[entry.bundle.id]
        return 0.0

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause_s = self.turn()
            except Exception:
                # Whatever a receiver or a disk brought about: the outbox is looked at again.
                LOG.exception("delivering to %s failed", self._sink.name)
                self.counts["failed"] += 1
                pause_s = self._terms.longest_pause_s
            if self._failures:
                # Something new is no reason to try sooner.
                self._stopping.wait(pause_s)
            elif pause_s:
                self._wake.wait(pause_s)
            self._wake.clear()

    def _send(self, entry: Entry) -> Sent:
        try:
            return self._sink.send(entry.bundle)
        except Exception as error:
            LOG.exception("sending to %s failed", self._sink.name)
            return Sent("failed", type(error).__name__)

    def _expire(self) -> None:
        oldest_s = self._now() - self._terms.give_up_s
        for entry in self._outbox.pending(self._sink.name):
            if entry.put_s < oldest_s:
                self.counts["expired"] += 1
                self._complain("has not taken an alert in time, which is given up", self.last_error)
                self._outbox.done(entry)

    def _renew(self) -> float:
        """Tell a sink that forgets what fires; return how long to wait."""
        terms, sink = self._terms, self._sink
        if not isinstance(sink, Renewing):
            self._failures = 0
            return terms.renew_s
        now_s = self._clock()
        if self._renewed_s is not None and (left_s := self._renewed_s + terms.renew_s - now_s) > 0:
            return left_s
        self._renewed_s = now_s
        sent = sink.renew(firing) if (firing := self._outbox.firing()) else Sent("ok")
        self.counts["renewed" if sent.outcome == "ok" else "renew_failed"] += 1
        if sent.outcome != "ok":
            self._complain("did not take what fires", sent.told)
        return terms.renew_s

    def _pause(self, sent: Sent) -> float:
        """How long to wait after a failure."""
        terms = self._terms
        # The exponent is held so that days of failures do not overflow.
        pause_s = min(terms.longest_pause_s, terms.first_pause_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        self._complain("does not take an alert, which is tried again", sent.told)
        return max(pause_s * self._chance.uniform(0.5, 1.0), min(sent.retry_after_s or 0.0, terms.longest_pause_s))

    def _complain(self, what: str, told: str) -> None:
        level = logging.DEBUG if told and told == self.last_error else logging.WARNING
        LOG.log(level, "%s %s: %s", self._sink.name, what, told)
        self.last_error = told
