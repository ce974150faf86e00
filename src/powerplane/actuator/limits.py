"""How much may go on at once, and how much in an hour."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from powerplane.actuator.facts import Move
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
    """Evictions of the last hour.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_s: deque[float] = deque()

    def left(self, now_s: float) -> int:
        """How many more may be begun now."""
        # A clock that was set back must not make an eviction count for longer than an hour.
        while self._at_s and not 0 <= now_s - self._at_s[0] < HOUR_S:
            self._at_s.popleft()
        return self._most - len(self._at_s)

    def take(self, now_s: float) -> None:
        """Count one."""
        self._at_s.append(now_s)

    def told(self) -> str:
        """What is kept beside the Lease, so that whoever takes over counts on: minutes, and evictions in each."""
        minutes = Counter(int(each // 60) for each in self._at_s)
        return ",".join(f"{minute}:{count}" for minute, count in sorted(minutes.items()))

    def take_over(self, text: str, now_s: float) -> None:
        """Count what the one before has told; what cannot be read, and what is counted already, counts as nothing."""
        own = Counter(int(each // 60) for each in self._at_s)
        found: list[float] = []
        for part in text.split(","):
            minute, _, count = part.partition(":")
            if minute.isdecimal() and count.isdecimal() and len(part) <= LONGEST_PART:
                more = min(int(count), self._most) - own[int(minute)]
                found += [min(int(minute) * 60.0 + 59.0, now_s)] * more
        self._at_s = deque(sorted([*sorted(found)[-self._most :], *self._at_s]))
        self.left(now_s)


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
