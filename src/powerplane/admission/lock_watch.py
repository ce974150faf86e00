"""Signs of the locks that other processes open, looked for every few seconds: three Leases, by their names."""

import threading
import time
from collections.abc import Callable

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.lease import uptime_s
from powerplane.adapters.lease_look import Lease, LeaseLives, look_at_lease
from powerplane.admission.gates.release_run import LEASE as GATES_LEASE
from powerplane.admission.offering import LockSigns

NAMESPACE = "powerplane-system"
EXTENDER_LEASE = "powerplane"
CLAIMS_LEASE = "powerplane-claims"
EVERY_S = 5.0
TIMEOUT_S = 2.0

Look = Callable[[str], Lease | None]
AskedAgo = Callable[[], float | None]


class LockWatch:
    """What was seen of locks at the last look.

    Parameters
    ----------
    look : callable
        Returns a Lease by its name.
    asked_ago_s : callable
        Seconds since the scheduler asked the extender of this very process; None where there is none, or it never did.
    clock, now : callable
        Monotonic and Unix seconds.
    """

    def __init__(
        self,
        look: Look,
        asked_ago_s: AskedAgo = lambda: None,
        clock: Callable[[], float] = uptime_s,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._asked_ago_s = asked_ago_s
        self._clock = clock
        self._now = now
        self._lives = LeaseLives(clock, now)
        self._lock = threading.Lock()
        self._looked_s = float("-inf")
        self._seen = LockSigns()

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() - self._looked_s >= EVERY_S

    def look(self) -> bool:
        """Look again, off the event loop; True where anything that counts has changed."""
        with self._lock:
            before = self._seen
            found = {name: self._look(name) for name in (EXTENDER_LEASE, CLAIMS_LEASE, GATES_LEASE)}
            alive = {name: self._lives.lives(name, lease) for name, lease in found.items()}
            self._seen = LockSigns(
                asked_ago_s=self._asked_ago(found[EXTENDER_LEASE] if alive[EXTENDER_LEASE] else None),
                claims=alive[CLAIMS_LEASE],
                releaser=alive[GATES_LEASE],
            )
            self._looked_s = self._clock()
            return _kinds(before) != _kinds(self._seen)

    @property
    def releaser(self) -> bool:
        """Whether somebody lets pods go that wait behind our gate."""
        return self._seen.releaser

    def signs(self, nodes: int, listing: int) -> LockSigns:
        """Return what was seen last, with what is known of the nodes."""
        seen = self._seen
        return LockSigns(nodes, listing, seen.asked_ago_s, seen.claims, seen.releaser)

    def _asked_ago(self, held: Lease | None) -> float | None:
        """Seconds since the scheduler asked this replica, or the one that holds the Lease."""
        told = [self._asked_ago_s()]
        if held is not None and held.asked_s is not None:
            told.append(max(0.0, self._now() - held.asked_s))
        return min((each for each in told if each is not None), default=None)


def _kinds(signs: LockSigns) -> tuple[bool, bool, bool]:
    return signs.asks, signs.claims, signs.releaser


def lock_watch(access: ClusterAccess, asked_ago_s: AskedAgo = lambda: None, namespace: str = NAMESPACE) -> LockWatch:
    """Return a watch on a cluster's Leases."""
    return LockWatch(lambda name: look_at_lease(access, namespace, name, TIMEOUT_S), asked_ago_s)
