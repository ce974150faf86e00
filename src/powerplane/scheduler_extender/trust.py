"""Namespaces whose pods pass and are never bound: they may hold little, so that nobody fills racks with nothing."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustRules:
    """When a namespace is distrusted.

    Parameters
    ----------
    lapses, within_s : int, float
        So many holds of it lapsed within so many seconds.
    holds : int
        Holds that it may then have at once.
    """

    lapses: int = 8
    within_s: float = 600.0
    holds: int = 8


class Trust:
    """Lapsed holds by namespace: by namespace, not by pod or owner, since a tenant makes new ones of those at will."""

    def __init__(self, rules: TrustRules) -> None:
        self._rules = rules
        self._lapses: dict[str, deque[float]] = {}

    def lapsed(self, namespace: str, now_s: float) -> None:
        """Take note that a hold lapsed."""
        self._lapses.setdefault(namespace, deque(maxlen=self._rules.lapses)).append(now_s)

    def allows(self, namespace: str, holds: int, now_s: float) -> bool:
        """Whether a namespace that has so many holds may have one more."""
        lapses = self._lapses.get(namespace)
        if lapses is None or len(lapses) < self._rules.lapses or lapses[0] <= now_s - self._rules.within_s:
            return True
        return holds < self._rules.holds
