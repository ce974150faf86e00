"""What an actuator remembers by itself: since when things are as they are, and what it was answered.

All of it may be lost: whoever takes over waits a little longer, or asks once more.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

from powerplane.actuator.evicting import Answer

FINAL = ("accepted", "never")
LONGEST_REFUSAL_S = 5.0
FORBIDDEN_S = 20.0
"""For so long a server may forbid what it will allow once it has read its roles."""

IDLE_S = 5.0
"""Looks come every second. What goes by between two that are further apart, nobody could have used."""


REMEMBERED_S = 86_400.0
"""For so long it is remembered how often a workload was left alone."""

ANSWERED_S = 3600.0
"""For so long an answer is kept that nobody drops; moves end long before."""


class Recall:
    """Since when, and what was answered.

    Parameters
    ----------
    clock : callable
        Seconds that only go on.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked_s = clock()
        self._since: dict[Hashable, float] = {}
        self._answers: dict[str, tuple[Answer, float, int]] = {}
        self._forbidden: dict[str, float] = {}
        self._backed_off: dict[tuple[str, str], tuple[float, int]] = {}

    def looks(self) -> None:
        """Take in that a look begins: while the API server was away, or another led, nobody's patience ran out."""
        now_s = self._clock()
        idle_s = now_s - self._looked_s
        if idle_s > IDLE_S:
            self._since = {key: at_s + idle_s for key, at_s in self._since.items()}
        self._looked_s = now_s

    def since_s(self, key: Hashable) -> float:
        """When a thing was first asked about under this key, by the clock."""
        return self._since.setdefault(key, self._clock())

    def age_s(self, key: Hashable) -> float:
        """For how long a thing has been asked about."""
        return self._clock() - self.since_s(key)

    def forget(self, known: Iterable[str]) -> None:
        """Forget what is of plans that are not known any more: their names come first in the keys."""
        names, now_s = set(known), self._clock()
        self._backed_off = {
            workload: (until_s, times)
            for workload, (until_s, times) in self._backed_off.items()
            if now_s - until_s < REMEMBERED_S
        }
        # Of moves whose plan was deleted nobody says that they have ended.
        self._answers = {uid: found for uid, found in self._answers.items() if now_s - found[1] < ANSWERED_S}
        self._forbidden = {uid: since_s for uid, since_s in self._forbidden.items() if uid in self._answers}
        self._since = {key: at for key, at in self._since.items() if isinstance(key, tuple) and key[0] in names}

    def answered(self, uid: str, answer: Answer) -> None:
        """Take in what was answered to an eviction; who is refused again and again asks less and less often.

        What is forbidden for long enough, and nothing else in between, is forbidden for good.
        """
        if answer.verdict != "forbidden":
            self._forbidden.pop(uid, None)
        elif self._clock() - self._forbidden.setdefault(uid, self._clock()) >= FORBIDDEN_S:
            answer = replace(answer, verdict="never")
        before = self._answers.get(uid)
        alike = before[2] + 1 if before and before[0].verdict == answer.verdict else 0
        pause_s = answer.pause_s
        if answer.verdict not in FINAL:
            pause_s = max(pause_s, min(pause_s * 2.0 ** min(alike, 16), LONGEST_REFUSAL_S))
        self._answers[uid] = (answer, self._clock() + pause_s, alike)

    def answer(self, uid: str) -> Answer | None:
        """The last answer."""
        found = self._answers.get(uid)
        return found[0] if found else None

    def may_ask(self, uid: str) -> bool:
        """Whether the pause that the last answer asked for is over."""
        found = self._answers.get(uid)
        return found is None or self._clock() >= found[1]

    def drop_answer(self, uid: str) -> None:
        """Forget an answer: its move has ended."""
        self._answers.pop(uid, None)
        self._forbidden.pop(uid, None)

    def back_off(self, workload: tuple[str, str], first_s: float, longest_s: float) -> None:
        """Leave a workload alone for a while, longer each time."""
        until_s, times = self._backed_off.get(workload, (0.0, 0))
        if self._clock() < until_s:
            return
        self._backed_off[workload] = (self._clock() + min(first_s * 2.0 ** min(times, 16), longest_s), times + 1)

    def backs_off(self, workload: tuple[str, str]) -> bool:
        """Whether a workload is left alone now."""
        return self._clock() < self._backed_off.get(workload, (0.0, 0))[0]
