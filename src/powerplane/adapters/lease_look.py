"""Leases as others see them: who holds one, since when, and whether its holder lives.

A holder's clock may be wrong, so whoever looks again and again goes by changes, not by the times that are written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from powerplane.adapters.cluster_access import ClusterAccess
from powerplane.adapters.cluster_http import TRANSPORT_ERRORS, Request, fetch
from powerplane.models.objects import Narrow

ASKED_ANNOTATION: Final = "powerplane.dev/scheduler-asked"
"""On the extender's Lease: when the scheduler last asked, as RFC 3339. Nothing else shows it from outside."""

STALE_S = 30.0
"""Unchanged for this long: nobody holds it. Ours are renewed every second or ten."""


class ManagedFields(Narrow, frozen=True):
    """When a manager last changed the object, by the API server's clock."""

    manager: str = ""
    time: str = ""


class LeaseMeta(Narrow, frozen=True):
    """A Lease's name and what else is told of it."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    managed_fields: tuple[ManagedFields, ...] | None = None


class LeaseSpec(Narrow, frozen=True):
    """Who holds it."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None


class Lease(Narrow, frozen=True):
    """coordination.k8s.io/v1 Lease."""

    metadata: LeaseMeta = LeaseMeta()
    spec: LeaseSpec | None = None

    @property
    def holder(self) -> str:
        """Who holds it; "" for nobody."""
        return (self.spec.holder_identity or "") if self.spec else ""

    @property
    def renewed_s(self) -> float | None:
        """When it was last renewed, in Unix seconds by its holder's clock; None where it never was."""
        return seconds_of(self.spec.renew_time) if self.spec else None

    @property
    def acquired_s(self) -> float | None:
        """When its holder took it, alike."""
        return seconds_of(self.spec.acquire_time) if self.spec else None

    @property
    def asked_s(self) -> float | None:
        """When the scheduler last asked, alike; None where it never did."""
        return seconds_of((self.metadata.annotations or {}).get(ASKED_ANNOTATION))

    @property
    def written_s(self) -> float | None:
        """When it was last changed, in whole Unix seconds by the API server's clock; None where that is not told."""
        told = [seconds_of(each.time) for each in self.metadata.managed_fields or ()]
        return max((each for each in told if each is not None), default=None)


def seconds_of(text: str | None) -> float | None:
    """Return an RFC 3339 moment in Unix seconds; None for anything else."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def lease_path(namespace: str, name: str) -> str:
    """Path of a Lease."""
    within = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
    return f"{within}/{quote(name, safe='')}"


def look_at_lease(access: ClusterAccess, namespace: str, name: str, timeout_s: float) -> Lease | None:
    """Read a Lease once; None where there is none, or it may not or cannot be read now."""
    try:
        answer = fetch(access, Request("GET", lease_path(namespace, name)), timeout_s)
        return msgspec.json.decode(answer.body, type=Lease) if answer.status == 200 else None
    except (*TRANSPORT_ERRORS, msgspec.MsgspecError):
        return None


@dataclass(slots=True)
class _Change:
    version: str
    seen_s: float


class LeaseLives:
    """Tells from look to look which Leases live.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    now : callable
        Unix seconds: the first look at a Lease has nothing else to go by.
    stale_s : float
    """

    def __init__(self, clock: Callable[[], float], now: Callable[[], float], stale_s: float = STALE_S) -> None:
        self._clock = clock
        self._now = now
        self._stale_s = stale_s
        self._changes: dict[str, _Change] = {}

    def lives(self, name: str, lease: Lease | None) -> bool:
        """Take in what was seen of a Lease, and say whether its holder lives."""
        if lease is None or not lease.holder:
            self._changes.pop(name, None)
            return False
        clock, version = self._clock(), lease.metadata.resource_version
        change = self._changes.get(name)
        if change is None:
            age_s = abs(self._now() - (lease.renewed_s or 0.0))
            change = self._changes[name] = _Change(version, clock - age_s)
        elif change.version != version:
            change = self._changes[name] = _Change(version, clock)
        return clock - change.seen_s < self._stale_s
