"""No plan for noise: when a violation is worth solving for, and when a plan is worth its moves.

A real excess is acted on at the first look. A small one, and one that is only foreseen, must be seen several times of
the last few. After a plan has run its domains are left alone until meters show what it did; after one that failed,
longer from time to time.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from powerplane.recommender.violations import Violation


@dataclass(frozen=True, slots=True)
class Calm:
    """How calm the recommender is.

    Parameters
    ----------
    real_share : float
        Of its budget that a domain must be above for it to be acted on at once.
    seen, of : int
        In so many of the last so many looks anything less must be seen.
    settle_s : float
        After a plan, until its trees are judged again.
    first_pause_s, longest_pause_s : float
        After a plan that failed; doubled from failure to failure.
    least_share : float
        Of the overload that a plan must take away, if it cannot take all.
    watts_per_move : float
        That a move of such a plan must save at the least.
    """

    real_share: float = 0.01
    seen: int = 3
    of: int = 5
    settle_s: float = 30.0
    first_pause_s: float = 60.0
    longest_pause_s: float = 900.0
    least_share: float = 0.1
    watts_per_move: float = 1.0


@dataclass(slots=True)
class Hysteresis:
    """Remembers the last looks. Not for several threads at once.

    Parameters
    ----------
    calm : Calm
    """

    calm: Calm = field(default_factory=Calm)
    _looks: dict[tuple[str, str], deque[bool]] = field(default_factory=dict)

    def follow(self, violations: Iterable[Violation]) -> tuple[Violation, ...]:
        """Take in a look, and return what is to be acted on.

        Parameters
        ----------
        violations : iterable of Violation
            All of this look.
        """
        found = {(each.kind, each.name): each for each in violations}
        for key in self._looks.keys() | found.keys():
            looks = self._looks.setdefault(key, deque(maxlen=self.calm.of))
            looks.append(key in found)
        self._looks = {key: looks for key, looks in self._looks.items() if any(looks)}
        return tuple(each for key, each in found.items() if self._is_real(each) or self._is_lasting(key))

    def _is_real(self, violation: Violation) -> bool:
        return violation.when == "now" and violation.share >= self.calm.real_share

    def _is_lasting(self, key: tuple[str, str]) -> bool:
        return sum(self._looks[key]) >= self.calm.seen


REMEMBERED_S = 86_400.0
"""For so long a tree's failures are remembered after it was let alone."""


@dataclass(slots=True)
class Pauses:
    """When each power tree may be planned for again. Not for several threads at once.

    Parameters
    ----------
    calm : Calm
    """

    calm: Calm = field(default_factory=Calm)
    _until_s: dict[str, float] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)

    def ended(self, trees: Iterable[str], now_s: float, *, failed: bool) -> None:
        """Note that a plan of these trees has ended."""
        for tree in trees:
            count = self._failures.get(tree, 0) + 1 if failed else 0
            self._failures[tree] = count
            pause_s = self.calm.settle_s
            if failed:
                # The exponent is bounded, so that no float overflows after years of failures.
                doubled_s = self.calm.first_pause_s * 2.0 ** min(count - 1, 32)
                pause_s = max(self.calm.settle_s, min(doubled_s, self.calm.longest_pause_s))
            self._until_s[tree] = now_s + pause_s

    def resting(self, now_s: float) -> frozenset[str]:
        """Return the trees that are left alone now; one that nothing has failed in for a day begins anew."""
        if any(now_s - until_s > REMEMBERED_S for until_s in self._until_s.values()):
            self._until_s = {tree: at for tree, at in self._until_s.items() if now_s - at <= REMEMBERED_S}
            self._failures = {tree: self._failures[tree] for tree in self._until_s}
        return frozenset(tree for tree, until_s in self._until_s.items() if now_s < until_s)


def is_worth(before_mw: int, after_mw: int, moves: int, calm: Calm) -> bool:
    """Whether a plan saves enough for what it disrupts.

    Parameters
    ----------
    before_mw, after_mw : int
        Above budgets in all, without the plan and with it.
    moves : int
    calm : Calm
    """
    if not moves:
        return False
    saved_mw = before_mw - after_mw
    if after_mw <= 0:
        # What it is for was seen to be more than noise.
        return saved_mw > 0
    return saved_mw >= calm.least_share * before_mw and saved_mw >= calm.watts_per_move * 1000 * moves
