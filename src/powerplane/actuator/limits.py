"""How much may go on at once, and how much in an hour."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from powerplane.actuator.facts import Move, Plan
from powerplane.actuator.words import UNDER_WAY, Step

HOUR_S = 3600.0
LONGEST_PART = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """The most at once, and in an hour.

    Parameters
    ----------
    per_node : int
        Moves under way that leave a node, or that come to one.
    per_namespace, per_workload, per_cluster : int
        Moves under way.
    per_hour : int
        Evictions within the last hour.
    """

    per_node: int = 4
    per_namespace: int = 50
    per_workload: int = 8
    per_cluster: int = 100
    per_hour: int = 1000


class HourBudget:
    """Evictions of the last hour, by the clock that only goes on: no time of day that is set can empty or fill it.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_s: deque[float] = deque()

    def left(self, clock_s: float) -> int:
        """How many more may be begun now."""
        while self._at_s and clock_s - self._at_s[0] >= HOUR_S:
            self._at_s.popleft()
        return self._most - len(self._at_s)

    def take(self, clock_s: float) -> None:
        """Count one."""
        self._at_s.append(clock_s)

    def told(self, clock_s: float) -> str:
        """What is kept beside the Lease, so that whoever takes over counts on: how many there were, and how long ago.

        Of each minute the age of its youngest, in seconds, and how many: ages mean the same by any clock.
        """
        minutes: dict[int, tuple[float, int]] = {}
        for at_s in tuple(self._at_s):
            _, count = minutes.get(int(at_s // 60), (0.0, 0))
            minutes[int(at_s // 60)] = (at_s, count + 1)
        return ",".join(f"{max(0, int(clock_s - at_s))}:{count}" for at_s, count in minutes.values())

    def take_over(self, accounts: Iterable[Iterable[float]], clock_s: float) -> None:
        """Count what others have told, each account the ages of evictions in seconds.

        Accounts are of the same evictions, some of which one or the other lacks: none counts twice, and the fullest
        counts.
        """
        every = [sorted((clock_s - max(0.0, age_s) for age_s in ages), reverse=True) for ages in accounts]
        every.append(sorted(self._at_s, reverse=True))
        # The newest of each, then the second newest of each, and so on.
        fullest = (max(found) for found in zip_longest(*every, fillvalue=float("-inf")))
        self._at_s = deque(sorted(fullest))
        self.left(clock_s)


def ages_told(text: str, most: int) -> list[float]:
    """Return the ages that an hour's budget told, in seconds, the youngest; what cannot be read counts as nothing."""
    found: list[float] = []
    for part in text.split(","):
        age_s, _, count = part.partition(":")
        if age_s.isdecimal() and count.isdecimal() and len(part) <= LONGEST_PART and float(age_s) < HOUR_S:
            found += [float(age_s)] * min(int(count), most)
    return sorted(found)[:most]


def ages_written(plans: Iterable[Plan], now_s: float) -> list[float]:
    """Return how long ago evictions were that stand in plans' statuses, in seconds: at the most, as steps came later.

    Parameters
    ----------
    plans : iterable of Plan
    now_s : float
        Unix seconds.

    Notes
    -----
    Times are by the clock of whoever wrote them. One that cannot be, since the server made the plan after it or the
    plan is not over after an hour, is taken for this moment.
    """
    found: list[float] = []
    for plan in plans:
        for move in (move for move in plan.state.moves.values() if move.evicted):
            age_s = now_s - move.at_s
            if move.at_s < plan.created_s or (age_s >= HOUR_S and not plan.over):
                age_s = 0.0
            if age_s < HOUR_S:
                found.append(age_s)
    return found


class Room:
    """What is left of each limit during one look.

    Parameters
    ----------
    limits : Limits
    under_way : iterable of (Move, step)
        Moves of all plans; those of other steps are passed over.
    """

    def __init__(self, limits: Limits, under_way: Iterable[tuple[Move, Step]]) -> None:
        self._limits = limits
        self._counts: Counter[tuple[str, str, str]] = Counter()
        for move, step in under_way:
            if step in UNDER_WAY:
                self.take(move)

    def lacks(self, move: Move) -> str:
        """Name the limit that has no room for one more move; "" where all have."""
        for key, most in self._keys(move):
            if self._counts[key] >= most:
                return key[0]
        return ""

    def take(self, move: Move) -> None:
        """Count a move in."""
        for key, _ in self._keys(move):
            self._counts[key] += 1

    def _keys(self, move: Move) -> list[tuple[tuple[str, str, str], int]]:
        limits = self._limits
        keys = [
            (("cluster", "", ""), limits.per_cluster),
            (("namespace", move.namespace, ""), limits.per_namespace),
            (("node", move.source, "from"), limits.per_node),
        ]
        if move.migrates:
            keys.append((("node", move.target, "to"), limits.per_node))
        if move.owner:
            keys.append((("workload", move.namespace, move.owner), limits.per_workload))
        return keys
