"""When a whole round is due: every minute, and at once where a budget breaks that was not solved for yet."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from powerplane.recommender.violations import Violation

WORSE = 0.02
"""Part of its budget by which a violation must have grown to be another one."""


@dataclass(slots=True)
class Due:
    """Remembers the last whole round. Not for several threads at once.

    Parameters
    ----------
    period_s : float
        Between two whole rounds where nothing presses.
    """

    period_s: float = 60.0
    _last_s: float = float("-inf")
    _solved: dict[tuple[str, str], float] = field(default_factory=dict)

    def is_due(self, wanted: Iterable[Violation], now_s: float) -> bool:
        """Whether a whole round is due.

        Parameters
        ----------
        wanted : iterable of Violation
            That are to be acted on.
        now_s : float
            Seconds that only go on.
        """
        if now_s - self._last_s >= self.period_s:
            return True
        return any(each.share > self._solved.get((each.kind, each.name), -1.0) + WORSE for each in wanted)

    def done(self, solved: Iterable[Violation], now_s: float) -> None:
        """Note a whole round, and what was solved for in it."""
        self._last_s = now_s
        self._solved = {(each.kind, each.name): each.share for each in solved}

    def forget(self) -> None:
        """Forget what was solved for: a plan has ended, and whatever is broken still is another matter."""
        self._solved = {}
