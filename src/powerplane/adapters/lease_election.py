"""The rules by which one of several holds a Lease (coordination.k8s.io/v1), apart from threads and the network.

Nobody's wall clock is believed. A holder counts itself as leading only until some seconds after the *start* of its last
renewal that the server confirmed. Everybody else lets a longer time pass, by their own clock, since they last *saw* the
record change, before they take it; and they take it on the condition that it is still as they saw it. So two never
lead at one instant, as long as clocks run at nearly the same speed. Every new holder raises ``leaseTransitions``, which
serves as a fencing token: a write that carries a smaller one comes from somebody who led before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a Lease says.

    Parameters
    ----------
    version : str
        Of the object, so that an update holds only for what was seen.
    holder : str
        "" while nobody holds it.
    duration_s : int
        As its holder wrote it.
    transitions : int
        How often it changed hands.
    renewed, acquired : str
        Times as written; compared, never computed with.
    """

    version: str = ""
    holder: str = ""
    duration_s: int = 0
    transitions: int = 0
    renewed: str = ""
    acquired: str = ""


class LostRaceError(Exception):
    """Somebody else was faster: the object is not as it was seen."""


class LeaseStore(Protocol):
    """Where the Lease is kept: reads, and writes on a condition."""

    def read(self) -> LeaseRecord | None:
        """Return what it says now; None where there is none yet."""

    def write(self, record: LeaseRecord, seen: LeaseRecord | None) -> LeaseRecord:
        """Write holder and transitions if it is still as seen (None: if there is none), and return it with its version.

        Raises
        ------
        LostRaceError
        """


@dataclass(frozen=True, slots=True)
class Terms:
    """How long what holds.

    Parameters
    ----------
    duration_s : int
        For this long after the record last changed nobody else takes it.
    renew_deadline_s : float
        For this long after the start of a confirmed renewal its holder leads; less than ``duration_s``, so that what
        is being done when it ends is done before somebody else begins.
    retry_s : float
        Between rounds.
    """

    duration_s: int = 6
    renew_deadline_s: float = 4.0
    retry_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse terms under which two could lead, or nobody."""
        if not 0 < self.retry_s < self.renew_deadline_s < self.duration_s:
            raise ValueError(
                f"retry {self.retry_s} s < renew deadline {self.renew_deadline_s} s < duration {self.duration_s} s "
                "must hold, and all be above 0"
            )


class Election:
    """One candidate's view.

    Parameters
    ----------
    store : LeaseStore
    identity : str
        Unlike that of any other process, now or before.
    terms : Terms
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, store: LeaseStore, identity: str, terms: Terms, clock: Callable[[], float]) -> None:
        self._store = store
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._seen: LeaseRecord | None = None
        self._seen_s = 0.0
        self._looked = False
        self._leads_from_s = float("-inf")
        self._leads_until_s = float("-inf")
        self._highest = 0
        self.token = 0

    @property
    def holder(self) -> str:
        """Who held it when it was last seen."""
        return self._seen.holder if self._seen else ""

    def leading(self) -> bool:
        """Whether this candidate leads at this instant; costs nothing, may be called from any thread."""
        return self._leads_from_s <= self._clock() < self._leads_until_s

    def round(self) -> None:
        """Renew, or take what is free or has expired, or look.

        Raises
        ------
        LostRaceError
            Somebody else was faster; look again in the next round.
        """
        if self._seen is not None and self._seen.holder == self._identity:
            try:
                return self._claim(self._seen)
            except LostRaceError:
                # Perhaps by ourselves: by a renewal of which we never heard that it went well.
                self._looked = False
        self._look()
        if self._may_take():
            self._claim(self._seen)
        return None

    def resign(self) -> None:
        """Lead no more from this instant on; the Lease is still ours, until released or expired."""
        self._leads_until_s = float("-inf")

    def release(self) -> None:
        """Resign and give the Lease up, so that the next one need not wait.

        Raises
        ------
        LostRaceError
        """
        self.resign()
        seen, self._seen, self._looked = self._seen, None, False
        # One that was made a moment ago is left to expire: see ``_claim``.
        if seen is not None and seen.holder == self._identity and self._leads_from_s <= self._clock():
            self._store.write(LeaseRecord(transitions=seen.transitions, duration_s=1), seen)

    def _look(self) -> None:
        found = self._store.read()
        if not self._looked or found != self._seen:
            # After the answer: the record cannot have stood unchanged for longer than this says.
            self._seen_s = self._clock()
        if found is not None and found.holder != self._identity:
            self._leads_until_s = float("-inf")
        self._seen, self._looked = found, True
        self._highest = max(self._highest, found.transitions if found else 0)

    def _may_take(self) -> bool:
        seen = self._seen
        if seen is None or seen.holder in {"", self._identity}:
            return True
        return self._clock() - self._seen_s >= max(self._terms.duration_s, seen.duration_s)

    def _claim(self, seen: LeaseRecord | None) -> None:
        """Write ourselves in; from the start of this call the deadline counts."""
        began = self._clock()
        ours = seen is not None and seen.holder == self._identity
        # Not from the record alone: one that was deleted and made again must not count from 0.
        transitions = seen.transitions if seen and ours else self._highest + 1
        wanted = LeaseRecord(
            holder=self._identity,
            duration_s=self._terms.duration_s,
            transitions=transitions,
            acquired=seen.acquired if seen and ours else "",
        )
        written = self._store.write(wanted, seen)
        self._seen, self._seen_s = written, self._clock()
        self._highest = max(self._highest, written.transitions)
        self.token = written.transitions
        if not ours:
            # Where there was none, it may have been deleted from under a holder, who leads on until its deadline.
            self._leads_from_s = self._seen_s + self._terms.duration_s if seen is None else float("-inf")
        self._leads_until_s = began + self._terms.renew_deadline_s
