"""Whether this replica may answer: it sees everything, it is the one that may, and no other's answers are on their way.

A replica that takes over does not know what its predecessor let through. Those pods are being bound, and show up in the
watch within moments. So it waits until none has shown up for a while. A pod whose volumes are bound first may take
longer; the scheduler names its node in ``status.nominatedNodeName`` meanwhile, and there it is held.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """What readiness is judged by.

    Parameters
    ----------
    now_s : float
    unsynced : tuple of str
        Watches that have not listed everything yet, each with its trouble.
    has_tree : bool
    leading : bool
    foreign_binds : int
        Pods that were seen bound and had not passed here, counted from the start.
    pods_seen_s : float or None
        Until when the pods are known.
    """

    now_s: float
    unsynced: tuple[str, ...]
    has_tree: bool
    leading: bool
    foreign_binds: int
    pods_seen_s: float | None


class Readiness:
    """Judges, from sign to sign.

    Parameters
    ----------
    quiet_s : float
        How long no foreign pod may have been bound before this replica answers.
    longest_quiet_s : float
        After which it answers although they are (another scheduler binds without asking).
    stale_s : float
        How long the watch of pods may be out of step before it answers no more.
    """

    def __init__(self, quiet_s: float = 2.0, longest_quiet_s: float = 15.0, stale_s: float = 120.0) -> None:
        self._quiet_s = quiet_s
        self._longest_quiet_s = longest_quiet_s
        self._stale_s = stale_s
        self._able_since_s: float | None = None
        self._foreign = (-1, 0.0)
        self._settled = False

    def trouble(self, signs: Signs) -> str:
        """Why this replica does not answer now; "" where it does."""
        trouble = self._obstacle(signs)
        if trouble:
            self._able_since_s, self._settled = None, False
            return trouble
        if self._able_since_s is None:
            self._able_since_s = signs.now_s
        if signs.foreign_binds != self._foreign[0]:
            self._foreign = (signs.foreign_binds, signs.now_s)
        able_s = signs.now_s - self._able_since_s
        quiet_s = min(able_s, signs.now_s - self._foreign[1])
        self._settled = self._settled or quiet_s >= self._quiet_s or able_s >= self._longest_quiet_s
        return "" if self._settled else "waiting for what the replica before let through to be bound"

    def _obstacle(self, signs: Signs) -> str:
        if not signs.leading:
            return "another replica answers: this one stands by"
        if signs.unsynced:
            return f"not in step with the API server yet: {', '.join(signs.unsynced)}"
        if not signs.has_tree:
            return "the power tree is being read"
        if signs.pods_seen_s is not None and signs.now_s - signs.pods_seen_s > self._stale_s:
            return f"the pods were last known {signs.now_s - signs.pods_seen_s:.0f} s ago"
        return ""
