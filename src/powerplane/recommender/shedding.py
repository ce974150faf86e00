"""Which pods go where a policy's pods draw more than their cap: the least important first, and never more than needed.

Of one priority the fewest pods that suffice go: the largest draws first, and as the last of them the smallest that
brings the rest. Where a pod of higher priority has to go in any case and suffices, those below it are spared. So
without any one of the chosen the cap stays broken.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod that may be evicted.

    Parameters
    ----------
    namespace, name, uid : str
    priority : int
    mw : int
        What it draws; above 0.
    budget : int
        Its PodDisruptionBudget, by a number of its own; -1 for none.
    """

    namespace: str
    name: str
    uid: str
    priority: int
    mw: int
    budget: int = -1

    @property
    def order(self) -> tuple[int, str, str, str]:
        """Of one priority: the largest first, and then by name, so that the choice is the same every time."""
        return -self.mw, self.namespace, self.name, self.uid


def choose_evictions(
    candidates: Iterable[Candidate], excess_mw: int, allowed: Mapping[int, int], most: int
) -> tuple[Candidate, ...]:
    """Return who goes, the least important first.

    Parameters
    ----------
    candidates : iterable of Candidate
    excess_mw : int
        That is to go.
    allowed : mapping of int to int
        How many pods of each disruption budget may go now.
    most : int
        The most that may go at once.

    Returns
    -------
    tuple of Candidate
        Together they draw the excess or more, and without any one of them less. Where that cannot be had, whoever may
        go, the least important and among them the largest first.
    """
    ranked = sorted((each for each in candidates if each.mw > 0), key=lambda each: (each.priority, each.order))
    reach = _least_reach(ranked, excess_mw, allowed)
    chosen = _level_by_level(reach, excess_mw, allowed)
    if _mw(chosen) < excess_mw:
        # Small pods of low priority must not take what a disruption budget allows, if larger ones are needed there.
        chosen = _most(reach, allowed)
    enough = _spared(chosen, excess_mw) if _mw(chosen) >= excess_mw else chosen
    return tuple(sorted(enough, key=lambda each: (each.priority, each.order))[:most])


def _least_reach(ranked: list[Candidate], excess_mw: int, allowed: Mapping[int, int]) -> list[Candidate]:
    """Of the least important, no more than are needed to choose from; all where no choice suffices."""
    reach: list[Candidate] = []
    for _, level in groupby(ranked, key=lambda each: each.priority):
        reach += level
        if _mw(_most(reach, allowed)) >= excess_mw:
            break
    return reach


def _most(pods: Iterable[Candidate], allowed: Mapping[int, int]) -> list[Candidate]:
    """The pods that draw most of those that may go together: of each disruption budget the largest."""
    left, taken = Counter(allowed), list[Candidate]()
    for each in sorted(pods, key=lambda each: (each.order, each.priority)):
        if _may_go(each, left):
            taken.append(each)
            left[each.budget] -= 1
    return taken


def _level_by_level(ranked: list[Candidate], excess_mw: int, allowed: Mapping[int, int]) -> list[Candidate]:
    left_mw, left = excess_mw, Counter(allowed)
    chosen: list[Candidate] = []
    for _, level in groupby(ranked, key=lambda each: each.priority):
        taken = _of_level(list(level), left_mw, left)
        chosen += taken
        left_mw -= _mw(taken)
    return chosen


def _of_level(level: list[Candidate], left_mw: int, left: Counter[int]) -> list[Candidate]:
    """Of pods of one priority the fewest that draw what is left, or all that may go; ``left`` is counted down."""
    taken: list[Candidate] = []
    for place, each in enumerate(level):
        if left_mw <= 0:
            break
        if not _may_go(each, left):
            continue
        # Where one is enough, the smallest that is.
        going = _smallest(level[place:], left_mw, left) if each.mw >= left_mw else each
        taken.append(going)
        left_mw -= going.mw
        left[going.budget] -= 1
    return taken


def _smallest(level: list[Candidate], left_mw: int, left: Counter[int]) -> Candidate:
    """Of those that draw what is left, the smallest, and among such the first by name."""
    enough = [each for each in level if each.mw >= left_mw and _may_go(each, left)]
    return min(enough, key=lambda each: (each.mw, each.order))


def _may_go(each: Candidate, left: Counter[int]) -> bool:
    return each.budget < 0 or left[each.budget] > 0


def _spared(chosen: list[Candidate], excess_mw: int) -> list[Candidate]:
    """Spare whoever need not go after all, the most important first."""
    freed_mw = _mw(chosen)
    kept: list[Candidate] = []
    for each in sorted(chosen, key=lambda each: (-each.priority, each.mw, each.order)):
        if freed_mw - each.mw >= excess_mw:
            freed_mw -= each.mw
        else:
            kept.append(each)
    return kept


def _mw(pods: Iterable[Candidate]) -> int:
    return sum(each.mw for each in pods)
